// The codec of every kind of option value, both ways.
import { OPTIONS } from '../../lib/index.js';
import { KINDS } from '../../lib/options/kinds.js';
import { must, refusesWithCode } from '../support/check.mjs';
import { Reader } from '../support/reader.mjs';
import { hostileNumber, hostileValue, THROWN } from '../support/values.mjs';

const CODECS = /** @type {[string, import('../../lib/options/kinds/codec.js').Codec<unknown, unknown>][]} */ (
  Object.entries(KINDS)
);
const ROWS = Object.values(OPTIONS);
// What the types' comments name; an object of a few of these reaches beyond the first check.
const FIELDS = [
  ...['group', 'address', 'interface', 'source', 'sources', 'mode', 'code', 'jt', 'jf', 'k', 'label', 'action'],
  ...['share', 'flags', 'expires', 'linger', 'destination', 'clock', 'deadline', 'reportErrors', 'phc', 'peer'],
  ...['key', 'prefix', 'prefixLength', 'sendId', 'receiveId', 'algorithm', 'macLength', 'current', 'next', 'required'],
  ...['acceptIcmps', 'sentIsn', 'receivedIsn', 'sentSne', 'receivedSne', 'mss', 'windowScale', 'sackPermitted'],
  ...['timestamps', 'sndWl1', 'sndWnd', 'maxWindow', 'rcvWnd', 'rcvWup', 'length', 'port'],
];
const ONE_WAY = ['this kind of value is only read', 'this kind of value is only set'];

export const seeds = CODECS.flatMap((_, i) => [Uint8Array.of(i, 0, 4, 0, 1, 2, 3), Uint8Array.of(i, 1, 2, 1)]);

/** @param {Uint8Array} input */
export function run(input) {
  const reader = new Reader(input);
  const [kind, codec] = reader.pick(CODECS);
  if (reader.byte() % 2 === 0) {
    const length = reader.below(codec.size + 1);
    const value = new Uint8Array(codec.size + 32).fill(0xa5);
    const view = value.subarray(16, 16 + codec.size);
    const rest = reader.rest().subarray(0, codec.size);
    view.fill(0).set(rest);
    decode(kind, codec, view, length);
    return;
  }
  const rows = ROWS.filter((row) => row.kind === kind);
  const bounds = rows.length > 0 && reader.byte() % 2 === 0 ? reader.pick(rows) : {};
  const value = reader.byte() % 3 === 0 ? hostileNumber(reader) : hostileValue(reader, FIELDS);
  let encoded;
  try {
    encoded = codec.encode(value, 'NAME', bounds);
  } catch (error) {
    if (isOneWay(error)) return;
    refusesWithCode(() => {
      throw error;
    }, `${kind}.encode`);
    return;
  }
  if (typeof encoded === 'number') {
    must((encoded | 0) === encoded, `${kind}.encode gives an int32`, value, encoded);
    encoded = new Uint8Array(Int32Array.of(encoded).buffer);
  }
  must(encoded instanceof Uint8Array, `${kind}.encode gives bytes or an int`, value, encoded);
  if (encoded.length === 0 || encoded.length > codec.size) return; // an empty one may be detached, which native refuses
  const view = new Uint8Array(codec.size);
  view.set(encoded);
  decode(kind, codec, view, encoded.length);
}

/**
 * @param {string} kind
 * @param {import('../../lib/options/kinds/codec.js').Codec<unknown, unknown>} codec
 * @param {Uint8Array} bytes
 * @param {number} length
 */
function decode(kind, codec, bytes, length) {
  try {
    codec.decode(bytes, length, {});
  } catch (error) {
    if (isOneWay(error)) return;
    throw new Error(`${kind}.decode threw at length ${length}: ${String(error)}`, { cause: error });
  }
}

/** @param {unknown} error */
function isOneWay(error) {
  return error !== THROWN && error instanceof TypeError && ONE_WAY.includes(error.message);
}
