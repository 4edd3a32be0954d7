// The errnos that a send tells apart, and what the others mean to a caller.
import { SyscallError, type SyscallContext } from '../../errors.js';
import { localContext } from '../../options/local-endpoint.js';
import { explain, withEvidence, type Asked } from '../../source/explain.js';
import type { Handle } from '../../binding.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { pathMtu } from '../path-mtu.js';
import {
  EACCES,
  ECONNREFUSED,
  EDESTADDRREQ,
  EHOSTDOWN,
  EHOSTUNREACH,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENONET,
  ENOPROTOOPT,
  ENOTSUP,
  EPERM,
  EPROTO,
} from '../../kernel/numbers.js';

/**
 * Errors that an ICMP message for an earlier datagram leaves on a socket (icmp_err_convert in net/ipv4/icmp.c). The
 * next call reports it, once, and does nothing else: the datagram was not sent, and goes when it is tried again. The
 * same codes can also be the answer to this very datagram: then they come again.
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

/** What an error of a send is made from. */
export interface Failed {
  readonly handle: Pick<Handle, 'getsockopt' | 'getsockname'>;
  readonly destination: Endpoint | undefined;
  /** The socket is connected to that destination. */
  readonly connected: boolean;
  readonly ipv4: boolean;
  /** Bytes of the datagram, or of each of its segments. */
  readonly length: number;
  /** It asked for segmentation offload, and nothing else would do. */
  readonly gsoRequired: boolean;
  /** Bytes of the same data that went before. */
  readonly bytesSent?: number;
}

/** The error of a datagram that was not sent, with what to do about it. */
export function sendError(errno: number, failed: Failed): SyscallError {
  const { destination, bytesSent } = failed;
  const mtu = errno === EMSGSIZE && failed.connected ? pathMtu(failed.handle, failed.ipv4) : undefined;
  return new SyscallError('sendmsg', errno, {
    address: destination?.address,
    port: destination?.port,
    mtu,
    bytesSent: bytesSent === 0 ? undefined : bytesSent,
    ...meaning(errno, failed, mtu),
  });
}

function meaning(errno: number, failed: Failed, mtu: number | undefined): Omit<SyscallContext, 'mtu'> {
  switch (errno) {
    case EMSGSIZE:
      return { reason: 'tooLong', remedy: tooLong(failed, mtu) };
    case EDESTADDRREQ:
      return { remedy: 'Say where to (`to`), or connect the socket' };
    case EPERM:
      return { remedy: 'A firewall or a BPF program dropped it, or the `mark` needs CAP_NET_ADMIN or CAP_NET_RAW' };
    case ENOBUFS:
      return { remedy: 'A queue of the device is full: what did not get in is gone. Send less at a time' };
    case EIO:
    case EINVAL:
      if (!failed.gsoRequired) break;
      return {
        reason: 'gsoRefused',
        remedy: "The path takes no segmentation offload, and gso is 'require': 'auto' sends one by one where it must",
      };
  }
  return withEvidence(explain('sendmsg', errno, askedFor(failed)));
}

/** What the table of reasons needs: a socket without a port gets one at its first send, and EAGAIN says that none was free. */
function askedFor({ handle, destination, ipv4 }: Failed): Asked {
  const family = ipv4 ? 'ipv4' : 'ipv6';
  return { by: 'UdpSocket', family, protocol: 'udp', ...localContext(handle), remote: destination };
}

function tooLong({ length }: Failed, mtu: number | undefined): string {
  return mtu === undefined
    ? `A datagram of ${length} bytes is too long for the path, or for any: connect the socket to learn the path's MTU`
    : `The path MTU is ${mtu}, the datagram has ${length} bytes and its headers`;
}
