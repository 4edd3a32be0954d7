// What waits until the kernel has room again: in order, in bounded memory, and each send knows when it is done.
import { SocketError } from '../../errors.js';
import type { SendData } from './data.js';
import type { EncodedOptions } from './envelope.js';

/** One send that the kernel has not taken whole. */
export interface Queued {
  readonly data: SendData;
  readonly options: EncodedOptions;
  /** Bytes of the data, when it was queued. */
  readonly length: number;
  /** Bytes that have been sent. */
  sent: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SendQueue {
  /** Bytes that wait, with an allowance for what it costs to keep each send. */
  bytes = 0;
  /** It was filled beyond the mark, and 'drain' has not come yet. */
  needsDrain = false;
  readonly #highWaterMark: number;
  readonly #limit: number;
  #entries: Queued[] = [];
  /** Entries before it are done: an array is slow to shift when it is long. */
  #head = 0;

  constructor(highWaterMark: number, limit: number) {
    this.#highWaterMark = highWaterMark;
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** @throws ERR_SEND_QUEUE_FULL, and then it is not queued */
  push(entry: Queued): void {
    const bytes = this.bytes + cost(entry);
    if (bytes > this.#limit && this.size > 0) {
      throw new SocketError(
        'ERR_SEND_QUEUE_FULL',
        `${this.bytes} bytes wait to be sent, and with this send it would be more than maxQueueBytes, ` +
          `${this.#limit}. Wait for each send, or for 'drain' when writableNeedDrain is true.`,
      );
    }
    this.bytes = bytes;
    if (bytes > this.#highWaterMark) this.needsDrain = true;
    this.#entries.push(entry);
  }

  first(): Queued | undefined {
    return this.#entries[this.#head];
  }

  /** Takes the first out. */
  shift(): void {
    const entry = this.first();
    if (entry === undefined) return;
    this.bytes -= cost(entry);
    this.#head++;
    if (this.#head < KEPT && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Takes all out, each with an error of its own. */
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

/** Bytes that each send counts beyond its data, so that empty datagrams are bounded as well. */
const OVERHEAD = 256;
const KEPT = 1024;
