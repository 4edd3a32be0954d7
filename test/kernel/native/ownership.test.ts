// Ownership of descriptors: a Handle owns at most one, until close or detach, and never touches any other.
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native, type Handle } from '../../../src/binding.js';
import { listFds } from '../../support/fds.js';
import { datagramHandle, emptyHandle } from '../../support/handles.js';

const { Handle, Poll } = native();
const EMPTY = new Uint8Array(0);
const [EBADF, EBUSY, EAGAIN, EINVAL] = [-9, -16, -11, -22];

/** Every call on a Handle that needs a descriptor. */
const calls: Record<string, (handle: Handle) => number> = {
  dup3: (handle) => handle.dup3(0),
  detach: (handle) => handle.detach(),
  bind: (handle) => handle.bind(loopback()),
  connect: (handle) => handle.connect(loopback(9)),
  listen: (handle) => handle.listen(1),
  accept: (handle) => handle.accept(emptyHandle(), new Uint8Array(28)),
  shutdown: (handle) => handle.shutdown(2),
  getsockname: (handle) => handle.getsockname(new Uint8Array(28)),
  getpeername: (handle) => handle.getpeername(new Uint8Array(28)),
  setsockopt: (handle) => handle.setsockopt(1, 2, new Uint8Array(4).fill(1)),
  getsockopt: (handle) => handle.getsockopt(1, 2, new Uint8Array(4)),
  attachFilter: (handle) => handle.attachFilter(1, 26, new Uint8Array(8)),
  sendmsg: (handle) => handle.sendmsg([Buffer.from('x')], loopback(9), EMPTY, 0),
  recvmsg: (handle) => handle.recvmsg([new Uint8Array(4)], EMPTY, EMPTY, 0, new Uint8Array(12)),
  recvmmsg: (handle) => handle.recvmmsg(1, new Uint8Array(4), new Uint8Array(28), EMPTY, new Uint8Array(16)),
  sendto: (handle) => handle.sendto(Buffer.from('x'), loopback(9)),
  sendmmsg: (handle) => handle.sendmmsg(EMPTY, EMPTY, EMPTY, 0, 0),
};

let before: Map<number, string>;
beforeEach(() => {
  before = listFds();
});
afterEach(() => {
  expect(listFds()).toEqual(before);
});

test('every Handle method that needs a descriptor is in the table of this file', () => {
  const rest = ['constructor', 'make', 'socket', 'adopt', 'duplicate', 'fd', 'close'];
  const names = Object.getOwnPropertyNames(Handle.prototype).filter((name) => !rest.includes(name));
  expect(names.sort()).toEqual(Object.keys(calls).sort());
});

describe.each(Object.entries(calls))('Handle.%s', (_, call) => {
  test('a Handle method returns EBADF without a descriptor, after close and after detach', () => {
    const handle = new Handle();
    expect(call(handle)).toBe(EBADF);
    handle.socket(2, 2, 0);
    handle.close();
    expect(call(handle)).toBe(EBADF);
    handle.socket(2, 2, 0);
    const fd = handle.detach();
    expect(call(handle)).toBe(EBADF);
    closeSync(fd);
  });

  test('a Handle method called after close does not touch the new owner of the descriptor number', () => {
    const late = datagramHandle();
    const fd = late.fd();
    late.close();
    const stranger = datagramHandle();
    expect(stranger.fd()).toBe(fd);
    expect(call(late)).toBe(EBADF);
    expect(stranger.fd()).toBe(fd);
    expect(fstatSync(fd).isSocket()).toBe(true);
    expect(portOf(stranger)).toBe(0); // not bound, so not connected or listening either
    const reuse = new Uint8Array(4);
    expect(stranger.getsockopt(1, 2, reuse)).toBe(4);
    expect(reuse[0]).toBe(0);
    expect(stranger.close()).toBe(0);
  });
});

test('Handle.close is idempotent', () => {
  const handle = datagramHandle();
  const fd = handle.fd();
  expect(handle.close()).toBe(0);
  const stranger = datagramHandle();
  expect(stranger.fd()).toBe(fd);
  for (let i = 0; i < 5; i++) expect(handle.close()).toBe(0);
  expect(handle.fd()).toBe(-1);
  expect(fstatSync(fd).isSocket()).toBe(true);
  stranger.close();
});

test('a Handle that has a descriptor refuses another one', () => {
  const handle = datagramHandle();
  const spare = datagramHandle();
  const fd = handle.fd();
  expect(handle.socket(2, 2, 0)).toBe(EBUSY);
  expect(handle.adopt(spare.fd())).toBe(EBUSY);
  expect(handle.duplicate(spare.fd())).toBe(EBUSY);
  expect(handle.fd()).toBe(fd);
  handle.close();
  spare.close();
});

test('a Handle whose socket() fails stays empty', () => {
  const handle = new Handle();
  expect(handle.socket(12345, 1, 0)).toBeLessThan(0);
  expect(handle.fd()).toBe(-1);
  expect(handle.socket(2, 1, 0)).toBe(0);
  handle.close();
});

test('sockets made by socket and accept are non-blocking and close-on-exec', () => {
  const { listener, client } = connecting();
  const server = emptyHandle();
  expect(server.accept(emptyHandle(), new Uint8Array(28))).toBe(EBADF);
  expect(listener.accept(server, new Uint8Array(28))).toBe(16);
  for (const handle of [listener, client, server]) {
    expect(flagsOf(handle.fd())).toMatchObject({ nonBlocking: true, closeOnExec: true });
    handle.close();
  }
});

test('accept into a Handle that is not empty returns EBUSY and leaves the connection queued', () => {
  const { listener, client } = connecting();
  const full = datagramHandle();
  const address = new Uint8Array(28);
  expect(listener.accept(full, address)).toBe(EBUSY);
  expect(listener.accept(listener, address)).toBe(EBUSY);
  expect(listener.accept(client, address)).toBe(EBUSY);
  expect(address).toEqual(new Uint8Array(28));
  full.close();
  expect(listener.accept(full, address)).toBe(16); // closed, it is empty again
  expect(portOf(client)).toBe((address[2]! << 8) | address[3]!);
  expect(listener.accept(emptyHandle(), address)).toBe(EAGAIN);
  for (const handle of [listener, client, full]) handle.close();
});

test('accept into a value that is not a Handle throws a TypeError and leaves the connection queued', () => {
  const { listener, client } = connecting();
  const address = new Uint8Array(28);
  for (const into of [
    {},
    undefined,
    null,
    3,
    new Poll(() => undefined),
    Object.create(client),
    new Proxy(client, {}),
  ]) {
    expect(() => listener.accept(into as Handle, address)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  }
  const server = emptyHandle();
  expect(listener.accept(server, address)).toBe(16);
  for (const handle of [listener, client, server]) handle.close();
});

test('Handle.detach returns the descriptor unchanged, once', () => {
  const handle = datagramHandle();
  handle.bind(loopback());
  const port = portOf(handle);
  const fd = handle.detach();
  expect(handle.fd()).toBe(-1);
  expect(handle.close()).toBe(0);
  const next = new Handle();
  expect(next.adopt(fd)).toBe(0);
  expect(next.fd()).toBe(fd);
  expect(portOf(next)).toBe(port);
  expect(next.close()).toBe(0);
  expect(next.adopt(fd)).toBe(EBADF);
});

test('Handle.duplicate owns a copy, and the original stays with its owner', () => {
  const handle = datagramHandle();
  handle.bind(loopback());
  const copy = new Handle();
  expect(copy.duplicate(handle.fd())).toBe(0);
  expect(copy.fd()).not.toBe(handle.fd());
  expect(flagsOf(copy.fd()).closeOnExec).toBe(true);
  const port = portOf(handle);
  expect(handle.close()).toBe(0);
  expect(portOf(copy)).toBe(port);
  expect(copy.close()).toBe(0);
});

test('Handle.dup3 makes a descriptor of the caller refer to the socket', () => {
  const handle = datagramHandle();
  handle.bind(loopback());
  const place = datagramHandle();
  expect(handle.dup3(place.fd())).toBe(place.fd());
  expect(portOf(place)).toBe(portOf(handle));
  expect(flagsOf(place.fd()).closeOnExec).toBe(true);
  expect(handle.dup3(handle.fd())).toBe(EINVAL);
  expect(handle.close()).toBe(0);
  expect(portOf(place)).toBeGreaterThan(0);
  expect(place.close()).toBe(0);
});

test('Handle.adopt of a descriptor that is not open returns EBADF, and the Handle stays empty', () => {
  const handle = new Handle();
  expect(handle.adopt(2 ** 31 - 1)).toBe(EBADF);
  expect(handle.duplicate(2 ** 31 - 1)).toBe(EBADF);
  expect(handle.fd()).toBe(-1);
});

test('10,000 sockets that are made and closed leave no descriptor open', () => {
  const handle = new Handle();
  for (let i = 0; i < 10_000; i++) {
    expect(handle.socket(2, 2, 0)).toBe(0);
    expect(handle.close()).toBe(0);
  }
});

/** A listener with one queued connection. */
function connecting(): { listener: Handle; client: Handle } {
  const [listener, client] = [emptyHandle(), emptyHandle()];
  const address = new Uint8Array(16);
  expect(listener.socket(2, 1, 0)).toBe(0);
  expect(listener.bind(loopback())).toBe(0);
  expect(listener.listen(5)).toBe(0);
  listener.getsockname(address);
  expect(client.socket(2, 1, 0)).toBe(0);
  expect(client.connect(address)).toBe(-115); // on loopback it is established by then
  return { listener, client };
}

function loopback(port = 0): Uint8Array {
  return Uint8Array.of(2, 0, port >> 8, port & 0xff, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
}

function portOf(handle: Handle): number {
  const address = new Uint8Array(16);
  expect(handle.getsockname(address)).toBe(16);
  return (address[2]! << 8) | address[3]!;
}

function flagsOf(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const [, octal = '0'] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
  const flags = Number.parseInt(octal, 8);
  return { nonBlocking: (flags & 0o4000) !== 0, closeOnExec: (flags & 0o2000000) !== 0 };
}
