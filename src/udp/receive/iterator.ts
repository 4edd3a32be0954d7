// The iterator of `for await`: returns one message at a time, on demand. Datagrams that were not requested stay in the kernel.
import type { AsyncItems } from '../items.js';
import type { Message } from './messages.js';

/** Where an iterator's messages come from. */
export interface MessageSource {
  /** The next message; undefined when there is none right now. */
  take(): Message | undefined;
  /** A consumer waits: `deliver` must be called when there is a message. */
  wanted(): void;
  /** The iterator is done. */
  left(): void;
}

type Result = IteratorResult<Message, undefined>;

/** Ends when the socket closes, or with `return()` (a `break` out of `for await`), also while `next()` is pending. */
export class MessageIterator implements AsyncItems<Message> {
  readonly #source: MessageSource;
  readonly #waiting: { readonly resolve: (result: Result) => void; readonly reject: (error: Error) => void }[] = [];
  #error: Error | undefined;
  #ended = false;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  next(): Promise<Result> {
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) return Promise.reject(error);
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    const message = this.#waiting.length === 0 ? this.#source.take() : undefined;
    if (message !== undefined) return Promise.resolve({ value: message, done: false });
    const result = new Promise<Result>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#source.wanted();
    return result;
  }

  return(): Promise<Result> {
    if (!this.#ended) {
      this.end();
      this.#source.left();
    }
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Resolves pending calls of `next()` with the available messages. */
  deliver(): void {
    while (this.#waiting.length > 0) {
      const message = this.#source.take();
      if (message === undefined) return;
      this.#waiting.shift()?.resolve({ value: message, done: false });
    }
  }

  /** Ends the iterator with an error: a pending call of `next()`, or the next one, is rejected with it. */
  fail(error: Error): void {
    if (this.#ended) return;
    const [first, ...others] = this.#waiting.splice(0);
    this.#ended = true;
    if (first === undefined) this.#error = error;
    else first.reject(error);
    for (const { resolve } of others) resolve({ value: undefined, done: true });
    this.#source.left();
  }

  /** Ends the iterator: there are no more messages. */
  end(): void {
    this.#ended = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }
}
