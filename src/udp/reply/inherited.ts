// What a second socket has to have of the first one, so that what it sends looks the same: the options of sending, as data.
import type { Handle } from '../../binding.js';
import { SyscallError } from '../../errors.js';
import type { Family } from '../../wire/families.js';
import { IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET } from '../../kernel/numbers.js';

/**
 * Sets on a new socket what the other one has, where it differs. A socket of IPv4 takes the place of one of IPv6 toward IPv4
 * peers, so its options are those of IPPROTO_IP, which an IPv6 socket has as well.
 * @throws SyscallError; EPERM when the privilege that the first one was made with is gone
 */
export function inheritSending(from: Handle, to: Handle, family: Family): void {
  for (const [option, level, name, families] of INHERITED) {
    if (families !== undefined && families !== family) continue;
    const length = from.getsockopt(level, name, theirs);
    if (length < 0) continue; // not in this kernel, or not on such a socket
    const own = to.getsockopt(level, name, ours);
    const value = theirs.subarray(0, length);
    if (own === length && value.every((byte, i) => byte === ours[i])) continue;
    const result = to.setsockopt(level, name, option === 'SO_SNDBUF' ? half(value) : value.slice());
    if (result < 0) throw new SyscallError('setsockopt', result, { option });
  }
}

/** A buffer's size reads back doubled. */
function half(value: Uint8Array): number {
  return (new Int32Array(value.slice().buffer)[0] ?? 0) >> 1;
}

const theirs = new Uint8Array(16);
const ours = new Uint8Array(16);

/** Name, level, number, and the family that it is for; transparency first, since other options need no less. */
const INHERITED: readonly (readonly [option: string, level: number, name: number, family?: Family])[] = [
  ['IP_TRANSPARENT', IPPROTO_IP, 19, 'ipv4'],
  ['IPV6_TRANSPARENT', IPPROTO_IPV6, 75, 'ipv6'],
  ['SO_MARK', SOL_SOCKET, 36],
  ['SO_PRIORITY', SOL_SOCKET, 12],
  ['SO_BROADCAST', SOL_SOCKET, 6],
  ['SO_DONTROUTE', SOL_SOCKET, 5],
  ['SO_NO_CHECK', SOL_SOCKET, 11],
  ['SO_TXTIME', SOL_SOCKET, 61],
  ['SO_SNDBUF', SOL_SOCKET, 7],
  ['IP_TOS', IPPROTO_IP, 1, 'ipv4'],
  ['IP_TTL', IPPROTO_IP, 2, 'ipv4'],
  ['IP_MTU_DISCOVER', IPPROTO_IP, 10, 'ipv4'],
  ['IPV6_TCLASS', IPPROTO_IPV6, 67, 'ipv6'],
  ['IPV6_UNICAST_HOPS', IPPROTO_IPV6, 16, 'ipv6'],
  ['IPV6_MTU_DISCOVER', IPPROTO_IPV6, 23, 'ipv6'],
  ['IPV6_DONTFRAG', IPPROTO_IPV6, 62, 'ipv6'],
  ['IPV6_AUTOFLOWLABEL', IPPROTO_IPV6, 70, 'ipv6'],
];
