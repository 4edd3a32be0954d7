// The path MTU, as far as the kernel knows it: of a connected socket only, from the route and what ICMP messages have said.
import type { Handle } from '../binding.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';

/** IP_MTU, IPV6_MTU: bytes that an IP packet may have, headers included; undefined when the socket is not connected. */
export function pathMtu(handle: Pick<Handle, 'getsockopt'>, ipv4: boolean): number | undefined {
  const got = ipv4
    ? handle.getsockopt(IPPROTO_IP, IP_MTU, scratch)
    : handle.getsockopt(IPPROTO_IPV6, IPV6_MTU, scratch);
  return got < 4 ? undefined : scratchView.getInt32(0, LITTLE_ENDIAN);
}

const IPPROTO_IP = 0;
const IP_MTU = 14;
const IPPROTO_IPV6 = 41;
const IPV6_MTU = 24;

const scratch = new Uint8Array(4);
const scratchView = new DataView(scratch.buffer);
