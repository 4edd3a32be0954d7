// Checks of arguments: the errors are Node's, and they name the argument.
import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  abortSignal,
  boolean,
  bytes,
  integer,
  invalidType,
  invalidValue,
  oneOf,
  options,
  outOfRange,
  port,
  string,
} from '../../src/arguments.js';
import { detachedView, resizableBuffer } from '../support/buffers.js';

describe('errors of argument checks', () => {
  test('ERR_INVALID_ARG_TYPE has the class and message that Node uses', () => {
    const nodes = thrown(() => createSocket('udp4').send(1 as never, 9));
    const own = invalidType('buffer', 'a Buffer', 1);
    expect([own.name, (own as { code?: string }).code]).toEqual([nodes.name, nodes.code]);
    expect(own).toBeInstanceOf(TypeError);
    expect(own.message).toBe('The "buffer" argument must be a Buffer. Received type number (1)');
  });

  test('ERR_OUT_OF_RANGE has the class and message that Node uses', () => {
    const nodes = thrown(() => Buffer.alloc(1).readUInt8(7));
    const own = outOfRange('offset', '>= 0 and <= 0', 7);
    expect([own.name, (own as { code?: string }).code, own.message]).toEqual([
      nodes.name,
      nodes.code,
      nodes.message.replace(/Received (.*)/, 'Received type number ($1)'),
    ]);
    expect(own).toBeInstanceOf(RangeError);
  });

  test('ERR_INVALID_ARG_VALUE has the class and message that Node uses', () => {
    expect(invalidValue('how', 'rw', 'it must be one of us')).toMatchObject({
      ...{ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
      message: `The "how" argument is invalid: it must be one of us. Received type string ('rw')`,
    });
  });

  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    ['x'.repeat(100), `type string ('${'x'.repeat(59)})`],
    [5n, 'type bigint (5n)'],
    [Symbol('s'), 'type symbol (Symbol(s))'],
    [true, 'type boolean (true)'],
    [{}, 'an instance of Object'],
    [Object.create(null), 'an instance of Object'],
    [new Date(0), 'an instance of Date'],
    [
      function named() {
        /* nothing */
      },
      'function named',
    ],
    [[1, 2], '[ 1, 2 ]'],
  ])('errors describe the received value as Node does: %o', (value, described) => {
    expect(invalidType('x', 'something else', value).message).toMatch(
      new RegExp(`Received ${described.replaceAll(/[()[\]]/g, '\\$&')}$`),
    );
  });

  test('errors can describe any received value', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withTypedArray: true, withMap: true, withSet: true }),
        (value) => {
          expect(invalidType('x', 'something else', value)).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
        },
      ),
    );
  });
});

describe('integer', () => {
  test('integer() accepts whole numbers within its bounds, both included', () => {
    for (let value = -10; value <= 10; value++) expect(integer('x', value, -10, 10)).toBe(value);
    expect(integer('x', 2 ** 31, 0, 2 ** 53)).toBe(2 ** 31);
  });

  test.each([NaN, Infinity, -Infinity, 0.5, -11, 11, 2 ** 53])('integer() throws ERR_OUT_OF_RANGE for %d', (value) => {
    expect(thrown(() => integer('x.y', value, -10, 10))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(thrown(() => integer('x.y', value, -10, 10)).message).toContain('"x.y"');
  });

  test.each(['1', undefined, null, true, 1n, {}, [], Symbol('1'), new Number(1), () => 1])(
    'integer() throws ERR_INVALID_ARG_TYPE for %o',
    (value) => {
      expect(thrown(() => integer('x', value, 0, 1))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    },
  );

  test('port() accepts 0 to 65535', () => {
    expect([port('p', 0), port('p', 65535)]).toEqual([0, 65535]);
    expect(thrown(() => port('p', 65536)).code).toBe('ERR_OUT_OF_RANGE');
    expect(thrown(() => port('p', -1)).code).toBe('ERR_OUT_OF_RANGE');
  });
});

describe('boolean and string', () => {
  test('boolean() and string() accept their own type only', () => {
    expect([boolean('x', true), boolean('x', false), string('x', ''), string('x', 'a')]).toEqual([
      true,
      false,
      '',
      'a',
    ]);
    for (const value of [0, 1, 'true', null, undefined, {}])
      expect(thrown(() => boolean('x', value)).code).toBe('ERR_INVALID_ARG_TYPE');
    for (const value of [0, null, undefined, {}, ['a'], new String('a')])
      expect(thrown(() => string('x', value)).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('bytes', () => {
  test('bytes() returns a Uint8Array or Buffer of any size unchanged', () => {
    for (const value of [
      new Uint8Array(0),
      new Uint8Array(3),
      Buffer.from('x'),
      Buffer.alloc(0),
      new Uint8Array(new SharedArrayBuffer(4)),
    ]) {
      expect(bytes('x', value)).toBe(value);
    }
    const growing = resizableBuffer(4);
    expect(bytes('x', new Uint8Array(growing))).toHaveLength(4);
  });

  test.each([
    ['shrunk', shrunkUnder(4, 4)],
    ['shrunk, and its view is empty', shrunkUnder(4, 0)],
    ['detached', detachedView(8)],
    ['detached, and its view was empty', detachedView(0)],
  ])('bytes() refuses a view whose buffer is %s', (_what, view) => {
    expect(thrown(() => bytes('x', view))).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('bytes() accepts an empty view at the end of a resizable buffer', () => {
    const view = new Uint8Array(resizableBuffer(4), 4, 0);
    expect(bytes('x', view)).toBe(view);
  });

  test.each([
    ...['x', 1, null, undefined, {}, [1], new Uint16Array(1), new Uint8ClampedArray(1), new Int8Array(1)],
    ...[
      new DataView(new ArrayBuffer(1)),
      new ArrayBuffer(1),
      Object.create(Uint8Array.prototype) as unknown,
      new Proxy(new Uint8Array(1), {}),
    ],
  ])('bytes() refuses %o', (value) => {
    expect(thrown(() => bytes('x', value))).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('oneOf', () => {
  test('oneOf() accepts the words', () => {
    expect(oneOf('x', 'b', ['a', 'b'])).toBe('b');
  });

  test('oneOf() lists the words for an unknown word (invalid value) and another type (invalid type)', () => {
    expect(thrown(() => oneOf('x', 'c', ['a', 'b']))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(thrown(() => oneOf('x', 1, ['a', 'b']))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(thrown(() => oneOf('x', undefined, ['a', 'b'])).message).toContain("'a', 'b'");
  });
});

describe('options', () => {
  test('options() accepts an object with known keys, also with undefined values, and ignores inherited keys', () => {
    const value = Object.assign(Object.create({ inherited: 1 }) as object, { a: 1, b: undefined });
    expect(options('o', value as { a: number; b: unknown }, ['a', 'b'])).toBe(value);
  });

  test('options() names an unknown key, and the known keys, in its error', () => {
    const error = thrown(() => options('o', { a: 1, c: 2 } as { a: number }, ['a']));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('"o.c"');
    expect(error.message).toContain('expected one of a');
  });

  test.each([undefined, null, 1, 'x', () => 1])('options() refuses %o: not an object', (value) => {
    expect(thrown(() => options('o', value as never, []))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('abortSignal', () => {
  test('abortSignal() accepts a signal and undefined', () => {
    const { signal } = new AbortController();
    expect(abortSignal('signal', signal)).toBe(signal);
    expect(abortSignal('signal', undefined)).toBeUndefined();
  });

  test.each([null, 1, 'x', {}, [], new AbortController(), () => 1])('abortSignal() refuses %o', (value) => {
    expect(thrown(() => abortSignal('signal', value))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});

function thrown(action: () => unknown): NodeJS.ErrnoException {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('no Error was thrown');
}

/** A view of `length` bytes from `offset` on, in a buffer that now ends before it. */
function shrunkUnder(offset: number, length: number): Uint8Array {
  const buffer = resizableBuffer(offset + length);
  const view = new Uint8Array(buffer, offset, length);
  buffer.resize(offset / 2);
  return view;
}
