// Every row of OPTIONS against the kernel: set and read back, or its effect; refused where the row says so; EBADF after close.
import { closeSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  getOption,
  NativeSocket,
  OPTIONS,
  setOption,
  type Family,
  type OptionName,
  type OptionRow,
} from '../../../src/index.js';
import { LEVELS, SOCKET_TYPES, socketsOf, type SocketType } from '../../../src/options/row.js';
import { missingNeeds } from '../../support/kernel.js';
import { create, get, otherThan, set } from '../../support/options.js';
import { errorOf } from '../../support/sockets.js';
import { SAMPLES, type Given, type Got, type Shown } from '../../support/option-samples/samples.js';

const rows = Object.entries<OptionRow>(OPTIONS) as [OptionName, OptionRow][];
const samples = SAMPLES as Partial<Record<string, Given<OptionName> | Got | Shown<OptionName>>>;

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
  if (sample === undefined) {
    test('the option has a sample value', () => expect.fail(`test/support/option-samples has none for ${name}`));
    return;
  }
  const missing =
    (row.since && missingNeeds({ kernel: row.since })) ?? ('missing' in sample ? sample.missing?.() : undefined);
  if (missing !== undefined) {
    test.skip(missing);
    return;
  }

  const takes = socketsOf(row);
  const refuses = others(takes);

  if ('test' in sample) {
    test.each(takes)(`%s %s: ${sample.shows}`, async (family, type) => {
      await sample.test(family, type);
    });
  } else if ('set' in sample) given(name, row, sample, takes);
  else got(name, row, sample, takes);

  if (refuses.length > 0) {
    test.each(refuses)('%s %s: the kernel refuses the option', async (family, type) => {
      using socket = create(family, type);
      const refused = { name: 'SyscallError', option: name, errno: expect.toSatisfy(isRefusal) as number };
      if (row.late === 'portAssigned' && type === 'raw' && 'set' in sample) {
        // Its protocol is stored in place of a port, so that the option always comes too late.
        expect(await errorOf(() => set(socket, name, sample.set))).toMatchObject({ code: 'ERR_OPTION_TOO_LATE' });
      } else if ('set' in sample) {
        expect(await errorOf(() => set(socket, name, sample.set))).toMatchObject({ ...refused, syscall: 'setsockopt' });
      } else {
        expect(await errorOf(() => get(socket, name))).toMatchObject({ ...refused, syscall: 'getsockopt' });
      }
    });
  }

  test('after close, setting and reading fail with EBADF, by socket and by descriptor number', async () => {
    const [family, type] = takes[0]!;
    const socket = create(family, type);
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

/** A new socket takes the sample, and reads it back. */
function given(name: OptionName, row: OptionRow, sample: Given<OptionName>, takes: [Family, SocketType][]): void {
  const readable = row.access === undefined;
  const readAs = (value: unknown): unknown =>
    row.readBack === 'doubled' ? 2 * (value as number) : (sample.reads ?? value);

  test.each(takes)(
    '%s %s: the sample value differs from the initial one, is set, and reads back, also with sockopts',
    (family, type) => {
      using socket = create(family, type);
      const initial = readable ? get(socket, name) : undefined;
      const value = otherThan(sample.set, initial);
      if (readable) expect(initial).not.toEqual(readAs(value));
      set(socket, name, value);
      using another = create(family, type, { [name]: value });
      if (readable) expect([get(socket, name), get(another, name)]).toEqual([readAs(value), readAs(value)]);
    },
  );

  test('the kernel adjusts some value if and only if the option row says so', async () => {
    expect(sample.adjusted !== undefined).toBe(row.readBack === 'adjusted');
    const [value, read] = (await sample.adjusted?.()) ?? [0, 1];
    expect(read).not.toEqual(value);
  });

  if (row.words !== undefined) {
    test.each(Object.entries(row.words))(
      '%j (%i) can be set as word or number, and reads back as the word',
      (word, number) => {
        for (const [family, type] of takes) {
          using socket = create(family, type);
          for (const value of [word, number]) {
            set(socket, name, sample.set);
            set(socket, name, value);
            expect(get(socket, name)).toBe(number < 0 ? defaultOf(name, family, type) : word);
          }
        }
      },
    );
  } else if (row.readBack === undefined && row.access === undefined && (row.kind === 'int' || row.kind === 'uint')) {
    test.each(bounds(row))('%i, a bound of the option row, can be set and reads back', (value) => {
      for (const [family, type] of takes) {
        using socket = create(family, type);
        set(socket, name, value);
        expect(get(socket, name), `${family} ${type}`).toBe(value);
      }
    });
  }
}

/** It is read, and cannot be set. */
function got(name: OptionName, row: OptionRow, sample: Got, takes: [Family, SocketType][]): void {
  test.each(takes)('%s %s: the option can be read, and cannot be set', async (family, type) => {
    using socket = create(family, type);
    const expected = sample.initial(socket);
    if (typeof expected === 'string' && expected.startsWith('E')) {
      const unanswered = { code: expected, syscall: 'getsockopt', option: name };
      expect(await errorOf(() => get(socket, name))).toMatchObject(unanswered);
    } else expect(get(socket, name)).toEqual(expected);
    expect(await errorOf(() => set(socket, name, expected))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(row.access).toBe('get');
  });

  if (sample.later) {
    test('the value changes with the state of the socket', async () => {
      expect.hasAssertions();
      await sample.later?.((socket, expected) => expect(get(socket, name)).toEqual(expected));
    });
  }
}

test('SO_COOKIE differs between sockets and does not change', () => {
  const made = Array.from({ length: 10 }, () => keep(NativeSocket.create({ family: 'ipv4', type: 'dgram' })));
  const cookies = made.map((socket) => getOption(socket, 'SO_COOKIE'));
  expect(new Set(cookies).size).toBe(10);
  expect(made.map((socket) => getOption(socket, 'SO_COOKIE'))).toEqual(cookies);
});

test('the error of a privileged option mentions no capability unless a lack of privilege caused it', async () => {
  const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  socket.close();
  const error = await errorOf(() => setOption(socket, 'SO_MARK', 1));
  expect(error.code).toBe('EBADF');
  expect(error.message).not.toContain('CAP_');
});

/** Combinations of family and type that the row says do not take the option. */
function others(takes: readonly [Family, SocketType][]): [Family, SocketType][] {
  return (['ipv4', 'ipv6'] as const)
    .flatMap((family) => SOCKET_TYPES.map((type): [Family, SocketType] => [family, type]))
    .filter(([family, type]) => !takes.some(([of, with_]) => of === family && with_ === type));
}

/** A negative number asks for the default, and reads back as that. */
function defaultOf(name: OptionName, family: Family, type: SocketType): unknown {
  using socket = create(family, type);
  return get(socket, name);
}

function bounds(row: OptionRow): number[] {
  const { min, max } = row;
  const values = [min, min === undefined ? undefined : min + 1, max, max === undefined ? undefined : max - 1];
  return [...new Set(values)].filter((bound) => bound !== undefined);
}

/** ENOPROTOOPT, EOPNOTSUPP for a level that the socket does not have, EINVAL and EPROTO for a type that it is not. */
function isRefusal(errno: number): boolean {
  return [-92, -95, -22, -71].includes(errno);
}

/** Closed when the test is over. */
function keep(socket: NativeSocket): NativeSocket {
  onTestFinished(() => socket.close());
  return socket;
}
