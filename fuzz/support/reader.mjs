// Reads an input as decisions: every byte is a choice. At the end of the input, all choices are the first.

export class Reader {
  #bytes;
  #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  get done() {
    return this.#at >= this.#bytes.length;
  }

  byte() {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** @param {number} end exclusive; the result is an integer from 0 to end - 1 */
  below(end) {
    return end <= 256 ? this.byte() % end : ((this.byte() << 8) | this.byte()) % end;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  pick(list) {
    return /** @type {T} */ (list[this.below(list.length)]);
  }

  int32() {
    return this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24);
  }

  /** @param {number} length filled with zeros beyond the end of the input */
  bytes(length) {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return bytes;
  }

  rest() {
    return this.bytes(Math.max(this.#bytes.length - this.#at, 0));
  }

  /** @param {number} most maximum number of characters */
  text(most) {
    return Buffer.from(this.bytes(this.below(most + 1))).toString('latin1');
  }
}
