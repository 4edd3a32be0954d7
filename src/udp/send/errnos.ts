// Classifies the errnos of a send, and explains them to the caller.
import { SyscallError, type SyscallContext } from '../../errors.js';
import { localContext } from '../../options/local-endpoint.js';
import { explain, withEvidence, type Asked } from '../../source/explain.js';
import type { Handle } from '../../binding.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { pathMtu } from '../path-mtu.js';
import { EDESTADDRREQ, EINVAL, EIO, EMSGSIZE, ENOBUFS, EPERM } from '../../kernel/numbers.js';

/** The context of a failed send. */
export interface Failed {
  readonly handle: Pick<Handle, 'getsockopt' | 'getsockname'>;
  readonly destination: Endpoint | undefined;
  /** Whether the socket is connected to the destination. */
  readonly connected: boolean;
  readonly ipv4: boolean;
  /** Bytes of the datagram, or of each of its segments. */
  readonly length: number;
  /** Whether segmentation offload was required. */
  readonly gsoRequired: boolean;
  /** Bytes of the same data that had been sent. */
  readonly bytesSent?: number;
}

/** The error of a datagram that was not sent, with a remedy. */
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
      return { remedy: 'Set the `to` option, or connect the socket' };
    case EPERM:
      return { remedy: 'A firewall or a BPF program dropped it, or the `mark` needs CAP_NET_ADMIN or CAP_NET_RAW' };
    case ENOBUFS:
      return { remedy: 'A queue of the device is full, and some data was dropped. Send less at a time' };
    case EIO:
    case EINVAL:
      if (!failed.gsoRequired) break;
      return {
        reason: 'gsoRefused',
        remedy:
          "The path does not support segmentation offload, and gso is 'require': use 'auto' to fall back to single datagrams",
      };
  }
  return withEvidence(explain('sendmsg', errno, askedFor(failed)));
}

/**
 * The context for the table of reasons. The first send of a socket without a port assigns one; EAGAIN then means that none
 * was free.
 */
function askedFor({ handle, destination, ipv4 }: Failed): Asked {
  const context = localContext(handle);
  const family = !ipv4 || context.local?.includes(':') === true ? 'ipv6' : 'ipv4';
  return { by: 'UdpSocket', family, protocol: 'udp', ...context, remote: destination };
}

function tooLong({ length }: Failed, mtu: number | undefined): string {
  return mtu === undefined
    ? `A datagram of ${length} bytes is too long for the path, or for UDP: connect the socket to learn the path MTU`
    : `The path MTU is ${mtu}, the datagram has ${length} bytes plus headers`;
}
