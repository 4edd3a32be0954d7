// GsoPolicy: decides whether to use segmentation offload (UDP_SEGMENT) for a destination, from the options, the kernel, and
// the paths that have refused it.
import { integer, oneOf } from '../../arguments.js';
import type { Handle } from '../../binding.js';
import { BoundedMap } from '../../bounded-map.js';
import { errnoName, SocketError } from '../../errors.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { hasEqualTail, MAX_SEGMENTS } from './segments.js';
import { EIO, ENOPROTOOPT, IPPROTO_UDP, UDP_SEGMENT } from '../../kernel/numbers.js';

/**
 * 'auto': use it where it works, and send one datagram per message where it does not. 'off': never use it. 'require': fail
 * where it does not work. The environment variable LINUX_SOCKETS_GSO=off turns 'auto' into 'off'.
 */
export type GsoMode = 'auto' | 'off' | 'require';

/**
 * What to do with data whose last segment is as long as the others. Linux 7.0 to 7.1.4 (b10b446; fixed by 78effd8 and
 * 5f17ae0) mangle headers and checksums of such data with some network cards, and programs cannot detect which. 'offload':
 * send it as any other data. 'separate': send it without offload, one datagram per message. 'sentinel': append a datagram
 * of one zero byte, so that the last segment is shorter; the receiver must ignore it. (A Broadcast firmware is known to
 * crash on it: tailscale/tailscale#20994.)
 */
export type EqualTail = 'offload' | 'separate' | 'sentinel';

/** Without optional fields. */
export type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** How a socket uses segmentation offload. */
export interface GsoOptions {
  /** Whether sends with a segment size use segmentation offload (UDP_SEGMENT), and what to do where it fails. @default 'auto' */
  readonly gso?: GsoMode | undefined;
  /** Milliseconds after which offload is tried again for a destination that refused it. @default 600000, ten minutes */
  readonly gsoRetryAfter?: number | undefined;
  /** Maximum segments of one message, 2 to 128. An older kernel's limit of 64 is detected. @default 128 */
  readonly gsoMaxSegments?: number | undefined;
  /** What to do with data whose last segment is as long as the others, which some kernels mangle. @default 'offload' */
  readonly gsoEqualTail?: EqualTail | undefined;
}

/**
 * Why offload is not used for a destination. 'unsupported': the kernel does not have it, for any destination. 'path': EIO,
 * the device or IPsec does not support it (an old kernel without checksum offload, UDP-Lite). 'refused': EINVAL, and the
 * datagram was sent without UDP_SEGMENT, for example on a socket with SO_NO_CHECK.
 */
export type GsoDisabledReason = 'unsupported' | 'path' | 'refused';

/** The event 'gsoDisabled'. */
export interface GsoDisabled {
  /** The destination that refused it; applies to all ports of its address. */
  readonly destination: Endpoint | undefined;
  readonly reason: GsoDisabledReason;
  /** 'EIO', 'EINVAL'; 'ENOPROTOOPT' when the kernel has no UDP_SEGMENT. */
  readonly code: string;
  /** Negative. */
  readonly errno: number;
}

/** With the defaults. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkGsoOptions(options: GsoOptions): Complete<GsoOptions> {
  const {
    gso = 'auto',
    gsoRetryAfter = TEN_MINUTES,
    gsoMaxSegments = MAX_SEGMENTS,
    gsoEqualTail = 'offload',
  } = options;
  return {
    gso: oneOf('options.gso', gso, ['auto', 'off', 'require']),
    gsoRetryAfter: integer('options.gsoRetryAfter', gsoRetryAfter, 0, 2 ** 31 - 1),
    gsoMaxSegments: integer('options.gsoMaxSegments', gsoMaxSegments, 2, MAX_SEGMENTS),
    gsoEqualTail: oneOf('options.gsoEqualTail', gsoEqualTail, ['offload', 'separate', 'sentinel']),
  };
}

/** @throws ERR_UNSUPPORTED for 'require' if the kernel does not support it */
export function requireSegmentation(reader: Pick<Handle, 'getsockopt'>, mode: GsoMode): void {
  if (mode !== 'require') return;
  if (isSwitchedOff()) {
    throw new SocketError(
      'ERR_UNSUPPORTED',
      "gso is 'require', but LINUX_SOCKETS_GSO=off in the environment turns it off.",
    );
  }
  if (reader.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch) >= 0) return;
  throw new SocketError(
    'ERR_UNSUPPORTED',
    "gso is 'require', but this kernel does not support UDP_SEGMENT (Linux 4.18 or later).",
  );
}

/** Whether the environment turns segmentation offload off, for every socket of the process. */
export function isSwitchedOff(): boolean {
  return process.env['LINUX_SOCKETS_GSO'] === 'off';
}

/** The segmentation offload state of one socket. */
export class GsoPolicy {
  readonly mode: GsoMode;
  readonly equalTail: EqualTail;
  /** Maximum segments that the kernel accepts, as far as known. */
  maxSegments: number;
  readonly #retryAfter: number;
  readonly #handle: Pick<Handle, 'getsockopt'>;
  readonly #announce: (event: GsoDisabled) => void;
  readonly #now: () => number;
  /** Address → time of the next attempt. */
  readonly #refused = new BoundedMap<string, number>(MAX_REMEMBERED);
  #supported: boolean | undefined;

  /** @throws ERR_UNSUPPORTED for 'require' if it is not supported, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(
    handle: Pick<Handle, 'getsockopt'>,
    options: GsoOptions,
    announce: (event: GsoDisabled) => void,
    now: () => number,
  ) {
    this.#handle = handle;
    this.#announce = announce;
    this.#now = now;
    const { gso: mode, gsoRetryAfter, gsoMaxSegments, gsoEqualTail } = checkGsoOptions(options);
    this.#retryAfter = gsoRetryAfter;
    this.maxSegments = gsoMaxSegments;
    this.equalTail = gsoEqualTail;
    requireSegmentation(handle, mode);
    this.mode = isSwitchedOff() ? 'off' : mode;
  }

  /** Whether it is enabled but refused by the kernel or for this destination. */
  refuses(destination: Endpoint | undefined): boolean {
    return this.mode !== 'off' && !this.allows(destination);
  }

  /** Whether data must be sent one datagram per message because its last segment is as long as the others. */
  separates(length: number, segmentSize: number): boolean {
    if (this.equalTail === 'offload' || !hasEqualTail(length, segmentSize)) return false;
    // A sentinel of one byte is not shorter than a segment of one byte.
    return this.equalTail === 'separate' || segmentSize === 1;
  }

  /** Whether to use it for a destination. */
  allows(destination: Endpoint | undefined): boolean {
    if (this.mode === 'off') return false;
    if (this.#supported === undefined && !this.#probe()) {
      this.#announce({
        destination: undefined,
        reason: 'unsupported',
        code: errnoName(ENOPROTOOPT),
        errno: ENOPROTOOPT,
      });
    }
    if (this.#supported === false) return false;
    if (this.#refused.size === 0) return true;
    const key = destination?.address ?? '';
    const until = this.#refused.get(key);
    if (until === undefined) return true;
    if (until > this.#now()) return false;
    this.#refused.delete(key);
    return true;
  }

  /** Records a refusal: the datagram was sent without it. */
  disable(destination: Endpoint | undefined, errno: number): void {
    const key = destination?.address ?? '';
    this.#refused.set(key, this.#now() + this.#retryAfter);
    this.#announce({ destination, reason: errno === EIO ? 'path' : 'refused', code: errnoName(errno), errno });
  }

  /** Kernels without it silently ignore the control message and send one long datagram. */
  #probe(): boolean {
    return (this.#supported = this.#handle.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch) >= 0);
  }
}

/** Maximum number of destinations that are remembered. */
const MAX_REMEMBERED = 1024;

const TEN_MINUTES = 600_000;
const scratch = new Uint8Array(4);
