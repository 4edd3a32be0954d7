// An input read as decisions: every byte chooses something, and when none are left all choices are the first.

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

  /** @param {number} end a whole number from 0 to one before it */
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

  /** @param {number} length zeros follow where the input ends */
  bytes(length) {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return bytes;
  }

  rest() {
    return this.bytes(Math.max(this.#bytes.length - this.#at, 0));
  }

  /** @param {number} most characters */
  text(most) {
    return Buffer.from(this.bytes(this.below(most + 1))).toString('latin1');
  }
}
