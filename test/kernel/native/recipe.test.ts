// Handle.make: one call that makes a socket from an arena of steps. The arena is written by hand here, in the layout of
// native/recipe.h.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import { listFds } from '../../support/fds.js';
import { datagramHandle } from '../../support/handles.js';

const { Handle } = native();
const [SOCKET, SET_INT, SET_BYTES, ATTACH_FILTER, BIND, CONNECT, LISTEN, NAME, GET] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;
const [SOL_SOCKET, SO_KEEPALIVE, SO_PRIORITY, SO_RCVLOWAT, SO_ATTACH_FILTER, SO_ACCEPTCONN] = [1, 9, 12, 18, 26, 30];
const [EBUSY, EINVAL, ENOPROTOOPT, EADDRNOTAVAIL, EAFNOSUPPORT] = [-16, -22, -92, -99, -97];
const UDP: Step = { call: SOCKET, a: 2, b: 2, c: 0 };
const TCP: Step = { call: SOCKET, a: 2, b: 1, c: 0 };

interface Step {
  readonly call: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly bytes?: Uint8Array;
  readonly tolerated?: number;
}

let before: Map<number, string>;
beforeEach(() => {
  before = listFds();
});
afterEach(() => {
  expect(listFds()).toEqual(before);
});

/** The arena of these steps; the bytes of each follow the last step, in their order. */
function arenaOf(...steps: readonly Step[]): Uint8Array {
  const start = 8 + steps.length * 32;
  const size = steps.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), start);
  const arena = new Uint8Array(size);
  const view = new DataView(arena.buffer);
  view.setUint32(0, steps.length, true);
  let room = start;
  for (const [i, { call, a = 0, b = 0, c = 0, bytes, tolerated = 0 }] of steps.entries()) {
    const words = [call, a, b, c, room, bytes?.length ?? 0, tolerated, 0];
    for (const [j, word] of words.entries()) view.setInt32(8 + i * 32 + j * 4, word, true);
    if (bytes !== undefined) arena.set(bytes, room);
    room += bytes?.length ?? 0;
  }
  return arena;
}

function failedStep(arena: Uint8Array): number {
  return new DataView(arena.buffer, arena.byteOffset).getUint32(4, true);
}

function resultOf(arena: Uint8Array, step: number): number {
  return new DataView(arena.buffer, arena.byteOffset).getInt32(8 + step * 32 + 28, true);
}

function loopback(port = 0): Uint8Array {
  const address = new Uint8Array(16);
  address.set([2, 0, port >> 8, port & 255, 127, 0, 0, 1]);
  return address;
}

function intOption(handle: InstanceType<typeof Handle>, name: number): number {
  const value = new Uint8Array(4);
  expect(handle.getsockopt(SOL_SOCKET, name, value)).toBe(4);
  return new DataView(value.buffer).getInt32(0, true);
}

test('Handle.make sets options, binds, listens, and reads the local address back', () => {
  const handle = new Handle();
  const arena = arenaOf(
    TCP,
    { call: SET_INT, a: SOL_SOCKET, b: SO_KEEPALIVE, c: 1 },
    { call: SET_BYTES, a: SOL_SOCKET, b: SO_PRIORITY, bytes: Uint8Array.of(3, 0, 0, 0) },
    { call: BIND, bytes: loopback() },
    { call: LISTEN, a: 4 },
    { call: SET_INT, a: SOL_SOCKET, b: SO_RCVLOWAT, c: 7 },
    { call: NAME, bytes: new Uint8Array(28) },
    { call: GET, a: SOL_SOCKET, b: SO_PRIORITY, bytes: new Uint8Array(4) },
  );
  expect(handle.make(arena)).toBe(0);
  expect(failedStep(arena)).toBe(8);
  expect([SO_KEEPALIVE, SO_PRIORITY, SO_RCVLOWAT].map((name) => intOption(handle, name))).toEqual([1, 3, 7]);
  const name = new Uint8Array(28);
  expect(handle.getsockname(name)).toBe(16);
  expect(resultOf(arena, 6)).toBe(16);
  expect(arena.subarray(-32, -4)).toEqual(name);
  expect([resultOf(arena, 7), arena.at(-4)]).toEqual([4, 3]);
  handle.close();
});

test('a socket made by Handle.make is non-blocking and close-on-exec', () => {
  const handle = new Handle();
  expect(handle.make(arenaOf(UDP))).toBe(0);
  expect(handle.recvmsg([new Uint8Array(4)], new Uint8Array(0), new Uint8Array(0), 0, new Uint8Array(12))).toBe(-11);
  handle.close();
});

describe('a step of Handle.make that fails', () => {
  test('a step of Handle.make that fails ends the recipe with its errno and its index, and closes what was opened', () => {
    const handle = new Handle();
    const arena = arenaOf(
      UDP,
      { call: SET_INT, a: SOL_SOCKET, b: SO_PRIORITY, c: 3 },
      { call: SET_INT, a: SOL_SOCKET, b: 9999, c: 1 },
      { call: BIND, bytes: loopback() },
    );
    expect(handle.make(arena)).toBe(ENOPROTOOPT);
    expect(failedStep(arena)).toBe(2);
    expect(handle.fd()).toBe(-1);
    expect(handle.make(arenaOf(UDP))).toBe(0); // the Handle is as empty as before
    handle.close();
  });

  test('a step of Handle.make that tolerates the errno is skipped, and has the errno as its result', () => {
    const handle = new Handle();
    const arena = arenaOf(
      UDP,
      { call: SET_INT, a: SOL_SOCKET, b: 9999, c: 1, tolerated: -ENOPROTOOPT },
      { call: SET_INT, a: SOL_SOCKET, b: SO_PRIORITY, c: 5 },
    );
    expect(handle.make(arena)).toBe(0);
    expect(resultOf(arena, 1)).toBe(ENOPROTOOPT);
    expect(intOption(handle, SO_PRIORITY)).toBe(5);
    handle.close();
  });

  test('a step of Handle.make ends the recipe when its errno is not the tolerated one', () => {
    const handle = new Handle();
    const arena = arenaOf(UDP, { call: SET_INT, a: SOL_SOCKET, b: 9999, c: 1, tolerated: 1 });
    expect(handle.make(arena)).toBe(ENOPROTOOPT);
    expect(failedStep(arena)).toBe(1);
  });

  test.each<[string, Step[], number, number]>([
    ['socket', [{ call: SOCKET, a: 99, b: 1 }], EAFNOSUPPORT, 0],
    [
      'bind',
      [UDP, { call: BIND, bytes: Uint8Array.of(2, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0) }],
      EADDRNOTAVAIL,
      1,
    ],
    ['connect', [UDP, { call: CONNECT, bytes: new Uint8Array(1) }], EINVAL, 1],
    ['listen on a datagram socket', [UDP, { call: LISTEN, a: 1 }], -95, 1],
    ['getsockopt', [UDP, { call: GET, a: SOL_SOCKET, b: 9999, bytes: new Uint8Array(4) }], ENOPROTOOPT, 1],
    [
      'a filter that is not one',
      [UDP, { call: ATTACH_FILTER, a: 1, b: SO_ATTACH_FILTER, bytes: new Uint8Array(7) }],
      EINVAL,
      1,
    ],
  ])('Handle.make reports the index of %s', (_name, steps, errno, index) => {
    const handle = new Handle();
    const arena = arenaOf(...steps);
    expect(handle.make(arena)).toBe(errno);
    expect([failedStep(arena), handle.fd()]).toEqual([index, -1]);
  });
});

test('Handle.make attaches a classic BPF program', () => {
  const handle = new Handle();
  const acceptNothing = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0); // BPF_RET | BPF_K, 0
  expect(handle.make(arenaOf(UDP, { call: ATTACH_FILTER, a: 1, b: SO_ATTACH_FILTER, bytes: acceptNothing }))).toBe(0);
  const program = new Uint8Array(8);
  expect(handle.getsockopt(SOL_SOCKET, SO_ATTACH_FILTER, program)).toBe(8);
  handle.close();
});

test('Handle.make on a Handle that has a descriptor returns EBUSY and leaves it', () => {
  const handle = datagramHandle();
  const fd = handle.fd();
  expect(handle.make(arenaOf(UDP))).toBe(EBUSY);
  expect(handle.fd()).toBe(fd);
  handle.close();
});

test('Handle.make accepts an arena that is not aligned', () => {
  const handle = new Handle();
  const shifted = new Uint8Array(8 + 32 + 1).subarray(1);
  shifted.set(arenaOf(UDP));
  expect(handle.make(shifted)).toBe(0);
  handle.close();
});

test('Handle.make throws a TypeError before any system call for an arena that is not a recipe', () => {
  const patched = (steps: Step[], at: number, word: number): Uint8Array => {
    const arena = arenaOf(...steps);
    new DataView(arena.buffer).setUint32(at, word, true);
    return arena;
  };
  const option: Step = { call: SET_BYTES, a: SOL_SOCKET, b: SO_PRIORITY, bytes: new Uint8Array(4) };
  const second = 8 + 32;
  const refused: Record<string, Uint8Array> = {
    'nothing at all': new Uint8Array(0),
    'less than a header': new Uint8Array(7),
    'no steps': new Uint8Array(40),
    'more steps than there are bytes': patched([UDP], 0, 2),
    'more steps than any recipe has': patched([UDP], 0, 257),
    '2 ** 32 - 1 steps': patched([UDP], 0, 0xffffffff),
    'a first step that is not socket': arenaOf(option),
    'a second socket': arenaOf(UDP, UDP),
    'call 0': patched([UDP, option], second, 0),
    'an unknown call': patched([UDP, option], second, 10),
    'memory that begins behind the arena': patched([UDP, option], second + 16, 10_000),
    'memory that ends behind the arena': patched([UDP, option], second + 20, 5),
    'memory that wraps around': patched([UDP, option], second + 20, 0xfffffffc),
    'a negative errno to tolerate': patched([UDP, option], second + 24, 0xffffffff),
  };
  for (const [name, arena] of Object.entries(refused)) {
    const handle = new Handle();
    expect(() => handle.make(arena), name).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
    expect(handle.fd()).toBe(-1);
  }
});

test('Handle.make accepts read-backs that overlap the steps, which it has copied', () => {
  const handle = new Handle();
  const arena = arenaOf(TCP, { call: NAME, bytes: new Uint8Array(28) }, { call: LISTEN, a: 1 });
  new DataView(arena.buffer).setUint32(8 + 32 + 16, 8, true); // the address is written over the first step
  expect(handle.make(arena)).toBe(0);
  expect(failedStep(arena)).toBe(3);
  expect(intOption(handle, SO_ACCEPTCONN)).toBe(1); // the step after it has run
  handle.close();
});

test('Handle.make with random steps returns 0 or an errno or throws, and writes only inside the arena', () => {
  const word = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  const step = fc.record({
    call: fc.integer({ min: 0, max: 10 }),
    args: fc.tuple(fc.constantFrom(0, 1, 6), fc.integer({ min: 0, max: 60 }), word),
    memory: fc.tuple(word, fc.oneof(fc.integer({ min: 0, max: 40 }), word)),
    tolerated: fc.constantFrom(0, 0, -EINVAL, -ENOPROTOOPT, 9),
  });
  const handle = new Handle();
  fc.assert(
    fc.property(fc.constantFrom(TCP, UDP), fc.array(step, { maxLength: 6 }), (first, steps) => {
      const size = 8 + (steps.length + 1) * 32 + 64;
      const memory = new Uint8Array(size + 64).fill(0xa5);
      const arena = memory.subarray(32, 32 + size);
      const view = new DataView(memory.buffer, 32, size);
      arena.fill(0).set(arenaOf(first));
      view.setUint32(0, steps.length + 1, true);
      for (const [
        i,
        {
          call,
          args,
          memory: [offset, length],
          tolerated,
        },
      ] of steps.entries()) {
        const words = [call, ...args, offset, length, tolerated, 0];
        for (const [j, value] of words.entries()) view.setInt32(8 + (i + 1) * 32 + j * 4, value, true);
      }
      try {
        const result = handle.make(arena);
        expect(result).toBeLessThanOrEqual(0);
        expect(handle.fd() === -1).toBe(result < 0);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
        expect(handle.fd()).toBe(-1);
      } finally {
        handle.close();
      }
      const around = [...memory.subarray(0, 32), ...memory.subarray(32 + size)];
      expect(around.every((byte) => byte === 0xa5)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
