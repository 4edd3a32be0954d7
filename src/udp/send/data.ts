// The data of a send: one buffer, or several that are sent as one.
import { types } from 'node:util';
import { bytes as checkBytes, integer, invalidType } from '../../arguments.js';
import { UIO_MAXIOV } from '../../kernel/numbers.js';

export type SendData = Uint8Array | readonly Uint8Array[];

/**
 * Checks the data; an array is copied.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function checkData(data: SendData): SendData {
  if (!Array.isArray(data)) {
    // The native side refuses a detached buffer; an empty one is checked here.
    if (types.isUint8Array(data)) return data.byteLength === 0 ? checkBytes('data', data) : data;
    throw invalidType('data', 'an instance of Uint8Array, or an Array of them', data);
  }
  integer('data.length', data.length, 0, UIO_MAXIOV);
  return Array.from(data, (part, i) => checkBytes(`data[${i}]`, part));
}

export function isList(data: SendData): data is readonly Uint8Array[] {
  return Array.isArray(data);
}

/** Bytes. */
export function lengthOf(data: SendData): number {
  if (!isList(data)) return data.byteLength;
  let length = 0;
  for (const part of data) length += part.byteLength;
  return length;
}

/** The rest of the data after `sent` bytes. */
export function rest(data: SendData, sent: number): Uint8Array {
  return (types.isUint8Array(data) ? data : Buffer.concat(data)).subarray(sent);
}

/** Whether all of it has been sent. An empty datagram counts as 1. */
export function isWhole(sent: number, length: number): boolean {
  return length === 0 ? sent === 1 : sent === length;
}
