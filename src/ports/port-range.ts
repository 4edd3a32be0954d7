// Checks local port ranges. The kernel silently ignores a bound outside net.ipv4.ip_local_port_range, so such a range is
// refused here, and the port that the kernel picks is checked against the range.
import { integer, invalidType, outOfRange } from '../arguments.js';
import { capacity, localPortRange, type PortRange } from '../kernel/sysctl.js';

/**
 * The range that is set if none is requested. The kernel clamps it to that of its sysctl, so it does not change which ports
 * are used; but with any range set, the port search steps by one instead of trying all even ports first, and stays fast
 * when half of them are in use.
 */
export const WHOLE_RANGE: PortRange = [1, 65535];

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE: not a range of ports, or a bound that the kernel would ignore */
function checkRange(name: string, value: unknown): PortRange {
  if (!Array.isArray(value) || value.length !== 2) throw invalidType(name, 'of the form [lo, hi]', value);
  const lo = integer(`${name}[0]`, value[0], 1, 65535);
  const hi = integer(`${name}[1]`, value[1], 1, 65535);
  if (lo > hi) throw outOfRange(name, '[lo, hi] with lo <= hi', value);
  // A cached sysctl value may wrongly accept a range, which is detected from the port that the kernel picks; it must not
  // wrongly refuse one.
  const outside = inside([lo, hi], recentRange()) ? undefined : outsideSysctl(name, [lo, hi]);
  if (outside !== undefined) throw outside;
  return [lo, hi];
}

/** The error of a range of which a bound lies outside the kernel's current range; undefined if none does. */
export function outsideSysctl(name: string, [lo, hi]: PortRange): RangeError | undefined {
  const [from, to] = freshRange();
  if (inside([lo, hi], [from, to])) return undefined;
  return outOfRange(
    name,
    `inside net.ipv4.ip_local_port_range, which is ${String(from)}-${String(to)} here (the kernel silently ignores a ` +
      'bound outside it; widen it with sysctl)',
    [lo, hi],
  );
}

/** The local port, as passed to the kernel. */
export interface PortChoice {
  /** The port for bind(2); 0 lets the kernel pick one. */
  readonly port: number;
  /** IP_LOCAL_PORT_RANGE */
  readonly range: PortRange;
  /** Whether the caller requested this range: the port that the kernel picks is then checked against it. */
  readonly rangeWanted: boolean;
}

/**
 * Combines `localPortRange` and a local port. A port that is shared between destinations is assigned by connect(2), so it
 * is passed as a range of one port.
 * @param port 0 for none
 * @param range as given by the caller
 * @param portName the name of the port in errors
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

/** Whether this port is one that the kernel assigns automatically. */
function isEphemeral(port: number): boolean {
  return inside([port, port], recentRange()) || inside([port, port], freshRange());
}

/** The same as known at most a second ago, for what happens with each connection. */
export function wasEphemeral(port: number): boolean {
  return inside([port, port], recentRange());
}

/**
 * In a range of an odd number of ports, bind(2) to port 0 never tries the last one (inet_csk_find_open_port). Returns that
 * port, or undefined. @param wanted undefined for the kernel's whole range
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

// Cached, since reading /proc takes longer than making a reservation.
const MAX_AGE_MS = 1000;
let range: PortRange = WHOLE_RANGE;
let readAt = -Infinity;

function recentRange(): PortRange {
  return performance.now() - readAt < MAX_AGE_MS ? range : freshRange();
}

function freshRange(): PortRange {
  range = localPortRange();
  readAt = performance.now();
  return range;
}
