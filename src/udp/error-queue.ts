// UdpErrorQueue: the errors reported for datagrams that were sent, with their origin, as an async iterable.
import { SocketError } from '../errors.js';
import type { AsyncItems } from './items.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { ErrorOrigin, ExtendedError } from '../wire/messages/extended-error.js';
import type { Timestamps } from '../wire/messages/timestamps.js';
import type { ErrorEntries } from './error-entries.js';
import { make } from './internal.js';

/** One entry of the error queue. */
export interface NetworkError {
  /** 'ECONNREFUSED', 'EMSGSIZE', …; 'none' for reports that are not errors (timestamps, zero copy). */
  readonly code: string;
  /** Negative, or 0. */
  readonly errno: number;
  /** 'icmp', 'icmp6': a message from the network. 'local': this host, as for EMSGSIZE. */
  readonly origin: ErrorOrigin;
  /** ICMP type, with `origin` 'icmp' and 'icmp6'. */
  readonly type: number;
  /** ICMP code. */
  readonly icmpCode: number;
  /** The path MTU, headers included, for EMSGSIZE. */
  readonly mtu: number | undefined;
  /** Who sent the ICMP message: a router, or the destination itself. Its port is 0. */
  readonly offender: Endpoint | undefined;
  /** The destination of the datagram; with `origin` 'local' the port is 0, unless the socket is connected. */
  readonly destination: Endpoint | undefined;
  /** The data of the datagram, as far as the ICMP message includes it; at most 1500 bytes. A copy. */
  readonly data: Buffer;
  /**
   * With `origin` 'timestamping' (SO_TIMESTAMPING with TX_*): when the datagram was transmitted, in nanoseconds. Which
   * datagram: `extended.data` is its number with OPT_ID, counted from 0. Which event: `extended.info` is 0 for the
   * transmission (SCM_TSTAMP_SND), 1 for TX_SCHED.
   */
  readonly timestamps: Timestamps | undefined;
  /** All fields that the kernel reported, for origins that are not errors. */
  readonly extended: ExtendedError;
}

/** Counters of the error queue. */
export interface ErrorQueueStats {
  /** Entries that have been read. */
  readonly entries: number;
  /** Entries that were dropped because more than 128 were waiting: the oldest are dropped first. */
  readonly dropped: number;
}

/**
 * `for await (const error of udp.errorQueue)`: iterates until the socket closes. The newest 128 entries are kept for a
 * later iterator. Only one iterator at a time.
 */
export class ErrorQueue implements AsyncIterable<NetworkError> {
  readonly #entries: ErrorEntries;
  #iterating = false;

  private constructor(entries: ErrorEntries) {
    this.#entries = entries;
  }

  /** @internal */
  static [make](entries: ErrorEntries): ErrorQueue {
    return new ErrorQueue(entries);
  }

  /** Removes and returns the oldest entry; undefined if there is none. */
  take(): NetworkError | undefined {
    return this.#entries.take();
  }

  /** @throws ERR_INVALID_STATE while there is another iterator */
  [Symbol.asyncIterator](): AsyncItems<NetworkError> {
    if (this.#iterating) {
      throw new SocketError(
        'ERR_INVALID_STATE',
        'This error queue already has an iterator; only one is allowed at a time.',
      );
    }
    this.#iterating = true;
    let ended = false;
    const iterator: AsyncItems<NetworkError> = {
      next: async () => {
        const value = ended ? undefined : await this.#entries.next();
        return value === undefined ? DONE : { value, done: false };
      },
      return: () => {
        if (ended) return Promise.resolve(DONE); // pending waits belong to another iterator
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
