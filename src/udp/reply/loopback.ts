// Answers from ::1: the kernel lets them leave this host, with a source that means the peer itself. For IPv4 it sees to it (EINVAL).
import type { Handle } from '../../binding.js';
import { routeTo } from '../../kernel/routes.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { SOL_SOCKET, SO_BINDTODEVICE, SO_MARK } from '../../kernel/numbers.js';

/** Would an answer to this peer leave this host with ::1 as its source, so far as its addresses tell? */
export function mayLeak(from: Endpoint, to: Endpoint, index: number | undefined): boolean {
  // What came over the loopback device itself is from this host.
  return from.family === 'ipv6' && from.address === '::1' && to.address !== '::1' && index !== LOOPBACK_INDEX;
}

/**
 * Does the kernel deliver an answer from ::1 to this peer on this host? Asked each time, 30 µs: a yes that was kept could be wrong
 * by now, and a no is rare.
 * @param mark of this datagram, where it has one of its own
 */
export function staysHere(handle: Handle, to: Endpoint, sourcePort: number, mark: number | undefined): boolean {
  // One that is tied to a device passes over routes of others, and so over those that are local.
  if (handle.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, scratch) !== 0) return false;
  if (handle.getsockopt(SOL_SOCKET, SO_MARK, scratch) < 4) return false;
  const own = scratchView.getUint32(0, LITTLE_ENDIAN);
  try {
    const flow = { source: '::1', mark: mark ?? own, sourcePort, destinationPort: to.port };
    return routeTo(to, flow).type === 'local';
  } catch {
    return false; // nobody can say: AF_NETLINK is forbidden, or no descriptor is left
  }
}

/** Of `lo` in every network namespace: LOOPBACK_IFINDEX. */
const LOOPBACK_INDEX = 1;
const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);
