// node:dgram: options on its sockets, and conversion of sockets of this package to a dgram.Socket.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import {
  adoptDgram,
  getOption,
  NativeSocket,
  setOption,
  toDgram,
  UdpSocket,
  type Family,
  type UdpSocketOptions,
} from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { boundUdp, errorOf, LOOPBACK, tcp } from '../../support/sockets.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

function make(options: Partial<UdpSocketOptions> = {}, address?: string): UdpSocket {
  const udp = UdpSocket.create({ family: 'ipv4', ...options });
  udp.bind({ address: address ?? LOOPBACK[udp.family], port: 0 });
  return udp;
}

function kept<T extends Socket>(socket: T): T {
  open.push(socket);
  return socket;
}

async function next(socket: Socket): Promise<[string, number]> {
  const [data, { port }] = (await once(socket, 'message')) as [Buffer, { port: number }];
  return [data.toString(), port];
}

test('options can be set on a bound dgram.Socket and take effect', async () => {
  const socket = kept(createSocket('udp4'));
  expect((await errorOf(() => setOption(socket, 'IP_TOS', 8))).code).toBe('ERR_INVALID_STATE');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  expect(getOption(socket, 'SO_REUSEADDR')).toBe(false);
  setOption(socket, 'IP_TOS', 46 << 2);
  expect(getOption(socket, 'IP_TOS')).toBe(46 << 2);
  setOption(socket, 'UDP_SEGMENT', 4);
  const peer = boundUdp();
  open.push(peer);
  await new Promise((resolve) => socket.send('abcdefgh', peer.local.port, '127.0.0.1', resolve));
  const sizes = [0, 1].map(() => peer.recvmsg({ buffers: [Buffer.alloc(99)] })?.bytes);
  expect(sizes).toEqual([4, 4]);
});

describe.each<[string, Family, string, Partial<UdpSocketOptions>]>([
  ['IPv4', 'ipv4', '127.0.0.1', {}],
  ['IPv6', 'ipv6', '::1', {}],
  ['dual-stack', 'ipv6', '::', {}],
  ['freebind', 'ipv4', '192.0.2.1', { freebind: true }],
  ['with more that is told', 'ipv4', '127.0.0.1', { pktinfo: true, ecn: true, errorQueue: true, timestamps: true }],
])('%s', (_, family, address, options) => {
  test('toDgram keeps the port, the options and the receive buffer', async () => {
    await expectNoNewFds(async () => {
      const udp = make({ family, ...options }, address);
      const { local, fd } = udp;
      setOption(udp, 'SO_PRIORITY', 3);
      const to = { address: address === '192.0.2.1' ? '127.0.0.1' : LOOPBACK[family], port: local.port };
      using peer = boundUdp(family);
      if (address !== '192.0.2.1') peer.sendmsg({ data: Buffer.from('early'), to });
      const closed = once(udp, 'close');
      const socket = toDgram(udp);
      expect(udp.closed).toBe(true);
      expect(udp.fd).toBe(-1);
      await closed;
      expect(socket.address()).toMatchObject({ port: local.port, family: family === 'ipv4' ? 'IPv4' : 'IPv6' });
      expect(getOption(fd, 'SO_PRIORITY')).toBe(3);
      if (address !== '192.0.2.1') {
        expect(await next(socket)).toEqual(['early', peer.local.port]);
        await new Promise((resolve) => socket.send('back', peer.local.port, LOOPBACK[family], resolve));
        const buffer = Buffer.alloc(9);
        expect(peer.recvmsg({ buffers: [buffer] })).toMatchObject({ bytes: 4, source: { port: local.port } });
      }
      await new Promise<void>((resolve) => socket.close(resolve));
    });
  });
});

test.each(['ipv4', 'ipv6'] as const)('toDgram binds an unbound socket to all addresses: %s', async (family) => {
  const udp = UdpSocket.create({ family });
  const socket = kept(toDgram(udp));
  const { address, port } = socket.address();
  expect(address).toBe(family === 'ipv4' ? '0.0.0.0' : '::');
  expect(port).toBeGreaterThan(0);
  using peer = boundUdp(family);
  peer.sendmsg({ data: Buffer.from('x'), to: { address: LOOPBACK[family], port } });
  expect(await next(socket)).toEqual(['x', peer.local.port]);
});

test("toDgram undoes libuv's SO_REUSEADDR, so that no other socket can take the port", async () => {
  const udp = make();
  const { port } = udp.local;
  const socket = kept(toDgram(udp));
  expect(getOption(socket, 'SO_REUSEADDR')).toBe(false);
  using thief = NativeSocket.create({ family: 'ipv4', type: 'dgram', sockopts: { SO_REUSEADDR: true } });
  expect((await errorOf(() => thief.bind({ address: '127.0.0.1', port }))).code).toBe('EADDRINUSE');
  // What dgram does on its own.
  const native = boundUdp();
  const plain = createSocket('udp4');
  plain.bind({ fd: native.fd });
  expect(getOption(plain, 'SO_REUSEADDR')).toBe(true);
  native.detach();
  kept(plain);
  // It is kept if it was set before.
  expect(getOption(kept(toDgram(make({ reuseAddr: true }))), 'SO_REUSEADDR')).toBe(true);
});

test("toDgram emits 'listening' inside the call, and the socket is bound when it returns", async () => {
  const socket = kept(toDgram(make()));
  expect(socket.address().port).toBeGreaterThan(0);
  let listening = 0;
  socket.on('listening', () => listening++);
  await new Promise((resolve) => setImmediate(resolve));
  expect(listening).toBe(0);
});

test.each<[string, Family, string]>([
  ['IPv4', 'ipv4', '127.0.0.1'],
  ['IPv6', 'ipv6', '::1'],
  ['mapped', 'ipv6', '::ffff:127.0.0.1'],
])('adoptDgram and toDgram refuse a connected socket until it is disconnected: %s', async (_, family, address) => {
  const peer = boundUdp(address === '::1' ? 'ipv6' : 'ipv4');
  open.push(peer);
  const to = { address, port: peer.local.port };
  using native = NativeSocket.create({ family, type: 'dgram' });
  native.connect(to);
  for (const target of [native, native.fd]) {
    expect((await errorOf(() => adoptDgram(target))).code).toBe('ERR_INVALID_STATE');
  }
  const udp = UdpSocket.create({ family });
  udp.bind();
  udp.connect(to);
  const { port } = udp.local;
  expect((await errorOf(() => toDgram(udp))).code).toBe('ERR_INVALID_STATE');
  udp.disconnect();
  const socket = kept(toDgram(udp));
  socket.connect(to.port, to.address);
  await once(socket, 'connect');
  await new Promise((resolve) => socket.send('hello', resolve));
  expect(peer.recvmsg({ buffers: [Buffer.alloc(9)] })).toMatchObject({ bytes: 5, source: { port } });
});

test('toDgram turns off the error queue, which dgram does not read', async () => {
  const udp = make({ errorQueue: true });
  const socket = kept(toDgram(udp));
  expect(getOption(socket, 'IP_RECVERR')).toBe(false);
  await new Promise((resolve) => socket.send('x', 9, '127.0.0.1', resolve));
  await new Promise((resolve) => socket.send('x', 9, '127.0.0.1', resolve));
});

describe('adoptDgram', () => {
  test('adoptDgram accepts a NativeSocket or a descriptor', async () => {
    for (const how of ['socket', 'descriptor']) {
      const native = boundUdp();
      const { port } = native.local;
      const socket = kept(adoptDgram(how === 'socket' ? native : native.detach()));
      expect(native.fd).toBe(-1);
      expect(socket.address().port).toBe(port);
      expect(getOption(socket, 'SO_REUSEADDR')).toBe(false);
      using peer = boundUdp();
      peer.sendmsg({ data: Buffer.from('x'), to: { address: '127.0.0.1', port } });
      expect(await next(socket)).toEqual(['x', peer.local.port]);
    }
  });

  test('adoptDgram leaves a socket that it refuses to its owner', async () => {
    await expectNoNewFds(async () => {
      using stream = tcp();
      using gro = boundUdp('ipv4', { UDP_GRO: true });
      const udp = make({ gro: true });
      for (const action of [
        () => adoptDgram(stream),
        () => adoptDgram(gro),
        () => adoptDgram(gro.fd),
        () => toDgram(udp),
      ]) {
        expect((await errorOf(action)).code).toBe('ERR_UNSUPPORTED');
      }
      expect([stream, gro, udp].every(({ fd }) => fd > 2)).toBe(true);
      using unbound = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      for (const target of [unbound, unbound.fd]) {
        const error = await errorOf(() => adoptDgram(target));
        expect([error.code, error.message]).toEqual(['ERR_INVALID_STATE', expect.stringContaining('bind')]);
      }
      expect(unbound.local.port).toBe(0);
      gro.close();
      expect((await errorOf(() => adoptDgram(gro))).code).toBe('EBADF');
      expect((await errorOf(() => adoptDgram('5' as never))).code).toBe('ERR_INVALID_ARG_TYPE');
      expect((await errorOf(() => adoptDgram(1.5))).code).toBe('ERR_OUT_OF_RANGE');
      expect((await errorOf(() => toDgram(gro as never))).code).toBe('ERR_INVALID_ARG_TYPE');
      await udp.close();
      expect((await errorOf(() => toDgram(udp))).code).toBe('ERR_INVALID_STATE');
    });
  });
});

test('toDgram throws if messages have been read but not delivered', async () => {
  const udp = make();
  open.push(udp);
  using peer = boundUdp();
  for (const text of ['a', 'b']) peer.sendmsg({ data: Buffer.from(text), to: udp.local });
  const iterator = udp[Symbol.asyncIterator]();
  expect((await iterator.next()).value?.data.toString()).toBe('a');
  expect((await errorOf(() => toDgram(udp))).code).toBe('ERR_INVALID_STATE');
  expect((await iterator.next()).value?.data.toString()).toBe('b');
  open.pop();
  kept(toDgram(udp));
});
