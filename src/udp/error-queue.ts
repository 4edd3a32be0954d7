// The error queue (IP_RECVERR, ip(7)): what went wrong with datagrams that had been sent, one by one, with who said so. It is read
// whenever something is in it, whoever wants it: a queue that nobody reads makes every poll return at once and later sends fail.
import type { Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { decodeControl } from '../wire/control.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import type { ErrorOrigin, ExtendedError } from '../wire/messages/extended-error.js';
import { EMSGSIZE, MSG_ERRQUEUE } from '../kernel/numbers.js';

/** One entry of the error queue. */
export interface NetworkError {
  /** 'ECONNREFUSED', 'EMSGSIZE', …; 'none' for reports that are no errors (time stamps, zero copy). */
  readonly code: string;
  /** Negative, or 0. */
  readonly errno: number;
  /** 'icmp', 'icmp6': a message from the network. 'local': this host's own, such as EMSGSIZE. */
  readonly origin: ErrorOrigin;
  /** ICMP type, with `origin` 'icmp' and 'icmp6'. */
  readonly type: number;
  /** ICMP code. */
  readonly icmpCode: number;
  /** The path MTU, headers included, of EMSGSIZE. */
  readonly mtu: number | undefined;
  /** Who sent the ICMP message: a router, or the destination itself. Its port is 0. */
  readonly offender: Endpoint | undefined;
  /** Where the datagram was sent to; with `origin` 'local' the port is 0, unless the socket is connected. */
  readonly destination: Endpoint | undefined;
  /** What the datagram had in it, as far as the message quotes it; at most 1500 bytes. Yours. */
  readonly data: Buffer;
  /** All that the kernel said, for origins that are no errors. */
  readonly extended: ExtendedError;
}

/** What came out of the error queue, counted. */
export interface ErrorQueueStats {
  /** Entries that were read. */
  readonly entries: number;
  /** Those that nobody wanted until there were too many: the oldest go. */
  readonly dropped: number;
}

/** The socket, as far as its error queue needs it. */
export interface ErrorQueueContext {
  readonly handle: Pick<Handle, 'recvmsg'>;
  /** Somebody waits for an entry, or nobody does any more: does it keep the event loop alive? */
  wanted(wanted: boolean): void;
}

type Result = IteratorResult<NetworkError, undefined>;

/**
 * `for await (const error of udp.errorQueue)`: until the socket closes. The newest 128 entries are kept for whoever begins
 * later. One iterator at a time.
 */
export class ErrorQueue implements AsyncIterable<NetworkError, undefined> {
  readonly #context: ErrorQueueContext;
  readonly #kept: NetworkError[] = [];
  #waiting: ((result: Result) => void)[] = [];
  #iterating = false;
  #closed = false;
  #entries = 0;
  #dropped = 0;

  /** @internal */
  constructor(context: ErrorQueueContext) {
    this.#context = context;
  }

  /** @internal */
  get stats(): ErrorQueueStats {
    return { entries: this.#entries, dropped: this.#dropped };
  }

  /** The oldest entry that nobody has taken; undefined when there is none. */
  take(): NetworkError | undefined {
    return this.#kept.shift();
  }

  /** @throws ERR_INVALID_STATE while there is another iterator */
  [Symbol.asyncIterator](): AsyncIterableIterator<NetworkError, undefined> {
    if (this.#iterating) {
      throw new SocketError('ERR_INVALID_STATE', 'Somebody iterates over this error queue already; one at a time.');
    }
    this.#iterating = true;
    let ended = false;
    const iterator: AsyncIterableIterator<NetworkError, undefined> = {
      next: () => {
        const value = ended ? undefined : this.take();
        if (value !== undefined) return Promise.resolve({ value, done: false });
        if (ended || this.#closed) return Promise.resolve(DONE);
        this.#context.wanted(true);
        return new Promise((resolve) => this.#waiting.push(resolve));
      },
      return: () => {
        if (ended) return Promise.resolve(DONE); // those who wait now are another one's
        ended = true;
        this.#iterating = false;
        this.#finish();
        return Promise.resolve(DONE);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Reads what is there, so many entries a turn of the event loop. @internal */
  drain(): void {
    for (let left = MOST_PER_TURN; left > 0; left--) {
      const length = this.#context.handle.recvmsg(buffers, name, control, MSG_ERRQUEUE, result);
      if (length < 0) return;
      this.#entries++;
      const entry = decode(length);
      if (entry !== undefined) this.#deliver(entry);
    }
  }

  /** @internal */
  close(): void {
    this.#closed = true;
    this.#finish();
  }

  #deliver(entry: NetworkError): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      if (this.#waiting.length === 0) this.#context.wanted(false);
      waiting({ value: entry, done: false });
      return;
    }
    this.#kept.push(entry);
    if (this.#kept.length <= MOST_KEPT) return;
    this.#kept.shift();
    this.#dropped++;
  }

  #finish(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0 && !this.#closed) this.#context.wanted(false);
    for (const resolve of waiting) resolve(DONE);
  }
}

function decode(length: number): NetworkError | undefined {
  const [nameLength, controlLength] = [view.getUint32(0, LITTLE_ENDIAN), view.getUint32(4, LITTLE_ENDIAN)];
  for (const message of decodeControl(control, controlLength)) {
    if (message.type !== 'IP_RECVERR' && message.type !== 'IPV6_RECVERR') continue;
    const extended = message.value;
    const { code, errno, origin, type, icmpCode, info, offender } = extended;
    return {
      ...{ code, errno, origin, type, icmpCode, offender, extended },
      mtu: errno === EMSGSIZE ? info : undefined,
      destination: Endpoint.decode(name, Math.min(nameLength, SOCKADDR_SIZE)),
      data: Buffer.from(data.subarray(0, length)),
    };
  }
  return undefined;
}

const DONE: Result = { value: undefined, done: true };
const MOST_KEPT = 128;
const MOST_PER_TURN = 64;

// What a call writes is read before the next call.
const data = new Uint8Array(1500);
const buffers: readonly Uint8Array[] = [data];
const name = new Uint8Array(SOCKADDR_SIZE);
const control = new Uint8Array(512);
const result = new Uint8Array(12);
const view = new DataView(result.buffer);
