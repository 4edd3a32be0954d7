// Handle.recvmmsg: slots, bounds, and where it writes.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Handle } from '../../../src/binding.js';
import { Endpoint } from '../../../src/index.js';
import { datagramHandle } from '../../support/handles.js';
import { udp } from '../../support/sockets.js';

const EMPTY = new Uint8Array(0);
const [EBADF, EAGAIN, MSG_CTRUNC, MSG_TRUNC] = [-9, -11, 0x8, 0x20];

let handle: Handle;
let local: Endpoint;

beforeEach(() => {
  handle = datagramHandle();
  expect(handle.bind(Endpoint.from('127.0.0.1:0').sockaddr())).toBe(0);
  const name = new Uint8Array(16);
  handle.getsockname(name);
  local = Endpoint.decode(name)!;
});

afterEach(() => {
  handle.close();
});

function send(...data: string[]): Endpoint {
  using sender = udp();
  for (const text of data) sender.sendmsg({ data: Buffer.from(text), to: local });
  return sender.local;
}

/** Memory between margins that must stay unchanged. */
function guarded(size: number): { bytes: Uint8Array; intact: () => boolean } {
  const memory = new Uint8Array(size + 128).fill(0xa5);
  const outside = (i: number): boolean => i < 64 || i >= 64 + size;
  return {
    bytes: memory.subarray(64, 64 + size),
    intact: () => memory.every((byte, i) => !outside(i) || byte === 0xa5),
  };
}

function words(result: Uint8Array): number[][] {
  const view = new DataView(result.buffer, result.byteOffset, result.byteLength);
  return Array.from({ length: result.length / 16 }, (_, i) =>
    [0, 4, 8, 12].map((at) => view.getUint32(16 * i + at, true)),
  );
}

test('recvmmsg places each datagram in its slot of each buffer and writes nothing outside the slots', () => {
  const [data, names, control, result] = [guarded(3 * 8), guarded(3 * 16), guarded(3 * 32), guarded(3 * 16)];
  expect(handle.setsockopt(0, 12, 1)).toBe(0); // IP_RECVTTL
  const from = send('one', 'twotwo');
  expect(handle.recvmmsg(3, data.bytes, names.bytes, control.bytes, result.bytes)).toBe(2);
  expect(Buffer.from(data.bytes).toString('latin1')).toBe(`one${'¥'.repeat(5)}twotwo${'¥'.repeat(10)}`);
  for (const slot of [0, 1]) {
    expect(Endpoint.decode(names.bytes.subarray(16 * slot, 16 * slot + 16))?.port).toBe(from.port);
    expect(control.bytes[32 * slot + 16], 'the time to live').toBe(64);
  }
  expect(
    words(result.bytes)
      .slice(0, 2)
      .map(([length, name, cmsg]) => [length, name, cmsg]),
  ).toEqual([
    [3, 16, 24],
    [6, 16, 24],
  ]);
  expect(names.bytes.subarray(32).every((byte) => byte === 0xa5)).toBe(true);
  for (const buffer of [data, names, control, result]) expect(buffer.intact()).toBe(true);
  expect(handle.recvmmsg(3, data.bytes, names.bytes, control.bytes, result.bytes)).toBe(EAGAIN);
});

test('recvmmsg with a count below the number of slots leaves the slots where they are', () => {
  const [data, result] = [new Uint8Array(40), new Uint8Array(4 * 16)];
  send('a', 'b', 'c');
  expect(handle.recvmmsg(2, data, EMPTY, EMPTY, result)).toBe(2);
  expect([data[0], data[10], data[20]]).toEqual([97, 98, 0]);
  expect(handle.recvmmsg(4, data, EMPTY, EMPTY, result)).toBe(1);
  expect([data[0], data[10]]).toEqual([99, 98]);
});

test('recvmmsg truncates a datagram that does not fit and sets MSG_TRUNC or MSG_CTRUNC', () => {
  expect(handle.setsockopt(0, 12, 1)).toBe(0);
  const [data, control, result] = [new Uint8Array(8), new Uint8Array(16), new Uint8Array(2 * 16)];
  send('12345', '12');
  expect(handle.recvmmsg(2, data, EMPTY, control, result)).toBe(2);
  expect(words(result).map(([length, , , flags]) => [length, flags! & (MSG_CTRUNC | MSG_TRUNC)])).toEqual([
    [4, MSG_CTRUNC | MSG_TRUNC],
    [2, MSG_CTRUNC],
  ]);
});

test('recvmmsg accepts at most 256 slots', () => {
  const result = new Uint8Array(256 * 16);
  send(...Array.from({ length: 100 }, () => 'x'));
  expect(handle.recvmmsg(256, new Uint8Array(256), EMPTY, EMPTY, result)).toBe(100);
  expect(words(result).filter(([length]) => length === 1)).toHaveLength(100);
});

describe('arguments of recvmmsg', () => {
  test.each<[string, number, number]>([
    ['no slots', 1, 0],
    ['memory for half a slot', 1, 8],
    ['memory for a slot and a half', 1, 24],
    ['257 slots', 1, 257 * 16],
    ['a count of 0', 0, 16],
    ['a negative count', -1, 16],
    ['a count beyond the slots', 3, 32],
    ['the largest count', 2 ** 31 - 1, 256 * 16],
  ])('recvmmsg refuses %s before the kernel is called', (_, count, size) => {
    send('x');
    const refuse = () => handle.recvmmsg(count, new Uint8Array(8), EMPTY, EMPTY, new Uint8Array(size));
    expect(refuse).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }));
    expect(handle.recvmmsg(1, new Uint8Array(8), EMPTY, EMPTY, new Uint8Array(16)), 'it is still there').toBe(1);
  });
});

test('recvmmsg after close returns EBADF', () => {
  handle.close();
  expect(handle.recvmmsg(1, new Uint8Array(8), EMPTY, EMPTY, new Uint8Array(16))).toBe(EBADF);
});
