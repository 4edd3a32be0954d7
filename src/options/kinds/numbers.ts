// Kinds of values that are one number: flags, ints, rates, port ranges.
import { boolean, integer, invalidType, invalidValue, oneOf, outOfRange } from '../../arguments.js';
import type { PortRange } from '../../kernel/sysctl.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { INT32_MAX, INT32_MIN, readInt, struct, UINT32_MAX, unreadable, unwritable, viewOf } from './codec.js';
import type { Codec } from './codec.js';
import { indexOf, type Interface } from './interface.js';

export const flag: Codec<boolean, boolean> = {
  size: 4,
  decode: (value, length) => readInt(value, length) !== 0,
  encode: (value, name) => (boolean(name, value) ? 1 : 0),
};

/** An action that setting the option triggers; the value does not matter to the kernel. */
export const action: Codec<never, true> = {
  size: 0,
  decode: unreadable,
  encode: (value, name) => {
    if (value !== true) throw invalidValue(name, value, 'it must be true, since this option cannot be turned off');
    return 1;
  },
};

/** A number, or one of the row's words for it. */
export const int: Codec<number | string, number | string> = {
  size: 4,
  decode: (value, length, { words }) => {
    const number = readInt(value, length);
    return words === undefined ? number : (wordFor(number, words) ?? number);
  },
  encode: (value, name, { min = INT32_MIN, max = INT32_MAX, words }) =>
    words === undefined || typeof value !== 'string'
      ? integer(name, value, min, max)
      : (words[oneOf(name, value, Object.keys(words))] ?? 0),
};

function wordFor(number: number, words: Readonly<Record<string, number>>): string | undefined {
  return Object.keys(words).find((word) => words[word] === number);
}

export const uint: Codec<number, number> = {
  size: 4,
  decode: (value, length) => readInt(value, length) >>> 0,
  encode: (value, name, { min = 0, max = UINT32_MAX }) => integer(name, value, min, max) | 0,
};

export const uint64: Codec<bigint, never> = {
  size: 8,
  decode: (value) => viewOf(value).getBigUint64(0, LITTLE_ENDIAN),
  encode: unwritable,
};

/** A rate in eight bytes, all ones for "no limit". */
export const rate: Codec<number, number> = {
  size: 8,
  decode: (value) => {
    const bytesPerSecond = viewOf(value).getBigUint64(0, LITTLE_ENDIAN);
    return bytesPerSecond === UNLIMITED ? Infinity : Number(bytesPerSecond);
  },
  encode: (value, name) => {
    const bytesPerSecond = value === Infinity ? UNLIMITED : BigInt(integer(name, value, 0, Number.MAX_SAFE_INTEGER));
    return struct(8, (view) => view.setBigUint64(0, bytesPerSecond, LITTLE_ENDIAN));
  },
};

export const portRange: Codec<PortRange, PortRange> = {
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
};

/** The ports that a value of IP_LOCAL_PORT_RANGE allows; undefined for none. A bound of 0 is that of the sysctl. */
export function unpackRange(packed: number): PortRange | undefined {
  return packed === 0 ? undefined : [packed & 0xffff || 1, packed >>> 16 || 65535];
}

/** An interface's index as an int. */
export const interfaceIndex: Codec<number, Interface> = {
  size: 4,
  decode: readInt,
  encode: (value, name) => indexOf(value, name),
};

/** An interface's index in network byte order, as IP_UNICAST_IF has it. */
export const unicastInterface: Codec<number, Interface> = {
  size: 4,
  decode: (value) => viewOf(value).getInt32(0),
  encode: (value, name) => struct(4, (view) => view.setInt32(0, indexOf(value, name))),
};

const UNLIMITED = 2n ** 64n - 1n;
