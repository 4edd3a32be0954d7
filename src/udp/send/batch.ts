// SendBatch: many datagrams for many destinations in one piece of memory, for one system call.
import { bytes as checkBytes, integer, invalidValue, options as checkOptions, outOfRange } from '../../arguments.js';
import { SocketError, type SyscallError } from '../../errors.js';
import type { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { ADDRESS_ROOM, BESIDE_ROOM, Memory, writeSegment } from './control.js';
import { NOTHING, type Envelope, type ReplyOptions, type SendOptions } from './envelope.js';
import type { ReceivedBatch } from '../receive/batch.js';
import { Records, UNCUT, type Messages } from './records.js';
import { hasEqualTail } from './segments.js';
import type { Sticky } from './sticky.js';

export interface SendBatchOptions {
  /** Messages that it has room for, 1 to 65536. @default 64 */
  readonly messages?: number | undefined;
  /** Bytes of data that it has room for, 1 to 2 ** 30. @default 1500 for each message */
  readonly bytes?: number | undefined;
}

/** Who knows where replies go to and come from: src/udp/reply. */
export interface ReplyRouter {
  /** `addReply`: false when the batch has no room. */
  add(batch: SendBatch, received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions): boolean;
  /** A reply of a batch was not sent. */
  failed(error: SyscallError, source: Endpoint, destination: Endpoint | undefined): void;
}

/** What a batch has to know of the socket that it belongs to. */
export interface BatchOwner {
  readonly family: Family;
  /** Used again and again: read by one call, and forgotten before the next. */
  readonly envelope: Envelope;
  readonly sentinel: boolean;
  readonly sticky: Sticky;
  readonly replies: ReplyRouter | undefined;
  connectedTo(): Endpoint | undefined;
  /** Bytes of each of the messages that so much data makes: all, or a multiple of the segment size. */
  bytesPerMessage(length: number, segmentSize: number, ipv4: boolean): number;
}

/**
 * Datagrams for `udp.sendBatch`. Their data is copied into one piece of memory, or written there (`reserve`, `commit`).
 * A message is one datagram, or with `segmentSize` what the kernel cuts into datagrams; data that is longer than one
 * message can be becomes several. Messages are sent in their order, each once, and the batch keeps its place: nothing
 * is sent again until `clear` and new messages.
 */
export class SendBatch {
  /** All of the memory for data. What is between `end` and its length is free: write there before `commit`. */
  readonly data: Uint8Array;
  readonly #owner: BatchOwner;
  readonly #records: Records;
  readonly #beside: Memory;
  readonly #targets: (Endpoint | undefined)[];
  readonly #messages: Messages;
  #length = 0;
  #position = 0;
  #end = 0;
  #besideEnd = 0;
  #reserved = NONE;
  /** Which messages are replies, and what to: from the first reply on. */
  #replies: Reply[] | undefined;
  /** The destination whose address was written last, and where. */
  #lastTo: Endpoint | undefined;
  #lastAddress = 0;
  #lastAddressLength = 0;

  /** @internal `udp.createSendBatch` makes them. */
  constructor(owner: BatchOwner, options: SendBatchOptions) {
    checkOptions('options', options, ['messages', 'bytes']);
    const messages = integer('options.messages', options.messages ?? 64, 1, 65536);
    const bytes = integer('options.bytes', options.bytes ?? messages * 1500, 1, 2 ** 30);
    this.#owner = owner;
    this.data = new Uint8Array(bytes);
    this.#records = new Records(messages);
    this.#beside = new Memory(messages * BESIDE_ROOM);
    this.#targets = new Array<Endpoint | undefined>(messages).fill(undefined);
    this.#messages = {
      data: this.data,
      beside: this.#beside,
      records: this.#records,
      target: (index) => this.#targets[index] ?? this.#owner.connectedTo(),
    };
  }

  /** Messages that were added since the last `clear`. */
  get length(): number {
    return this.#length;
  }

  /** The index of the message that is next to be sent; after an error it is the one that failed. */
  get position(): number {
    return this.#position;
  }

  /** Messages that have not been sent. */
  get remaining(): number {
    return this.#length - this.#position;
  }

  /** Where the next data begins in `data`. */
  get end(): number {
    return this.#end;
  }

  /**
   * Adds data, which is copied. False when there is no room for it: send the batch, and clear it.
   * @throws ERR_OUT_OF_RANGE when it would not fit into an empty batch either; as `trySend` for its options
   */
  add(data: Uint8Array, options: SendOptions = NOTHING): boolean {
    checkBytes('data', data);
    this.#owner.envelope.read(options);
    return this.#add(data);
  }

  /**
   * Adds the answer to datagram `i` of a received batch: as `udp.reply`, from where that was sent to. False only when there
   * is no room: send the batch, and clear it. A reply that has to leave from another port is not for this batch: it is sent
   * at once. One that cannot be sent never makes `sendBatch` throw; it is counted in `udp.stats.replies` and a 'sendError'.
   * @throws ERR_INVALID_STATE as `udp.reply`; as `add` for data and options
   */
  addReply(received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions = NOTHING): boolean {
    const { replies } = this.#owner;
    if (replies === undefined)
      throw new SocketError('ERR_UNSUPPORTED', 'Only the batches of a UdpSocket have replies.');
    return replies.add(this, received, i, checkBytes('data', data), options);
  }

  /** Adds a reply; the owner's envelope has been read for it. @internal */
  addRead(data: Uint8Array, destination: Endpoint | undefined): boolean {
    const first = this.#length;
    if (!this.#add(data)) return false;
    this.#replies ??= Array.from({ length: this.#records.capacity }, () => ({ is: false, destination: undefined }));
    for (let index = first; index < this.#length; index++) {
      const reply = this.#replies[index];
      if (reply === undefined) continue;
      reply.is = true;
      reply.destination = destination;
    }
    return true;
  }

  /** The reply that the message at `position` is. @internal */
  get replyAtPosition(): Reply | undefined {
    const reply = this.#replies?.[this.#position];
    return reply?.is === true && this.#position < this.#length ? reply : undefined;
  }

  #add(data: Uint8Array): boolean {
    const { length } = data;
    const { envelope } = this.#owner;
    this.#reserved = NONE;
    if (length > this.data.length - this.#end) {
      if (length <= this.data.length) return false;
      throw outOfRange('data.length', `<= ${this.data.length}, the bytes of the batch`, length);
    }
    if (!this.#append(length, envelope)) return false;
    this.data.set(data, this.#end);
    this.#end += length;
    return true;
  }

  /**
   * Memory to write a datagram into; then `commit`. Undefined when there is no room: send the batch, and clear it. Who
   * wants no object per datagram writes into `data` from `end` on instead, and commits.
   * @throws ERR_OUT_OF_RANGE when it would not fit into an empty batch either
   */
  reserve(max: number): Uint8Array | undefined {
    integer('max', max, 0, this.data.length);
    if (max > this.data.length - this.#end || this.#length === this.#records.capacity) return undefined;
    this.#reserved = max;
    return this.data.subarray(this.#end, this.#end + max);
  }

  /**
   * Adds what was written behind `end`: the first `length` bytes of it. False when there is no room for the message.
   * @throws ERR_OUT_OF_RANGE for more than was reserved, or than there is
   */
  commit(length: number, options: SendOptions = NOTHING): boolean {
    const { envelope } = this.#owner;
    envelope.read(options); // first, since getters may add to the batch
    const room = this.#reserved === NONE ? this.data.length - this.#end : this.#reserved;
    integer('length', length, 0, room);
    if (!this.#append(length, envelope)) return false;
    this.#reserved = NONE;
    this.#end += length;
    return true;
  }

  /** Passes over the message at `position`, or over what is left of it. @throws ERR_INVALID_STATE when there is none */
  skip(): void {
    if (this.remaining === 0) throw new SocketError('ERR_INVALID_STATE', 'The batch has no message left to skip.');
    this.#position++;
  }

  /** Empties the batch, also of what has not been sent. */
  clear(): void {
    this.#targets.fill(undefined, 0, this.#length);
    for (let index = 0; this.#replies !== undefined && index < this.#length; index++) {
      const reply = this.#replies[index];
      if (reply === undefined) continue;
      reply.is = false;
      reply.destination = undefined;
    }
    this.#length = 0;
    this.#position = 0;
    this.#end = 0;
    this.#besideEnd = 0;
    this.#reserved = NONE;
    this.#lastTo = undefined;
  }

  /** @internal */
  get messages(): Messages {
    return this.#messages;
  }

  /** @internal */
  get owner(): BatchOwner {
    return this.#owner;
  }

  /** @internal */
  advance(completed: number): void {
    this.#position += completed;
  }

  /** Writes the records of `length` bytes of data; false when there are too few. */
  #append(length: number, envelope: Envelope): boolean {
    const { segmentSize, to } = envelope;
    if (segmentSize !== 0 && length === 0) throw nothingToCut();
    const { ipv4 } = envelope;
    const most =
      length > segmentSize && segmentSize !== 0 ? this.#owner.bytesPerMessage(length, segmentSize, ipv4) : length;
    const count = length === 0 ? 1 : Math.ceil(length / most);
    if (count > this.#records.capacity - this.#length) {
      if (count <= this.#records.capacity) return false;
      throw outOfRange('data.length', `such that it makes <= ${this.#records.capacity} messages`, length);
    }
    let [address, addressLength] = [0, 0];
    if (to !== undefined) {
      if (to !== this.#lastTo) this.#writeAddress(to);
      address = this.#lastAddress;
      addressLength = this.#lastAddressLength;
    }
    const control = this.#besideEnd;
    const cut = segmentSize !== 0 && length > segmentSize;
    // Messages of a single segment, the last one or all of them, when the socket would cut them by itself.
    const single = most > segmentSize ? length - (count - 1) * most : Math.min(most, length);
    const uncut = segmentSize !== 0 && single <= segmentSize && this.#owner.sticky.cuts(single);
    let plainControl = control;
    if (cut || uncut) plainControl = writeSegment(this.#beside, control, cut ? segmentSize : 0);
    const controlEnd = envelope.writeControl(this.#beside, plainControl);
    this.#besideEnd = controlEnd;
    if (cut && uncut) {
      const copy = writeSegment(this.#beside, controlEnd, 0);
      this.#beside.bytes.copyWithin(copy, plainControl, controlEnd);
      this.#besideEnd = copy + controlEnd - plainControl;
    }
    for (let offset = 0, index = this.#length; index < this.#length + count; offset += most, index++) {
      const size = Math.min(most, length - offset);
      const segmented = size > segmentSize && segmentSize !== 0;
      let start = segmented ? control : plainControl;
      let end = controlEnd;
      if (uncut && !segmented) [start, end] = cut ? [controlEnd, this.#besideEnd] : [control, controlEnd];
      const tail = segmented && this.#owner.sentinel && hasEqualTail(size, segmentSize);
      this.#records.set(
        index,
        this.#end + offset,
        size,
        address,
        addressLength,
        start,
        end - start,
        tail,
        segmented ? segmentSize : uncut ? UNCUT : 0,
      );
      this.#targets[index] = to;
    }
    this.#length += count;
    return true;
  }

  #writeAddress(to: Endpoint): void {
    const sockaddr = to.sockaddr(this.#owner.family);
    this.#beside.bytes.set(sockaddr, this.#besideEnd);
    this.#lastTo = to;
    this.#lastAddress = this.#besideEnd;
    this.#lastAddressLength = sockaddr.length;
    this.#besideEnd += ADDRESS_ROOM;
  }
}

/** A message that is a reply, and where what it answers was sent to. */
interface Reply {
  is: boolean;
  destination: Endpoint | undefined;
}

/** An empty send with a segment size is a mistake of the caller's: it would be one empty datagram, or none. */
export function nothingToCut(): TypeError {
  return invalidValue(
    'data',
    new Uint8Array(0),
    'there is nothing to cut into segments; leave segmentSize out for an empty datagram',
  );
}

const NONE = -1;
