// SendBatch: many datagrams for many destinations in one piece of memory, for one system call.
import { bytes as checkBytes } from '../../arguments.js';
import { SocketError } from '../../errors.js';
import { contents, make } from '../internal.js';
import type { ReceivedBatch } from '../receive/batch.js';
import { BatchContents, type BatchOwner, type SendBatchOptions } from './batch-contents.js';
import { NOTHING, type ReplyOptions, type SendOptions } from './envelope.js';

/**
 * Datagrams for `udp.sendBatch`; `udp.createSendBatch` makes one. Their data is copied into one piece of memory, or written
 * there (`reserve`, `commit`). A message is one datagram, or with `segmentSize` data that the kernel cuts into datagrams;
 * longer data becomes several messages. Messages are sent in order, each once, and the batch keeps its position: nothing is
 * sent again until `clear` is called and messages are added.
 */
export class SendBatch {
  /** All of the memory for data. The part after `end` is free: write there before `commit`. */
  readonly data: Uint8Array;
  readonly #contents: BatchContents;

  private constructor(inside: BatchContents) {
    this.data = inside.data;
    this.#contents = inside;
  }

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE @internal */
  static [make](owner: BatchOwner, options: SendBatchOptions): SendBatch {
    return new SendBatch(new BatchContents(owner, options));
  }

  /** @internal */
  get [contents](): BatchContents {
    return this.#contents;
  }

  /** Messages that were added since the last `clear`. */
  get length(): number {
    return this.#contents.length;
  }

  /** The index of the next message to be sent; after an error it is the one that failed. */
  get position(): number {
    return this.#contents.position;
  }

  /** Messages that have not been sent. */
  get remaining(): number {
    return this.#contents.remaining;
  }

  /** The offset in `data` at which the next data begins. */
  get end(): number {
    return this.#contents.end;
  }

  /**
   * Adds a copy of the data. Returns false if there is no room for it: send the batch and clear it.
   * @throws ERR_OUT_OF_RANGE if it would not fit into an empty batch either; as `trySend` for its options
   */
  add(data: Uint8Array, options: SendOptions = NOTHING): boolean {
    checkBytes('data', data);
    this.#contents.owner.envelope.read(options);
    return this.#contents.add(data);
  }

  /**
   * Adds a reply to datagram `i` of a received batch, sent from the address that the datagram was sent to, as `udp.reply`
   * does. Returns false only if there is no room: send the batch and clear it. A reply from another port is not added but
   * sent at once. A reply that cannot be sent never makes `sendBatch` throw; it is counted in `udp.stats.replies`, and
   * 'sendError' is emitted.
   * @throws ERR_INVALID_STATE as `udp.reply`; as `add` for data and options
   */
  addReply(received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions = NOTHING): boolean {
    const { replies } = this.#contents.owner;
    if (replies === undefined) throw new SocketError('ERR_UNSUPPORTED', 'Only batches of a UdpSocket support replies.');
    return replies.add(this.#contents, received, i, checkBytes('data', data), options);
  }

  /**
   * Returns memory to write a datagram into, before `commit`; undefined if there is no room: send the batch and clear it.
   * To allocate nothing per datagram, write into `data` from `end` on instead, and commit.
   * @throws ERR_OUT_OF_RANGE if it would not fit into an empty batch either
   */
  reserve(max: number): Uint8Array | undefined {
    return this.#contents.reserve(max);
  }

  /**
   * Adds the first `length` bytes written after `end`. Returns false if there is no room for the message. @throws
   * ERR_OUT_OF_RANGE for more than was reserved or is available
   */
  commit(length: number, options: SendOptions = NOTHING): boolean {
    this.#contents.owner.envelope.read(options); // first, since getters of the options may add to the batch
    return this.#contents.commit(length);
  }

  /** Skips the message at `position`, or the rest of it. @throws ERR_INVALID_STATE if there is none */
  skip(): void {
    this.#contents.skip();
  }

  /** Empties the batch, including messages that have not been sent. */
  clear(): void {
    this.#contents.clear();
  }
}
