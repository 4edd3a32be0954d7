// Times in control messages: when a datagram arrived, and when to transmit it. All are nanoseconds, as a bigint.
import { invalidType, outOfRange } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../byte-order.js';
import { viewOf } from './bytes.js';

/** struct scm_timestamping: a time from the kernel's clock, and one from the network card's; absent if not available. */
export interface Timestamps {
  /** Nanoseconds since 1970, CLOCK_REALTIME. */
  readonly software?: bigint;
  /** Nanoseconds of the card's clock. */
  readonly hardware?: bigint;
}

/** struct timeval. */
export function readTimeval(data: Uint8Array): bigint | undefined {
  if (data.length !== 16) return undefined;
  const view = viewOf(data);
  return view.getBigInt64(0, LITTLE_ENDIAN) * SECOND + view.getBigInt64(8, LITTLE_ENDIAN) * 1000n;
}

/** struct timespec. */
export function readTimespec(data: Uint8Array): bigint | undefined {
  return data.length === 16 ? timespecAt(data, 0) : undefined;
}

/** Three timespecs: software, one that is no longer used, hardware. */
export function readTimestamping(data: Uint8Array): Timestamps | undefined {
  if (data.length !== 48) return undefined;
  const software = timespecAt(data, 0);
  const hardware = timespecAt(data, 32);
  return { ...(software !== 0n && { software }), ...(hardware !== 0n && { hardware }) };
}

/** A u64 of nanoseconds, for SCM_TXTIME. */
export function writeNanoseconds(value: bigint, name: string): Uint8Array {
  if (typeof value !== 'bigint') throw invalidType(name, 'of type bigint', value);
  if (value < 0n || value >= 2n ** 64n) throw outOfRange(name, '>= 0n and < 2n ** 64n', value);
  const data = new Uint8Array(8);
  viewOf(data).setBigUint64(0, value, LITTLE_ENDIAN);
  return data;
}

function timespecAt(data: Uint8Array, at: number): bigint {
  const view = viewOf(data);
  return view.getBigInt64(at, LITTLE_ENDIAN) * SECOND + view.getBigInt64(at + 8, LITTLE_ENDIAN);
}

const SECOND = 1_000_000_000n;
