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
  /** Negative; 0 for 'none'. */
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
  /** With IP_RECVERR_RFC4884 or IPV6_RECVERR_RFC4884, if the ICMP message has extensions. */
  readonly extensions?: IcmpExtensions;
}

/** struct sock_ee_data_rfc4884: where an ICMP message's extensions are. */
export interface IcmpExtensions {
  /** Bytes of the datagram's data that precede them; the extension header follows. */
  readonly offset: number;
  /** Whether their checksum and lengths are correct (SO_EE_RFC4884_FLAG_INVALID is not set). */
  readonly valid: boolean;
}

export function readExtendedError(bytes: Uint8Array): ExtendedError | undefined {
  if (bytes.length < SIZE) return undefined;
  const view = viewOf(bytes);
  const origin = ORIGINS[view.getUint8(4)] ?? 'unknown';
  // The kernel puts ENOMSG into reports of transmit times (skb_tstamp_tx).
  const errno = origin === 'timestamping' ? 0 : -view.getUint32(0, LITTLE_ENDIAN);
  const extensions = origin === 'icmp' || origin === 'icmp6' ? extensionsOf(view) : undefined;
  const offender = Endpoint.decode(bytes.subarray(SIZE));
  return {
    code: errno === 0 ? 'none' : errnoName(errno),
    errno: errno === 0 ? 0 : errno, // never -0
    origin,
    type: view.getUint8(5),
    icmpCode: view.getUint8(6),
    info: view.getUint32(8, LITTLE_ENDIAN),
    data: view.getUint32(12, LITTLE_ENDIAN),
    ...(offender !== undefined && { offender }),
    ...(extensions !== undefined && { extensions }),
  };
}

/** In place of `data`: a u16 and a byte of flags; all 0 without the option, or without extensions. */
function extensionsOf(view: DataView): IcmpExtensions | undefined {
  if (view.getUint32(12, LITTLE_ENDIAN) === 0) return undefined;
  return { offset: view.getUint16(12, LITTLE_ENDIAN), valid: (view.getUint8(14) & RFC4884_INVALID) === 0 };
}

const RFC4884_INVALID = 1;
const SIZE = 16;
