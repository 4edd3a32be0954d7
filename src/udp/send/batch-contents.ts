// The contents of a SendBatch: messages in flat memory, and the position up to which they were sent. SendBatch is the
// public interface.
import { integer, invalidValue, options as checkOptions, outOfRange } from '../../arguments.js';
import { SocketError, type SyscallError } from '../../errors.js';
import type { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import type { ReceivedBatch } from '../receive/batch.js';
import { ADDRESS_ROOM, BESIDE_ROOM, Memory, writeSegment } from './control.js';
import type { Envelope, ReplyOptions } from './envelope.js';
import { Records, type Messages } from './records.js';
import { hasEqualTail } from './segments.js';

export interface SendBatchOptions {
  /** Maximum number of messages, 1 to 65536. @default 64 */
  readonly messages?: number | undefined;
  /** Maximum bytes of data, 1 to 2 ** 30. @default 1500 for each message */
  readonly bytes?: number | undefined;
}

/** Adds replies with their destination and source: src/udp/reply. */
export interface ReplyRouter {
  /** `addReply`; returns false if the batch has no room. */
  add(batch: BatchContents, received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions): boolean;
  /** Called when a reply of a batch was not sent. */
  failed(error: SyscallError, source: Endpoint, destination: Endpoint | undefined): void;
}

/** What a batch needs to know about its socket. */
export interface BatchOwner {
  readonly family: Family;
  /** Reused: valid during one call only. */
  readonly envelope: Envelope;
  readonly sentinel: boolean;
  readonly replies: ReplyRouter | undefined;
  connectedTo(): Endpoint | undefined;
  /** Bytes of each message that `length` bytes are cut into: all of them, or a multiple of the segment size. */
  bytesPerMessage(length: number, segmentSize: number, ipv4: boolean): number;
}

/** A message that is a reply, and the destination of the datagram that it replies to. */
export interface BatchedReply {
  is: boolean;
  destination: Endpoint | undefined;
}

export class BatchContents {
  readonly owner: BatchOwner;
  readonly data: Uint8Array;
  readonly messages: Messages;
  /** Messages that were added since the last `clear`. */
  length = 0;
  /** The index of the next message to be sent. */
  position = 0;
  /** The offset in `data` at which the next data begins. */
  end = 0;
  readonly #records: Records;
  readonly #beside: Memory;
  readonly #targets: (Endpoint | undefined)[];
  #besideEnd = 0;
  #reserved = NONE;
  /** Which messages are replies, starting with the first reply. */
  #replies: BatchedReply[] | undefined;
  /** The destination whose address was written last, and its offset. */
  #lastTo: Endpoint | undefined;
  #lastAddress = 0;
  #lastAddressLength = 0;

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(owner: BatchOwner, options: SendBatchOptions) {
    checkOptions('options', options, ['messages', 'bytes']);
    const count = integer('options.messages', options.messages ?? 64, 1, 65536);
    const bytes = integer('options.bytes', options.bytes ?? count * 1500, 1, 2 ** 30);
    this.owner = owner;
    this.data = new Uint8Array(bytes);
    this.#records = new Records(count);
    this.#beside = new Memory(count * BESIDE_ROOM);
    this.#targets = new Array<Endpoint | undefined>(count).fill(undefined);
    this.messages = {
      data: this.data,
      beside: this.#beside,
      records: this.#records,
      target: (index) => this.#targets[index] ?? this.owner.connectedTo(),
    };
  }

  /** Messages that have not been sent. */
  get remaining(): number {
    return this.length - this.position;
  }

  /**
   * Adds a copy of the data; the owner's envelope has been read for it. Returns false if there is no room. @throws
   * ERR_OUT_OF_RANGE
   */
  add(data: Uint8Array): boolean {
    const { length } = data;
    this.#reserved = NONE;
    if (length > this.data.length - this.end) {
      if (length <= this.data.length) return false;
      throw outOfRange('data.length', `<= ${this.data.length}, the bytes of the batch`, length);
    }
    if (!this.#append(length)) return false;
    this.data.set(data, this.end);
    this.end += length;
    return true;
  }

  /** Adds a reply; the owner's envelope has been read for it. */
  addReply(data: Uint8Array, destination: Endpoint | undefined): boolean {
    const first = this.length;
    if (!this.add(data)) return false;
    this.#replies ??= Array.from({ length: this.#records.capacity }, () => ({ is: false, destination: undefined }));
    for (let index = first; index < this.length; index++) {
      const reply = this.#replies[index];
      if (reply === undefined) continue;
      reply.is = true;
      reply.destination = destination;
    }
    return true;
  }

  /** The reply at `position`, if that message is one. */
  get replyAtPosition(): BatchedReply | undefined {
    const reply = this.#replies?.[this.position];
    return reply?.is === true && this.position < this.length ? reply : undefined;
  }

  /** `SendBatch.reserve` */
  reserve(max: number): Uint8Array | undefined {
    integer('max', max, 0, this.data.length);
    if (max > this.data.length - this.end || this.length === this.#records.capacity) return undefined;
    this.#reserved = max;
    return this.data.subarray(this.end, this.end + max);
  }

  /** `SendBatch.commit`; the owner's envelope has been read for it. */
  commit(length: number): boolean {
    const room = this.#reserved === NONE ? this.data.length - this.end : this.#reserved;
    integer('length', length, 0, room);
    if (!this.#append(length)) return false;
    this.#reserved = NONE;
    this.end += length;
    return true;
  }

  /** @throws ERR_INVALID_STATE */
  skip(): void {
    if (this.remaining === 0) throw new SocketError('ERR_INVALID_STATE', 'The batch has no message left to skip.');
    this.position++;
  }

  clear(): void {
    this.#targets.fill(undefined, 0, this.length);
    for (let index = 0; this.#replies !== undefined && index < this.length; index++) {
      const reply = this.#replies[index];
      if (reply === undefined) continue;
      reply.is = false;
      reply.destination = undefined;
    }
    this.length = 0;
    this.position = 0;
    this.end = 0;
    this.#besideEnd = 0;
    this.#reserved = NONE;
    this.#lastTo = undefined;
  }

  /** Writes the records of `length` bytes of data; returns false if there are too few left. */
  #append(length: number): boolean {
    const { envelope } = this.owner;
    const { segmentSize, to, ipv4 } = envelope;
    if (length === 0 && envelope.namesSegmentSize) throw nothingToCut();
    const cut = segmentSize !== 0 && length > segmentSize;
    const most = cut ? this.owner.bytesPerMessage(length, segmentSize, ipv4) : length;
    const count = length === 0 ? 1 : Math.ceil(length / most);
    if (count > this.#records.capacity - this.length) {
      if (count <= this.#records.capacity) return false;
      throw outOfRange('data.length', `short enough for <= ${this.#records.capacity} messages`, length);
    }
    let [address, addressLength] = [0, 0];
    if (to !== undefined) {
      if (to !== this.#lastTo) this.#writeAddress(to);
      address = this.#lastAddress;
      addressLength = this.#lastAddressLength;
    }
    // UDP_SEGMENT comes first: a last message of a single segment omits it by starting after it.
    const control = this.#besideEnd;
    const plainControl = cut ? writeSegment(this.#beside, control, segmentSize) : control;
    const controlEnd = envelope.writeControl(this.#beside, plainControl);
    this.#besideEnd = controlEnd;
    for (let offset = 0, index = this.length; index < this.length + count; offset += most, index++) {
      const size = Math.min(most, length - offset);
      const segmented = cut && size > segmentSize;
      const start = segmented ? control : plainControl;
      const tail = segmented && this.owner.sentinel && hasEqualTail(size, segmentSize);
      this.#records.set(
        index,
        this.end + offset,
        size,
        address,
        addressLength,
        start,
        controlEnd - start,
        tail,
        segmented ? segmentSize : 0,
      );
      this.#targets[index] = to;
    }
    this.length += count;
    return true;
  }

  #writeAddress(to: Endpoint): void {
    const sockaddr = to.sockaddr(this.owner.family);
    this.#beside.bytes.set(sockaddr, this.#besideEnd);
    this.#lastTo = to;
    this.#lastAddress = this.#besideEnd;
    this.#lastAddressLength = sockaddr.length;
    this.#besideEnd += ADDRESS_ROOM;
  }
}

/** Empty data with a segment size is a mistake: it could mean one empty datagram, or none. */
export function nothingToCut(): TypeError {
  return invalidValue(
    'data',
    new Uint8Array(0),
    'empty data cannot be cut into segments; leave segmentSize out for an empty datagram',
  );
}

const NONE = -1;
