// The codec of a kind of value, and helpers for reading and writing structs.
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';

/** Limits that a row may set, of an integer or of the length of bytes. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  /** The length of bytes must be a multiple of this. @default 1 */
  readonly step?: number;
  /** Names of numbers. Names and numbers can both be set; a number with a name is read as the name. */
  readonly words?: Readonly<Record<string, number>>;
}

export interface Codec<Get, Set> {
  /** Size of the buffer for getsockopt, in bytes. */
  readonly size: number;
  /** @param length how many bytes the kernel has written */
  readonly decode: (value: Uint8Array, length: number, bounds: Bounds) => Get;
  /** An int as a number, anything else as bytes. */
  readonly encode: (value: Set, name: string, bounds: Bounds) => Uint8Array | number;
  /** The native call that sets the option; values that contain pointers need their own. @default 'setsockopt' */
  readonly call?: 'attachFilter';
}

export const INT32_MIN = -(2 ** 31);
export const INT32_MAX = 2 ** 31 - 1;
export const UINT32_MAX = 2 ** 32 - 1;

/** An int, or the single byte that some options return. */
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

/** For read-only kinds: their rows have access: 'get'. */
export function unwritable(): never {
  throw new TypeError('this kind of value is only read');
}

/** For write-only kinds: their rows have access: 'set'. */
export function unreadable(): never {
  throw new TypeError('this kind of value is only set');
}
