// What a datagram carries beside its data: source, ECN, DSCP, TTL, mark; over IPv4, IPv6, and IPv4 on an IPv6 socket.
import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Endpoint,
  setOption,
  type Family,
  type NativeSocket,
  type SendOptions,
  type SocketOptions,
} from '../../../src/index.js';
import { boundUdp, udp } from '../../support/sockets.js';
import { cut, pattern, received, testSender } from '../../support/udp-sender.js';

beforeAll(() => {
  execFileSync('ip', ['addr', 'add', 'fd00::7/128', 'dev', 'lo']);
});

const WATCH: Record<Family, SocketOptions> = {
  ipv4: { IP_RECVTTL: true, IP_RECVTOS: true, SO_RCVMARK: true },
  ipv6: { IPV6_RECVHOPLIMIT: true, IPV6_RECVTCLASS: true, SO_RCVMARK: true },
};

describe.each<[string, Family, Family]>([
  ['IPv4', 'ipv4', 'ipv4'],
  ['IPv6', 'ipv6', 'ipv6'],
  ['IPv4 on an IPv6 socket', 'ipv6', 'ipv4'],
])('%s', (_, family, wire) => {
  const make = (connected: boolean) => {
    const receiver = boundUdp(wire, WATCH[wire]);
    const { address, port } = receiver.local;
    const to = Endpoint.from({ address: family === wire ? address : `::ffff:${address}`, port });
    const it = testSender(family, connected ? { connect: to } : {});
    const dispose = () => {
      it[Symbol.dispose]();
      receiver.close();
    };
    return { ...it, receiver, to: connected ? {} : { to }, [Symbol.dispose]: dispose };
  };
  const own = wire === 'ipv4' ? '127.0.0.7' : 'fd00::7';

  test.each<[string, SendOptions, object]>([
    ['no options', {}, { ttl: 64, tos: 0, mark: 0 }],
    ['ecn', { ecn: 2 }, { tos: 2, ttl: 64 }],
    ['ecn 0', { ecn: 0 }, { tos: 0 }],
    ['dscp', { dscp: 46 }, { tos: 46 << 2 }],
    ['dscp and ecn', { dscp: 63, ecn: 3 }, { tos: 255 }],
    ['ttl', { ttl: 1 }, { ttl: 1, tos: 0 }],
    ['ttl 255', { ttl: 255 }, { ttl: 255 }],
    ['mark', { mark: 0xfffffffe }, { mark: 0xfffffffe }],
    ['from, an address', { from: own }, { source: own }],
    ['from, an object', { from: { address: own } }, { source: own }],
    ['from, an address and an interface', { from: { address: own, interface: 'lo' } }, { source: own }],
    ['from, an interface by number', { from: { interface: 1 } }, { ttl: 64 }],
    [
      'all options',
      { from: { address: own, interface: 1 }, ecn: 1, dscp: 10, ttl: 9, mark: 5 },
      { source: own, tos: 41, ttl: 9, mark: 5 },
    ],
  ])('the receiver sees the options of a send, of segments and of a batch: %s', (_title, options, expected) => {
    for (const connected of [false, true]) {
      using it = make(connected);
      const data = pattern(30);
      // A datagram, segments, several buffers, messages of a batch: the same control messages for all.
      it.sender.trySend(data, { ...it.to, ...options });
      it.sender.trySend(data, { ...it.to, ...options, segmentSize: 10 });
      it.sender.trySend([data, data], { ...it.to, ...options, segmentSize: 20 });
      const batch = it.sender.createSendBatch();
      batch.add(data, { ...it.to, ...options });
      batch.add(data, { ...it.to, ...options, segmentSize: 20 });
      expect(it.sender.sendBatch(batch)).toBe(2);
      const seen = all(it.receiver);
      expect(seen.map(({ bytes }) => bytes)).toEqual([30, 10, 10, 10, 20, 20, 20, 30, 20, 10]);
      for (const message of seen) expect(message).toMatchObject(expected);
    }
  });

  test("ecn alone keeps the socket's current DSCP", () => {
    using it = make(false);
    const setTos = (value: number) => {
      setOption(it.socket, wire === 'ipv4' ? 'IP_TOS' : 'IPV6_TCLASS', value);
    };
    setTos(0xb8);
    it.sender.trySend(pattern(4), { ...it.to, ecn: 1 });
    it.sender.trySend(pattern(4), { ...it.to, dscp: 1 });
    setTos(0x20);
    it.sender.trySend(pattern(4), { ...it.to, ecn: 3 });
    it.sender.trySend(pattern(4), it.to);
    expect(all(it.receiver).map(({ tos }) => tos)).toEqual([0xb9, 4, 0x23, 0x20]);
  });

  test('the options of one send do not affect the next', () => {
    using it = make(false);
    it.sender.trySend(pattern(4), { ...it.to, ttl: 7, ecn: 1, from: own, mark: 3, segmentSize: 2 });
    it.sender.trySend(pattern(4), it.to);
    it.sender.trySend(pattern(4), { ...it.to, segmentSize: 2 });
    it.sender.trySend(pattern(4), { ...it.to, mark: 4 });
    const [, , plain, cutOne, , marked] = all(it.receiver);
    for (const message of [plain, cutOne]) expect(message).toMatchObject({ ttl: 64, tos: 0, mark: 0 });
    expect([plain?.bytes, cutOne?.bytes]).toEqual([4, 2]);
    expect(plain?.source).not.toBe(own);
    expect(marked).toMatchObject({ ttl: 64, tos: 0, mark: 4, bytes: 4 });
  });
});

test('a send with txTime fails with EINVAL without SO_TXTIME, and is sent with it', () => {
  using receiver = boundUdp();
  using it = testSender('ipv4', { connect: receiver.local });
  expect(() => it.sender.trySend(pattern(4), { txTime: 1n })).toThrow(
    expect.objectContaining({ code: 'EINVAL' }) as Error,
  );
  setOption(it.socket, 'SO_TXTIME', { clock: 'CLOCK_MONOTONIC' });
  expect(it.sender.trySend(pattern(4), { txTime: process.hrtime.bigint() })).toBe(4);
  expect(it.sender.trySend(pattern(40), { txTime: 2n ** 63n - 1n, segmentSize: 10 })).toBe(40);
  expect(received(receiver)).toEqual([pattern(4), ...cut(pattern(40), 10)]);
});

test('the zone of a link-local source selects the interface', () => {
  execFileSync('ip', ['link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'd1']);
  try {
    execFileSync('ip', ['addr', 'add', 'fe80::77/64', 'dev', 'd0', 'nodad']);
    execFileSync('ip', ['link', 'set', 'd0', 'up']);
    using receiver = udp('ipv6');
    receiver.bind({ address: 'fe80::77%d0', port: 0 });
    using it = testSender('ipv6');
    const to = receiver.local;
    expect(it.sender.trySend(pattern(4), { to, from: 'fe80::77%d0' })).toBe(4);
    expect(receiver.recvmsg({ buffers: [Buffer.alloc(4)] })?.source?.address).toBe('fe80::77%d0');
  } finally {
    execFileSync('ip', ['link', 'del', 'd0']);
  }
});

interface Seen {
  readonly bytes: number;
  readonly source: string | undefined;
  ttl?: number;
  tos?: number;
  mark?: number;
}

function all(socket: NativeSocket): Seen[] {
  const messages: Seen[] = [];
  for (;;) {
    const message = socket.recvmsg({ buffers: [Buffer.alloc(100)], controlLength: 200 });
    if (message === undefined) return messages;
    const seen: Seen = { bytes: message.bytes, source: message.source?.address, mark: 0 };
    for (const one of message.control) {
      if (one.type === 'IP_TTL' || one.type === 'IPV6_HOPLIMIT') seen.ttl = one.value;
      if (one.type === 'IP_TOS' || one.type === 'IPV6_TCLASS') seen.tos = one.value;
      if (one.type === 'SO_MARK') seen.mark = one.value;
    }
    messages.push(seen);
  }
}
