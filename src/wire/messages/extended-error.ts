// IP_RECVERR and IPV6_RECVERR: an error from the error queue with its origin. ip(7), linux/errqueue.h.
import { errnoName } from '../../errors.js';
import { LITTLE_ENDIAN } from '../byte-order.js';
import { Endpoint } from '../endpoint.js';
import { viewOf } from './bytes.js';

const ORIGINS = ['none', 'local', 'icmp', 'icmp6', 'timestamping', 'zerocopy', 'txtime'] as const;

/** The origin of the error: SO_EE_ORIGIN_*. */
export type ErrorOrigin = (typeof ORIGINS)[number] | 'unknown';

/** struct sock_extended_err, followed by an address. */
export interface ExtendedError {
  /** 'ECONNREFUSED', 'EMSGSIZE', …; 'none' for reports that are not errors (timestamps, zero copy). */
  readonly code: string;
  /** Negative. */
  readonly errno: number;
  readonly origin: ErrorOrigin;
  /** ICMP type. */
  readonly type: number;
  /** ICMP code. */
  readonly icmpCode: number;
  /** The path MTU for EMSGSIZE; the first of a range of sends for 'zerocopy'. */
  readonly info: number;
  /** The number of the packet for 'timestamping'; the last of the range for 'zerocopy'. */
  readonly data: number;
  /** Who sent the ICMP message; its port is 0. */
  readonly offender?: Endpoint;
}

export function readExtendedError(bytes: Uint8Array): ExtendedError | undefined {
  if (bytes.length < SIZE) return undefined;
  const view = viewOf(bytes);
  const errno = -view.getUint32(0, LITTLE_ENDIAN);
  const offender = Endpoint.decode(bytes.subarray(SIZE));
  return {
    code: errno === 0 ? 'none' : errnoName(errno),
    errno: errno === 0 ? 0 : errno, // never -0
    origin: ORIGINS[view.getUint8(4)] ?? 'unknown',
    type: view.getUint8(5),
    icmpCode: view.getUint8(6),
    info: view.getUint32(8, LITTLE_ENDIAN),
    data: view.getUint32(12, LITTLE_ENDIAN),
    ...(offender !== undefined && { offender }),
  };
}

const SIZE = 16;
