// Local port ranges: what a caller may ask for. The kernel passes over a bound outside net.ipv4.ip_local_port_range in
// silence, so such a range is refused here, and what the kernel then picked is compared with it once more.
import { integer, invalidType, outOfRange } from '../arguments.js';
import { SocketError } from '../errors.js';
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

/** The local port as the kernel is asked for it. */
export interface PortChoice {
  /** What bind(2) is given; 0 leaves the port to the kernel. */
  readonly port: number;
  /** IP_LOCAL_PORT_RANGE */
  readonly range: PortRange;
  /** The caller asked for this range: the port that the kernel picks is compared with it. */
  readonly rangeWanted: boolean;
}

/**
 * What `localPortRange` and a local port mean together. A port that is shared between destinations is picked by connect(2),
 * so it is a range of one.
 * @param port 0 for none
 * @param range as the caller gave it
 * @param portName what errors call the port
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 */
export function choosePort(port: number, range: unknown, shareLocalPort: boolean, portName: string): PortChoice {
  const wanted = range === undefined ? undefined : checkRange('options.localPortRange', range);
  if (port === 0) return { port, range: wanted ?? WHOLE_RANGE, rangeWanted: wanted !== undefined };
  if (wanted !== undefined && !contains(wanted, port)) {
    throw outOfRange(portName, `inside options.localPortRange, ${wanted.join('-')}`, port);
  }
  if (!shareLocalPort) return { port, range: WHOLE_RANGE, rangeWanted: false };
  if (isEphemeral(port)) return { port: 0, range: [port, port], rangeWanted: true };
  throw outOfRange(
    portName,
    'inside net.ipv4.ip_local_port_range to be shared between destinations; shareLocalPort: false takes any port',
    port,
  );
}

/** The kernel picked a port outside the range that was asked for: the sysctl has changed, or the kernel ignores the range. */
export function outsideRange(picked: number, wanted: PortRange): Error {
  try {
    refuseOutside('options.localPortRange', wanted);
  } catch (error) {
    return error as Error;
  }
  return new SocketError(
    'ERR_UNSUPPORTED',
    `The kernel picked port ${String(picked)}, outside the range ${wanted.join('-')}; the socket is closed.`,
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
