// Fallbacks when segmentation offload is refused: every datagram arrives once and in order, and the destination is
// remembered. EIO is real (UDP-Lite); errors that this kernel cannot produce in the middle of a batch are simulated.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Handle } from '../../../src/binding.js';
import { Endpoint, NativeSocket, setOption, type Family } from '../../../src/index.js';
import { boundUdp, errorOf, LOOPBACK } from '../../support/sockets.js';
import { IPPROTO_UDPLITE, lacksUdpLite } from '../../support/udp-lite.js';
import {
  cut,
  pattern,
  play,
  received,
  testSender,
  type Step,
  type TestSenderOptions,
} from '../../support/udp-sender.js';

const [EAGAIN, EINVAL, EIO, EMSGSIZE, ENOBUFS, EPERM] = [-11, -22, -5, -90, -105, -1];
const BIG = { SO_RCVBUF: 4 << 20 };

let clock = 0;
const now = () => clock;
beforeEach(() => {
  clock = 1000;
});

describe.skipIf(lacksUdpLite !== undefined).each<Family>(['ipv4', 'ipv6'])(
  `a real EIO over %s (${lacksUdpLite ?? 'UDP-Lite'})`,
  (family) => {
    const lite = (options: TestSenderOptions = {}) => {
      const receiver = NativeSocket.create({ family, type: 'dgram', protocol: IPPROTO_UDPLITE, sockopts: BIG });
      receiver.bind({ address: LOOPBACK[family], port: 0 });
      const it = testSender(family, { protocol: IPPROTO_UDPLITE, now, ...options });
      const dispose = () => {
        it[Symbol.dispose]();
        receiver.close();
      };
      return { ...it, receiver, to: receiver.local, [Symbol.dispose]: dispose };
    };

    test('after EIO all datagrams are sent one by one, and gsoDisabled has the reason', async () => {
      using it = lite();
      const data = pattern(10_000);
      expect(it.sender.trySend(data, { to: it.to, segmentSize: 999 })).toBe(10_000);
      expect(received(it.receiver)).toEqual(cut(data, 999));
      expect(it.events, 'not inside of the call').toEqual([]);
      await it.next();
      const [[event, info] = []] = it.events;
      expect(event).toBe('gsoDisabled');
      expect(info).toMatchObject({ destination: it.to, reason: 'path', code: 'EIO', errno: EIO });
      expect(it.sender.stats).toMatchObject({ datagrams: 11, bytes: 10_000, syscalls: 3, gsoFallbacks: 1 });
    });

    test('a destination that refused offload is remembered, then tried again', () => {
      using it = lite({ gsoRetryAfter: 5000 });
      const { wrap, calls } = play();
      using watched = lite({ gsoRetryAfter: 5000, wrap });
      const send = () => {
        calls.length = 0;
        watched.sender.trySend(pattern(2000), { to: it.to, segmentSize: 1000 });
        return calls.map(([method, messages, result]) => `${method} ${messages} ${result}`);
      };
      const tried = ['sendto 1 -5', 'sendmmsg 1 -5', 'sendmmsg 2 2'];
      expect(send()).toEqual(tried);
      expect(send(), 'one by one at once').toEqual(['sendmmsg 2 2']);
      clock += 4999;
      expect(send()).toEqual(['sendmmsg 2 2']);
      clock += 1;
      expect(send(), 'after gsoRetryAfter').toEqual(tried);
      expect(send()).toEqual(['sendmmsg 2 2']);
      expect(received(it.receiver)).toHaveLength(10);
    });

    test('a refusal applies to all ports of the address, and to no other address', () => {
      const { wrap, calls } = play();
      using it = lite({ wrap });
      using other = lite();
      it.sender.trySend(pattern(20), { to: it.to, segmentSize: 10 });
      calls.length = 0;
      it.sender.trySend(pattern(20), { to: other.to, segmentSize: 10 });
      expect(calls).toEqual([['sendmmsg', 2, 2]]);
      calls.length = 0;
      const elsewhere = Endpoint.from({ address: family === 'ipv4' ? '127.0.0.9' : '::1', port: it.to.port });
      it.sender.trySend(pattern(20), { to: elsewhere, segmentSize: 10 });
      if (family === 'ipv4') expect(calls[0], 'it is tried').toEqual(['sendto', 1, EIO]);
    });

    test('in a batch only the refused message is sent one by one', () => {
      using it = lite();
      using plain = lite();
      const batch = it.sender.createSendBatch();
      const data = pattern(5000);
      batch.add(data.subarray(0, 100), { to: it.to });
      batch.add(data, { to: it.to, segmentSize: 1000 });
      batch.add(data.subarray(0, 200), { to: plain.to });
      batch.add(data, { to: it.to, segmentSize: 2000 });
      expect(it.sender.sendBatch(batch)).toBe(4);
      expect(batch.remaining).toBe(0);
      expect(received(it.receiver)).toEqual([data.subarray(0, 100), ...cut(data, 1000), ...cut(data, 2000)]);
      expect(received(plain.receiver)).toEqual([data.subarray(0, 200)]);
      expect(it.sender.stats.datagrams).toBe(10);
    });

    test("gso: 'require' throws instead of falling back, and nothing is sent", async () => {
      using it = lite({ gso: 'require' });
      const error = await errorOf(() => it.sender.trySend(pattern(20), { to: it.to, segmentSize: 10 }));
      expect(error).toMatchObject({ code: 'EIO', syscall: 'sendmsg', reason: 'gsoRefused' });
      const batch = it.sender.createSendBatch();
      batch.add(pattern(20), { to: it.to, segmentSize: 10 });
      expect(await errorOf(() => it.sender.sendBatch(batch))).toMatchObject({ code: 'EIO', reason: 'gsoRefused' });
      expect(received(it.receiver)).toEqual([]);
      expect(it.events).toEqual([]);
    });

    test("gso: 'off' never uses offload", () => {
      const { wrap, calls } = play();
      using it = lite({ gso: 'off', wrap });
      expect(it.sender.trySend(pattern(3000), { to: it.to, segmentSize: 1000 })).toBe(3000);
      expect(calls).toEqual([['sendmmsg', 3, 3]]);
      expect(received(it.receiver)).toEqual(cut(pattern(3000), 1000));
    });

    test('the fallback keeps the other control messages', () => {
      using it = lite();
      setOption(it.receiver, family === 'ipv4' ? 'IP_RECVTTL' : 'IPV6_RECVHOPLIMIT', true);
      it.sender.trySend(pattern(20), { to: it.to, segmentSize: 10, ttl: 7 });
      for (let i = 0; i < 2; i++) {
        const message = it.receiver.recvmsg({ buffers: [Buffer.alloc(10)], controlLength: 64 });
        expect(message?.control).toEqual([{ type: family === 'ipv4' ? 'IP_TTL' : 'IPV6_HOPLIMIT', value: 7 }]);
      }
    });

    test('the segment size of the socket falls back as well', () => {
      using it = lite({ segmentSize: 1000 });
      expect(it.sender.trySend(pattern(2500), { to: it.to })).toBe(2500);
      expect(received(it.receiver)).toEqual(cut(pattern(2500), 1000));
      const batch = it.sender.createSendBatch();
      batch.add(pattern(2500), { to: it.to, ttl: 9 });
      expect(it.sender.sendBatch(batch)).toBe(1);
      expect(received(it.receiver)).toEqual(cut(pattern(2500), 1000));
    });
  },
);

describe('a real EINVAL', () => {
  test('EINVAL of a socket without checksums: sent one by one, and gsoDisabled is emitted', async () => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { sockopts: { SO_NO_CHECK: true } });
    const to = receiver.local;
    expect(it.sender.trySend(pattern(3000), { to, segmentSize: 1000 })).toBe(3000);
    expect(received(receiver)).toEqual(cut(pattern(3000), 1000));
    await it.next();
    expect(it.events).toMatchObject([['gsoDisabled', { reason: 'refused', code: 'EINVAL', destination: to }]]);
  });

  test('EINVAL caused by another control message is thrown, and offload stays on', async () => {
    const { wrap, calls } = play();
    using receiver = boundUdp('ipv6');
    using it = testSender('ipv6', { wrap });
    const to = receiver.local;
    const bad = { to, segmentSize: 1000, from: '2001:db8::1' };
    const error = await errorOf(() => it.sender.trySend(pattern(3000), bad));
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'sendmsg' });
    expect(received(receiver)).toEqual([]);
    calls.length = 0;
    expect(it.sender.trySend(pattern(3000), { to, segmentSize: 1000 })).toBe(3000);
    expect(calls).toEqual([['sendto', 1, 3000]]);
    expect(it.events).toEqual([]);
  });
});

describe('a kernel that takes fewer segments', () => {
  test('a kernel that accepts fewer segments gets 64 at once, and this is remembered', () => {
    const { wrap, calls } = play(EINVAL, EINVAL);
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap });
    const data = pattern(128 * 100);
    const to = receiver.local;
    expect(it.sender.trySend(data, { to, segmentSize: 100 })).toBe(data.length);
    expect(calls).toEqual([
      ['sendto', 1, EINVAL],
      ['sendmmsg', 1, EINVAL],
      ['sendmmsg', 2, 2],
    ]);
    calls.length = 0;
    expect(it.sender.trySend(data, { to, segmentSize: 100 })).toBe(data.length);
    expect(calls).toEqual([['sendmmsg', 2, 2]]);
    expect(received(receiver)).toEqual([...cut(data, 100), ...cut(data, 100)]);
    expect(it.sender.stats).toMatchObject({ datagrams: 256, gsoFallbacks: 0 });
  });

  test('gsoMaxSegments sets it from the start', () => {
    const { wrap, calls } = play();
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap, gsoMaxSegments: 16 });
    expect(it.sender.trySend(pattern(4000), { to: receiver.local, segmentSize: 100 })).toBe(4000);
    expect(calls).toEqual([['sendmmsg', 3, 3]]);
    expect(received(receiver)).toEqual(cut(pattern(4000), 100));
  });
});

/** One message of five datagrams and two of one: the injected errors, and what has been sent after each call. */
describe.each<[string, Step[], { counts: number[]; code?: string; position?: number }]>([
  ['EIO in the middle, then EAGAIN between its datagrams', [{ most: 1 }, EIO, { most: 2 }, EAGAIN], { counts: [1, 2] }],
  ['EIO for what is not cut', [EIO], { counts: [-1, 3], code: 'EIO', position: 0 }],
  ['EAGAIN at once', [EAGAIN], { counts: [0, 3] }],
  ['a kernel that takes one at a time', [{ most: 1 }, { most: 1 }, { most: 1 }], { counts: [3] }],
  ['EAGAIN in the middle', [{ most: 2 }, EAGAIN, { most: 1 }], { counts: [2, 1] }],
  ['EIO, and then EIO for a single one', [{ most: 1 }, EIO, EIO], { counts: [1, 2] }],
  ['EINVAL, EAGAIN', [{ most: 1 }, EINVAL, EAGAIN], { counts: [1, 2] }],
  ['ENOBUFS in the middle', [{ most: 1 }, ENOBUFS], { counts: [1, 2] }],
  ['ENOBUFS between the datagrams of one', [{ most: 1 }, EIO, { most: 3 }, ENOBUFS], { counts: [1, 2] }],
  ['ENOBUFS at once', [ENOBUFS], { counts: [-1, 3], code: 'ENOBUFS', position: 0 }],
  ['EPERM at once', [EPERM], { counts: [-1, 3], code: 'EPERM', position: 0 }],
  [
    'EMSGSIZE twice',
    [{ most: 1 }, EMSGSIZE, EMSGSIZE, EMSGSIZE, EMSGSIZE],
    { counts: [1, -1, 2], code: 'EMSGSIZE', position: 1 },
  ],
])('errors injected into a batch: %s', (_, steps, { counts, code, position }) => {
  test('with errors in the middle of a batch every datagram arrives once', async () => {
    const { wrap } = play(...steps);
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap });
    it.socket.bind('127.0.0.1:0');
    const [first, second, third] = [pattern(8), pattern(4900), pattern(16)];
    const batch = it.sender.createSendBatch();
    const to = receiver.local;
    batch.add(first, { to });
    batch.add(second, { to, segmentSize: 1000 });
    batch.add(third, { to });
    for (const count of counts) {
      if (count >= 0) expect(it.sender.sendBatch(batch)).toBe(count);
      else {
        expect(await errorOf(() => it.sender.sendBatch(batch))).toMatchObject({ code });
        expect(batch.position).toBe(position);
      }
    }
    expect(batch.remaining).toBe(0);
    expect(it.sender.sendBatch(batch), 'nothing is left').toBe(0);
    expect(received(receiver)).toEqual([first, ...cut(second, 1000), third]);
    expect(it.sender.stats).toMatchObject({ datagrams: 7, bytes: 8 + 4900 + 16 });
  });
});

describe.each<[string, Step[], number[]]>([
  ['EIO, then two of five, then EAGAIN', [EIO, EIO, { most: 2 }, EAGAIN], [2000, 2900]],
  ['EIO, then EAGAIN', [EIO, EIO, EAGAIN], [0, 4900]],
  ['EAGAIN', [EAGAIN], [0, 4900]],
  ['EIO, then one at a time', [EIO, EIO, { most: 1 }, { most: 1 }, { most: 1 }], [4900]],
  ['EIO, then ENOBUFS behind the third', [EIO, EIO, { most: 3 }, ENOBUFS], [3000, 1900]],
])('errors injected into trySend: %s', (_, steps, counts) => {
  test('sendBatch() returns what was sent, and the next calls send the rest', () => {
    const { wrap } = play(...steps);
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap });
    it.socket.bind('127.0.0.1:0');
    const data = pattern(4900);
    let sent = 0;
    for (const count of counts) {
      expect(it.sender.trySend(data.subarray(sent), { to: receiver.local, segmentSize: 1000 })).toBe(count);
      sent += count;
    }
    expect(sent).toBe(4900);
    expect(received(receiver)).toEqual(cut(data, 1000));
  });
});

test('the number of remembered destinations is limited: the oldest is forgotten', ({ skip }) => {
  if (lacksUdpLite !== undefined) skip(lacksUdpLite);
  const { wrap, calls } = play();
  using it = testSender('ipv4', { protocol: IPPROTO_UDPLITE, now, wrap });
  const send = (i: number) => {
    const to = { address: `127.1.${i >> 8}.${i & 255}`, port: 9 };
    calls.length = 0;
    it.sender.trySend(pattern(20), { to, segmentSize: 10 });
    return calls.length;
  };
  expect(send(0)).toBe(3);
  expect(send(0)).toBe(1);
  for (let i = 1; i <= 1024; i++) send(i);
  expect(send(0), 'forgotten').toBe(3);
  expect(send(1024), 'remembered').toBe(1);
});

test('LINUX_SOCKETS_GSO=off turns offload off', async () => {
  process.env['LINUX_SOCKETS_GSO'] = 'off';
  try {
    const { wrap, calls } = play();
    using receiver = boundUdp();
    using it = testSender('ipv4', { wrap });
    expect(it.sender.trySend(pattern(20), { to: receiver.local, segmentSize: 10 })).toBe(20);
    expect(calls).toEqual([['sendmmsg', 2, 2]]);
    expect(await errorOf(() => testSender('ipv4', { gso: 'require' }))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  } finally {
    delete process.env['LINUX_SOCKETS_GSO'];
  }
});

test('UDP_SEGMENT is never passed to a kernel without it', async () => {
  const { wrap, calls } = play();
  const without = (handle: Handle): Handle => {
    const played = wrap(handle);
    const getsockopt = (level: number, name: number, value: Uint8Array) =>
      level === 17 && name === 103 ? -92 : handle.getsockopt(level, name, value);
    return new Proxy(played, {
      get: (target, name: keyof Handle) =>
        name === 'getsockopt' ? getsockopt : (Reflect.get(target, name) as unknown),
    });
  };
  using receiver = boundUdp();
  using it = testSender('ipv4', { wrap: without });
  for (let i = 0; i < 2; i++) {
    expect(it.sender.trySend(pattern(3000), { to: receiver.local, segmentSize: 1000 })).toBe(3000);
  }
  expect(calls).toEqual([
    ['sendmmsg', 3, 3],
    ['sendmmsg', 3, 3],
  ]);
  await it.next();
  expect(it.events, 'once').toMatchObject([['gsoDisabled', { reason: 'unsupported', code: 'ENOPROTOOPT' }]]);
  expect(await errorOf(() => testSender('ipv4', { gso: 'require', wrap: without }))).toMatchObject({
    code: 'ERR_UNSUPPORTED',
  });
});

test.each<TestSenderOptions>([{ gso: 'off' }, { gsoEqualTail: 'separate' }])(
  'gsoFallbacks stays 0 when single sends are configured: %o',
  (options) => {
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', options);
    const data = pattern(4000);
    it.sender.trySend(data, { to: receiver.local, segmentSize: 1000 });
    const batch = it.sender.createSendBatch();
    batch.add(data, { to: receiver.local, segmentSize: 1000 });
    while (batch.remaining > 0) it.sender.sendBatch(batch);
    expect(received(receiver)).toEqual([...cut(data, 1000), ...cut(data, 1000)]);
    expect(it.sender.stats).toMatchObject({ datagrams: 8, gsoFallbacks: 0 });
  },
);

test("gsoEqualTail: 'sentinel' sends segments of one byte one by one", () => {
  using receiver = boundUdp('ipv4', BIG);
  const { wrap, calls } = play();
  using it = testSender('ipv4', { gsoEqualTail: 'sentinel', wrap });
  const data = pattern(8);
  it.sender.trySend(data, { to: receiver.local, segmentSize: 1 });
  expect(received(receiver)).toEqual(cut(data, 1));
  expect(calls).toEqual([['sendmmsg', 8, 8]]);
});
