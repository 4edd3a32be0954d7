// Control messages: bytes to messages, and messages to bytes.
import { isDeepStrictEqual } from 'node:util';
import { CONTROL_MESSAGES } from '../../lib/wire/control-messages.js';
import { decodeControl, encodeControl } from '../../lib/wire/control.js';
import { must, refusesWithCode } from '../support/check.mjs';
import { Reader } from '../support/reader.mjs';
import { hostileNumber, hostileValue } from '../support/values.mjs';

const NAMES = /** @type {(keyof typeof CONTROL_MESSAGES)[]} */ (Object.keys(CONTROL_MESSAGES));
const FIELDS = ['type', 'level', 'data', 'value', 'address', 'interface', 'source', 'local', 'destination', 'length'];

export const seeds = NAMES.map((_, i) => Uint8Array.of(1, 2, i, 4, 1, 0, 0, 0, i, 28, 2, 0, 0, 80, 127, 0, 0, 1));

/** @param {Uint8Array} input */
export function run(input) {
  const reader = new Reader(input);
  switch (reader.below(3)) {
    case 0: {
      const length = reader.byte() % 4 === 0 ? hostileNumber(reader) : undefined;
      decode(reader.rest(), length);
      return;
    }
    case 1:
      decode(wellFormed(reader), undefined);
      return;
    default: {
      const messages =
        reader.byte() % 4 === 0
          ? hostileValue(reader, FIELDS)
          : [{ type: reader.pick(NAMES), value: hostileValue(reader, FIELDS) }];
      const encoded = refusesWithCode(() => encodeControl(/** @type {never} */ (messages)), 'encodeControl');
      if (encoded !== undefined) decode(encoded, undefined);
    }
  }
}

/** Messages of known types with hostile data. @param {Reader} reader */
function wellFormed(reader) {
  const messages = [];
  for (let left = 1 + reader.below(3); left > 0; left--) {
    const { level, type } = CONTROL_MESSAGES[reader.pick(NAMES)];
    messages.push({ level, type, data: reader.bytes(reader.below(64)) });
  }
  return encodeControl(messages);
}

/** @param {Uint8Array} bytes @param {number | undefined} length */
function decode(bytes, length) {
  const end = Math.max(0, Math.min(length ?? bytes.length, bytes.length)) || 0;
  const [first, second] = [0x00, 0xff].map((margin) => {
    const memory = new Uint8Array(bytes.length + 64).fill(margin);
    memory.set(bytes.subarray(0, end), 32);
    const messages = decodeControl(memory.subarray(32, 32 + bytes.length), length);
    must(
      memory.fill(margin, 32, 32 + end).every((byte) => byte === margin),
      'decodeControl writes nothing',
    );
    return messages;
  });
  must(isDeepStrictEqual(first, second), 'what lies outside of the length changes nothing', first, second);
  for (const message of first ?? []) roundTrip(message);
}

/** @param {import('../../lib/wire/control.js').ReceivedControlMessage} message */
function roundTrip(message) {
  if (typeof message.type === 'string' && !('encode' in CONTROL_MESSAGES[message.type])) return;
  const encoded = refusesWithCode(() => encodeControl([/** @type {never} */ (message)]), 'encodeControl');
  if (encoded === undefined) {
    must(typeof message.type === 'string', 'a raw message is encoded', message);
    return;
  }
  const [again, ...more] = decodeControl(encoded);
  // What a packet's information says of where it came from is not said to the kernel.
  if (message.type === 'IP_PKTINFO') return;
  must(
    more.length === 0 && isDeepStrictEqual(again, message),
    'decode(encode(message)) is the message',
    message,
    again,
  );
}
