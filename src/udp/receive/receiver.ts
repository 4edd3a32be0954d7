// Receiver: takes datagrams from the kernel and hands them to whoever wants them, in one of four forms. Nothing is read that
// nobody wants, nothing that was read is lost, and no turn of the event loop goes on for ever.
import { takeError } from '../../kernel/int-option.js';
import { invalidValue } from '../../arguments.js';
import type { Handle } from '../../binding.js';
import { SocketError, SyscallError } from '../../errors.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import type { Readiness } from '../../socket/readiness.js';
import { empty, fill, isOwn, make, show } from '../internal.js';
import { Arena, ArenaPool, RESULT_WORDS, type ArenaShape } from './arena.js';
import { ReceivedBatch } from './batch.js';
import { MessageIterator } from './iterator.js';
import { MessageCursor, type Message, type MessageInfo } from './messages.js';
import { EAGAIN, EBADF, MSG_CTRUNC, MSG_ERRQUEUE, MSG_TRUNC, SOL_SOCKET, SO_MEMINFO } from '../../kernel/numbers.js';

/** What a socket has received, counted since it was made. */
export interface ReceiveStats {
  /** Datagrams, those that were merged counted one by one. */
  readonly datagrams: number;
  readonly bytes: number;
  /** Calls of recvmmsg(2). */
  readonly syscalls: number;
  /** Datagrams whose end was cut off: longer than `maxDatagram`. */
  readonly truncated: number;
  /** Datagrams for whose control messages there was no room. */
  readonly controlTruncated: number;
  /** Datagrams that the kernel dropped for want of room in the receive buffer. */
  readonly drops: number;
  /** Pending errors that were read, such as ECONNREFUSED from an ICMP message: 'pendingError'. */
  readonly errors: number;
}

export interface ReceiverOptions extends ArenaShape {
  readonly gro: boolean;
  /** SO_RXQ_OVFL is on. */
  readonly dropCounter: boolean;
  readonly debug: boolean;
}

/** The socket, as far as its receiver needs it. */
export interface ReceiverContext {
  readonly handle: Handle;
  readonly readiness: Readiness;
  onBatch(batch: ReceivedBatch): void;
  onMessage(data: Buffer, info: MessageInfo): void;
  onPendingError(error: SyscallError): void;
  /** Reads the error queue; undefined when there is none that anybody wants. */
  readonly drainErrors?: (() => void) | undefined;
}

/** Who gets the datagrams; one at a time. */
export type Consumer = 'batch' | 'message' | 'iterator';

export class Receiver {
  readonly #context: ReceiverContext;
  readonly #options: ReceiverOptions;
  readonly #pool: ArenaPool;
  /** What is being read; empty between two turns, unless its messages had to wait. */
  readonly #batch: ReceivedBatch;
  readonly #cursor: MessageCursor;
  #consumer: Consumer | undefined;
  #paused = false;
  #closed = false;
  #scheduled = false;
  #iterator: MessageIterator | undefined;
  readonly #counts = { datagrams: 0, bytes: 0, syscalls: 0, truncated: 0, controlTruncated: 0, drops: 0, errors: 0 };

  constructor(context: ReceiverContext, options: ReceiverOptions) {
    this.#context = context;
    this.#options = options;
    this.#pool = ArenaPool.of({
      slots: options.slots,
      dataSize: options.dataSize,
      controlSize: options.controlSize,
    });
    this.#batch = ReceivedBatch[make](options.slots, options.dropCounter, false);
    this.#cursor = new MessageCursor(this.#batch);
  }

  get consumer(): Consumer | undefined {
    return this.#consumer;
  }

  /** Messages were read that nobody has got yet. */
  get holdsMessages(): boolean {
    return this.#cursor.hasNext;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get stats(): ReceiveStats {
    this.#readDrops();
    return { ...this.#counts };
  }

  createBatch(): ReceivedBatch {
    return ReceivedBatch[make](this.#options.slots, this.#options.dropCounter, true);
  }

  /** From now on this consumer gets what arrives. @throws ERR_INVALID_STATE when another one does; ERR_UNSUPPORTED */
  attach(consumer: Consumer): void {
    if (this.#closed || (this.#consumer === consumer && consumer !== 'iterator')) return;
    this.#refuseSecond();
    this.#consumer = consumer;
    try {
      this.#listen();
    } catch (error) {
      this.#consumer = undefined;
      throw error;
    }
    this.#schedule();
  }

  detach(consumer: Consumer): void {
    if (this.#consumer !== consumer) return;
    this.#consumer = undefined;
    this.#iterator = undefined;
    this.#listen();
  }

  pause(): void {
    this.#paused = true;
    this.#listen();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#listen();
    this.#schedule();
  }

  /**
   * The pull form: fills a batch with what is there; 0 when that is nothing.
   * @throws ERR_INVALID_STATE when there is a consumer
   */
  pull(batch: ReceivedBatch): number {
    if (this.#closed) throw new SyscallError('recvmmsg', EBADF);
    this.#refuseSecond();
    if (!batch[isOwn])
      throw invalidValue('batch', batch, "it is the one of a 'batch' event: createReceiveBatch makes others");
    if (batch.slots !== this.#options.slots) {
      throw invalidValue('batch', batch, 'it was made by createReceiveBatch of a socket with another number of slots');
    }
    const { length } = batch;
    const old = batch[empty]();
    if (this.#options.debug) old?.poison(length);
    const held = this.#takeRest();
    if (held !== undefined) {
      batch[show](held.arena, held.length);
      return held.length;
    }
    const again = old?.intact === true && this.#pool.fits(old) && !this.#options.debug;
    return Math.max(this.#receive(batch, again ? old : new Arena(this.#pool.shape)), 0);
  }

  /** Messages until the socket closes, or the consumer has had enough. @throws ERR_INVALID_STATE, ERR_UNSUPPORTED */
  iterate(): MessageIterator {
    this.attach('iterator');
    const iterator = new MessageIterator({
      take: () => (this.#cursor.hasNext && !this.#paused ? this.#next() : undefined),
      wanted: () => this.#listen(),
      left: () => this.detach('iterator'),
    });
    if (this.#closed) iterator.end();
    return (this.#iterator = iterator);
  }

  /** The event loop says that there is something to read. */
  onReadable(): void {
    if (this.#consumer === 'batch') this.#deliverBatches();
    else if (this.#consumer === 'message') this.#deliverMessages();
    else if (this.#consumer === 'iterator') this.#fillForIterator();
  }

  /**
   * Reads the pending error of the socket, and what is in its error queue: nobody else would, and a poll would come back
   * for it for ever.
   */
  onError(): void {
    const { handle } = this.#context;
    const errno = takeError(handle);
    const { drainErrors } = this.#context;
    if (drainErrors !== undefined) drainErrors();
    else
      for (let left = MAX_ERRORS; left > 0; left--) {
        if (handle.recvmsg(NO_BUFFERS, EMPTY, EMPTY, MSG_ERRQUEUE, scratch) < 0) break;
      }
    if (errno !== 0) this.#failed(errno);
  }

  close(): void {
    this.#readDrops();
    this.#closed = true;
    this.#consumer = undefined;
    if (this.#cursor.hasNext) this.#release();
    this.#iterator?.end();
  }

  #deliverBatches(): void {
    for (let round = 0; round < ROUNDS && this.#consumer === 'batch' && !this.#paused; round++) {
      const held = this.#takeRest();
      if (held !== undefined) this.#batch[show](held.arena, held.length);
      else if (!this.#fill()) return;
      const full = held !== undefined || this.#batch.length === this.#options.slots;
      this.#cursor.finish(); // nobody else gets what is in it
      try {
        this.#context.onBatch(this.#batch);
      } finally {
        this.#release();
      }
      if (!full) return;
    }
  }

  #deliverMessages(): void {
    for (let round = 0; round < ROUNDS && this.#wantsMessages(); round++) {
      if (!this.#cursor.hasNext && !this.#fill()) return;
      const full = this.#batch.length === this.#options.slots;
      try {
        while (this.#wantsMessages() && this.#cursor.hasNext) {
          const { data, info } = this.#next();
          this.#context.onMessage(data, info);
        }
      } finally {
        // A listener has thrown, or the last one has gone, or it paused: what is left waits.
        if (this.#cursor.hasNext) this.#schedule();
      }
      if (!full) return;
    }
  }

  #fillForIterator(): void {
    if (this.#cursor.hasNext) this.#iterator?.deliver(); // to those who wait since it was paused
    // It is busy with what it has: that the kernel holds the rest is the back-pressure.
    if (this.#cursor.hasNext) this.#context.readiness.listen(false);
    else if (this.#fill()) this.#iterator?.deliver();
  }

  /** The next message; the arena goes back with the last one. */
  #next(): Message {
    const message = this.#cursor.next();
    if (!this.#cursor.hasNext) this.#release();
    return message;
  }

  /** Fills the own batch. False: there is nothing. */
  #fill(): boolean {
    // In a debug socket no arena is used twice, so that a view that was kept is not written over by what comes after.
    const arena = this.#options.debug ? new Arena(this.#pool.shape) : this.#pool.take();
    this.#cursor.rewind();
    if (this.#receive(this.#batch, arena) > 0) return true;
    this.#release();
    return false;
  }

  /** recvmmsg(2). An error of the socket is one that somebody else has caused: it is told, and nothing is thrown. */
  #receive(batch: ReceivedBatch, arena: Arena): number {
    const got = batch[fill](this.#context.handle, arena);
    this.#counts.syscalls++;
    if (got > 0) this.#count(batch, arena.resultWords, got);
    else if (got < 0 && got !== EAGAIN) this.#failed(got);
    return got;
  }

  #count(batch: ReceivedBatch, results: Uint32Array, got: number): void {
    let bytes = 0;
    let flags = 0;
    for (let at = 0; at < RESULT_WORDS * got; at += RESULT_WORDS) {
      bytes += results[at] ?? 0;
      flags |= results[at + 3] ?? 0;
    }
    const counts = this.#counts;
    counts.bytes += bytes;
    if (this.#options.gro) for (let i = 0; i < got; i++) counts.datagrams += batch.segments(i);
    else counts.datagrams += got;
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) === 0) return;
    for (let i = 0; i < got; i++) {
      if (batch.truncated(i)) counts.truncated++;
      if (batch.controlTruncated(i)) counts.controlTruncated++;
    }
  }

  #failed(errno: number): void {
    this.#counts.errors++;
    // In a turn of its own, so that what a listener throws does not look like a receive that failed.
    setImmediate(() => this.#context.onPendingError(new SyscallError('recvmmsg', errno)));
  }

  /** What messages were read and not delivered yet, in slots of its own. */
  #takeRest(): { arena: Arena; length: number } | undefined {
    if (!this.#cursor.hasNext) return undefined;
    const { slot, offset } = this.#cursor;
    const length = this.#batch.length - slot;
    const arena = this.#batch[empty]();
    this.#cursor.rewind();
    if (arena === undefined) return undefined;
    arena.moveToFront(slot, offset, length);
    return { arena, length };
  }

  /** Gives the arena of the own batch back; all that was in it is gone. */
  #release(): void {
    const { length } = this.#batch;
    const arena = this.#batch[empty]();
    this.#cursor.rewind();
    if (arena === undefined) return;
    if (this.#options.debug) arena.poison(length);
    else this.#pool.give(arena);
  }

  /** Delivers what was read already in a turn of its own: the kernel does not know of it, and no poll would. */
  #schedule(): void {
    if (this.#scheduled || !this.#cursor.hasNext) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#cursor.hasNext || this.#paused) return;
      if (this.#consumer === 'iterator') this.#iterator?.deliver();
      else this.onReadable();
    });
  }

  #listen(): void {
    if (this.#closed) return;
    this.#context.readiness.listen(this.#consumer !== undefined && !this.#paused);
  }

  /** A method, since TypeScript believes that a listener changes nothing. */
  #wantsMessages(): boolean {
    return this.#consumer === 'message' && !this.#paused;
  }

  #refuseSecond(): void {
    if (this.#consumer === undefined) return;
    throw new SocketError(
      'ERR_INVALID_STATE',
      `The datagrams of this socket go to ${DESCRIPTIONS[this.#consumer]} already. There are four forms ('batch', ` +
        "'message', for await, receiveBatch): use one at a time, and remove the listeners of the other first.",
    );
  }

  /** The kernel's own counter; SO_RXQ_OVFL tells the same, but only with the next datagram. */
  #readDrops(): void {
    if (this.#closed) return;
    const length = this.#context.handle.getsockopt(SOL_SOCKET, SO_MEMINFO, scratchMemory);
    if (length >= 4 * (SK_MEMINFO_DROPS + 1)) {
      this.#counts.drops = scratchMemoryView.getUint32(4 * SK_MEMINFO_DROPS, LITTLE_ENDIAN);
    }
  }
}

const DESCRIPTIONS: Readonly<Record<Consumer, string>> = {
  batch: "a listener of 'batch'",
  message: "a listener of 'message'",
  iterator: 'an iterator (for await)',
};

/** System calls per turn of the event loop: others want to be heard, too. */
const ROUNDS = 4;
const MAX_ERRORS = 64;

const SK_MEMINFO_DROPS = 8;

const EMPTY = new Uint8Array(0);
const NO_BUFFERS: readonly Uint8Array[] = [];
// What a call writes is read before the next call.
const scratch = new Uint8Array(12);
const scratchMemory = new Uint8Array(4 * (SK_MEMINFO_DROPS + 1));
const scratchMemoryView = new DataView(scratchMemory.buffer);
