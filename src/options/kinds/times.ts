// Kinds of values that are times: struct linger, struct timeval.
import { integer, invalidType } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { INT32_MAX, struct, viewOf, type Codec } from './codec.js';

/** struct linger: seconds, or false for off. */
export const linger: Codec<number | false, number | false> = {
  size: 8,
  decode: (value) =>
    viewOf(value).getInt32(0, LITTLE_ENDIAN) === 0 ? false : viewOf(value).getInt32(4, LITTLE_ENDIAN),
  encode: (value, name) => {
    if (typeof value !== 'number' && value !== false) throw invalidType(name, 'a number of seconds, or false', value);
    // The kernel keeps jiffies, and quietly shortens what does not fit (sock_set_linger).
    const seconds = value === false ? 0 : integer(name, value, 0, 65535);
    return struct(8, (view) => {
      view.setInt32(0, value === false ? 0 : 1, LITTLE_ENDIAN);
      view.setInt32(4, seconds, LITTLE_ENDIAN);
    });
  },
};

/** struct timeval: milliseconds. */
export const timeout: Codec<number, number> = {
  size: 16,
  decode: (value) => {
    const view = viewOf(value);
    return Number(view.getBigInt64(0, LITTLE_ENDIAN)) * 1000 + Number(view.getBigInt64(8, LITTLE_ENDIAN)) / 1000;
  },
  encode: (value, name) => {
    const milliseconds = integer(name, value, 0, INT32_MAX);
    return struct(16, (view) => {
      view.setBigInt64(0, BigInt(Math.floor(milliseconds / 1000)), LITTLE_ENDIAN);
      view.setBigInt64(8, BigInt((milliseconds % 1000) * 1000), LITTLE_ENDIAN);
    });
  },
};
