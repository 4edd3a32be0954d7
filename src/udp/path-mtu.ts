// The path MTU, as far as the kernel knows it: of a connected socket only, from the route and what ICMP messages have said.
import type { Handle } from '../binding.js';
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_IP, IPPROTO_IPV6, IPV6_MTU, IP_MTU } from '../kernel/numbers.js';

/** IP_MTU, IPV6_MTU: bytes that an IP packet may have, headers included; undefined when the socket is not connected. */
export function pathMtu(handle: Pick<Handle, 'getsockopt'>, ipv4: boolean): number | undefined {
  return ipv4 ? intOption(handle, IPPROTO_IP, IP_MTU) : intOption(handle, IPPROTO_IPV6, IPV6_MTU);
}
