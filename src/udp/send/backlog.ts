// The sends that wait, and the loop that goes on with them when the socket is writable again.
import { SocketError, SyscallError } from '../../errors.js';
import { isWhole, lengthOf, rest, type SendData } from './data.js';
import type { Envelope } from './envelope.js';
import { tolerate, withResolvers } from './promises.js';
import type { Queued, SendQueue } from './queue.js';
import { EBADF } from '../../kernel/numbers.js';

/** What goes on with them. */
export interface BacklogContext {
  /** The options of the send at hand. */
  readonly envelope: Pick<Envelope, 'encode' | 'restore'>;
  /** Sends what the envelope says: bytes, 1 for an empty datagram, 0 when it would block. */
  attempt(data: SendData, length: number): number;
  /** Resolves when there may be room; rejects when the socket is closed. */
  writable(): Promise<void>;
  /** It was filled beyond its mark, and is empty now. */
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

  /** Sends that wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Bytes that wait; each send counts 256 beyond its data. */
  get bytes(): number {
    return this.#queue.bytes;
  }

  /** Until `onDrain`. */
  get needsDrain(): boolean {
    return this.#queue.needsDrain;
  }

  /** Resolves when nothing waits. */
  async flushed(): Promise<void> {
    await this.#flushing;
  }

  /**
   * Lets a send wait, with the envelope's options. @param sent bytes of it that the kernel has already
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

  /** Rejects what waits. To be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#queue.rejectAll(({ sent }) => withBytesSent(new SyscallError('sendmsg', EBADF), sent));
  }

  /** A bounded piece per turn of the event loop, until nothing waits. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.size > 0) {
        await this.#context.writable();
        this.#flushSome();
      }
    } catch (error) {
      // The socket cannot be waited for: it is closed, or this runtime has no way.
      this.#queue.rejectAll(({ sent }) => withBytesSent(ownError(error), sent));
    }
    this.#flushing = undefined;
    // In a turn of its own: a listener that throws must not make a send look as if it had failed.
    if (this.#queue.needsDrain) setImmediate(() => this.#drained());
  }

  #drained(): void {
    // Who has sent more meanwhile waits for the end of that.
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

  /** False when it would block; true when it is done, in one way or the other. */
  #resume(entry: Queued): boolean {
    const { data, length, options } = entry;
    try {
      if (lengthOf(data) !== length) {
        throw new SocketError('ERR_INVALID_STATE', 'The data was detached, or changed its length, while it waited.');
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

/** Says how much of the data had been sent before. */
function withBytesSent<T>(error: T, sent: number): T {
  if (sent > 0 && error instanceof Error) Object.defineProperty(error, 'bytesSent', { value: sent, enumerable: true });
  return error;
}

/** Several sends fail by one error: each gets one that it may add to. */
function ownError(error: unknown): Error {
  return error instanceof SyscallError ? new SyscallError(error.syscall, error.errno) : (error as Error);
}

/** So that one socket's queue does not hold up the event loop. */
const BYTES_PER_TURN = 2 ** 20;
