// UdpSocket: create, bind, connect, options and close. Receiving and sending are tested in separate files.
import { once } from 'node:events';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  Endpoint,
  getOption,
  NativeSocket,
  setOption,
  UdpSocket,
  type OptionName,
  type ReceivedBatch,
  type UdpSocketOptions,
} from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { boundUdp, closedPort, errorOf, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { nextBatch, nextMessages, receiver, send, texts, turns } from '../../support/udp-receive.js';

checkDescriptors();

const EBADF = { code: 'EBADF', errno: -9 };

describe.each(['ipv4', 'ipv6'] as const)('over %s', (family) => {
  const [loopback, wildcard] = family === 'ipv4' ? ['127.0.0.1', '0.0.0.0'] : ['::1', '::'];

  test('a UdpSocket is created, bound and closed', async () => {
    const udp = UdpSocket.create({ family });
    expect(udp).toMatchObject({ family, remote: undefined, closed: false });
    expect([udp.isPaused(), udp.hasRef()]).toEqual([false, true]);
    expect(udp.fd).toBeGreaterThan(2);
    expect(udp.local).toMatchObject({ address: wildcard, port: 0 });
    udp.bind({ address: loopback, port: 0 });
    expect(udp.local).toBeInstanceOf(Endpoint);
    expect(udp.local).toMatchObject({ address: loopback, family });
    expect(udp.local.port).toBeGreaterThan(0);
    await udp.close();
    expect(udp).toMatchObject({ fd: -1, closed: true });
  });

  test('bind() without an address binds to all addresses, on a free port', async () => {
    await using udp = UdpSocket.create({ family });
    udp.bind();
    expect(udp.local.address).toBe(wildcard);
    expect(udp.local.port).toBeGreaterThan(0);
  });

  test('a connected socket receives from its peer only, and after disconnect() from everyone', async () => {
    await using udp = UdpSocket.create({ family });
    udp.bind({ address: loopback, port: 0 });
    using peer = boundUdp(family);
    using stranger = boundUdp(family);
    udp.connect(peer.local);
    expect(udp.remote).toEqual(peer.local);
    expect(getOption(udp, 'SO_DOMAIN')).toBe(family === 'ipv4' ? 2 : 10);
    send(stranger, udp, 'unheard');
    send(peer, udp, 'heard');
    expect(await nextBatch(udp, texts)).toEqual(['heard']);
    const { local } = udp;
    udp.disconnect();
    expect(udp.remote).toBeUndefined();
    expect(udp.local).toEqual(local); // the kernel would take the port away
    send(stranger, udp, 'heard now');
    expect(await nextBatch(udp, texts)).toEqual(['heard now']);
  });

  test('disconnect() releases a port that connect() assigned', async () => {
    await using udp = UdpSocket.create({ family });
    udp.connect({ address: loopback, port: 9 });
    expect(udp.local).toMatchObject({ address: loopback });
    expect(udp.local.port).toBeGreaterThan(0);
    udp.disconnect();
    expect(udp.local).toMatchObject({ address: wildcard, port: 0 });
    udp.disconnect();
    udp.bind({ address: loopback, port: 0 });
  });

  test('disconnect() keeps a port that a send assigned', async () => {
    await using udp = UdpSocket.create({ family });
    using asked = boundUdp(family);
    udp.trySend(Buffer.from('?'), { to: asked.local });
    const { port } = udp.local;
    udp.connect({ address: loopback, port: 9 });
    udp.connect({ address: loopback, port: 10 });
    udp.disconnect();
    expect(udp.local).toMatchObject({ address: wildcard, port });
    send(asked, udp, 'late');
    expect(await nextBatch(udp, texts)).toEqual(['late']);
  });

  test('connect() may be repeated; the last peer counts', async () => {
    await using udp = UdpSocket.create({ family });
    using first = boundUdp(family);
    using second = boundUdp(family);
    udp.connect(first.local);
    udp.connect(second.local);
    expect(udp.remote).toEqual(second.local);
    expect(udp.trySend(Buffer.from('x'))).toBe(1);
    await second.readable();
    expect(first.recvmsg({ buffers: [Buffer.alloc(1)] })).toBeUndefined();
    expect(second.recvmsg({ buffers: [Buffer.alloc(1)] })?.source).toEqual(udp.local);
  });
});

test('bind() and connect() accept an address in every form, and refuse an invalid one', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4' });
  expect((await errorOf(() => udp.connect('127.0.0.1'))).code).toMatch(/^ERR_INVALID_ARG/);
  for (const wrong of ['localhost', 'localhost:1', { address: '127.0.0.1', port: -1 }, null, 7]) {
    expect((await errorOf(() => udp.bind(wrong as never))).code).toMatch(/^ERR_(INVALID_ARG|OUT_OF_RANGE)/);
    expect((await errorOf(() => udp.connect(wrong as never))).code).toMatch(/^ERR_(INVALID_ARG|OUT_OF_RANGE)/);
  }
  expect((await errorOf(() => udp.bind('[::1]:0'))).code).toBe('ERR_INVALID_ARG_VALUE');
  expect(udp.local.port).toBe(0);
  udp.bind('127.0.0.1:0');
  expect(udp.local.address).toBe('127.0.0.1');
});

test('errors of bind() and connect() have the address and the port', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4' });
  using taken = boundUdp();
  const { address, port } = taken.local;
  expect(await errorOf(() => udp.bind(taken.local))).toMatchObject({
    ...{ name: 'SyscallError', code: 'EADDRINUSE', syscall: 'bind', address, port },
  });
  expect(await errorOf(() => udp.bind('192.0.2.1:7'))).toMatchObject({
    ...{ code: 'EADDRNOTAVAIL', syscall: 'bind', address: '192.0.2.1', port: 7, reason: 'addressNotLocal' },
    message: expect.stringContaining('freebind') as unknown,
  });
  expect(await errorOf(() => udp.connect('192.0.2.1:9'))).toMatchObject({
    ...{ code: 'ENETUNREACH', syscall: 'connect', address: '192.0.2.1', port: 9 },
  });
  expect(udp.remote).toBeUndefined();
});

describe('options of UdpSocket.create', () => {
  test.each<[UdpSocketOptions, Partial<Record<OptionName, unknown>>]>([
    [{ family: 'ipv6', ipv6Only: true }, { IPV6_V6ONLY: true }],
    [{ family: 'ipv6', ipv6Only: false }, { IPV6_V6ONLY: false }],
    [
      { family: 'ipv4', reuseAddr: true },
      { SO_REUSEADDR: true, SO_REUSEPORT: false },
    ],
    [
      { family: 'ipv4', reusePort: true },
      { SO_REUSEADDR: false, SO_REUSEPORT: true },
    ],
    [
      { family: 'ipv4', reuseAddr: false, reusePort: false },
      { SO_REUSEADDR: false, SO_REUSEPORT: false },
    ],
    [{ family: 'ipv4', freebind: true }, { IP_FREEBIND: true }],
    [{ family: 'ipv6', freebind: true }, { IPV6_FREEBIND: true }],
    [{ family: 'ipv4', transparent: true }, { IP_TRANSPARENT: true }],
    [{ family: 'ipv6', transparent: true }, { IPV6_TRANSPARENT: true }],
    [
      { family: 'ipv4', mark: 7 },
      { SO_MARK: 7, SO_RCVMARK: false },
    ],
    [{ family: 'ipv4', mark: 0xffffffff }, { SO_MARK: 0xffffffff }],
    [{ family: 'ipv4', pathMtuDiscovery: 'dont' }, { IP_MTU_DISCOVER: 'dont' }],
    [
      { family: 'ipv6', pathMtuDiscovery: 'probe' },
      { IPV6_MTU_DISCOVER: 'probe', IP_MTU_DISCOVER: 'probe' },
    ],
    [
      { family: 'ipv4', sockopts: { IP_TOS: 8, SO_BROADCAST: true } },
      { IP_TOS: 8, SO_BROADCAST: true },
    ],
    [{ family: 'ipv4', recvBufferSize: 50_000 }, { SO_RCVBUF: 100_000 }],
    [{ family: 'ipv4', sendBufferSize: 50_000 }, { SO_SNDBUF: 100_000 }],
    [{ family: 'ipv4', recvBufferSize: 50_000, sockopts: { SO_RCVBUF: 60_000 } }, { SO_RCVBUF: 120_000 }],
    [
      { family: 'ipv4', receiveMark: true, gro: true, mark: 7 },
      { SO_RCVMARK: true, UDP_GRO: true, SO_MARK: 7 },
    ],
    [{ family: 'ipv4' }, { SO_REUSEADDR: false, SO_REUSEPORT: false, IP_PKTINFO: false, UDP_GRO: false }],
  ])('the options %o set the socket options of the kernel', async (options, expected) => {
    await using udp = UdpSocket.create(options);
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, getOption(udp, name as 'SO_TYPE')]));
    expect(found).toEqual(expected);
  });

  test.each<[string, unknown, string]>([
    ['no options', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['a family instead of an object', 'ipv4', 'ERR_INVALID_ARG_TYPE'],
    ['no family', {}, 'ERR_INVALID_ARG_TYPE'],
    ['an unknown family', { family: 'udp4' }, 'ERR_INVALID_ARG_VALUE'],
    ['a misspelt key', { family: 'ipv4', reuseAdr: true }, 'ERR_INVALID_ARG_VALUE'],
    ['a flag in text', { family: 'ipv4', gro: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    ['a flag as a number', { family: 'ipv4', pktinfo: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ["'require' for an option that is not a feature", { family: 'ipv4', freebind: 'require' }, 'ERR_INVALID_ARG_TYPE'],
    ['a mark out of range', { family: 'ipv4', mark: 2 ** 32 }, 'ERR_OUT_OF_RANGE'],
    ['a mark that is not an integer', { family: 'ipv4', mark: 1.5 }, 'ERR_OUT_OF_RANGE'],
    ['ipv6Only of IPv4', { family: 'ipv4', ipv6Only: true }, 'ERR_INVALID_ARG_VALUE'],
    ['an unknown mode of path MTU discovery', { family: 'ipv4', pathMtuDiscovery: 'always' }, 'ERR_INVALID_ARG_VALUE'],
    ['a negative buffer', { family: 'ipv4', recvBufferSize: -1 }, 'ERR_OUT_OF_RANGE'],
    ['a buffer that doubles beyond an int', { family: 'ipv4', sendBufferSize: 2 ** 30 }, 'ERR_OUT_OF_RANGE'],
    ['no slots', { family: 'ipv4', slots: 0 }, 'ERR_OUT_OF_RANGE'],
    ['too many slots', { family: 'ipv4', slots: 257 }, 'ERR_OUT_OF_RANGE'],
    ['NaN slots', { family: 'ipv4', slots: NaN }, 'ERR_OUT_OF_RANGE'],
    ['datagrams of no bytes', { family: 'ipv4', maxDatagram: 0 }, 'ERR_OUT_OF_RANGE'],
    ['maxDatagram with gro', { family: 'ipv4', gro: true, maxDatagram: 2048 }, 'ERR_INVALID_ARG_VALUE'],
    ['no room for the control message of gro', { family: 'ipv4', gro: true, controlLength: 215 }, 'ERR_OUT_OF_RANGE'],
    ['a negative gsoRetryAfter', { family: 'ipv4', errorQueue: true, gsoRetryAfter: -1 }, 'ERR_OUT_OF_RANGE'],
    ['NaN as maxQueueBytes', { family: 'ipv4', errorQueue: true, maxQueueBytes: NaN }, 'ERR_OUT_OF_RANGE'],
    ['null for options', { family: 'ipv4', sockopts: null }, 'ERR_INVALID_ARG_TYPE'],
    ['options in an array', { family: 'ipv4', sockopts: [] }, 'ERR_INVALID_ARG_TYPE'],
    ['an option that can only be read', { family: 'ipv4', sockopts: { SO_TYPE: 2 } }, 'ERR_INVALID_ARG_VALUE'],
    ['UDP_GRO in sockopts', { family: 'ipv4', sockopts: { UDP_GRO: true } }, 'ERR_INVALID_ARG_VALUE'],
    ['an unknown socket option', { family: 'ipv4', sockopts: { SO_NOTHING: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [
      'a steering word that does not exist',
      { family: 'ipv4', reusePort: { steering: 'gpu' } },
      'ERR_INVALID_ARG_VALUE',
    ],
    ['a steering that is null', { family: 'ipv4', reusePort: { steering: null } }, 'ERR_INVALID_ARG_TYPE'],
    ['a reusePort in text', { family: 'ipv4', reusePort: 'cpu' }, 'ERR_INVALID_ARG_TYPE'],
    ['no sockets to steer to', { family: 'ipv4', reusePort: { steering: 'cpu', sockets: 0 } }, 'ERR_OUT_OF_RANGE'],
    [
      'a program with a number of sockets',
      { family: 'ipv4', reusePort: { steering: [{ code: 6, jt: 0, jf: 0, k: 0 }], sockets: 1 } },
      'ERR_INVALID_ARG_VALUE',
    ],
    ['the former names of options', { family: 'ipv4', receiveBuffer: 1 }, 'ERR_INVALID_ARG_VALUE'],
    ['a mark that is a flag', { family: 'ipv4', mark: true }, 'ERR_INVALID_ARG_TYPE'],
    ['a receiveMark that is a number', { family: 'ipv4', receiveMark: 7 }, 'ERR_INVALID_ARG_TYPE'],
    ['a misspelt steering', { family: 'ipv4', reusePort: { by: [] } }, 'ERR_INVALID_ARG_VALUE'],
    ['an unknown word for gso', { family: 'ipv4', gso: 'maybe' }, 'ERR_INVALID_ARG_VALUE'],
    ['a controlLength that is too large', { family: 'ipv4', controlLength: 65537 }, 'ERR_OUT_OF_RANGE'],
    ['debug in text', { family: 'ipv4', debug: 'on' }, 'ERR_INVALID_ARG_TYPE'],
  ])('UdpSocket.create refuses %s and leaves no descriptor open', async (_, options, code) => {
    await expectNoNewFds(async () => {
      expect((await errorOf(() => UdpSocket.create(options as UdpSocketOptions))).code).toBe(code);
    });
  });

  test('create() throws for an option that the kernel refuses, and leaves no descriptor open', async () => {
    await expectNoNewFds(async () => {
      const options: UdpSocketOptions = { family: 'ipv4', sockopts: { SO_BINDTODEVICE: 'no-such-if' } };
      expect(await errorOf(() => UdpSocket.create(options))).toMatchObject({
        ...{ code: 'ENODEV', syscall: 'setsockopt', option: 'SO_BINDTODEVICE' },
      });
    });
  });

  test('freebind allows bind() to an address that is not local', async () => {
    await using four = UdpSocket.create({ family: 'ipv4', freebind: true });
    await using six = UdpSocket.create({ family: 'ipv6', freebind: true });
    four.bind('192.0.2.9:0');
    six.bind('[2001:db8::9]:0');
    expect([four.local.address, six.local.address]).toEqual(['192.0.2.9', '2001:db8::9']);
  });

  test('an IPv6 socket also receives IPv4, unless it is ipv6Only', async () => {
    await using dual = receiver({ family: 'ipv6' });
    using sender = plainUdp('ipv4');
    send(sender, dual, 'mapped');
    expect(await nextBatch(dual, (received) => [received.source(0).mapped, ...texts(received)])).toEqual([
      true,
      'mapped',
    ]);
    await using only = receiver({ family: 'ipv6', ipv6Only: true });
    using four = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    four.bind({ address: '0.0.0.0', port: only.local.port }); // the port is free for others
  });

  test('reusePort shares a port, and its steering program selects the receiver', async () => {
    const constant = (k: number) => [{ code: 0x06, jt: 0, jf: 0, k }]; // BPF_RET | BPF_K
    await using first = UdpSocket.create({ family: 'ipv4', reusePort: { steering: constant(1) } });
    first.bind('127.0.0.1:0');
    await using second = UdpSocket.create({ family: 'ipv4', reusePort: true });
    second.bind(first.local);
    for (let i = 0; i < 20; i++) {
      using sender = plainUdp();
      send(sender, first, `${i}`);
    }
    expect(await nextMessages(second, 20)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    expect(first.receiveBatch(first.createReceiveBatch())).toBe(0);
  });
});

test.each(['cpu', 'random', 'hash'] as const)(
  "reusePort: { steering: '%s' } attaches a program at bind",
  async (steering) => {
    await using first = UdpSocket.create({ family: 'ipv4', reusePort: { steering, sockets: 2 } });
    first.bind('127.0.0.1:0');
    await using second = UdpSocket.create({ family: 'ipv4', reusePort: { steering } });
    second.bind(first.local);
    const [one, two] = [first.createReceiveBatch(), second.createReceiveBatch()];
    using sender = plainUdp();
    for (let i = 0; i < 20; i++) send(sender, first, `${i}`);
    expect(first.receiveBatch(one) + second.receiveBatch(two)).toBe(20);
  },
);

describe('setOption', () => {
  test('setOption() works on a UdpSocket, except for UDP_GRO', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', gro: true });
    setOption(udp, 'IP_TTL', 9);
    expect(getOption(udp, 'IP_TTL')).toBe(9);
    const error = await errorOf(() => setOption(udp, 'UDP_GRO' as never, false as never));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('gro: true') as unknown,
    });
    expect(getOption(udp, 'UDP_GRO')).toBe(true);
    // By its numbers as well; IPPROTO_UDPLITE does the same.
    await using plain = UdpSocket.create({ family: 'ipv4' });
    for (const level of [17, 136]) {
      for (const value of [1, Uint8Array.of(1, 0, 0, 0)]) {
        const error = await errorOf(() => setOption(plain, { level, name: 104 }, value));
        expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
      }
      expect(getOption(plain, 'UDP_GRO')).toBe(false);
    }
    setOption(plain, { level: 0, name: 2 }, 9); // IP_TTL
    expect(getOption(plain, 'IP_TTL')).toBe(9);
  });

  test('metadata that setOption() turns on later is reported', async () => {
    await using udp = receiver({ family: 'ipv4' });
    setOption(udp, 'IP_RECVTTL', true);
    using sender = plainUdp();
    send(sender, udp, 'x');
    expect(await nextBatch(udp, (received) => received.ttl(0))).toBe(64);
  });
});

describe('close', () => {
  test("close() may be called again, returns the same promise, and emits 'close' once", async () => {
    const udp = receiver({ family: 'ipv4' });
    let closes = 0;
    udp.on('close', () => closes++);
    const closing = udp.close();
    expect(udp.fd, 'closed at once').toBe(-1);
    expect(udp.close()).toBe(closing);
    await closing;
    expect(closes).toBe(1);
    await udp.close();
    await udp[Symbol.asyncDispose]();
    expect(closes).toBe(1);
  });

  test('close() rejects pending waits', async () => {
    const udp = receiver({ family: 'ipv4' });
    const waits = [udp.readable(), udp.readable({ signal: new AbortController().signal })];
    await turns(1);
    await udp.close();
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ ...EBADF, syscall: 'poll' });
  });

  test('calls after close() fail with EBADF, and adding listeners has no effect', async () => {
    const udp = receiver({ family: 'ipv4' });
    const batch = udp.createReceiveBatch();
    await udp.close();
    expect(await errorOf(() => udp.bind())).toMatchObject({ ...EBADF, syscall: 'bind' });
    expect(await errorOf(() => udp.connect('127.0.0.1:9'))).toMatchObject({ ...EBADF, syscall: 'connect' });
    expect(await errorOf(() => udp.disconnect())).toMatchObject({ ...EBADF, syscall: 'connect' });
    expect(await errorOf(() => udp.local)).toMatchObject({ ...EBADF, syscall: 'getsockname' });
    expect(await errorOf(() => udp.receiveBatch(batch))).toMatchObject({ ...EBADF, syscall: 'recvmmsg' });
    expect(await errorOf(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:9' }))).toMatchObject(EBADF);
    expect(await errorOf(() => udp.readable())).toMatchObject({ ...EBADF, syscall: 'poll' });
    expect(await errorOf(() => udp.writable())).toMatchObject({ ...EBADF, syscall: 'poll' });
    expect(await errorOf(() => getOption(udp, 'SO_TYPE'))).toMatchObject(EBADF);
    udp
      .on('message', () => undefined)
      .pause()
      .resume()
      .ref()
      .unref();
    for await (const _ of udp) throw new Error('there is nothing');
    // Invalid arguments are refused in any state.
    for (const wrong of [7, null, '127.0.0.1:', '[::1]:9']) {
      expect((await errorOf(() => udp.bind(wrong as never))).code).toMatch(/^ERR_INVALID_ARG/);
      expect((await errorOf(() => udp.connect(wrong as never))).code).toMatch(/^ERR_INVALID_ARG/);
    }
    expect(udp.stats.received.datagrams).toBe(0);
    expect(inspect(udp)).toBe("UdpSocket { family: 'ipv4', closed: true }");
  });

  test('close() keeps the counters', async () => {
    const udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    send(sender, udp, 'four');
    await nextBatch(udp, texts);
    await udp.close();
    expect(udp.stats.received).toMatchObject({ datagrams: 1, bytes: 4, syscalls: 1 });
  });

  test.each<[string, (udp: UdpSocket) => unknown]>([
    ['pendingError', (udp) => udp.receiveBatch(udp.createReceiveBatch())],
    ['pendingError', (udp) => udp.trySend(Buffer.from('x'))],
    ['sendError', (udp) => udp.reply({ source: Endpoint.from('127.0.0.1:0') }, Buffer.from('x'))],
  ])("'close' is the last event, also when a '%s' event is pending", async (name, cause) => {
    const udp = UdpSocket.create({ family: 'ipv4' });
    udp.bind('127.0.0.1:0');
    udp.connect({ address: '127.0.0.1', port: closedPort() });
    udp.trySend(Buffer.from('refused'));
    const events: string[] = [];
    for (const event of ['pendingError', 'sendError', 'close'] as const) udp.on(event, () => events.push(event));
    cause(udp);
    const { received, sent, replies } = udp.stats;
    expect(received.errors + sent.pendingErrors + replies.errors, `a cause of ${name}`).toBeGreaterThan(0);
    await udp.close();
    await turns(2);
    expect(events).toEqual(['close']);
  });

  test("'close' comes after 'degraded'", async () => {
    const udp = UdpSocket.create({ family: 'ipv4', txTime: true });
    const events: string[] = [];
    for (const event of ['degraded', 'close'] as const) udp.on(event, () => events.push(event));
    await udp.close();
    await turns(2);
    expect(events).toEqual(['degraded', 'close']);
  });

  test.each(['batch', 'message'] as const)(
    "close() in a '%s' listener keeps the data of the call valid, and nothing is emitted after 'close'",
    async (event) => {
      const udp = receiver({ family: 'ipv4' });
      using sender = plainUdp();
      for (const text of ['a', 'b', 'c']) send(sender, udp, text);
      let calls = 0;
      const closed = once(udp, 'close');
      const listener = (received: ReceivedBatch | Buffer): void => {
        calls++;
        void udp.close();
        if ('data' in received) expect(texts(received), 'it is still there').toEqual(['a', 'b', 'c']);
      };
      udp.on(event, listener as never);
      await closed;
      await turns(3);
      expect(calls).toBe(1);
    },
  );
});

test('util.inspect shows the state of a UdpSocket', async () => {
  await using udp = receiver({ family: 'ipv4' });
  expect(inspect(udp, { breakLength: Infinity })).toMatch(
    /^UdpSocket \{ family: 'ipv4', fd: \d+, local: Endpoint '0\.0\.0\.0:\d+', remote: undefined \}$/,
  );
});

test('ref() and unref() change hasRef(), and may be repeated', async () => {
  await using udp = receiver({ family: 'ipv4' });
  expect(udp.unref().unref().hasRef()).toBe(false);
  udp.on('batch', () => undefined);
  expect(udp.ref().ref().hasRef()).toBe(true);
});

test('aborting one wait does not affect another', async () => {
  await using udp = receiver({ family: 'ipv4' });
  const controller = new AbortController();
  const [aborted, kept] = [udp.readable({ signal: controller.signal }), udp.readable()];
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: 'ABORT_ERR' });
  await expect(udp.readable({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' });
  using sender = plainUdp();
  send(sender, udp, 'x');
  await kept;
  await udp.writable({ signal: new AbortController().signal });
  for (const wrong of [{ signals: 1 }, { signal: 1 }, null]) {
    expect((await errorOf(() => udp.readable(wrong as never))).code).toMatch(/^ERR_INVALID_ARG/);
    expect((await errorOf(() => udp.writable(wrong as never))).code).toMatch(/^ERR_INVALID_ARG/);
  }
});
