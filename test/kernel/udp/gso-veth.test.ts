// Segmentation offload over a veth pair: what is on the wire, whether the device takes segments whole or the kernel cuts
// them before it, around the sizes where limits are. Loopback's MTU would hide them.
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { setUp } from '../../support/missing-tools.js';
import { Endpoint, type Family } from '../../../src/index.js';
import { setFeatures } from '../../support/ethtool.js';
import type { NetworkNamespace } from '../../support/namespace.js';
import { createNeighbour, neighbourAddresses } from '../../support/neighbour.js';
import { errorOf } from '../../support/sockets.js';
import { UdpCapture, type WireDatagram } from '../../support/udp-capture.js';
import { cut, pattern, testSender, type TestSenderOptions } from '../../support/udp-sender.js';

const MTU = 1500;
const PORT = 4433;
const HEADERS = { ipv4: 28, ipv6: 48 } as const;
const PEER = neighbourAddresses(77);

let peer: NetworkNamespace;
setUp(async () => {
  peer = await createNeighbour(77);
  // Nothing listens there, and no ICMP error must come back.
  await peer.run('nft', 'add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }');
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
});

describe.each<[string, Record<string, boolean>, boolean]>([
  ['the kernel cuts and sums', { 'tx-udp-segmentation': false, 'tx-checksum-ip-generic': false }, false],
  ['the kernel cuts', { 'tx-udp-segmentation': false, 'tx-checksum-ip-generic': true }, false],
  ['the device cuts', { 'tx-udp-segmentation': true, 'tx-checksum-ip-generic': true }, true],
])('%s', (_, features, whole) => {
  beforeEach(() => {
    setFeatures('near', features);
  });

  describe.each<[string, Family, Family, boolean]>([
    ['IPv4', 'ipv4', 'ipv4', false],
    ['IPv4, connected', 'ipv4', 'ipv4', true],
    ['IPv6', 'ipv6', 'ipv6', false],
    ['IPv6, connected', 'ipv6', 'ipv6', true],
    ['mapped', 'ipv6', 'ipv4', false],
    ['mapped, connected', 'ipv6', 'ipv4', true],
  ])('%s', (_name, family, wire, connected) => {
    const most = MTU - HEADERS[wire];
    const limit = wire === 'ipv4' ? 65507 : 65527;
    const to = Endpoint.from({ address: (family === wire ? '' : '::ffff:') + PEER[wire], port: PORT });
    const make = (options: TestSenderOptions = {}) => ({
      it: testSender(family, { ...options, ...(connected && { connect: to }) }),
      options: connected ? {} : { to },
    });

    test.each<[string, number, number]>([
      ['segments as long as the MTU', 3 * most, most],
      ['two segments and a tail', 2 * most + 1, most],
      ['in total less than the MTU', 1000, 100],
      ['in total exactly the MTU', most, 500],
      ['segments of one byte', 128, 1],
      ['128 segments', 128 * 200, 200],
      ['128 segments and a tail', 128 * 200 + 7, 200],
      ['a message of the maximum length', limit, 1200],
      ['one byte more than a message can hold', limit + 1, 1200],
      ['several messages', 200_000, 1357],
    ])(
      'segmentation offload sends the data once and in order: %s, %i bytes in segments of %i',
      (_title, length, segmentSize) => {
        const { it, options } = make();
        using wireCapture = new UdpCapture('near');
        try {
          const data = pattern(length);
          expect(it.sender.trySend(data, { ...options, segmentSize })).toBe(length);
          const seen = wireCapture.datagrams().filter(({ destinationPort }) => destinationPort === PORT);
          expect(Buffer.concat(seen.map(({ payload }) => payload)).equals(data), 'the data, once, in order').toBe(true);
          if (!whole) {
            expect(seen.map(({ payload }) => payload.length)).toEqual(
              cut(data, segmentSize).map((part) => part.length),
            );
            expect(longest(seen)).toBeLessThanOrEqual(MTU);
          }
          if (features['tx-checksum-ip-generic'] === false) expect(seen.every(({ checksum }) => checksum)).toBe(true);
          expect(it.sender.stats).toMatchObject({ gsoFallbacks: 0, datagrams: Math.ceil(length / segmentSize) });
        } finally {
          it[Symbol.dispose]();
        }
      },
    );

    test('a segment longer than the MTU fails with EMSGSIZE, and nothing is sent', async () => {
      const { it, options } = make();
      using wireCapture = new UdpCapture('near');
      try {
        const data = pattern(3 * most);
        const error = await errorOf(() => it.sender.trySend(data, { ...options, segmentSize: most + 1 }));
        expect(error).toMatchObject({ code: 'EMSGSIZE', reason: 'tooLong', ...(connected && { mtu: MTU }) });
        expect(wireCapture.datagrams()).toEqual([]);
        const fits = pattern(most);
        expect(it.sender.trySend(fits, { ...options, segmentSize: most + 1 }), 'one segment only').toBe(most);
      } finally {
        it[Symbol.dispose]();
      }
    });

    test('a send uses the segment size of the socket, unless it has its own', () => {
      const { it, options } = make({ segmentSize: 1000 });
      using wireCapture = new UdpCapture('near');
      try {
        expect(it.sender.trySend(pattern(2500), options)).toBe(2500);
        expect(it.sender.trySend(pattern(2500), { ...options, segmentSize: 900 }), 'the call has its own').toBe(2500);
        const seen = wireCapture.datagrams();
        if (!whole) expect(seen.map(({ payload }) => payload.length)).toEqual([1000, 1000, 500, 900, 900, 700]);
        expect(Buffer.concat(seen.map(({ payload }) => payload))).toEqual(
          Buffer.concat([pattern(2500), pattern(2500)]),
        );
      } finally {
        it[Symbol.dispose]();
      }
    });

    test('a batch of many messages is sent once and in order, each with its segment size', () => {
      const { it, options } = make();
      using wireCapture = new UdpCapture('near');
      try {
        const batch = it.sender.createSendBatch({ messages: 300, bytes: 700_000 });
        const data = pattern(4 * most);
        for (let i = 0; i < 30; i++) {
          expect(batch.add(data.subarray(0, i), options)).toBe(true);
          expect(batch.add(data, { ...options, segmentSize: most - i, ttl: 1 + i })).toBe(true);
        }
        while (batch.remaining > 0) it.sender.sendBatch(batch);
        const seen = wireCapture.datagrams();
        const expected = Array.from({ length: 30 }, (_unused, i) => [
          data.subarray(0, i),
          ...(whole ? [data] : cut(data, most - i)),
        ]).flat();
        expect(seen.map(({ payload }) => payload.length)).toEqual(expected.map(({ length }) => length));
        expect(Buffer.concat(seen.map(({ payload }) => payload)).equals(Buffer.concat(expected))).toBe(true);
        if (features['tx-checksum-ip-generic'] === false) expect(seen.every(({ checksum }) => checksum)).toBe(true);
      } finally {
        it[Symbol.dispose]();
      }
    });
  });
});

function longest(seen: readonly WireDatagram[]): number {
  return Math.max(...seen.map(({ packet }) => packet));
}

describe('gsoEqualTail, for data whose segments are all equal', () => {
  const to = { address: PEER.ipv4, port: PORT };
  const lengths = (gsoEqualTail: 'offload' | 'separate' | 'sentinel', length: number) => {
    setFeatures('near', { 'tx-udp-segmentation': true, 'tx-checksum-ip-generic': true });
    using it = testSender('ipv4', { gsoEqualTail });
    using wireCapture = new UdpCapture('near');
    expect(it.sender.trySend(pattern(length), { to, segmentSize: 1000 }), 'the tail is not counted').toBe(length);
    const batch = it.sender.createSendBatch({ bytes: 200_000 });
    batch.add(pattern(length), { to, segmentSize: 1000 });
    while (batch.remaining > 0) it.sender.sendBatch(batch);
    const seen = wireCapture.datagrams().map(({ payload }) => payload.length);
    const half = seen.slice(0, seen.length / 2);
    expect(seen.slice(seen.length / 2), 'the same in a batch').toEqual(half);
    expect(it.sender.stats.bytes).toBe(2 * length);
    return half;
  };

  test("gsoEqualTail 'offload' sends equal segments in one message", () => {
    expect(lengths('offload', 3000)).toEqual([3000]);
    expect(lengths('offload', 2500)).toEqual([2500]);
  });

  test("gsoEqualTail 'separate' sends equal segments one by one", () => {
    expect(lengths('separate', 3000)).toEqual([1000, 1000, 1000]);
    expect(lengths('separate', 2500)).toEqual([2500]);
  });

  test("gsoEqualTail 'sentinel' appends one byte to equal segments, within the limits", () => {
    expect(lengths('sentinel', 3000)).toEqual([3001]);
    expect(lengths('sentinel', 2500)).toEqual([2500]);
    expect(lengths('sentinel', 1000), 'one segment').toEqual([1000]);
    expect(lengths('sentinel', 130_000)).toEqual([65001, 65001]);
  });
});
