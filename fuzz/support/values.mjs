// Wrong and hostile values that a caller may pass, chosen by the bytes of an input.
/* global structuredClone */

/** Thrown by hostile getters; the library may let it pass unchanged. */
export const THROWN = new Error('thrown by a hostile value');

const NUMBERS = [
  ...[0, 1, -1, 2, 3, 4, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 0xfffff, 0x100000, 2 ** 24],
  ...[2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 53, 1e300],
  ...[NaN, Infinity, -Infinity, -0, 0.5, -0.5, 5e-324],
];
const TEXTS = [
  ...['', '0', '1', 'lo', 'eth0', '127.0.0.1', '::1', '239.1.2.3', 'ff02::1', '::ffff:127.0.0.1', 'fe80::1%lo'],
  ...['include', 'exclude', 'tai', 'monotonic', 'realtime', 'none', 'receive', 'send', 'hmac(sha1)', 'cmac(aes128)'],
  ...['off-without-probe', 'get', 'any', 'exclusive', 'process', 'user', '\0', '\ud800', 'x'.repeat(300), '__proto__'],
];
const thrower = () => {
  throw THROWN;
};

/** @type {((reader: import('./reader.mjs').Reader, depth: number, fields: readonly string[]) => unknown)[]} */
const MAKERS = [
  () => undefined,
  () => null,
  (reader) => reader.pick(NUMBERS),
  (reader) => reader.int32(),
  (reader) => reader.byte(),
  (reader) => reader.pick(TEXTS),
  (reader) => reader.text(64),
  (reader) => reader.byte() % 2 === 0,
  (reader) => BigInt(reader.int32()) ** BigInt(reader.below(6)) * (reader.byte() % 2 === 0 ? 1n : -1n),
  (reader) => reader.bytes(reader.below(300)),
  (reader) => detached(reader.below(64)),
  (reader) => shrunk(reader.below(64)),
  () => Symbol('hostile'),
  () => () => 1,
  () => new Date(NaN),
  (reader) => new Float64Array(reader.below(4)),
  () => new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower }),
  () => Object.create(null),
  () => new Proxy(new Uint8Array(8), {}),
  () => ({ valueOf: thrower, toString: thrower, [Symbol.toPrimitive]: thrower }),
  (reader) => Array(reader.pick([0, 1, 2, 3, 5000])),
  (reader, depth, fields) =>
    depth > 3 ? [] : Array.from({ length: reader.below(5) }, () => hostileValue(reader, fields, depth + 1)),
  (reader, depth, fields) => objectOf(reader, depth, fields),
  (reader, depth, fields) => objectOf(reader, depth, fields),
];

/**
 * @param {import('./reader.mjs').Reader} reader
 * @param {readonly string[]} [fields] names for the properties of objects
 * @returns {unknown}
 */
export function hostileValue(reader, fields = ['length'], depth = 0) {
  return reader.pick(MAKERS)(reader, depth, fields);
}

/** @param {import('./reader.mjs').Reader} reader */
export function hostileNumber(reader) {
  return reader.byte() % 4 === 0 ? reader.int32() : reader.pick(NUMBERS);
}

/** @param {number} size */
export function detached(size) {
  const array = new Uint8Array(size);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** A view whose resizable buffer no longer reaches it. @param {number} size */
export function shrunk(size) {
  const Resizable =
    /** @type {new (length: number, options: { maxByteLength: number }) => ArrayBuffer & { resize(to: number): void }} */ (
      /** @type {unknown} */ (ArrayBuffer) // ES2024, which the library's own target does not have
    );
  const buffer = new Resizable(size + 8, { maxByteLength: size + 8 });
  const array = new Uint8Array(buffer, 8, size);
  buffer.resize(4);
  return array;
}

/**
 * @param {import('./reader.mjs').Reader} reader
 * @param {number} depth
 * @param {readonly string[]} fields
 */
function objectOf(reader, depth, fields) {
  /** @type {Record<string, unknown>} */
  const object = {};
  if (depth > 3) return object;
  for (let left = reader.below(7); left > 0; left--) {
    const field = reader.pick(fields);
    const value = hostileValue(reader, fields, depth + 1);
    if (Object.hasOwn(object, field)) continue;
    if (reader.byte() === 255) Object.defineProperty(object, field, { get: thrower, enumerable: true });
    else Object.defineProperty(object, field, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}
