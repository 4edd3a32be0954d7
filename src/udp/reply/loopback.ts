// Replies from ::1: the kernel would send them to other hosts, where ::1 means the peer itself. For IPv4 the kernel
// prevents it (EINVAL).
import type { Handle } from '../../binding.js';
import { intOption } from '../../kernel/int-option.js';
import { LOOPBACK_IFINDEX } from '../../kernel/interfaces.js';
import { routeTo } from '../../kernel/routes.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { SOL_SOCKET, SO_BINDTODEVICE, SO_MARK } from '../../kernel/numbers.js';

/** Whether a reply to this peer may leave this host with ::1 as its source, judging by the addresses alone. */
export function mayLeak(from: Endpoint, to: Endpoint, index: number | undefined): boolean {
  // Datagrams received on the loopback device are from this host.
  return from.family === 'ipv6' && from.address === '::1' && to.address !== '::1' && index !== LOOPBACK_IFINDEX;
}

/**
 * Whether the kernel delivers a reply from ::1 to this peer on this host. Takes 30 µs; not cached, since a cached yes could
 * be outdated, and a no is rare.
 * @param mark of this datagram, if its options set one
 */
export function staysHere(handle: Handle, to: Endpoint, sourcePort: number, mark: number | undefined): boolean {
  // A socket bound to a device ignores routes of other devices, the local ones among them.
  if (handle.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, scratch) !== 0) return false;
  const own = intOption(handle, SOL_SOCKET, SO_MARK);
  if (own === undefined) return false;
  try {
    const flow = { source: '::1', mark: mark ?? own >>> 0, sourcePort, destinationPort: to.port };
    return routeTo(to, flow).type === 'local';
  } catch {
    return false; // unknown: AF_NETLINK is forbidden, or no descriptor is left
  }
}

const scratch = new Uint8Array(16);
