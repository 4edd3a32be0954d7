// Messages to be sent, in flat memory as Handle.sendmmsg takes them, with their destinations.
import type { Endpoint } from '../../wire/endpoint.js';
import { SEGMENT_CONTROL, type Memory } from './control.js';

/**
 * Eight words per message, described in binding.ts. The last one is used only here: the segment size, 0 for an ordinary
 * datagram.
 */
const WORDS = 8;
const [DATA, LENGTH, ADDRESS, ADDRESS_LENGTH, CONTROL, CONTROL_LENGTH, TAIL, SEGMENT] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;

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
    return this.#words[index * WORDS + SEGMENT] ?? 0;
  }

  /** Where the control messages begin and end. */
  control(index: number): readonly [from: number, to: number] {
    const from = this.#words[index * WORDS + CONTROL] ?? 0;
    return [from, from + (this.#words[index * WORDS + CONTROL_LENGTH] ?? 0)];
  }

  /** Removes bytes that have been sent from the front of the message. */
  advance(index: number, bytes: number): void {
    const at = index * WORDS;
    this.#words[at + DATA] = (this.#words[at + DATA] ?? 0) + bytes;
    this.#words[at + LENGTH] = (this.#words[at + LENGTH] ?? 0) - bytes;
  }

  /**
   * Writes a part of a message of `from`: `length` bytes from `offset` on, with the same address.
   * @param segmented whether it keeps the control message UDP_SEGMENT, which comes first
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
    const stripped = segmented || segment === 0 ? 0 : SEGMENT_CONTROL;
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
}

/** Records with the memory that they refer to. */
export interface Messages {
  readonly data: Uint8Array;
  /** Addresses and control messages. */
  readonly beside: Memory;
  readonly records: Records;
  /** The destination of the message. */
  target(index: number): Endpoint | undefined;
}
