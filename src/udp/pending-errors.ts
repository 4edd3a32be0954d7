// Errors that a call may report for an earlier datagram.
import {
  EACCES,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  ENOTSUP,
  EPROTO,
} from '../kernel/numbers.js';

/**
 * Errors that an ICMP message for an earlier datagram leaves on a socket (icmp_err_convert in net/ipv4/icmp.c). The next
 * call reports it, once, without sending anything, and succeeds when it is repeated. The same codes can also apply to the
 * datagram itself: then they occur again.
 */
const FROM_ICMP: ReadonlySet<number> = new Set([
  ECONNREFUSED,
  EHOSTUNREACH,
  ENETUNREACH,
  EHOSTDOWN,
  ENONET,
  EPROTO,
  ENOPROTOOPT,
  ENOTSUP,
  EACCES,
  EMSGSIZE,
]);

export function mayBePending(errno: number): boolean {
  return FROM_ICMP.has(errno);
}
