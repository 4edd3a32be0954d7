// The error queue of a socket: what went wrong with datagrams that had been sent, one entry each, with who reported it.
import { SocketError } from '../errors.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { ErrorOrigin, ExtendedError } from '../wire/messages/extended-error.js';
import type { ErrorEntries } from './error-entries.js';
import { make } from './internal.js';

/** One entry of the error queue. */
export interface NetworkError {
  /** 'ECONNREFUSED', 'EMSGSIZE', …; 'none' for reports that are not errors (time stamps, zero copy). */
  readonly code: string;
  /** Negative, or 0. */
  readonly errno: number;
  /** 'icmp', 'icmp6': a message from the network. 'local': this host, as for EMSGSIZE. */
  readonly origin: ErrorOrigin;
  /** ICMP type, with `origin` 'icmp' and 'icmp6'. */
  readonly type: number;
  /** ICMP code. */
  readonly icmpCode: number;
  /** The path MTU, headers included, of EMSGSIZE. */
  readonly mtu: number | undefined;
  /** Who sent the ICMP message: a router, or the destination itself. Its port is 0. */
  readonly offender: Endpoint | undefined;
  /** The destination of the datagram; with `origin` 'local' the port is 0, unless the socket is connected. */
  readonly destination: Endpoint | undefined;
  /** The data of the datagram, as far as the message quotes it; at most 1500 bytes. A copy that is yours. */
  readonly data: Buffer;
  /** All that the kernel reported, for origins that are not errors. */
  readonly extended: ExtendedError;
}

/** Counters of the error queue. */
export interface ErrorQueueStats {
  /** Entries that were read. */
  readonly entries: number;
  /** Entries that nobody took until there were too many: the oldest are dropped. */
  readonly dropped: number;
}

/**
 * `for await (const error of udp.errorQueue)`: until the socket closes. The newest 128 entries are kept for an iterator that
 * begins later. One iterator at a time.
 */
export class ErrorQueue implements AsyncIterable<NetworkError, undefined> {
  readonly #entries: ErrorEntries;
  #iterating = false;

  private constructor(entries: ErrorEntries) {
    this.#entries = entries;
  }

  /** @internal */
  static [make](entries: ErrorEntries): ErrorQueue {
    return new ErrorQueue(entries);
  }

  /** The oldest entry that nobody has taken; undefined when there is none. */
  take(): NetworkError | undefined {
    return this.#entries.take();
  }

  /** @throws ERR_INVALID_STATE while there is another iterator */
  [Symbol.asyncIterator](): AsyncIterableIterator<NetworkError, undefined> {
    if (this.#iterating) {
      throw new SocketError(
        'ERR_INVALID_STATE',
        'This error queue has an iterator already; it can have one at a time.',
      );
    }
    this.#iterating = true;
    let ended = false;
    const iterator: AsyncIterableIterator<NetworkError, undefined> = {
      next: async () => {
        const value = ended ? undefined : await this.#entries.next();
        return value === undefined ? DONE : { value, done: false };
      },
      return: () => {
        if (ended) return Promise.resolve(DONE); // those who wait now are another iterator's
        ended = true;
        this.#iterating = false;
        this.#entries.stopWaiting();
        return Promise.resolve(DONE);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}

const DONE: IteratorResult<NetworkError, undefined> = { value: undefined, done: true };
