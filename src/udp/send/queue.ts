// The queue of sends that wait until the kernel has room again: ordered, of bounded size, with a promise for each send.
import { SocketError } from '../../errors.js';
import type { SendData } from './data.js';
import type { EncodedOptions } from './envelope.js';

/** A send that the kernel has not taken completely. */
export interface Queued {
  readonly data: SendData;
  readonly options: EncodedOptions;
  /** Bytes of the data at the time it was queued. */
  readonly length: number;
  /** Bytes that have been sent. */
  sent: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SendQueue {
  /** Bytes that wait, including an overhead for each send. */
  bytes = 0;
  /** Whether it was filled beyond the high water mark, and 'drain' has not been emitted yet. */
  needsDrain = false;
  readonly #highWaterMark: number;
  readonly #limit: number;
  #entries: Queued[] = [];
  /** The index of the first entry that is not done: shifting a long array is slow. */
  #head = 0;

  constructor(highWaterMark: number, limit: number) {
    this.#highWaterMark = highWaterMark;
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** @throws ERR_SEND_QUEUE_FULL; the send is then not queued */
  push(entry: Queued): void {
    const bytes = this.bytes + cost(entry);
    if (bytes > this.#limit && this.size > 0) {
      throw new SocketError(
        'ERR_SEND_QUEUE_FULL',
        `${this.bytes} bytes wait to be sent, and this send would exceed maxQueueBytes (` +
          `${this.#limit}). Wait for each send, or for 'drain' when writableNeedDrain is true.`,
      );
    }
    this.bytes = bytes;
    if (bytes > this.#highWaterMark) this.needsDrain = true;
    this.#entries.push(entry);
  }

  first(): Queued | undefined {
    return this.#entries[this.#head];
  }

  /** Removes the first entry. */
  shift(): void {
    const entry = this.first();
    if (entry === undefined) return;
    this.bytes -= cost(entry);
    this.#head++;
    if (this.#head < KEPT && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Removes all entries, and rejects each with its own error. */
  rejectAll(errorOf: (entry: Queued) => Error): void {
    const entries = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    this.bytes = 0;
    for (const entry of entries) entry.reject(errorOf(entry));
  }
}

function cost(entry: Queued): number {
  return entry.length + OVERHEAD;
}

/** Overhead in bytes counted for each send, so that the number of empty datagrams is bounded as well. */
const OVERHEAD = 256;
const KEPT = 1024;
