// Kinds of values that are text, raw bytes, control messages, or the socket's memory in numbers.
import { bytes as checkBytes, integer, invalidType, outOfRange, string } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { decodeControl, type ReceivedControlMessage } from '../../wire/control.js';
import { INT32_MAX, unreadable, unwritable, viewOf, type Bounds, type Codec } from './codec.js';

/** Memory use of a socket (SO_MEMINFO, include/uapi/linux/sock_diag.h), in bytes except for `drops`. */
export interface MemoryInfo {
  /** Receive memory in use. */
  readonly rmemAlloc: number;
  readonly rcvbuf: number;
  /** Send memory in use. */
  readonly wmemAlloc: number;
  readonly sndbuf: number;
  /** Memory reserved for this socket and not in use. */
  readonly fwdAlloc: number;
  /** Data in the send queue that is not yet acknowledged. */
  readonly wmemQueued: number;
  /** Memory of options and filters. */
  readonly optmem: number;
  /** Packets that arrived while the socket was locked. */
  readonly backlog: number;
  /** Number of packets dropped. */
  readonly drops: number;
}

export const text: Codec<string, string> = {
  size: 64,
  decode: (value, length) => {
    const zero = value.indexOf(0);
    return decoder.decode(value.subarray(0, zero === -1 ? length : Math.min(zero, length)));
  },
  encode: (value, name, { max = 63 }) => {
    if (string(name, value).includes('\0')) throw invalidType(name, 'text without zero bytes', value);
    const encoded = checkBytes(name, encoder.encode(value));
    // The kernel truncates longer text, which may then name something else.
    if (encoded.length > max) throw outOfRange(name, `at most ${max} bytes long`, value);
    return encoded;
  },
};

/** Bytes; the row limits their length. */
export const bytes: Codec<Uint8Array, Uint8Array> = {
  size: 2048,
  decode: (value, length) => value.slice(0, length),
  encode: (value, name, bounds) => {
    checkLength(name, checkBytes(name, value).length, bounds);
    return value;
  },
};

/** The descriptor of a loaded program, bpf(2). */
export const program: Codec<never, number> = {
  size: 0,
  decode: unreadable,
  encode: (value, name) => integer(name, value, 0, INT32_MAX),
};

/** Control messages, as recvmsg(2) returns them. */
export const messages: Codec<readonly ReceivedControlMessage[], never> = {
  size: 1024,
  decode: (value, length) => decodeControl(value, length),
  encode: unwritable,
};

export const memoryInfo: Codec<MemoryInfo, never> = {
  size: 36,
  decode: (value) => {
    const view = viewOf(value);
    const info = MEMORY_FIELDS.map((field, i) => [field, view.getUint32(4 * i, LITTLE_ENDIAN)] as const);
    return Object.fromEntries(info) as unknown as MemoryInfo;
  },
  encode: unwritable,
};

function checkLength(name: string, length: number, { min = 0, max = 65535, step = 1 }: Bounds): void {
  integer(`${name}.length`, length, min, max);
  integer(`${name}.length / ${step}`, length / step, 0, max);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** In the order of SK_MEMINFO_*. */
const MEMORY_FIELDS: readonly (keyof MemoryInfo)[] = [
  'rmemAlloc',
  'rcvbuf',
  'wmemAlloc',
  'sndbuf',
  'fwdAlloc',
  'wmemQueued',
  'optmem',
  'backlog',
  'drops',
];
