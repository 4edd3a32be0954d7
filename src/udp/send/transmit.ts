// Transmitter: passes messages to the kernel in batches, with fallbacks. Each datagram is sent once: a call that fails has
// sent nothing, and a message that was sent in part is reduced to its rest.
import { EAGAIN, EINVAL, EIO } from '../../kernel/numbers.js';
import type { Handle } from '../../binding.js';
import { portAssigned } from '../../options/local-endpoint.js';
import type { OptionAccess } from '../../options/target.js';
import { mayBePending } from '../pending-errors.js';
import type { GsoPolicy } from './gso.js';
import { Records, type Messages } from './records.js';
import { MAX_SEGMENTS_OLD, hasEqualTail, segmentCount } from './segments.js';

/** What sending needs of a Handle. */
export type SendHandle = Pick<Handle, 'sendto' | 'sendmmsg' | 'sendmsg'> & OptionAccess;

/** Counters, which only increase. */
export interface SendStats {
  /** Datagrams that the kernel has taken. */
  readonly datagrams: number;
  /** Their bytes, without headers. */
  readonly bytes: number;
  /** System calls made for sending. */
  readonly syscalls: number;
  /** Calls that would have blocked. */
  readonly blocked: number;
  /** Errors for earlier datagrams that were reported by later sends, which were then repeated. */
  readonly pendingErrors: number;
  /** Messages that were sent without segmentation offload after it was refused. */
  readonly gsoFallbacks: number;
}

export type Counters = { -readonly [K in keyof SendStats]: SendStats[K] };

export class Transmitter {
  readonly stats: Counters = { datagrams: 0, bytes: 0, syscalls: 0, blocked: 0, pendingErrors: 0, gsoFallbacks: 0 };
  /** Bytes sent by the last `transmit`, including those of an unfinished message. */
  bytes = 0;
  /** Why the last `transmit` stopped: 0 if it did not, or would have blocked; otherwise a negative errno. */
  errno = 0;
  readonly #handle: SendHandle;
  readonly #gso: GsoPolicy;
  readonly #onPendingError: (errno: number) => void;
  readonly #parts = new Records(PARTS);

  constructor(handle: SendHandle, gso: GsoPolicy, onPendingError: (errno: number) => void) {
    this.#handle = handle;
    this.#gso = gso;
    this.#onPendingError = onPendingError;
  }

  /**
   * Sends the messages from `first` up to `end`, and returns how many were completed. The next message may have been sent
   * in part.
   * @param pending an errno that a call has just reported, perhaps for an earlier datagram; 0 for none
   */
  transmit(messages: Messages, first: number, end: number, pending = 0): number {
    this.bytes = 0;
    this.errno = 0;
    let suspect = pending;
    let at = first;
    while (at < end) {
      const before = this.bytes;
      const sent = this.#step(messages, at, end);
      if (sent > 0) at += sent;
      if (suspect !== 0 && (sent > 0 || sent === EAGAIN || this.bytes > before)) {
        // The error was for another datagram, since it did not occur again.
        this.pendingError(suspect);
        suspect = 0;
      }
      if (sent > 0) continue;
      if (suspect === 0 && mayBePending(sent)) {
        suspect = sent;
        continue;
      }
      if (sent === EAGAIN) this.blocked();
      else this.errno = sent;
      break;
    }
    return at - first;
  }

  /** A call would have blocked; sets `errno` if waiting would not help. */
  blocked(): void {
    this.stats.blocked++;
    // The first send of a socket assigns a port if it has none; EAGAIN then means that none was free.
    if (!portAssigned(this.#handle)) this.errno = EAGAIN;
  }

  pendingError(errno: number): void {
    this.stats.pendingErrors++;
    this.#onPendingError(errno);
  }

  /** A message was sent. */
  count(length: number, segment: number): void {
    this.stats.bytes += length;
    this.stats.datagrams += segment === 0 ? 1 : segmentCount(length, segment);
  }

  /** Returns the number of completed messages, 1 or more, or the errno if none was. */
  #step(messages: Messages, at: number, end: number): number {
    if (!this.#goesWhole(messages, at)) {
      if (this.#gso.refuses(messages.target(at))) this.stats.gsoFallbacks++;
      return this.#inParts(messages, at, 1);
    }
    let stop = at + 1;
    while (stop < end && this.#goesWhole(messages, stop)) stop++;
    const { data, beside, records } = messages;
    this.stats.syscalls++;
    const sent = this.#handle.sendmmsg(data, beside.bytes, records.bytes, at, stop - at);
    for (let i = at; i < at + sent; i++) {
      this.bytes += records.length(i);
      this.count(records.length(i), records.segment(i));
    }
    return sent === EIO || sent === EINVAL ? this.#withoutOffload(messages, at, sent) : sent;
  }

  #goesWhole(messages: Messages, at: number): boolean {
    const { records } = messages;
    const segment = records.segment(at);
    if (segment === 0) return true;
    if (this.#gso.separates(records.length(at), segment)) return false;
    return this.#gso.allows(messages.target(at));
  }

  /**
   * Handles a refused message: returns 1 if it was sent in another way, otherwise an errno. EIO and EINVAL may be caused by
   * the offload or by something else; sending without it shows which.
   */
  #withoutOffload(messages: Messages, at: number, errno: number): number {
    const { records } = messages;
    if (records.segment(at) === 0) return errno;
    const before = this.bytes;
    if (errno === EINVAL && this.#gso.maxSegments > MAX_SEGMENTS_OLD) {
      const segments = segmentCount(records.length(at), records.segment(at));
      if (segments > MAX_SEGMENTS_OLD) {
        const result = this.#inParts(messages, at, MAX_SEGMENTS_OLD - (this.#gso.equalTail === 'sentinel' ? 1 : 0));
        if (this.bytes > before) this.#gso.maxSegments = MAX_SEGMENTS_OLD;
        if (this.bytes > before || result !== EINVAL) return result;
      }
    }
    if (this.#gso.mode === 'require') return errno;
    const target = messages.target(at);
    this.stats.gsoFallbacks++;
    const result = this.#inParts(messages, at, 1);
    if (this.bytes > before) this.#gso.disable(target, errno);
    return result;
  }

  /** Sends a message as several, of `segments` segments each: returns 1 if all of it was sent, otherwise what stopped it. */
  #inParts(messages: Messages, at: number, segments: number): number {
    const { data, beside, records } = messages;
    const parts = this.#parts;
    const segment = records.segment(at);
    const sentinel = this.#gso.equalTail === 'sentinel';
    for (;;) {
      const left = records.length(at);
      let count = 0;
      for (let offset = 0; count < PARTS && offset < left; offset += segment * segments) {
        const length = Math.min(segment * segments, left - offset);
        const segmented = length > segment;
        const tail = segmented && sentinel && hasEqualTail(length, segment);
        parts.setPart(count, records, at, offset, length, segmented, tail);
        count++;
      }
      this.stats.syscalls++;
      const sent = this.#handle.sendmmsg(data, beside.bytes, parts.bytes, 0, count);
      if (sent <= 0) return sent;
      for (let i = 0; i < sent; i++) {
        const length = parts.length(i);
        records.advance(at, length);
        this.bytes += length;
        this.count(length, parts.segment(i));
      }
      if (records.length(at) === 0) return 1;
    }
  }
}

/** Parts of one message per system call. */
const PARTS = 64;
