// Backlog: the queued sends, and the loop that continues them when the socket is writable again.
import { SocketError, SyscallError } from '../../errors.js';
import { isWhole, lengthOf, rest, type SendData } from './data.js';
import type { Envelope } from './envelope.js';
import { tolerate, withResolvers } from './promises.js';
import type { Queued, SendQueue } from './queue.js';
import { EBADF } from '../../kernel/numbers.js';

/** What the backlog needs of its sender. */
export interface BacklogContext {
  /** The options of the current send. */
  readonly envelope: Pick<Envelope, 'encode' | 'restore'>;
  /** Sends data with the options in the envelope. Returns bytes sent, 1 for an empty datagram, 0 if it would block. */
  attempt(data: SendData, length: number): number;
  /** Resolves when there may be room; rejects if the socket is closed. */
  writable(): Promise<void>;
  /** Called when the queue was filled beyond its high water mark and is now empty. */
  onDrain(): void;
}

export class Backlog {
  readonly #queue: SendQueue;
  readonly #context: BacklogContext;
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(queue: SendQueue, context: BacklogContext) {
    this.#queue = queue;
    this.#context = context;
  }

  /** The number of queued sends. */
  get size(): number {
    return this.#queue.size;
  }

  /** Queued bytes; each send counts as 256 bytes more than its data. */
  get bytes(): number {
    return this.#queue.bytes;
  }

  /** Whether `onDrain` will be called. */
  get needsDrain(): boolean {
    return this.#queue.needsDrain;
  }

  /** Resolves when the queue is empty. */
  async flushed(): Promise<void> {
    await this.#flushing;
  }

  /**
   * Queues a send with the envelope's options. @param sent bytes of it that the kernel has already taken
   * @throws ERR_SEND_QUEUE_FULL
   */
  push(data: SendData, length: number, sent: number): Promise<void> {
    const { promise, resolve, reject } = withResolvers();
    const fail = (error: unknown): void => {
      reject(error);
      void tolerate(promise, error);
    };
    const options = this.#context.envelope.encode();
    this.#queue.push({ data, options, length, sent, resolve, reject: fail });
    this.#flushing ??= this.#flush();
    return promise;
  }

  /** Rejects the queued sends. Must be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#queue.rejectAll(({ sent }) => withBytesSent(new SyscallError('sendmsg', EBADF), sent));
  }

  /** Sends a limited number per turn of the event loop, until the queue is empty. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.size > 0) {
        await this.#context.writable();
        this.#flushSome();
      }
    } catch (error) {
      // The socket cannot be polled: it is closed, or the runtime does not support it.
      this.#queue.rejectAll(({ sent }) => withBytesSent(ownError(error), sent));
    }
    this.#flushing = undefined;
    // In a separate turn: an error thrown by a listener must not look like a failed send.
    if (this.#queue.needsDrain) setImmediate(() => this.#drained());
  }

  #drained(): void {
    // More was queued in the meantime: wait until that is sent too.
    if (this.#closed || !this.#queue.needsDrain || this.#queue.size > 0) return;
    this.#queue.needsDrain = false;
    this.#context.onDrain();
  }

  #flushSome(): void {
    for (let bytes = 0; bytes < BYTES_PER_TURN;) {
      const entry = this.#queue.first();
      if (entry === undefined) return;
      const before = entry.sent;
      if (!this.#resume(entry)) return;
      bytes += entry.sent - before + 1;
      this.#queue.shift();
    }
  }

  /** Returns false if it would block; true if it was sent or has failed. */
  #resume(entry: Queued): boolean {
    const { data, length, options } = entry;
    try {
      if (lengthOf(data) !== length) {
        throw new SocketError('ERR_INVALID_STATE', 'The data was detached or changed its length while it was queued.');
      }
      this.#context.envelope.restore(options);
      const left = entry.sent === 0 ? data : rest(data, entry.sent);
      const sent = this.#context.attempt(left, length - entry.sent);
      entry.sent += length === 0 ? 0 : sent;
      if (!isWhole(sent, length) && entry.sent < length) return false;
      entry.resolve();
    } catch (error) {
      entry.reject(withBytesSent(error, entry.sent));
    }
    return true;
  }
}

/** Adds to the error how much of the data had been sent. */
function withBytesSent<T>(error: T, sent: number): T {
  if (sent > 0 && error instanceof Error) Object.defineProperty(error, 'bytesSent', { value: sent, enumerable: true });
  return error;
}

/** Copies an error that several sends fail with, so that properties can be added for each. */
function ownError(error: unknown): Error {
  return error instanceof SyscallError ? new SyscallError(error.syscall, error.errno) : (error as Error);
}

/** Sends per turn, so that one socket's queue does not block the event loop. */
const BYTES_PER_TURN = 2 ** 20;
