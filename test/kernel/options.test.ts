// Every row of OPTIONS against the kernel: set and read back, refused where the row says so, EBADF after close.
import { closeSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  getOption,
  NativeSocket,
  OPTIONS,
  setOption,
  type Family,
  type NativeSocketType,
  type OptionName,
  type OptionRow,
} from '../../src/index.js';
import { LEVELS } from '../../src/options/row.js';
import { missingNeeds } from '../support/kernel.js';
import { errorOf } from '../support/sockets.js';
import { SAMPLES, type Given, type Got } from './options-samples.js';

type Set = (target: NativeSocket | number, name: string, value: unknown) => void;
type Get = (target: NativeSocket | number, name: string) => unknown;
const set = setOption as unknown as Set;
const get = getOption as unknown as Get;

const rows = Object.entries<OptionRow>(OPTIONS) as [OptionName, OptionRow][];
const samples = SAMPLES as Partial<Record<string, Given<OptionName> | Got>>;

test('every option has a sample, and every sample an option', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual(Object.keys(OPTIONS).sort());
});

test('no two options have the same level and number', () => {
  const numbers = rows.map(([, { level, name }]) => `${level}/${name}`);
  expect(new Set(numbers).size).toBe(rows.length);
});

test.each(rows)('%s has a doc line, a source and a known level', (_, row) => {
  expect(row.doc).toMatch(/^\S.*[.?]$/);
  expect(row.doc).not.toContain('\n');
  expect(row.source).toMatch(/\S/);
  expect(Object.keys(LEVELS)).toContain(row.level);
});

describe.each(rows)('%s', (name, row) => {
  const sample = samples[name];
  const missing = row.since && missingNeeds({ kernel: row.since });
  if (missing !== undefined) {
    test.skip(missing);
    return;
  }
  if (sample === undefined) {
    test('has a sample value', () => expect.fail(`test/kernel/options-samples.ts has none for ${name}`));
    return;
  }

  const takes = sockets(row, true);
  const refuses = sockets(row, false);

  if ('set' in sample) {
    test.each(takes)('%s %s: the initial value differs, is set, and reads back', (family, type) => {
      using socket = NativeSocket.create({ family, type });
      if (row.access !== 'set') expect(get(socket, name)).not.toEqual(sample.set);
      set(socket, name, sample.set);
      if (row.access === 'set') return;
      const expected = row.readBack === 'doubled' ? 2 * (sample.set as number) : sample.set;
      expect(get(socket, name)).toEqual(expected);
    });

    test.each(takes)('%s %s: sockopts set it as well', (family, type) => {
      using socket = NativeSocket.create({ family, type, sockopts: { [name]: sample.set } });
      if (row.access === 'set') return;
      expect(get(socket, name)).not.toEqual(get(keep(NativeSocket.create({ family, type })), name));
    });

    test('is said to read back otherwise if and only if some value does', async () => {
      expect(sample.adjusted !== undefined).toBe(row.readBack === 'adjusted');
      const [given, read] = (await sample.adjusted?.()) ?? [0, 1];
      expect(read).not.toEqual(given);
    });

    if (row.readBack === undefined && (row.kind === 'int' || row.kind === 'uint')) {
      test.each(bounds(row))('%i, at the bounds of the row, reads back', (value) => {
        for (const [family, type] of takes) {
          using socket = NativeSocket.create({ family, type });
          set(socket, name, value);
          expect(get(socket, name), `${family} ${type}`).toBe(value);
        }
      });
    }
  } else {
    test.each(takes)('%s %s: is read, and cannot be set', async (family, type) => {
      using socket = NativeSocket.create({ family, type });
      const expected = sample.initial(socket);
      if (typeof expected === 'string' && expected.startsWith('E')) {
        expect(await errorOf(() => get(socket, name))).toMatchObject({
          code: expected,
          syscall: 'getsockopt',
          option: name,
        });
      } else expect(get(socket, name)).toEqual(expected);
      expect(await errorOf(() => set(socket, name, expected))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
      expect(row.access).toBe('get');
    });

    if (sample.later) {
      test('says something else when there is something else to say', async () => {
        expect.hasAssertions();
        await sample.later?.((socket, expected) => expect(get(socket, name)).toEqual(expected));
      });
    }
  }

  if (refuses.length > 0) {
    test.each(refuses)('%s %s: the kernel knows no such option', async (family, type) => {
      using socket = NativeSocket.create({ family, type });
      const unknown = { name: 'SyscallError', option: name, errno: expect.toSatisfy(isUnknown) as number };
      if ('set' in sample) {
        expect(await errorOf(() => set(socket, name, sample.set))).toMatchObject({ ...unknown, syscall: 'setsockopt' });
      }
      if (row.access !== 'set') {
        expect(await errorOf(() => get(socket, name))).toMatchObject({ ...unknown, syscall: 'getsockopt' });
      }
    });
  }

  test('after close is EBADF, by socket and by number', async () => {
    const [family, type] = takes[0]!;
    const socket = NativeSocket.create({ family, type });
    const { fd } = socket;
    socket.close();
    for (const target of [socket, fd]) {
      const closed = { name: 'SyscallError', code: 'EBADF', errno: -9, option: name };
      if ('set' in sample) {
        expect(await errorOf(() => set(target, name, sample.set))).toMatchObject({ ...closed, syscall: 'setsockopt' });
      }
      if (row.access !== 'set') {
        expect(await errorOf(() => get(target, name))).toMatchObject({ ...closed, syscall: 'getsockopt' });
      }
    }
    expect(() => closeSync(fd)).toThrow('EBADF');
  });
});

test('SO_COOKIE is another one for each socket, and stays', () => {
  const made = Array.from({ length: 10 }, () => keep(NativeSocket.create({ family: 'ipv4', type: 'dgram' })));
  const cookies = made.map((socket) => getOption(socket, 'SO_COOKIE'));
  expect(new Set(cookies).size).toBe(10);
  expect(made.map((socket) => getOption(socket, 'SO_COOKIE'))).toEqual(cookies);
});

test('an error that the lack of a privilege did not cause does not ask for one', async () => {
  const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  socket.close();
  const error = await errorOf(() => setOption(socket, 'SO_MARK', 1));
  expect(error.code).toBe('EBADF');
  expect(error.message).not.toContain('CAP_');
});

/** Combinations of family and type that the row says take the option, or those that do not. */
function sockets(row: OptionRow, taking: boolean): [Family, NativeSocketType & ('stream' | 'dgram')][] {
  const all = (['ipv4', 'ipv6'] as const).flatMap((family) =>
    (['stream', 'dgram'] as const).map((type) => [family, type] as [Family, 'stream' | 'dgram']),
  );
  return all.filter(
    ([family, type]) => ((row.families?.includes(family) ?? true) && (row.types?.includes(type) ?? true)) === taking,
  );
}

function bounds(row: OptionRow): number[] {
  const { min, max } = row;
  return [
    ...new Set([min, min === undefined ? undefined : min + 1, max, max === undefined ? undefined : max - 1]),
  ].filter((bound) => bound !== undefined);
}

/** ENOPROTOOPT, or EOPNOTSUPP for a level that the socket does not have. */
function isUnknown(errno: number): boolean {
  return errno === -92 || errno === -95;
}

/** Closed when the test is over. */
function keep(socket: NativeSocket): NativeSocket {
  onTestFinished(() => socket.close());
  return socket;
}
