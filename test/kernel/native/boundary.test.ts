// The native boundary: whatever JavaScript passes gives a TypeError with a code or a negative errno, nothing is written outside of
// a view, and no other descriptor is touched. receivers.test.ts, ownership.test.ts and recipe.test.ts cover receivers, the life of a Handle and
// the arena of Handle.make.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native, type Handle } from '../../../src/binding.js';
import { listFds } from '../../support/fds.js';
import { datagramHandle, emptyHandle } from '../../support/handles.js';
import { detachedView, resizableBuffer } from '../../support/buffers.js';

type Callable = (...args: unknown[]) => unknown;
type Kind = 'int' | 'bytes' | 'value' | 'buffers' | 'handle';

const { Handle, Poll } = native();
const EMPTY = new Uint8Array(0);
const EBADF = -9;

/** Every function that takes arguments, by owner: the kind of each argument, and a valid value. */
const methods: Record<string, readonly [Kind, unknown][]> = {
  make: [bytes(48)],
  socket: [int(2), int(2), int(0)],
  adopt: [int(0)],
  duplicate: [int(0)],
  dup3: [int(0)],
  bind: [bytes(16)],
  connect: [bytes(16)],
  listen: [int(1)],
  accept: [['handle', emptyHandle()], bytes(28)],
  shutdown: [int(1)],
  getsockname: [bytes(28)],
  getpeername: [bytes(28)],
  setsockopt: [int(1), int(2), ['value', 1]],
  getsockopt: [int(1), int(2), bytes(4)],
  attachFilter: [int(1), int(26), bytes(8)],
  sendmsg: [['buffers', []], bytes(0), bytes(0), int(0)],
  recvmsg: [['buffers', []], bytes(0), bytes(0), int(0), bytes(12)],
  recvmmsg: [int(1), bytes(8), bytes(28), bytes(0), bytes(16)],
  sendto: [bytes(0), bytes(0), int(0), int(0), int(0)],
  sendmmsg: [bytes(0), bytes(0), bytes(0), int(0), int(0)],
};
const functions: Record<string, readonly [Kind, unknown][]> = {
  setsockopt: [int(-1), int(1), int(2), ['value', 1]],
  getsockopt: [int(-1), int(1), int(2), bytes(4)],
  attachFilter: [int(-1), int(1), int(26), bytes(8)],
  getsockname: [int(-1), bytes(28)],
  ifNameToIndex: [bytes(4)],
  ifIndexToName: [int(1), bytes(16)],
};
const pollMethods: Record<string, readonly [Kind, unknown][]> = {
  open: [['handle', emptyHandle()]],
  start: [int(1)],
  keepAlive: [int(1)],
};

/** Values that are not of a kind. Made anew each time: a detached buffer stays detached. */
const hostile: Record<Kind, (fd: number) => unknown[]> = {
  int: (fd) => [
    ...[NaN, Infinity, -Infinity, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 32 + fd, 2 ** 53, fd + 0.5, -0.5, 5e-324],
    ...['1', '', undefined, null, true, 1n, Symbol('1'), {}, [], [1], () => 1, new Date(1), new Number(1)],
    ...[{ valueOf: thrower, toString: thrower, [Symbol.toPrimitive]: thrower }, new Uint8Array([1])],
  ],
  bytes: (fd) => [
    ...[new Int8Array(16), new Uint8ClampedArray(16), new Uint16Array(8), new Int32Array(4), new Float64Array(2)],
    ...[new BigUint64Array(2), new DataView(new ArrayBuffer(16)), new ArrayBuffer(16), new SharedArrayBuffer(16)],
    ...[
      detachedView(16),
      detachedView(0),
      new Proxy(new Uint8Array(16), {}),
      Object.create(Uint8Array.prototype) as unknown,
    ],
    ...[{ length: 16, byteLength: 16, buffer: new ArrayBuffer(16), byteOffset: 0 }, Array(16).fill(0)],
    ...['0123456789abcdef', fd, NaN, undefined, null, {}, [], 1n, Symbol('1'), true, () => EMPTY],
  ],
  value: (fd) => [
    ...hostile.int(fd).filter((value) => !(value instanceof Uint8Array)),
    ...hostile.bytes(fd).filter((value) => value !== fd),
  ],
  buffers: (fd) => [
    ...hostile.bytes(fd).filter((value) => !Array.isArray(value) || value.length > 0),
    ...hostile.bytes(fd).map((value) => [EMPTY, value]),
    ...[EMPTY, { length: 1, 0: EMPTY }, new Proxy([EMPTY], {}), new Set([EMPTY]), [[EMPTY]], Array<unknown>(3)],
    ...[Array<unknown>(1025).fill(EMPTY), Array<unknown>(2 ** 32 - 1), [EMPTY, ...Array<unknown>(1024)]],
  ],
  handle: (fd) => [
    ...[fd, -1, undefined, null, {}, [], 'handle', Symbol('1'), 1n, () => new Handle(), Handle],
    ...[new Poll(() => undefined), new Proxy(emptyHandle(), {}), Object.create(emptyHandle()) as unknown],
    Handle.prototype as unknown,
  ],
};

let before: Map<number, string>;
let handle: Handle;

beforeEach(() => {
  before = listFds();
  handle = datagramHandle();
});

afterEach(() => {
  expect(handle.fd(), 'the handle lost its descriptor').toBeGreaterThan(2);
  expect(handle.close()).toBe(0);
  expect(
    [0, 1, 2].every((fd) => before.has(fd)),
    'stdio is there to be watched',
  ).toBe(true);
  expect(listFds()).toEqual(before);
});

describe.each(Object.entries(methods))('Handle.%s', (name, parameters) => {
  refusesHostileArguments(name, parameters, () => handle);
});

describe.each(Object.entries(pollMethods))('Poll.%s', (name, parameters) => {
  refusesHostileArguments(name, parameters, () => new Poll(() => undefined));
});

describe.each(Object.entries(functions))('%s of a borrowed descriptor', (name, parameters) => {
  refusesHostileArguments(name, parameters, native);
});

test('every native member that takes arguments is in the tables of this file', () => {
  const without = ['constructor', 'fd', 'detach', 'close'];
  const members = (object: object) => Object.getOwnPropertyNames(object).filter((name) => !without.includes(name));
  expect(members(Handle.prototype as object).sort()).toEqual(Object.keys(methods).sort());
  expect(members(Poll.prototype as object).sort()).toEqual(['keepAlive', 'open', 'start', 'stop']);
  const apart = ['Handle', 'Poll', 'onLeak'];
  expect(members(native()).sort()).toEqual([...Object.keys(functions), ...apart].sort());
});

test.each([[undefined], [null], [{}], ['f'], [1], [Symbol('f')], [new Handle()]])(
  'onLeak and new Poll require a function and refuse %o',
  (value) => {
    expectRefused(() => call(native(), 'onLeak', [value]));
    expectRefused(() => new (Poll as unknown as new (value: unknown) => unknown)(value));
  },
);

test('-1 as an argument is an int32 that the kernel refuses', () => {
  const empty = new Handle();
  expect(empty.adopt(-1)).toBe(EBADF);
  expect(empty.duplicate(-1)).toBe(EBADF);
  expect(handle.dup3(-1)).toBe(EBADF);
  expect(empty.socket(-1, 1, 0)).toBeLessThan(0);
  expect(empty.socket(2, -1, 0)).toBeLessThan(0);
  expect(empty.socket(2, 1, -1)).toBeLessThan(0);
  expect(handle.shutdown(-1)).toBeLessThan(0);
  expect(handle.listen(-1)).toBeLessThan(0);
  expect(handle.setsockopt(-1, -1, new Uint8Array(4))).toBeLessThan(0);
  expect(handle.getsockopt(-1, -1, new Uint8Array(4))).toBeLessThan(0);
  expect(native().setsockopt(-1, 1, 2, new Uint8Array(4))).toBe(EBADF);
  expect(native().getsockopt(-1, 1, 2, new Uint8Array(4))).toBe(EBADF);
  expect(native().getsockname(-1, new Uint8Array(28))).toBe(EBADF);
  expect(native().ifIndexToName(-1, new Uint8Array(16))).toBeLessThan(0);
});

test('empty and overlong byte arguments return a negative errno', () => {
  for (const size of [0, 1, 2, 15, 129, 4096]) {
    expect(handle.bind(new Uint8Array(size))).toBeLessThan(0);
    expect(handle.connect(new Uint8Array(size)), `connect with ${size} bytes`).toBeLessThanOrEqual(0);
  }
  expect(handle.setsockopt(1, 2, EMPTY)).toBe(-22);
  expect(handle.sendmsg([], EMPTY, EMPTY, 0)).toBeLessThan(0);
});

test('recvmsg requires exactly twelve bytes for its result', () => {
  for (const size of [0, 4, 11, 13, 24]) {
    expectRefused(() => handle.recvmsg([new Uint8Array(8)], EMPTY, EMPTY, 0, new Uint8Array(size)));
  }
});

test('an interface name must end with a zero byte, and reading one requires room for sixteen bytes', () => {
  expectRefused(() => native().ifNameToIndex(EMPTY));
  expectRefused(() => native().ifNameToIndex(Buffer.from('lo')));
  expect(native().ifNameToIndex(Buffer.from('lo\0'))).toBe(1);
  expect(native().ifNameToIndex(Buffer.from('\0'))).toBe(-19);
  expect(native().ifNameToIndex(Buffer.from(`${'x'.repeat(500)}\0`))).toBeLessThan(0);
  expectRefused(() => native().ifIndexToName(1, new Uint8Array(15)));
  expect(native().ifIndexToName(12345, new Uint8Array(16))).toBe(-6);
});

describe('memory of native calls', () => {
  test('a Buffer, a subarray and a view of shared memory are accepted as Uint8Array', () => {
    const address = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    shared.set(address);
    for (const view of [Buffer.from(address), Uint8Array.of(9, ...address, 9).subarray(1, 17), shared]) {
      const socket = new Handle();
      expect(socket.socket(2, 2, 0)).toBe(0);
      expect(socket.bind(view)).toBe(0);
      expect(socket.close()).toBe(0);
    }
  });

  test('the kernel writes only inside the view that was passed', () => {
    const peer = boundPeer();
    const name = new Uint8Array(28);
    expect(peer.getsockname(name)).toBe(16);
    expect(handle.connect(name.subarray(0, 16))).toBe(0);
    expect(handle.sendmsg([Buffer.from('0123456789')], EMPTY, EMPTY, 0)).toBe(10);
    const guarded = [guard(4), guard(3), guard(12), guard(7), guard(24)] as const;
    const [first, second, result, address, control] = guarded;
    expect(peer.recvmsg([first.view, second.view], address.view, control.view, 0, result.view)).toBe(7);
    expect(Buffer.concat([first.view, second.view]).toString()).toBe('0123456');
    for (const size of [0, 1, 15, 16, 28]) {
      for (const method of ['getsockname', 'getpeername'] as const) {
        const target = guard(size);
        expect(handle[method](target.view)).toBe(16); // the length of the whole address, truncated or not
        target.check();
      }
    }
    for (const size of [0, 1, 3, 4, 8]) {
      const target = guard(size);
      expect(handle.getsockopt(1, 3, target.view)).toBe(Math.min(size, 4));
      target.check();
    }
    const interfaceName = guard(16);
    expect(native().ifIndexToName(1, interfaceName.view)).toBe(2);
    for (const { check } of [...guarded, interfaceName]) check();
    expect(peer.close()).toBe(0);
  });

  test('a view that was shortened by its resizable buffer is never read or written at its old size', () => {
    const name = new Uint8Array(16);
    const peer = boundPeer();
    peer.getsockname(name);
    expect(handle.connect(name)).toBe(0);
    const buffer = resizableBuffer(32);
    const fixed = new Uint8Array(buffer, 16, 16);
    const tracking = new Uint8Array(buffer);
    buffer.resize(8);
    expect(handle.sendmsg([tracking], EMPTY, EMPTY, 0)).toBe(8);
    expect(handle.sendmsg([fixed], EMPTY, EMPTY, 0)).toBe(0);
    expect(handle.getsockname(fixed)).toBe(16);
    expect(handle.getsockopt(1, 3, fixed)).toBe(0);
    expect(new Uint8Array(buffer)).toEqual(new Uint8Array(8));
    expect(peer.close()).toBe(0);
  });
});

describe('an array with a getter as native argument', () => {
  test('a getter that throws inside an array argument: the call throws its error', () => {
    const why = new Error('from the getter');
    const buffers = withGetter([EMPTY, EMPTY], 1, () => {
      throw why;
    });
    expect(() => handle.sendmsg(buffers, EMPTY, EMPTY, 0)).toThrow(why);
    expect(() => handle.recvmsg(buffers, EMPTY, EMPTY, 0, new Uint8Array(12))).toThrow(why);
  });

  test('a getter that closes the handle: the call returns EBADF, and the new owner of the descriptor number is not touched', () => {
    const other = new Handle();
    const stranger = new Handle();
    expect(other.socket(2, 2, 0)).toBe(0);
    const fd = other.fd();
    const buffers = withGetter([EMPTY, EMPTY], 1, () => {
      other.close();
      expect(stranger.socket(2, 2, 0)).toBe(0);
      return EMPTY;
    });
    expect(other.sendmsg(buffers, EMPTY, EMPTY, 0)).toBe(EBADF);
    expect(stranger.fd()).toBe(fd);
    expect(stranger.close()).toBe(0);
  });

  // The earlier elements have been looked up by then: their memory is gone, or has a new owner.
  test('a getter that detaches an earlier element: the call is refused, and nothing is received into the moved memory', () => {
    const name = new Uint8Array(16);
    const peer = boundPeer();
    peer.getsockname(name);
    expect(handle.sendmsg([Buffer.from('hello')], name, EMPTY, 0)).toBe(5);
    const first = new Uint8Array(16);
    let moved = new ArrayBuffer(0);
    const buffers = withGetter([first, EMPTY], 1, () => {
      moved = structuredClone(first.buffer, { transfer: [first.buffer] });
      return EMPTY;
    });
    try {
      expectRefused(() => peer.recvmsg(buffers, EMPTY, EMPTY, 0, new Uint8Array(12)));
      expect(new Uint8Array(moved)).toEqual(new Uint8Array(16));
    } finally {
      peer.close();
    }
  });
});

test('random native arguments give a number or an exception, and leave every descriptor open', () => {
  const value = fc.oneof(
    fc.anything({ withBigInt: true, withTypedArray: true, withSparseArray: true, withDate: true }),
    fc.constantFrom(-1, -2, 2 ** 31 - 1, -(2 ** 31), 1e9),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
    fc.constantFrom<unknown>(handle, emptyHandle(), Handle, EMPTY),
  );
  const targets: readonly (readonly [name: string, target: () => object])[] = [
    ...Object.keys(methods).map((name) => [name, () => new Handle()] as const),
    ...Object.keys(pollMethods).map((name) => [name, () => new Poll(() => undefined)] as const),
    ...Object.keys(functions).map((name) => [name, native] as const),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...targets), fc.array(value, { maxLength: 6 }), ([name, target], args) => {
      // These accept any descriptor of this process, by design.
      fc.pre(
        !['adopt', 'duplicate', 'setsockopt'].includes(name) || !(Number(typeof args[0] === 'number' && args[0]) >= 0),
      );
      const receiver = target();
      try {
        expect(call(receiver, name, args)).toBeTypeOf('number');
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      } finally {
        if (receiver instanceof Handle || receiver instanceof Poll) receiver.close();
      }
    }),
    { numRuns: 3000 },
  );
});

function refusesHostileArguments(name: string, parameters: readonly [Kind, unknown][], target: () => object): void {
  const valid = parameters.map(([, value]) => value);
  test.each(parameters.map(([kind], index) => [index, kind] as const))(
    'native argument %i accepts only %s',
    (index, kind) => {
      for (const value of hostile[kind](handle.fd())) {
        const args = valid.with(index, value);
        expectRefused(() => call(target(), name, args), `${name} with ${typeof value} ${describeValue(value)}`);
      }
    },
  );
  test('native methods called without arguments throw', () => {
    expectRefused(() => call(target(), name, []));
  });
}

function expectRefused(action: () => unknown, what?: string): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, what).toBeInstanceOf(TypeError);
  expect(thrown, what).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
}

function call(target: object, name: string, args: readonly unknown[]): unknown {
  return (target as Record<string, Callable>)[name]!(...args);
}

function boundPeer(): Handle {
  const peer = datagramHandle();
  expect(peer.bind(Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0))).toBe(0);
  return peer;
}

/** A view in the middle of larger memory, and a check that the memory around it is unchanged. */
function guard(size: number): { view: Uint8Array; check: () => void } {
  const memory = new Uint8Array(size + 64).fill(0xa5);
  return {
    view: memory.subarray(32, 32 + size),
    check: () => {
      expect(memory.subarray(0, 32).every((byte) => byte === 0xa5)).toBe(true);
      expect(memory.subarray(32 + size).every((byte) => byte === 0xa5)).toBe(true);
    },
  };
}

function withGetter(buffers: Uint8Array[], index: number, get: () => Uint8Array): Uint8Array[] {
  return Object.defineProperty(buffers, index, { get });
}

function describeValue(value: unknown): string {
  return value === null || value === undefined || typeof value !== 'object'
    ? String(value)
    : (value.constructor?.name ?? 'object');
}

function thrower(): never {
  throw new Error('a conversion was asked for');
}

function int(value: number): [Kind, unknown] {
  return ['int', value];
}

function bytes(size: number): [Kind, unknown] {
  return ['bytes', new Uint8Array(size)];
}
