// Control messages (cmsg(3)): encodes a list of messages as the bytes of msg_control, and decodes it. Sizes must be exact:
// the kernel refuses a UDP_SEGMENT of four bytes, and reads beyond the end of a short one.
import { bytes as checkBytes, integer, invalidType, invalidValue, object } from '../arguments.js';
import { LITTLE_ENDIAN } from './byte-order.js';
import {
  CONTROL_MESSAGES,
  type ControlName,
  type ReceivedControlName,
  type ReceivedControlValues,
  type SentControlName,
  type SentControlValues,
} from './control-messages.js';

/** Any control message, as numbers and bytes. */
export interface RawControlMessage {
  /** SOL_SOCKET 1, IPPROTO_IP 0, IPPROTO_TCP 6, IPPROTO_UDP 17, IPPROTO_IPV6 41 */
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A control message for sendmsg(2): by its kernel name with a value of its type, or raw. */
export type ControlMessage =
  | { [N in SentControlName]: { readonly type: N; readonly value: SentControlValues[N] } }[SentControlName]
  | RawControlMessage;

/** A control message from recvmsg(2): by its kernel name where it is known, or raw. */
export type ReceivedControlMessage =
  | { [N in ReceivedControlName]: { readonly type: N; readonly value: ReceivedControlValues[N] } }[ReceivedControlName]
  | RawControlMessage;

/** sizeof(struct cmsghdr) on 64 bits: size_t length, int level, int type. */
export const CMSG_HEADER = 16;

const EMPTY = new Uint8Array(0);

/**
 * The bytes of msg_control for sendmsg(2).
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function encodeControl(messages: readonly ControlMessage[] | undefined): Uint8Array {
  if (messages === undefined) return EMPTY;
  if (!Array.isArray(messages)) throw invalidType('control', 'an Array', messages);
  if (messages.length === 0) return EMPTY;
  const raw = Array.from(messages, toRaw); // not map, which skips holes
  const encoded = new Uint8Array(raw.reduce((size, { data }) => size + align(CMSG_HEADER + data.length), 0));
  const view = new DataView(encoded.buffer);
  let at = 0;
  for (const { level, type, data } of raw) {
    view.setBigUint64(at, BigInt(CMSG_HEADER + data.length), LITTLE_ENDIAN);
    view.setInt32(at + 8, level, LITTLE_ENDIAN);
    view.setInt32(at + 12, type, LITTLE_ENDIAN);
    encoded.set(data, at + CMSG_HEADER);
    at += align(CMSG_HEADER + data.length);
  }
  return encoded;
}

/**
 * The messages in the first `length` bytes of msg_control after recvmsg(2): typed where the message is known and has the
 * size of its type, raw otherwise. A truncated message at the end is left out; recvmsg's flags then include MSG_CTRUNC.
 */
export function decodeControl(control: Uint8Array, length: number = control.length): ReceivedControlMessage[] {
  const end = Math.min(length, control.length);
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const messages: ReceivedControlMessage[] = [];
  let at = 0;
  while (at + CMSG_HEADER <= end) {
    const size = Number(view.getBigUint64(at, LITTLE_ENDIAN));
    if (size < CMSG_HEADER || at + size > end) break;
    const level = view.getInt32(at + 8, LITTLE_ENDIAN);
    const type = view.getInt32(at + 12, LITTLE_ENDIAN);
    messages.push(fromRaw(level, type, control.slice(at + CMSG_HEADER, at + size)));
    at += align(size);
  }
  return messages;
}

function toRaw(message: ControlMessage, index: number): RawControlMessage {
  const name = `control[${String(index)}]`;
  object(name, message);
  if (typeof message.type === 'number') {
    const { level, type, data } = message;
    return {
      level: integer(`${name}.level`, level, INT32_MIN, INT32_MAX),
      type: integer(`${name}.type`, type, INT32_MIN, INT32_MAX),
      data: checkBytes(`${name}.data`, data),
    };
  }
  const { type, value } = message as { type: unknown; value: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(CONTROL_MESSAGES, type)) {
    throw invalidValue(`${name}.type`, type, 'unknown control message; use its level, type and data instead');
  }
  const row = CONTROL_MESSAGES[type as ControlName];
  if (!('encode' in row)) throw invalidValue(`${name}.type`, type, 'it can only be received');
  return { level: row.level, type: row.type, data: row.encode(value as never, `${name}.value`) };
}

function fromRaw(level: number, type: number, data: Uint8Array): ReceivedControlMessage {
  const known = RECEIVED.get(`${level}/${type}`);
  const value = known?.decode(data);
  if (known === undefined || value === undefined) return { level, type, data };
  return { type: known.name, value } as ReceivedControlMessage;
}

function align(size: number): number {
  return (size + 7) & ~7;
}

const RECEIVED: ReadonlyMap<string, { name: string; decode: (data: Uint8Array) => unknown }> = new Map(
  Object.entries(CONTROL_MESSAGES).flatMap(([name, row]) =>
    'decode' in row ? [[`${row.level}/${row.type}`, { name, decode: row.decode }]] : [],
  ),
);
const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
