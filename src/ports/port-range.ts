// Local port ranges: what a caller may ask for. The kernel passes over a bound outside net.ipv4.ip_local_port_range in
// silence, so such a range is refused here, and what the kernel then picked is compared with it once more.
import { integer, invalidType, outOfRange } from '../arguments.js';
import { capacity, localPortRange, type PortRange } from '../kernel/sysctl.js';

/**
 * The range that is set where none is asked for. The kernel clamps it to its sysctl's, so it changes no port; but with
 * a range set, any range, the port search steps by one instead of trying all even ports first, and stays fast when half
 * of them are used.
 */
export const WHOLE_RANGE: PortRange = [1, 65535];

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE: no range of ports, or a bound that the kernel would pass over */
export function checkRange(name: string, value: unknown): PortRange {
  if (!Array.isArray(value) || value.length !== 2) throw invalidType(name, 'of the form [lo, hi]', value);
  const lo = integer(`${name}[0]`, value[0], 1, 65535);
  const hi = integer(`${name}[1]`, value[1], 1, 65535);
  if (lo > hi) throw outOfRange(name, '[lo, hi] with lo <= hi', value);
  // A stale value may let a range pass, which the port that the kernel picks will show; it may not refuse one.
  if (!inside([lo, hi], recentRange())) refuseOutside(name, [lo, hi]);
  return [lo, hi];
}

/** Throws when a bound of the range lies outside what the kernel's is this moment. */
export function refuseOutside(name: string, [lo, hi]: PortRange): void {
  const [from, to] = freshRange();
  if (inside([lo, hi], [from, to])) return;
  throw outOfRange(
    name,
    `inside net.ipv4.ip_local_port_range, which is ${String(from)}-${String(to)} here (the kernel passes over a bound ` +
      'outside it in silence; widen it with sysctl)',
    [lo, hi],
  );
}

/** Is this port one that the kernel picks by itself? */
export function isEphemeral(port: number): boolean {
  return inside([port, port], recentRange()) || inside([port, port], freshRange());
}

/**
 * In a range of an odd number of ports, bind(2) to port 0 never looks at the last one (inet_csk_find_open_port): that
 * port, undefined where there is none. @param wanted undefined for all that the kernel picks
 */
export function passedOver(wanted: PortRange | undefined): number | undefined {
  const [lo, hi] = wanted ?? freshRange();
  return (hi - lo) % 2 !== 0 || capacity([hi, hi]) === 0 ? undefined : hi;
}

export function contains([lo, hi]: PortRange, port: number): boolean {
  return lo <= port && port <= hi;
}

function inside([lo, hi]: PortRange, [from, to]: PortRange): boolean {
  return from <= lo && hi <= to;
}

// Reading /proc costs more than making a reservation does.
const MOST_AGE_MS = 1000;
let range: PortRange = WHOLE_RANGE;
let readAt = -Infinity;

function recentRange(): PortRange {
  return performance.now() - readAt < MOST_AGE_MS ? range : freshRange();
}

function freshRange(): PortRange {
  range = localPortRange();
  readAt = performance.now();
  return range;
}
