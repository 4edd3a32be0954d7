// Receiver: reads datagrams from the kernel and delivers them to a consumer in one of four forms. Nothing is read without a
// consumer, no datagram that was read is lost, and the work per turn of the event loop is limited.
import { takeError } from '../../kernel/int-option.js';
import { invalidValue } from '../../arguments.js';
import type { Handle } from '../../binding.js';
import { SocketError, SyscallError } from '../../errors.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import type { Readiness } from '../../socket/readiness.js';
import { empty, fill, isOwn, make, show } from '../internal.js';
import { Arena, ArenaPool, RESULT_WORDS, type ArenaShape } from './arena.js';
import { ReceivedBatch } from './batch.js';
import { RepeatedErrors } from './repeated-errors.js';
import { Turn } from './turn.js';
import { MessageIterator } from './iterator.js';
import { MessageCursor, type Message, type MessageInfo } from './messages.js';
import { EAGAIN, EBADF, MSG_CTRUNC, MSG_ERRQUEUE, MSG_TRUNC, SOL_SOCKET, SO_MEMINFO } from '../../kernel/numbers.js';

/** Counters of received datagrams since the socket was created. */
export interface ReceiveStats {
  /** Datagrams; merged ones are counted one by one. */
  readonly datagrams: number;
  readonly bytes: number;
  /** Calls of recvmmsg(2). */
  readonly syscalls: number;
  /** Truncated datagrams: longer than `maxDatagram`. */
  readonly truncated: number;
  /** Datagrams whose control messages were truncated. */
  readonly controlTruncated: number;
  /** Datagrams that the kernel dropped because the receive buffer was full. */
  readonly drops: number;
  /** Pending errors that were read, such as ECONNREFUSED from an ICMP message: 'pendingError'. */
  readonly errors: number;
}

export interface ReceiverOptions extends ArenaShape {
  readonly gro: boolean;
  /** Whether SO_RXQ_OVFL is on. */
  readonly dropCounter: boolean;
  readonly debug: boolean;
}

/** What the receiver needs of its socket. */
export interface ReceiverContext {
  readonly handle: Handle;
  readonly readiness: Readiness;
  /** Calls in the async context in which the socket was created. */
  inContext(callback: () => void): void;
  onBatch(batch: ReceivedBatch): void;
  onMessage(data: Buffer, info: MessageInfo): void;
  onPendingError(error: SyscallError): void;
  /** Reads the error queue; undefined if the socket has none. */
  readonly drainErrors?: (() => void) | undefined;
}

/** The consumer of the datagrams; one at a time. */
export type Consumer = 'batch' | 'message' | 'iterator';

export class Receiver {
  readonly #context: ReceiverContext;
  readonly #options: ReceiverOptions;
  readonly #pool: ArenaPool;
  /** The batch being read; empty between two turns, unless messages are left in it. */
  readonly #batch: ReceivedBatch;
  readonly #cursor: MessageCursor;
  /** Repeated errors of recvmmsg: out of memory, a sandbox that forbids the call. */
  readonly #errors = new RepeatedErrors({
    persist: (errno) => this.#iterator?.fail(new SyscallError('recvmmsg', errno)),
    changed: () => this.#listen(),
  });
  #consumer: Consumer | undefined;
  #paused = false;
  #closed = false;
  #scheduled = false;
  #iterator: MessageIterator | undefined;
  #iteratorTurn = new Turn(MESSAGES_PER_LOOK);
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

  /** Whether messages have been read but not delivered. */
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

  /** Makes this the consumer from now on. @throws ERR_INVALID_STATE if there is another one; ERR_UNSUPPORTED */
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
   * Fills a batch with the available datagrams; returns 0 if there are none. @throws ERR_INVALID_STATE if there is a
   * consumer
   */
  pull(batch: ReceivedBatch): number {
    if (this.#closed) throw new SyscallError('recvmmsg', EBADF);
    this.#refuseSecond();
    if (!batch[isOwn])
      throw invalidValue('batch', batch, "it belongs to the 'batch' event; use one made by createReceiveBatch");
    if (batch.slots !== this.#options.slots) {
      throw invalidValue(
        'batch',
        batch,
        'it was made by createReceiveBatch of a socket with a different number of slots',
      );
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

  /** Iterates over messages until the socket closes or the consumer stops. @throws ERR_INVALID_STATE, ERR_UNSUPPORTED */
  iterate(): MessageIterator {
    this.attach('iterator');
    const iterator = new MessageIterator({
      take: () => this.#takeForIterator(),
      wanted: () => this.#listen(),
      left: () => this.detach('iterator'),
    });
    if (this.#closed) iterator.end();
    return (this.#iterator = iterator);
  }

  /** Called when the socket is readable. */
  onReadable(): void {
    if (this.#consumer === 'batch') this.#deliverBatches();
    else if (this.#consumer === 'message') this.#deliverMessages();
    else if (this.#consumer === 'iterator') this.#fillForIterator();
  }

  /**
   * Reads the pending error of the socket and its error queue; otherwise every poll would return at once.
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
    this.#errors.clear();
    this.#consumer = undefined;
    if (this.#cursor.hasNext) this.#release();
    this.#iterator?.end();
  }

  #deliverBatches(): void {
    const turn = new Turn(1);
    for (let round = 0; round < ROUNDS && this.#consumer === 'batch' && !this.#paused; round++) {
      const held = this.#takeRest();
      if (held !== undefined) this.#batch[show](held.arena, held.length);
      else if (!this.#fill()) return;
      const full = held !== undefined || this.#batch.length === this.#options.slots;
      this.#cursor.finish(); // its messages must not be delivered again
      try {
        this.#context.onBatch(this.#batch);
      } finally {
        this.#release();
      }
      if (!full || turn.isOver) return;
    }
  }

  #deliverMessages(): void {
    const turn = new Turn(MESSAGES_PER_LOOK);
    for (let round = 0; round < ROUNDS && this.#wantsMessages(); round++) {
      if (!this.#cursor.hasNext && !this.#fill()) return;
      const full = this.#batch.length === this.#options.slots;
      try {
        while (this.#wantsMessages() && this.#cursor.hasNext) {
          if (turn.isOver) return;
          const { data, info } = this.#next();
          this.#context.onMessage(data, info);
        }
      } finally {
        // A listener threw, or the last one was removed, or the socket was paused: the remaining messages wait.
        if (this.#cursor.hasNext) this.#schedule();
      }
      if (!full) return;
    }
  }

  /** A consumer that awaits nothing else takes all messages in one turn of the event loop, so that this must end the turn. */
  #takeForIterator(): Message | undefined {
    if (!this.#cursor.hasNext || this.#paused) return undefined;
    if (!this.#iteratorTurn.isOver) return this.#next();
    this.#schedule();
    return undefined;
  }

  #fillForIterator(): void {
    this.#iteratorTurn = new Turn(MESSAGES_PER_LOOK);
    if (this.#cursor.hasNext) this.#iterator?.deliver(); // to calls of next() made while it was paused
    // The consumer still has messages: leaving the rest in the kernel is the backpressure.
    if (this.#cursor.hasNext) this.#context.readiness.listen(false);
    else if (this.#fill()) this.#iterator?.deliver();
  }

  /** The next message; the arena is given back after the last one. */
  #next(): Message {
    const message = this.#cursor.next();
    if (!this.#cursor.hasNext) this.#release();
    return message;
  }

  /** Fills this receiver's batch. Returns false if there is nothing to read. */
  #fill(): boolean {
    // A debug socket never reuses an arena, so that a kept view is not overwritten by later data.
    const arena = this.#options.debug ? new Arena(this.#pool.shape) : this.#pool.take();
    this.#cursor.rewind();
    if (this.#receive(this.#batch, arena) > 0) return true;
    this.#release();
    return false;
  }

  /** recvmmsg(2). An error of the socket was caused by a peer or the network: it is reported, not thrown. */
  #receive(batch: ReceivedBatch, arena: Arena): number {
    const got = batch[fill](this.#context.handle, arena);
    this.#counts.syscalls++;
    if (got < 0 && got !== EAGAIN) {
      if (this.#errors.add(got)) this.#failed(got);
      else this.#counts.errors++;
      return got;
    }
    if (got > 0) this.#count(batch, arena.resultWords, got);
    this.#errors.clear();
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
    // In a separate turn, so that an error thrown by a listener does not look like a failed receive.
    setImmediate(() => this.#context.onPendingError(new SyscallError('recvmmsg', errno)));
  }

  /** Takes the messages that were read but not delivered, moved to the front of their arena. */
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

  /** Gives the arena of this receiver's batch back; its contents are lost. */
  #release(): void {
    const { length } = this.#batch;
    const arena = this.#batch[empty]();
    this.#cursor.rewind();
    if (arena === undefined) return;
    if (this.#options.debug) arena.poison(length);
    else this.#pool.give(arena);
  }

  /** Delivers messages that were already read, in a separate turn: a poll would not report them. */
  #schedule(): void {
    if (this.#scheduled || !this.#cursor.hasNext) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#cursor.hasNext || this.#paused) return;
      if (this.#consumer === 'iterator') {
        this.#iteratorTurn = new Turn(MESSAGES_PER_LOOK);
        this.#iterator?.deliver();
      } else this.#context.inContext(() => this.onReadable());
    });
  }

  #listen(): void {
    if (this.#closed) return;
    this.#context.readiness.listen(this.#consumer !== undefined && !this.#paused && !this.#errors.isWaiting);
  }

  /** A method, since TypeScript assumes that calling a listener does not change the state. */
  #wantsMessages(): boolean {
    return this.#consumer === 'message' && !this.#paused;
  }

  #refuseSecond(): void {
    if (this.#consumer === undefined) return;
    throw new SocketError(
      'ERR_INVALID_STATE',
      `The datagrams of this socket are already delivered to ${DESCRIPTIONS[this.#consumer]}. Use only one of 'batch', ` +
        "'message', for await and receiveBatch at a time: remove its listeners, or end the iterator, first.",
    );
  }

  /** The kernel's own counter. SO_RXQ_OVFL reports the same number, but only with the next datagram. */
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

/** System calls per turn of the event loop; its time is limited as well. */
const ROUNDS = 4;
/** Looking at the clock costs as much as a fast listener. */
const MESSAGES_PER_LOOK = 16;
const MAX_ERRORS = 64;

const SK_MEMINFO_DROPS = 8;

const EMPTY = new Uint8Array(0);
const NO_BUFFERS: readonly Uint8Array[] = [];
// Scratch memory: what a call writes is read before the next call.
const scratch = new Uint8Array(12);
const scratchMemory = new Uint8Array(4 * (SK_MEMINFO_DROPS + 1));
const scratchMemoryView = new DataView(scratchMemory.buffer);
