// Kinds of option values: what is accepted, the bytes that go to the kernel, and what its bytes mean.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OPTIONS, type OptionRow } from '../../src/index.js';
import { KINDS, type Kind } from '../../src/options/kinds.js';
import type { Bounds, Codec } from '../../src/options/kinds/codec.js';
import { TCP_INFO_SIZE } from '../../src/options/tcp-info.js';

const kinds = KINDS as unknown as Readonly<Record<Kind, Codec<unknown, unknown>>>;
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const port = fc.integer({ min: 0, max: 65535 });

/** What goes to the kernel; a copy, since the codecs use their memory again. A number is an int. */
function encode(kind: Kind, value: unknown, bounds: Bounds = {}): number[] {
  const encoded = kinds[kind].encode(value, 'NAME', bounds);
  return [...(typeof encoded === 'number' ? new Uint8Array(Int32Array.of(encoded).buffer) : encoded)];
}

function decode(kind: Kind, bytes: readonly number[], size = kinds[kind].size): unknown {
  const value = new Uint8Array(size);
  value.set(bytes);
  return kinds[kind].decode(value, bytes.length, {});
}

describe('values that are encoded', () => {
  test.each<[Kind, unknown, number[]]>([
    ['flag', true, [1, 0, 0, 0]],
    ['flag', false, [0, 0, 0, 0]],
    ['int', -2, [254, 255, 255, 255]],
    ['int', 0x01020304, [4, 3, 2, 1]],
    ['uint', 0xfedcba98, [0x98, 0xba, 0xdc, 0xfe]],
    ['portRange', [40_000, 60_000], [0x40, 0x9c, 0x60, 0xea]],
    ['portRange', [1, 65535], [1, 0, 255, 255]],
    ['portRange', [0, 0], [0, 0, 0, 0]],
    ['portRange', [40_000, 0], [0x40, 0x9c, 0, 0]],
    ['linger', 7, [1, 0, 0, 0, 7, 0, 0, 0]],
    ['linger', 0, [1, 0, 0, 0, 0, 0, 0, 0]],
    ['linger', false, [0, 0, 0, 0, 0, 0, 0, 0]],
    ['timeout', 0, Array<number>(16).fill(0)],
    ['timeout', 1500, [1, 0, 0, 0, 0, 0, 0, 0, 0x20, 0xa1, 7, 0, 0, 0, 0, 0]],
    ['timeout', 2 ** 31 - 1, [...int64(2_147_483), ...int64(647_000)]],
    ['text', 'reno', [...Buffer.from('reno')]],
    ['text', '', []],
    ['text', 'é', [0xc3, 0xa9]],
    ['text', 'x'.repeat(63), [...Buffer.alloc(63, 'x')]],
  ])('the kind %s encodes %j as %j', (kind, value, bytes) => {
    expect(encode(kind, value)).toEqual(bytes);
  });

  test('encoding a value does not change the next one', () => {
    expect(encode('timeout', 2 ** 31 - 1)).toHaveLength(16);
    expect(encode('linger', 7)).toEqual([1, 0, 0, 0, 7, 0, 0, 0]);
    expect(encode('flag', false)).toEqual([0, 0, 0, 0]);
    expect(encode('timeout', 0)).toEqual(Array<number>(16).fill(0));
  });

  test.each<[Kind, unknown, string, Bounds?]>([
    ...[1, 0, 'true', undefined, null, {}].map(
      (value) => ['flag', value, 'ERR_INVALID_ARG_TYPE'] as [Kind, unknown, string],
    ),
    ...['1', undefined, null, true, 1n, {}, [1], new Date()].map(
      (value) => ['int', value, 'ERR_INVALID_ARG_TYPE'] as [Kind, unknown, string],
    ),
    ...[NaN, Infinity, 0.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 32].map(
      (value) => ['int', value, 'ERR_OUT_OF_RANGE'] as [Kind, unknown, string],
    ),
    ['int', 0, 'ERR_OUT_OF_RANGE', { min: 1 }],
    ['int', 256, 'ERR_OUT_OF_RANGE', { max: 255 }],
    ...[-1, 2 ** 32, 1.5, NaN].map((value) => ['uint', value, 'ERR_OUT_OF_RANGE'] as [Kind, unknown, string]),
    ...[40_000, [1], [1, 2, 3], '1-2', null, undefined, { 0: 1, 1: 2, length: 2 }].map(
      (value) => ['portRange', value, 'ERR_INVALID_ARG_TYPE'] as [Kind, unknown, string],
    ),
    ...[
      [2, 1],
      [1, 65536],
      [-1, 1],
      [1.5, 2],
      [NaN, 1],
    ].map((value) => ['portRange', value, 'ERR_OUT_OF_RANGE'] as [Kind, unknown, string]),
    ['portRange', ['1', '2'], 'ERR_INVALID_ARG_TYPE'],
    ...[true, '7', null, undefined, {}].map(
      (value) => ['linger', value, 'ERR_INVALID_ARG_TYPE'] as [Kind, unknown, string],
    ),
    ...[-1, 65536, 0.5].map((value) => ['linger', value, 'ERR_OUT_OF_RANGE'] as [Kind, unknown, string]),
    ...[-1, 0.5, 2 ** 31, NaN].map((value) => ['timeout', value, 'ERR_OUT_OF_RANGE'] as [Kind, unknown, string]),
    ['timeout', '1', 'ERR_INVALID_ARG_TYPE'],
    ['text', 'x'.repeat(64), 'ERR_OUT_OF_RANGE'],
    ['text', 'é'.repeat(8), 'ERR_OUT_OF_RANGE', { max: 15 }],
    ...[1, null, undefined, Buffer.from('lo')].map(
      (value) => ['text', value, 'ERR_INVALID_ARG_TYPE'] as [Kind, unknown, string],
    ),
  ])('the kind %s refuses %o with %s', (kind, value, code, bounds) => {
    const error = catchError(() => encode(kind, value, bounds));
    expect(error).toMatchObject({ code });
    expect(error.message).toContain('NAME');
  });

  test('text with a zero byte is refused, since the kernel would truncate it there', () => {
    expect(catchError(() => encode('text', 'lo\0x'))).toMatchObject({
      code: expect.stringMatching(/^ERR_INVALID_ARG_/) as string,
    });
  });

  test('rows of the read-only kinds are read-only', () => {
    for (const [name, row] of Object.entries<OptionRow>(OPTIONS)) {
      if (row.kind === 'uint64' || row.kind === 'tcpInfo') expect(row.access, name).toBe('get');
    }
    expect(() => encode('uint64', 1n)).toThrow(TypeError);
    expect(() => encode('tcpInfo', {})).toThrow(TypeError);
  });
});

describe('values that are decoded', () => {
  test.each<[Kind, number[], unknown]>([
    ['flag', [0, 0, 0, 0], false],
    ['flag', [2, 0, 0, 0], true],
    ['flag', [0, 0, 0, 128], true],
    ['int', [255, 255, 255, 255], -1],
    ['int', [7], 7], // some options answer with one byte
    ['uint', [255, 255, 255, 255], 2 ** 32 - 1],
    ['uint', [0x98, 0xba, 0xdc, 0xfe], 0xfedcba98],
    ['uint64', [255, 255, 255, 255, 255, 255, 255, 255], 2n ** 64n - 1n],
    ['portRange', [0x40, 0x9c, 0x60, 0xea], [40_000, 60_000]],
    ['portRange', [0, 0, 0, 0], [0, 0]],
    ['linger', [0, 0, 0, 0, 7, 0, 0, 0], false],
    ['linger', [1, 0, 0, 0, 0, 0, 0, 0], 0],
    ['timeout', [1, 0, 0, 0, 0, 0, 0, 0, 0x20, 0xa1, 7, 0, 0, 0, 0, 0], 1500],
    ['timeout', [...int64(0n), ...int64(4000)], 4],
    ['text', [...Buffer.from('reno\0\0\0\0')], 'reno'],
    ['text', [...Buffer.from('reno')], 'reno'],
    ['text', [], ''],
    ['text', [0], ''],
  ])('the kind %s decodes %j as %o', (kind, bytes, value) => {
    expect(decode(kind, bytes)).toEqual(value);
  });

  test('decoded text ends at the length that the kernel returned', () => {
    const value = new Uint8Array(64).fill(0x41);
    value.set(Buffer.from('lo'));
    expect(kinds.text.decode(value, 2, {})).toBe('lo');
  });

  const readable = Object.values<OptionRow>(OPTIONS).filter(({ access }) => access !== 'set');
  test.each([...new Set(readable.map(({ kind }) => kind))])(
    'the kind %s decodes any number of any bytes without an exception',
    (kind) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: kind === 'tcpInfo' ? TCP_INFO_SIZE : kinds[kind].size }), (bytes) => {
          expect(decode(kind, [...bytes])).toBeDefined();
        }),
      );
    },
  );
});

describe('round trips', () => {
  test.each<[Kind, fc.Arbitrary<unknown>]>([
    ['flag', fc.boolean()],
    ['int', int32],
    ['uint', uint32],
    ['portRange', fc.tuple(port, port).map(([a, b]) => [Math.min(a, b), Math.max(a, b)])],
    ['linger', fc.oneof(fc.constant(false), fc.integer({ min: 0, max: 65535 }))],
    ['timeout', fc.integer({ min: 0, max: 2 ** 31 - 1 })],
    [
      'text',
      fc
        .string({ maxLength: 20, unit: 'binary' })
        .filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text),
    ],
  ])('the kind %s decodes what it encodes', (kind, values) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(kind, encode(kind, value), 128)).toEqual(value);
      }),
    );
  });

  test('every value within the bounds of a row can be encoded', () => {
    for (const [name, row] of Object.entries<OptionRow>(OPTIONS)) {
      // The bounds of text and bytes are those of their length.
      const valueOf = (bound: number): unknown =>
        row.kind === 'text' ? 'x'.repeat(bound) : row.kind === 'bytes' ? new Uint8Array(Math.max(bound, 0)) : bound;
      for (const bound of [row.min, row.max].filter((value) => value !== undefined)) {
        expect(decode(row.kind, encode(row.kind, valueOf(bound), row)), name).toEqual(valueOf(bound));
        const beyond = valueOf(bound === row.min ? bound - 1 : bound + 1);
        expect(
          catchError(() => encode(row.kind, beyond, row)),
          name,
        ).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      }
    }
  });
});

function catchError(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was thrown');
}

function int64(value: bigint | number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return [...bytes];
}
