// Kinds of option values: how each is checked, written for setsockopt(2) and read from getsockopt(2).
import { boolean, bytes as checkBytes, integer, invalidType, outOfRange, string } from '../arguments.js';
import type { PortRange } from '../kernel/sysctl.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { decodeTcpInfo, TCP_INFO_SIZE, type TcpInfo } from './tcp-info.js';

/** The bounds that a row may set for a whole number. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** What a kind of value is in JavaScript, when read and when written. */
export interface KindValues {
  /** An int of 0 or 1. */
  flag: { get: boolean; set: boolean };
  /** An int. */
  int: { get: number; set: number };
  /** An unsigned int. */
  uint: { get: number; set: number };
  /** A 64-bit number that the kernel made. */
  uint64: { get: bigint; set: never };
  /** Two 16-bit ports in one u32, 0 for a bound that is not set. */
  portRange: { get: PortRange; set: PortRange };
  /** struct linger: the seconds that close(2) waits, 0 to reset the connection, false for off. */
  linger: { get: number | false; set: number | false };
  /** struct timeval: milliseconds, 0 for no limit. */
  timeout: { get: number; set: number };
  /** Text. '' for none. */
  text: { get: string; set: string };
  /** struct tcp_info. */
  tcpInfo: { get: TcpInfo; set: never };
}

export type Kind = keyof KindValues;

export interface Codec<Get, Set> {
  /** Bytes to offer getsockopt. */
  readonly size: number;
  /** The first `length` bytes are the kernel's. */
  readonly decode: (value: Uint8Array, length: number) => Get;
  /** An int as a number; anything else as bytes, good until the next value is written. */
  readonly encode: (value: Set, name: string, bounds: Bounds) => Uint8Array | number;
}

export const KINDS: { readonly [K in Kind]: Codec<KindValues[K]['get'], KindValues[K]['set']> } = {
  flag: {
    size: 4,
    decode: (value, length) => readInt(value, length) !== 0,
    encode: (value, name) => (boolean(name, value) ? 1 : 0),
  },
  int: {
    size: 4,
    decode: readInt,
    encode: (value, name, { min = INT32_MIN, max = INT32_MAX }) => integer(name, value, min, max),
  },
  uint: {
    size: 4,
    decode: (value, length) => readInt(value, length) >>> 0,
    encode: (value, name, { min = 0, max = UINT32_MAX }) => integer(name, value, min, max) | 0,
  },
  uint64: {
    size: 8,
    decode: (value) => viewOf(value).getBigUint64(0, LITTLE_ENDIAN),
    encode: unwritable,
  },
  portRange: {
    size: 4,
    decode: (value, length) => {
      const packed = readInt(value, length);
      return [packed & 0xffff, packed >>> 16];
    },
    encode: (value, name) => {
      if (!Array.isArray(value) || value.length !== 2) throw invalidType(name, 'of the form [lo, hi]', value);
      const lo = integer(`${name}[0]`, value[0], 0, 65535);
      const hi = integer(`${name}[1]`, value[1], 0, 65535);
      if (lo > hi && hi !== 0) throw outOfRange(name, '[lo, hi] with lo <= hi', value);
      return lo | (hi << 16);
    },
  },
  linger: {
    size: 8,
    decode: (value) =>
      viewOf(value).getInt32(0, LITTLE_ENDIAN) === 0 ? false : viewOf(value).getInt32(4, LITTLE_ENDIAN),
    encode: (value, name) => {
      if (typeof value !== 'number' && value !== false) throw invalidType(name, 'a number of seconds, or false', value);
      // The kernel keeps jiffies, and quietly shortens what does not fit (sock_set_linger).
      const seconds = value === false ? 0 : integer(name, value, 0, 65535);
      scratchView.setInt32(0, value === false ? 0 : 1, LITTLE_ENDIAN);
      scratchView.setInt32(4, seconds, LITTLE_ENDIAN);
      return scratch8;
    },
  },
  timeout: {
    size: 16,
    decode: (value) => {
      const view = viewOf(value);
      return Number(view.getBigInt64(0, LITTLE_ENDIAN)) * 1000 + Number(view.getBigInt64(8, LITTLE_ENDIAN)) / 1000;
    },
    encode: (value, name) => {
      const milliseconds = integer(name, value, 0, INT32_MAX);
      scratchView.setBigInt64(0, BigInt(Math.floor(milliseconds / 1000)), LITTLE_ENDIAN);
      scratchView.setBigInt64(8, BigInt((milliseconds % 1000) * 1000), LITTLE_ENDIAN);
      return scratch16;
    },
  },
  text: {
    size: 64,
    decode: (value, length) => {
      const zero = value.indexOf(0);
      return decoder.decode(value.subarray(0, zero === -1 ? length : Math.min(zero, length)));
    },
    encode: (value, name, { max = 63 }) => {
      if (string(name, value).includes('\0')) throw invalidType(name, 'text without zero bytes', value);
      const encoded = checkBytes(name, encoder.encode(value));
      // The kernel cuts a longer one, and may then find another thing by that name.
      if (encoded.length > max) throw outOfRange(name, `at most ${max} bytes long`, value);
      return encoded;
    },
  },
  tcpInfo: { size: TCP_INFO_SIZE, decode: decodeTcpInfo, encode: unwritable },
};

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// One value is under way at a time, and it goes to the kernel before the next is written.
const scratch16 = new Uint8Array(16);
const scratch8 = scratch16.subarray(0, 8);
const scratchView = new DataView(scratch16.buffer);

/** An int, or the single byte that some options answer with. */
function readInt(value: Uint8Array, length: number): number {
  return length < 4 ? (value[0] ?? 0) : viewOf(value).getInt32(0, LITTLE_ENDIAN);
}

function viewOf(value: Uint8Array): DataView {
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}

function unwritable(): never {
  throw new TypeError('this kind of value is only read'); // the rows of such a kind have access: 'get'
}
