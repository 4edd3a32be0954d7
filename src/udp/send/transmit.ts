// Getting messages into the kernel: batches, what stopped one, and the fall-backs. Each datagram goes once: a call that
// fails has sent nothing, and a message that is sent in parts is the rest of itself from then on.
import { EAGAIN, EINVAL, EIO } from '../../kernel/numbers.js';
import type { Handle } from '../../binding.js';
import { portAssigned } from '../../options/local-endpoint.js';
import type { OptionAccess } from '../../options/target.js';
import { mayBePending } from './errnos.js';
import type { GsoPolicy } from './gso.js';
import { Records, type Messages } from './records.js';
import { MAX_SEGMENTS_OLD, hasEqualTail, segmentCount } from './segments.js';

/** What of a Handle sending needs. */
export type SendHandle = Pick<Handle, 'sendto' | 'sendmmsg' | 'sendmsg'> & OptionAccess;

/** Plain counters, which only grow. */
export interface SendStats {
  /** Datagrams that the kernel has taken. */
  readonly datagrams: number;
  /** Their bytes, without headers. */
  readonly bytes: number;
  /** System calls that were made for it. */
  readonly syscalls: number;
  /** Calls that would have blocked. */
  readonly blocked: number;
  /** Errors for earlier datagrams that stood in the way of later ones, which then went. */
  readonly pendingErrors: number;
  /** Messages that went without segmentation offload after it was refused. */
  readonly gsoFallbacks: number;
}

export type Counters = { -readonly [K in keyof SendStats]: SendStats[K] };

export class Transmitter {
  readonly stats: Counters = { datagrams: 0, bytes: 0, syscalls: 0, blocked: 0, pendingErrors: 0, gsoFallbacks: 0 };
  /** Bytes that the last `transmit` has sent, also of a message that it has not finished. */
  bytes = 0;
  /** Why the last `transmit` stopped: 0 when it did not, or would have blocked; else a negative errno. */
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
   * Sends the messages from `first` up to `end`, and returns how many are completed. The one that comes next is at its
   * place, or at its rest.
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
        // The error was not about this datagram, since it did not come again.
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

  /** A call would have blocked; `errno` tells when waiting would not help. */
  blocked(): void {
    this.stats.blocked++;
    // A socket without a port gets one at its first send, and EAGAIN says that none was free.
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

  /** Messages that were completed, 1 or more; or why not even one was. */
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
   * What follows when a message was refused: 1 when it has been sent otherwise, an errno when not. EIO and EINVAL may
   * be about the offload, or about something else: that shows when it goes without.
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

  /** Sends a message as several, of so many segments each: 1 when all of it is sent, or what stopped it. */
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

/** Parts of one message that go to the kernel at once. */
const PARTS = 64;
