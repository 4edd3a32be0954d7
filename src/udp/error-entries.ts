// The entries of the error queue (IP_RECVERR, ip(7)). They are always read, whether or not anything consumes them: an
// unread queue makes every poll return at once and later sends fail.
import type { Handle } from '../binding.js';
import { EMSGSIZE, MSG_ERRQUEUE } from '../kernel/numbers.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { decodeControl } from '../wire/control.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import type { ExtendedError } from '../wire/messages/extended-error.js';
import type { Timestamps } from '../wire/messages/timestamps.js';
import type { ErrorQueueStats, NetworkError } from './error-queue.js';

/** What the error queue needs of its socket. */
export interface ErrorQueueContext {
  readonly handle: Pick<Handle, 'recvmsg'>;
  /** Called when waiting for an entry starts or ends: whether it keeps the event loop alive. */
  wanted(wanted: boolean): void;
}

/** The entries that were read. The newest 128 are kept until they are taken. */
export class ErrorEntries {
  readonly #context: ErrorQueueContext;
  readonly #kept: NetworkError[] = [];
  #waiting: ((entry: NetworkError | undefined) => void)[] = [];
  #closed = false;
  #entries = 0;
  #dropped = 0;

  constructor(context: ErrorQueueContext) {
    this.#context = context;
  }

  get stats(): ErrorQueueStats {
    return { entries: this.#entries, dropped: this.#dropped };
  }

  /** Removes and returns the oldest entry; undefined if there is none. */
  take(): NetworkError | undefined {
    return this.#kept.shift();
  }

  /** The next entry; undefined when the socket is closed, or after `stopWaiting`. */
  next(): Promise<NetworkError | undefined> {
    const entry = this.take();
    if (entry !== undefined || this.#closed) return Promise.resolve(entry);
    this.#context.wanted(true);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves all pending waits with undefined. */
  stopWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0 && !this.#closed) this.#context.wanted(false);
    for (const resolve of waiting) resolve(undefined);
  }

  /** Reads the available entries, a limited number per turn of the event loop. */
  drain(): void {
    for (let left = MAX_PER_TURN; left > 0; left--) {
      const length = this.#context.handle.recvmsg(buffers, name, control, MSG_ERRQUEUE, result);
      if (length < 0) return;
      this.#entries++;
      const entry = decode(length);
      if (entry !== undefined) this.#deliver(entry);
    }
  }

  close(): void {
    this.#closed = true;
    this.stopWaiting();
  }

  #deliver(entry: NetworkError): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      if (this.#waiting.length === 0) this.#context.wanted(false);
      waiting(entry);
      return;
    }
    this.#kept.push(entry);
    if (this.#kept.length <= MAX_KEPT) return;
    this.#kept.shift();
    this.#dropped++;
  }
}

function decode(length: number): NetworkError | undefined {
  const [nameLength, controlLength] = [view.getUint32(0, LITTLE_ENDIAN), view.getUint32(4, LITTLE_ENDIAN)];
  let extended: ExtendedError | undefined;
  let timestamps: Timestamps | undefined;
  for (const message of decodeControl(control, controlLength)) {
    if (message.type === 'IP_RECVERR' || message.type === 'IPV6_RECVERR') extended = message.value;
    else if (message.type === 'SCM_TIMESTAMPING') timestamps = message.value;
  }
  if (extended === undefined) return undefined;
  const { code, errno, origin, type, icmpCode, info, offender } = extended;
  return {
    ...{ code, errno, origin, type, icmpCode, offender, timestamps, extended },
    mtu: errno === EMSGSIZE ? info : undefined,
    destination: Endpoint.decode(name, Math.min(nameLength, SOCKADDR_SIZE)),
    data: Buffer.from(data.subarray(0, length)),
  };
}

const MAX_KEPT = 128;
const MAX_PER_TURN = 64;

// What a call writes is read before the next call.
const data = new Uint8Array(1500);
const buffers: readonly Uint8Array[] = [data];
const name = new Uint8Array(SOCKADDR_SIZE);
const control = new Uint8Array(512);
const result = new Uint8Array(12);
const view = new DataView(result.buffer);
