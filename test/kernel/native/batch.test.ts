// Handle.sendmmsg, sendto and recvmmsg with hostile arguments: records that point elsewhere, memory that is shared, detached,
// shrunk, or the same for all arguments. Nothing outside of a view is sent or written.
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Handle } from '../../../src/binding.js';
import { Endpoint } from '../../../src/index.js';
import { listFds } from '../../support/fds.js';
import { datagramHandle, emptyHandle } from '../../support/handles.js';
import { detachedView, resizableBuffer } from '../../support/buffers.js';

const EMPTY = new Uint8Array(0);
const [EBADF, EAGAIN, EDESTADDRREQ] = [-9, -11, -89];
const [MSG_TRUNC, MSG_CTRUNC] = [0x20, 0x8];
const WORDS = 8;
/** The byte around a view, which does not occur inside. */
const OUTSIDE = 0xee;

let before: Map<number, string>;
let handle: Handle;
let receiver: Handle;
let address: Uint8Array;

beforeEach(() => {
  before = listFds();
  handle = datagramHandle();
  address = new Uint8Array(16);
  do {
    receiver?.close();
    receiver = datagramHandle();
    expect(receiver.bind(Endpoint.from('127.0.0.1:0').sockaddr())).toBe(0);
    expect(receiver.getsockname(address)).toBe(16);
    // Where records have a name that is two bytes off, the port is half of an address, and must not make a group's of it.
  } while (address[2]! >= 224);
  expect(handle.connect(address)).toBe(0);
});

afterEach(() => {
  expect(handle.close()).toBe(0);
  expect(receiver.close()).toBe(0);
  expect(listFds()).toEqual(before);
});

/** All datagrams that have arrived. */
function arrived(): Buffer[] {
  const found: Buffer[] = [];
  for (;;) {
    const [data, result] = [Buffer.alloc(65536), Buffer.alloc(16)];
    const got = receiver.recvmmsg(1, data, EMPTY, EMPTY, result);
    if (got === EAGAIN) return found;
    expect(got).toBe(1);
    found.push(data.subarray(0, result.readUInt32LE()));
  }
}

function recordsOf(...records: readonly (readonly number[])[]): Uint8Array {
  const words = new Uint32Array(records.length * WORDS);
  records.forEach((record, i) => words.set(record, i * WORDS));
  return new Uint8Array(words.buffer);
}

/** A view in the middle of memory that is OUTSIDE, with the bytes 0 to 99 in turns. */
function arena(size: number, shared = false): { memory: Uint8Array; view: Uint8Array; intact: () => boolean } {
  const memory = new Uint8Array(shared ? new SharedArrayBuffer(size + 256) : new ArrayBuffer(size + 256)).fill(OUTSIDE);
  const view = memory.subarray(128, 128 + size);
  for (let i = 0; i < size; i++) view[i] = i % 100;
  const intact = () => memory.every((byte, i) => (i >= 128 && i < 128 + size) || byte === OUTSIDE);
  return { memory, view, intact };
}

const refused = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }) as Error;

describe('sendmmsg (native)', () => {
  test('sendmmsg sends records that lie inside the arena as they are, and refuses the call when one does not', () => {
    const [DATA, BESIDE] = [300, 64];
    const near = (size: number) =>
      fc.oneof(
        { weight: 6, arbitrary: fc.nat(size + 2) },
        { weight: 1, arbitrary: fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 - size, 65536) },
      );
    const place = (size: number) => fc.tuple(near(size), near(size));
    // Five bytes off, the middle of 127.0.0.1 reads as AF_UNSPEC, which the kernel accepts as another address.
    const names = place(BESIDE).filter(([at]) => at !== 21);
    const record = fc.record({
      data: fc.oneof({ weight: 9, arbitrary: fc.tuple(fc.nat(200), fc.nat(100)) }, place(DATA)),
      name: fc.oneof({ weight: 20, arbitrary: fc.constant<[number, number]>([16, 16]) }, names),
      control: fc.oneof({ weight: 20, arbitrary: fc.constant<[number, number]>([BESIDE, 0]) }, place(BESIDE)),
      tail: fc.oneof({ weight: 20, arbitrary: fc.nat(1) }, fc.nat(2 ** 32 - 1)),
    });
    let [sentAll, refusals, errnos] = [0, 0, 0];
    fc.assert(
      fc.property(fc.array(record, { maxLength: 5 }), fc.nat(6), fc.nat(6), (list, first, count) => {
        const data = arena(DATA);
        const beside = arena(BESIDE);
        beside.view.fill(0).set(address, 16);
        const words = recordsOf(...list.map(({ data, name, control, tail }) => [...data, ...name, ...control, tail]));
        const chosen = list.slice(first, first + count);
        const lies = ([at, length]: readonly number[], size: number) => at! + length! <= size;
        const good =
          first + count <= list.length &&
          chosen.every(
            ({ data, name, control, tail }) =>
              lies(data, DATA) && lies(name, BESIDE) && lies(control, BESIDE) && tail <= 1,
          );
        let result: number | undefined;
        try {
          result = handle.sendmmsg(data.view, beside.view, words, first, count);
        } catch (error) {
          expect(error).toEqual(refused);
        }
        expect(result !== undefined).toBe(good);
        const expected = chosen.slice(0, Math.max(result ?? 0, 0)).map(({ data: [at, length], tail }) => {
          return Buffer.concat([data.view.subarray(at, at + length), new Uint8Array(tail)]);
        });
        expect(arrived()).toEqual(expected);
        expect(data.intact() && beside.intact()).toBe(true);
        if (result === undefined) refusals++;
        else if (result < 0) errnos++;
        else if (result > 0) sentAll++;
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(sentAll, refusals, errnos), 'all of it was tried').toBeGreaterThan(0);
  });

  test('sendmmsg with more messages than one system call takes sends those before an invalid record, then refuses that record', () => {
    const good = [0, 4];
    const records = recordsOf(...Array<number[]>(70).fill(good), [0, 5], good);
    const data = Buffer.from('abcd');
    expect(handle.sendmmsg(data, EMPTY, records, 0, 72)).toBe(64);
    expect(() => handle.sendmmsg(data, EMPTY, records, 64, 8)).toThrow(refused);
    expect(handle.sendmmsg(data, EMPTY, records, 64, 6)).toBe(6);
    expect(arrived().map(String)).toEqual(Array<string>(70).fill('abcd'));
  });

  test.each([
    ['first', NaN, 1],
    ['first', 0.5, 1],
    ['first', 2 ** 32, 1],
    ['count', 0, NaN],
    ['count', 0, Infinity],
    ['count', 0, 1.5],
    ['count', 0, 2 ** 32 + 1],
    ['both', 2 ** 31 - 1, 2 ** 31 - 1],
    ['both', -1, 2],
  ])('sendmmsg refuses invalid message counts (%s): %d, %d', (_, first, count) => {
    expect(() => handle.sendmmsg(EMPTY, EMPTY, recordsOf([0, 0], [0, 0]), first, count)).toThrow(refused);
    expect(arrived()).toEqual([]);
  });

  test.each([0, 1, 2])('sendmmsg refuses detached memory: argument %i', (index) => {
    for (const gone of [detachedView(64), shrunk(64)]) {
      const args: [Uint8Array, Uint8Array, Uint8Array] = [Buffer.alloc(64), Buffer.alloc(64), recordsOf([0, 8])];
      args[index] = gone;
      if (index === 0) expect(() => handle.sendmmsg(...args, 0, 1)).toThrow(refused);
      else if (gone.length === 0 && gone.buffer.byteLength === 0) {
        expect(() => handle.sendmmsg(...args, 0, 1)).toThrow(refused);
      } else expect(attempt(() => handle.sendmmsg(...args, 0, 1))).not.toBe(2);
    }
    expect(arrived().every((data) => data.length === 8)).toBe(true);
  });

  test('sendmmsg accepts data, addresses and records in the same memory', () => {
    const all = new Uint8Array(64);
    all.set(recordsOf([0, 64, 32, 16]));
    all.set(address, 32);
    expect(handle.sendmmsg(all, all, all, 0, 1)).toBe(1);
    expect(arrived()).toEqual([Buffer.from(all)]);
  });

  test('sendmmsg on no socket, a closed socket or another type of socket returns a negative errno', () => {
    const [data, records] = [Buffer.alloc(8), recordsOf([0, 8])];
    expect(emptyHandle().sendmmsg(data, EMPTY, records, 0, 1)).toBe(EBADF);
    const stream = emptyHandle();
    expect(stream.socket(2, 1, 0)).toBe(0);
    expect(stream.sendmmsg(data, EMPTY, records, 0, 1)).toBeLessThan(0);
    stream.close();
    expect(stream.sendmmsg(data, EMPTY, records, 0, 1)).toBe(EBADF);
    const unconnected = datagramHandle();
    expect(unconnected.sendmmsg(data, EMPTY, records, 0, 1)).toBe(EDESTADDRREQ);
    unconnected.close();
  });

  test('sendmmsg never reads outside the memory while another thread rewrites the records', async () => {
    const data = arena(64, true);
    const records = arena(64 * 4 * WORDS, true);
    records.view.set(recordsOf(...Array.from({ length: 64 }, () => [0, 8])));
    const stop = new Int32Array(new SharedArrayBuffer(4));
    // The length alternates between one that lies inside and one that does not.
    const worker = new Worker(
      `const { workerData: { buffer, offset, stop } } = require('node:worker_threads');
       const words = new Uint32Array(buffer, offset, 64 * ${WORDS});
       Atomics.store(stop, 0, 1);
       while (Atomics.load(stop, 0) === 1) for (let i = 0; i < 64; i++) words[i * ${WORDS} + 1] = words[i * ${WORDS} + 1] === 8 ? 120 : 8;`,
      {
        eval: true,
        execArgv: [],
        workerData: { buffer: records.view.buffer, offset: records.view.byteOffset, stop },
      },
    );
    try {
      while (Atomics.load(stop, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
      let [calls, refusals] = [0, 0];
      for (const end = performance.now() + 1500; performance.now() < end; calls++) {
        const result = attempt(() => handle.sendmmsg(data.view, EMPTY, records.view, 0, 64));
        if (result === undefined) refusals++;
        for (const datagram of arrived()) expect(datagram.includes(OUTSIDE)).toBe(false);
      }
      expect(refusals, 'the records were wrong now and then').toBeGreaterThan(0);
      expect(calls).toBeGreaterThan(refusals);
    } finally {
      await worker.terminate();
    }
  });
});

describe('sendto (native)', () => {
  test('sendto refuses an address or control messages that lie outside their memory', () => {
    const SIZE = 64;
    const number = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: -2, max: SIZE + 2 }) },
      fc.constantFrom<number>(2 ** 31 - 1, -(2 ** 31), 2 ** 31, NaN, 0.5, Infinity, 2 ** 32 + 16),
    );
    let [sent, refusals] = [0, 0];
    fc.assert(
      fc.property(fc.nat(50), fc.constantFrom(0, 16, -1), number, number, number, (length, usual, name, at, size) => {
        const data = arena(length);
        const beside = arena(SIZE);
        beside.view.fill(0).set(address);
        const nameLength = usual === -1 ? name : usual;
        const isInt = [nameLength, at, size].every((value) => Number.isInteger(value) && value === (value | 0));
        const good = isInt && nameLength >= 0 && nameLength <= SIZE && at >= 0 && size >= 0 && at + size <= SIZE;
        const result = attempt(() => handle.sendto(data.view, beside.view, nameLength, at, size));
        expect(result !== undefined).toBe(good);
        expect(arrived()).toEqual(result === length ? [Buffer.from(data.view)] : []);
        expect(data.intact() && beside.intact()).toBe(true);
        if (result === undefined) refusals++;
        else if (result >= 0) sent++;
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(sent, refusals)).toBeGreaterThan(10);
  });

  test('sendto refuses detached memory', () => {
    expect(() => handle.sendto(detachedView(8))).toThrow(refused);
    expect(() => handle.sendto(EMPTY, detachedView(16))).toThrow(refused);
    expect(() => handle.sendto(EMPTY, detachedView(16), 0, 0, 0)).toThrow(refused);
    expect(arrived()).toEqual([]);
  });
});

describe('recvmmsg (native)', () => {
  test('recvmmsg divides each buffer into slots and writes nothing outside them, for buffers of any size', () => {
    const size = fc.oneof(fc.nat(40), fc.nat(300));
    let [filled, refusals] = [0, 0];
    expect(receiver.setsockopt(0, 12, 1)).toBe(0); // IP_RECVTTL
    fc.assert(
      fc.property(
        fc.array(fc.nat(60), { maxLength: 4 }),
        fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -1, max: 400 })),
        fc.tuple(size, size, size),
        fc.oneof(
          fc.nat(6).map((slots) => 16 * slots),
          fc.nat(300),
          fc.constantFrom(256 * 16, 257 * 16, 1 << 16),
        ),
        (lengths, count, [dataSize, nameSize, controlSize], resultSize) => {
          for (const length of lengths) expect(handle.sendto(Buffer.alloc(length, 7))).toBe(length);
          const buffers = [dataSize, nameSize, controlSize, resultSize].map((bytes) => arena(bytes));
          const [data, names, control, result] = buffers.map(({ view }) => view) as [Buffer, Buffer, Buffer, Buffer];
          const slots = resultSize / 16;
          const good = Number.isInteger(slots) && slots >= 1 && slots <= 256 && count >= 1 && count <= slots;
          const got = attempt(() => receiver.recvmmsg(count, data, names, control, result));
          expect(got !== undefined).toBe(good);
          expect(buffers.every(({ intact }) => intact())).toBe(true);
          if (got === undefined) refusals++;
          else if (lengths.length === 0) expect(got).toBe(EAGAIN);
          else {
            filled++;
            expect(got).toBe(Math.min(count, lengths.length));
            const view = new DataView(result.buffer, result.byteOffset, result.byteLength);
            const share = Math.floor(dataSize / slots);
            for (let i = 0; i < got; i++) {
              const [length, name, cmsg, flags] = [0, 4, 8, 12].map((at) => view.getUint32(16 * i + at, true));
              expect(length).toBe(Math.min(lengths[i]!, share));
              expect((flags! & MSG_TRUNC) !== 0).toBe(lengths[i]! > share);
              if (nameSize >= 16 * slots) expect(name).toBe(16);
              expect(cmsg).toBeLessThanOrEqual(Math.floor(controlSize / slots));
              expect((flags! & MSG_CTRUNC) !== 0).toBe(Math.floor(controlSize / slots) < 20);
              expect(data.subarray(i * share, i * share + length!).every((byte) => byte === 7)).toBe(true);
            }
          }
          arrived();
        },
      ),
      { numRuns: 2000 },
    );
    expect(Math.min(filled, refusals)).toBeGreaterThan(10);
  });

  test('recvmmsg accepts the same memory for all of its arguments', () => {
    for (const shared of [false, true]) {
      for (let i = 0; i < 4; i++) expect(handle.sendto(Buffer.alloc(100, 7))).toBe(100);
      const all = arena(4 * 16, shared);
      expect(receiver.recvmmsg(4, all.view, all.view, all.view, all.view)).toBe(4);
      expect(all.intact()).toBe(true);
      expect(new DataView(all.view.buffer, all.view.byteOffset).getUint32(0, true), 'the result comes last').toBe(16);
    }
  });

  test.each([1, 2, 3, 4])('recvmmsg refuses detached memory and leaves the datagram queued: argument %i', (index) => {
    expect(handle.sendto(Buffer.from('x'))).toBe(1);
    const args: [number, ...Uint8Array[]] = [1, Buffer.alloc(8), Buffer.alloc(16), Buffer.alloc(8), Buffer.alloc(16)];
    args[index] = detachedView(16);
    expect(() => receiver.recvmmsg(...(args as Parameters<Handle['recvmmsg']>))).toThrow(refused);
    expect(arrived().map(String)).toEqual(['x']);
  });

  test('recvmmsg with buffers of length 0 takes the datagram and truncates it', () => {
    expect(handle.sendto(Buffer.from('x'))).toBe(1);
    const result = Buffer.alloc(16);
    expect(receiver.recvmmsg(1, EMPTY, EMPTY, EMPTY, result)).toBe(1);
    expect(result.readUInt32LE(12) & MSG_TRUNC).toBe(MSG_TRUNC);
    expect(result.readUInt32LE(0)).toBe(0);
  });

  test('recvmmsg on no socket or another type of socket returns a negative errno', () => {
    expect(emptyHandle().recvmmsg(1, Buffer.alloc(8), EMPTY, EMPTY, Buffer.alloc(16))).toBe(EBADF);
    const stream = emptyHandle();
    expect(stream.socket(2, 1, 0)).toBe(0);
    expect(stream.recvmmsg(1, Buffer.alloc(8), EMPTY, EMPTY, Buffer.alloc(16))).toBeLessThan(0);
    stream.close();
  });
});

/** The result of a call, or undefined when it refuses its arguments. */
function attempt(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    expect(error).toEqual(refused);
    return undefined;
  }
}

/** A view whose resizable buffer has become too short for it. */
function shrunk(size: number): Uint8Array {
  const buffer = resizableBuffer(size + 8);
  const view = new Uint8Array(buffer, 8, size);
  buffer.resize(4);
  return view;
}
