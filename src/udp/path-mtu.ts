// Reads the path MTU of a connected socket, which the kernel knows from the route and from ICMP messages.
import type { Handle } from '../binding.js';
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_IP, IPPROTO_IPV6, IPV6_MTU, IP_MTU } from '../kernel/numbers.js';

/** IP_MTU, IPV6_MTU: the maximum size of an IP packet in bytes, headers included; undefined if the socket is not connected. */
export function pathMtu(handle: Pick<Handle, 'getsockopt'>, ipv4: boolean): number | undefined {
  return ipv4 ? intOption(handle, IPPROTO_IP, IP_MTU) : intOption(handle, IPPROTO_IPV6, IPV6_MTU);
}
