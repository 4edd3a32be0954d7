// What every kind of value is made of: its codec, and the memory through which small values pass.
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';

/** The bounds that a row may set: of a whole number, or of the length of bytes. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  /** What the length of bytes is a multiple of. @default 1 */
  readonly step?: number;
  /** The numbers that have a name. Either is set; a number that has one is read as its name. */
  readonly words?: Readonly<Record<string, number>>;
}

export interface Codec<Get, Set> {
  /** Bytes to offer getsockopt. */
  readonly size: number;
  /** The first `length` bytes are the kernel's. */
  readonly decode: (value: Uint8Array, length: number, bounds: Bounds) => Get;
  /** An int as a number, anything else as bytes. */
  readonly encode: (value: Set, name: string, bounds: Bounds) => Uint8Array | number;
  /** The native call that sets it, where it carries a pointer and setsockopt cannot. @default 'setsockopt' */
  readonly call?: 'attachFilter';
}

export const INT32_MIN = -(2 ** 31);
export const INT32_MAX = 2 ** 31 - 1;
export const UINT32_MAX = 2 ** 32 - 1;

/** An int, or the single byte that some options answer with. */
export function readInt(value: Uint8Array, length: number): number {
  return length < 4 ? (value[0] ?? 0) : viewOf(value).getInt32(0, LITTLE_ENDIAN);
}

export function viewOf(value: Uint8Array): DataView {
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}

/** A new struct of so many zero bytes, filled in. */
export function struct(size: number, fill: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(viewOf(bytes), bytes);
  return bytes;
}

/** For kinds that are only read: their rows have access: 'get'. */
export function unwritable(): never {
  throw new TypeError('this kind of value is only read');
}

/** For kinds that are only written: their rows have access: 'set'. */
export function unreadable(): never {
  throw new TypeError('this kind of value is only set');
}
