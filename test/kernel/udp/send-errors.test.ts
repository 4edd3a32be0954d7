// Errors of a send: code, reason and bytesSent, and that no error loses or duplicates a datagram.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { type Endpoint, SyscallError, type SendOptions } from '../../../src/index.js';
import { testWith } from '../../support/kernel.js';
import { boundUdp, errorOf, LOOPBACK, udp } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { cut, pattern, play, received, testSender } from '../../support/udp-sender.js';

const [ECONNREFUSED, EHOSTUNREACH] = [-111, -113];

/** A port that was free a moment ago, in a namespace that is this file's own. */
function freePort(): Endpoint {
  using socket = boundUdp();
  return socket.local;
}

describe('an ICMP error for an earlier datagram', () => {
  test.each<[string, SendOptions, number]>([
    ['a datagram', {}, 8],
    ['segments', { segmentSize: 4 }, 8],
    ['an empty datagram', {}, 0],
  ])('an ICMP error for an earlier datagram loses no datagram: %s', async (_, options, length) => {
    const to = freePort();
    using it = testSender('ipv4', { connect: to });
    it.sender.trySend(pattern(4)); // nothing listens there
    await it.socket.readable(); // "port unreachable" has come back
    using receiver = udp();
    receiver.bind(to);
    expect(it.sender.trySend(pattern(length), options)).toBe(length === 0 ? 1 : length);
    expect(received(receiver)).toEqual(length === 0 ? [Buffer.alloc(0)] : cut(pattern(8), options.segmentSize ?? 8));
    expect(it.sender.stats.pendingErrors).toBe(1);
    expect(it.events, 'not inside of the call').toEqual([]);
    await it.next();
    expect(it.events).toMatchObject([['pendingError', { code: 'ECONNREFUSED', address: to.address, port: to.port }]]);
    expect(it.events[0]?.[1]).toBeInstanceOf(SyscallError);
  });

  test('an ICMP error for an earlier datagram loses nothing of a send with several buffers', async () => {
    const to = freePort();
    using it = testSender('ipv4', { connect: to });
    it.sender.trySend(pattern(4));
    await it.socket.readable();
    using receiver = udp();
    receiver.bind(to);
    expect(it.sender.trySend([pattern(8), pattern(8)])).toBe(16);
    expect(received(receiver)).toEqual([Buffer.concat([pattern(8), pattern(8)])]);
  });

  test('a batch is sent completely although each message may report the ICMP error of the one before', async () => {
    const { wrap } = play({ most: 1 }, ECONNREFUSED, { most: 1 }, ECONNREFUSED, { most: 2 }, ECONNREFUSED);
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local, wrap });
    const batch = it.sender.createSendBatch();
    for (let i = 0; i < 5; i++) batch.add(pattern(4 * i));
    expect(it.sender.sendBatch(batch)).toBe(5);
    expect(it.sender.stats).toMatchObject({ datagrams: 5, pendingErrors: 3 });
    expect(received(receiver)).toEqual([0, 4, 8, 12, 16].map((length) => pattern(length)));
    await it.next();
    expect(it.events, 'one event a turn, however many there are').toHaveLength(1);
  });

  test('sending continues after ICMP errors without a listener', async () => {
    using it = testSender('ipv4', { connect: freePort() });
    const batch = it.sender.createSendBatch();
    for (let i = 0; i < 64; i++) batch.add(pattern(4));
    expect(it.sender.sendBatch(batch)).toBe(64);
    for (let i = 0; i < 64; i++) await it.sender.send(pattern(4));
    expect(it.sender.stats).toMatchObject({ datagrams: 128, bytes: 512 });
  });

  test.each([
    ['ECONNREFUSED twice', [ECONNREFUSED, ECONNREFUSED], 'ECONNREFUSED'],
    ['EHOSTUNREACH after ECONNREFUSED', [ECONNREFUSED, EHOSTUNREACH], 'EHOSTUNREACH'],
  ])('an error of sendmsg that occurs again is the error of this send: %s', async (_, steps, code) => {
    using receiver = boundUdp();
    const { wrap, calls } = play(...steps);
    using it = testSender('ipv4', { connect: receiver.local, wrap });
    expect(await errorOf(() => it.sender.trySend(pattern(4)))).toMatchObject({ code, syscall: 'sendmsg' });
    expect(calls, 'tried once more, and no more').toHaveLength(2);
    expect(received(receiver)).toEqual([]);
    expect(it.sender.stats.pendingErrors).toBe(0);
  });

  test('a rejection of send() caused by a peer does not count as unhandled', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listener);
    try {
      const { wrap } = play(ECONNREFUSED, ECONNREFUSED);
      using it = testSender('ipv4', { connect: freePort(), wrap });
      void it.sender.send(pattern(4));
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', listener);
    }
  });
});

test('a send without a route fails with ENETUNREACH, and the error has the destination', async () => {
  using it = testSender();
  const to = '192.0.2.1:9';
  for (const attempt of [() => it.sender.trySend(pattern(4), { to }), () => it.sender.send(pattern(4), { to })]) {
    expect(await errorOf(attempt)).toMatchObject({
      ...{ code: 'ENETUNREACH', syscall: 'sendmsg', address: '192.0.2.1', port: 9 },
    });
  }
  expect(it.sender.stats).toMatchObject({ datagrams: 0, pendingErrors: 0 });
});

testWith({ tools: ['nft'] })(
  'a datagram that a firewall drops fails with EPERM, and the next one is sent',
  async () => {
    using receiver = boundUdp();
    using it = testSender();
    const to = receiver.local;
    const nft = (...args: string[]) => execFileSync('nft', args);
    nft('add table ip t; add chain ip t out { type filter hook output priority 0; }');
    nft(`add rule ip t out udp dport ${to.port} udp length 12 drop`);
    try {
      expect(await errorOf(() => it.sender.trySend(pattern(4), { to }))).toMatchObject({ code: 'EPERM' });
      const batch = it.sender.createSendBatch();
      for (const length of [8, 4, 16]) batch.add(pattern(length), { to });
      expect(it.sender.sendBatch(batch), 'what went before it').toBe(1);
      expect(await errorOf(() => it.sender.sendBatch(batch))).toMatchObject({ code: 'EPERM', port: to.port });
      expect(batch.position).toBe(1);
      batch.skip();
      expect(it.sender.sendBatch(batch)).toBe(1);
      expect(batch.remaining).toBe(0);
      expect(received(receiver)).toEqual([pattern(8), pattern(16)]);
      // With GSO the whole message is judged by its first datagram here, before it is cut.
      expect(it.sender.trySend(pattern(24), { to, segmentSize: 12 })).toBe(24);
    } finally {
      nft('delete table ip t');
    }
  },
);

describe('a datagram longer than the path MTU', () => {
  test.each(['ipv4', 'ipv6'] as const)(
    'a datagram longer than the path MTU fails with EMSGSIZE and the MTU, and the socket stays usable: %s',
    async (family) => {
      const headers = family === 'ipv4' ? 28 : 48;
      execFileSync('ip', ['link', 'set', 'lo', 'mtu', '1500']);
      using receiver = boundUdp(family);
      using it = testSender(family, { connect: receiver.local });
      const most = 1500 - headers;
      expect(it.sender.trySend(pattern(2 * most), { segmentSize: most })).toBe(2 * most);
      const error = await errorOf(() => it.sender.trySend(pattern(2 * most), { segmentSize: most + 1 }));
      expect(error).toMatchObject({ code: 'EMSGSIZE', reason: 'tooLong', mtu: 1500, port: receiver.local.port });
      expect(error.message).toContain('1500');
      const batch = it.sender.createSendBatch({ bytes: 9000 });
      batch.add(pattern(2000), { segmentSize: 1000 });
      batch.add(pattern(4000), { segmentSize: 2000 });
      batch.add(pattern(1000));
      expect(it.sender.sendBatch(batch)).toBe(1);
      expect(await errorOf(() => it.sender.sendBatch(batch))).toMatchObject({ code: 'EMSGSIZE', mtu: 1500 });
      expect(batch.position).toBe(1);
      batch.skip();
      expect(it.sender.sendBatch(batch)).toBe(1);
      expect(received(receiver)).toEqual([...cut(pattern(2 * most), most), ...cut(pattern(2000), 1000), pattern(1000)]);
      expect(it.events, 'no reason to give up offload').toEqual([]);
      // An ordinary datagram is fragmented, unless that is forbidden.
      expect(it.sender.trySend(pattern(4000))).toBe(4000);
      if (family === 'ipv6') {
        const strict = await errorOf(() => it.sender.trySend(pattern(4000), { dontFragment: true }));
        expect(strict).toMatchObject({ code: 'EMSGSIZE', mtu: 1500 });
        expect(it.sender.trySend(pattern(4000), { dontFragment: false })).toBe(4000);
      }
    },
  );

  test('EMSGSIZE of an unconnected socket has no MTU', async () => {
    using it = testSender();
    const error = await errorOf(() => it.sender.trySend(pattern(70_000), { to: '127.0.0.1:9' }));
    expect(error).toMatchObject({ code: 'EMSGSIZE' });
    expect(error).not.toHaveProperty('mtu');
  });
});

test('a send without a free local port fails, since waiting would not help', async () => {
  using _ = setSysctl('net.ipv4.ip_local_port_range', '50000 50000');
  using taken = udp();
  taken.bind({ address: LOOPBACK.ipv4, port: 50000 });
  using it = testSender();
  const to = taken.local;
  expect(await errorOf(() => it.sender.trySend(pattern(4), { to }))).toMatchObject({
    ...{ code: 'EAGAIN', reason: 'portRangeExhausted' },
  });
  await expect(it.sender.send(pattern(4), { to })).rejects.toMatchObject({ code: 'EAGAIN' });
  const batch = it.sender.createSendBatch();
  batch.add(pattern(4), { to });
  expect(await errorOf(() => it.sender.sendBatch(batch))).toMatchObject({ reason: 'portRangeExhausted' });
});

describe('arguments of send, trySend and batches', () => {
  const to = { address: '127.0.0.1', port: 9 };
  const data = new Uint8Array(8);
  test.each<[string, unknown, unknown]>([
    ['text', 'x', { to }],
    ['no data', undefined, { to }],
    ['another array', new Uint16Array(8), { to }],
    ['an array with a hole', [data, , data], { to }], // eslint-disable-line no-sparse-arrays
    ['an array of text', ['x'], { to }],
    ['more than 1024 buffers', Array(1025).fill(data), { to }],
    ['options that are null', data, null],
    ['options that are text', data, 'x'],
    ['an unknown option', data, { to, segmentsize: 4 }],
    ['a host name as destination', data, { to: { address: 'localhost', port: 9 } }],
    ['an IPv6 address on an IPv4 socket', data, { to: '[::1]:9' }],
    ['no port', data, { to: '127.0.0.1' }],
    ['a segment size of -1', data, { to, segmentSize: -1 }],
    ['a segment size of 65536', data, { to, segmentSize: 65536 }],
    ['a fractional segment size', data, { to, segmentSize: 1.5 }],
    ['NaN as segment size', data, { to, segmentSize: NaN }],
    ['text as a segment size', data, { to, segmentSize: '4' }],
    ['empty data with a segment size', new Uint8Array(0), { to, segmentSize: 4 }],
    ['ecn 4', data, { to, ecn: 4 }],
    ['ecn -1', data, { to, ecn: -1 }],
    ['dscp 64', data, { to, dscp: 64 }],
    ['ttl 0', data, { to, ttl: 0 }],
    ['ttl 256', data, { to, ttl: 256 }],
    ['a mark of 33 bits', data, { to, mark: 2 ** 32 }],
    ['a time that is not a bigint', data, { to, txTime: 1 }],
    ['a time before the epoch', data, { to, txTime: -1n }],
    ['a time of 65 bits', data, { to, txTime: 2n ** 64n }],
    ['dontFragment on IPv4', data, { to, dontFragment: true }],
    ['dontFragment as a number', data, { to, dontFragment: 1 }],
    ['an IPv6 source for an IPv4 destination', data, { to, from: '::1' }],
    ['a source that is a name', data, { to, from: 'localhost' }],
    ['an empty object as a source', data, { to, from: {} }],
    ['a source that is a number', data, { to, from: 1 }],
    ['an interface that does not exist', data, { to, from: { interface: 'nosuch0' } }],
    ['interface 0', data, { to, from: { interface: 0 } }],
    ['null as a source', data, { to, from: null }],
  ])('a send is refused before anything is sent: %s', async (_, given, options) => {
    using it = testSender();
    const call = [given, options] as [Uint8Array, SendOptions];
    const codes = /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE|UNSUPPORTED)$/;
    expect((await errorOf(() => it.sender.trySend(...call))).code).toMatch(codes);
    expect((await errorOf(() => it.sender.send(...call))).code).toMatch(codes);
    if (!Array.isArray(given)) {
      const batch = it.sender.createSendBatch();
      expect((await errorOf(() => batch.add(...call))).code).toMatch(codes);
      expect(batch.length).toBe(0);
    }
    expect(it.socket.local.port, 'the kernel was not called').toBe(0);
    expect(it.sender.stats.syscalls).toBe(0);
  });

  test('send refuses an unknown key in from', async () => {
    using it = testSender();
    const from = { address: '127.0.0.2', iface: 'lo' };
    expect((await errorOf(() => it.sender.trySend(data, { to, from }))).message).toContain('iface');
  });

  test('send refuses a detached buffer', async () => {
    using it = testSender();
    const buffer = new ArrayBuffer(8);
    const view = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    expect((await errorOf(() => it.sender.trySend(view, { to }))).code).toBe('ERR_INVALID_ARG_VALUE');
    expect((await errorOf(() => it.sender.trySend([view], { to }))).code).toBe('ERR_INVALID_ARG_VALUE');
  });

  test('getters of options that send do not change what is sent', () => {
    using receiver = boundUdp();
    using other = boundUdp();
    using it = testSender();
    const intrude = () => it.sender.trySend(pattern(99), { to: other.local, segmentSize: 50, ttl: 3 });
    const options: SendOptions = {
      get to() {
        intrude();
        return receiver.local;
      },
      get segmentSize() {
        intrude();
        return 4;
      },
      get from() {
        intrude();
        return {
          get address() {
            intrude();
            return '127.0.0.7';
          },
        };
      },
    };
    it.sender.trySend(pattern(8), options);
    const list = [pattern(4), pattern(4)];
    Object.defineProperty(list, 1, { get: () => (intrude(), pattern(4)) });
    it.sender.trySend(list, { to: receiver.local });
    expect(received(receiver)).toEqual([...cut(pattern(8), 4), Buffer.concat([pattern(4), pattern(4)])]);
  });

  test.each<[string, object]>([
    ['gso', { gso: 'on' }],
    ['gsoRetryAfter', { gsoRetryAfter: -1 }],
    ['gsoMaxSegments 1', { gsoMaxSegments: 1 }],
    ['gsoMaxSegments 129', { gsoMaxSegments: 129 }],
    ['gsoEqualTail', { gsoEqualTail: 'no' }],
    ['maxQueueBytes', { maxQueueBytes: '1' }],
    ['sendHighWaterMark', { sendHighWaterMark: -1 }],
  ])('a Sender refuses invalid options: %s', async (_, options) => {
    expect((await errorOf(() => testSender('ipv4', options))).code).toMatch(/^ERR_(INVALID_ARG|OUT_OF_RANGE)/);
  });
});
