// Messages that wait to be sent, in flat memory: what Handle.sendmmsg takes, and who each of them is for.
import type { Endpoint } from '../../wire/endpoint.js';
import { ADDRESS_ROOM, SEGMENT_CONTROL, writeSegment, type Memory } from './control.js';

/** Eight words a message; binding.ts says which. The last one is ours: the segment size, 0 for an ordinary datagram. */
const WORDS = 8;
const [DATA, LENGTH, ADDRESS, ADDRESS_LENGTH, CONTROL, CONTROL_LENGTH, TAIL, SEGMENT] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;

/** Added to a segment size that the socket has by setsockopt(2), and the message not by a control message. */
const STICKY = 0x10000;

/** In the place of a segment size: the control messages say that it is not to be cut (UDP_SEGMENT 0). */
export const UNCUT = 0x20000;

/** A fixed number of records. */
export class Records {
  readonly bytes: Uint8Array;
  readonly capacity: number;
  readonly #words: Uint32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#words = new Uint32Array(capacity * WORDS);
    this.bytes = new Uint8Array(this.#words.buffer);
  }

  set(
    index: number,
    data: number,
    length: number,
    address: number,
    addressLength: number,
    control: number,
    controlLength: number,
    tail: boolean,
    segment: number,
  ): void {
    const words = this.#words;
    const at = index * WORDS;
    words[at + DATA] = data;
    words[at + LENGTH] = length;
    words[at + ADDRESS] = address;
    words[at + ADDRESS_LENGTH] = addressLength;
    words[at + CONTROL] = control;
    words[at + CONTROL_LENGTH] = controlLength;
    words[at + TAIL] = tail ? 1 : 0;
    words[at + SEGMENT] = segment;
  }

  length(index: number): number {
    return this.#words[index * WORDS + LENGTH] ?? 0;
  }

  /** 0 for an ordinary datagram. */
  segment(index: number): number {
    return (this.#words[index * WORDS + SEGMENT] ?? 0) & 0xffff;
  }

  /** Told not to be cut, whatever the socket does by itself. */
  isUncut(index: number): boolean {
    return this.#words[index * WORDS + SEGMENT] === UNCUT;
  }

  /** The segment size is the socket's own. */
  setSticky(index: number, size: number): void {
    this.#words[index * WORDS + SEGMENT] = STICKY | size;
  }

  /** So many bytes of the message have been sent; it is the rest from now on. */
  advance(index: number, bytes: number): void {
    const at = index * WORDS;
    this.#words[at + DATA] = (this.#words[at + DATA] ?? 0) + bytes;
    this.#words[at + LENGTH] = (this.#words[at + LENGTH] ?? 0) - bytes;
  }

  /**
   * Writes a part of a message of `from`: `length` bytes from the `offset`th on, with the same address.
   * @param segmented whether it keeps the control message UDP_SEGMENT
   */
  setPart(
    index: number,
    from: Records,
    source: number,
    offset: number,
    length: number,
    segmented: boolean,
    tail: boolean,
  ): void {
    const words = from.#words;
    const at = source * WORDS;
    const segment = words[at + SEGMENT] ?? 0;
    const stripped = segmented ? 0 : from.#stripped(source);
    this.set(
      index,
      (words[at + DATA] ?? 0) + offset,
      length,
      words[at + ADDRESS] ?? 0,
      words[at + ADDRESS_LENGTH] ?? 0,
      (words[at + CONTROL] ?? 0) + stripped,
      (words[at + CONTROL_LENGTH] ?? 0) - stripped,
      tail,
      segmented ? segment : 0,
    );
  }

  /** Copies the address and the control messages of a message, with UDP_SEGMENT as 0: not to be cut. */
  copyUncut(index: number, from: Memory, into: Memory): void {
    const words = this.#words;
    const at = index * WORDS;
    const address = words[at + ADDRESS] ?? 0;
    const control = (words[at + CONTROL] ?? 0) + this.#stripped(index);
    const end = (words[at + CONTROL] ?? 0) + (words[at + CONTROL_LENGTH] ?? 0);
    into.bytes.set(from.bytes.subarray(address, address + (words[at + ADDRESS_LENGTH] ?? 0)));
    into.bytes.set(from.bytes.subarray(control, end), writeSegment(into, ADDRESS_ROOM, 0));
  }

  /** Lets a part of a message have what `copyUncut` has copied. */
  setUncut(index: number, from: Records, source: number): void {
    const at = index * WORDS;
    this.#words[at + ADDRESS] = 0;
    this.#words[at + CONTROL] = ADDRESS_ROOM;
    const length = (from.#words[source * WORDS + CONTROL_LENGTH] ?? 0) - from.#stripped(source);
    this.#words[at + CONTROL_LENGTH] = SEGMENT_CONTROL + length;
  }

  /** Bytes of the message's own UDP_SEGMENT. */
  #stripped(index: number): number {
    const segment = this.#words[index * WORDS + SEGMENT] ?? 0;
    return segment === 0 || segment >= STICKY ? 0 : SEGMENT_CONTROL;
  }
}

/** Records with the memory that they lie in. */
export interface Messages {
  readonly data: Uint8Array;
  /** Addresses and control messages. */
  readonly beside: Memory;
  readonly records: Records;
  /** Who the message is for. */
  target(index: number): Endpoint | undefined;
}
