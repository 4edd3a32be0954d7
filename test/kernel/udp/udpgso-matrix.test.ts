// The matrix of the kernel's selftest udpgso: every size, over IPv4, IPv6 and mapped, connected or not, the segment size by
// control message or by setsockopt, in one piece or by MSG_MORE, and with segments cut by the kernel or behind it. The
// datagrams that the peer receives are compared with the frames on its device, checksums included.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Endpoint, NativeSocket, setOption, UdpSocket, type Family } from '../../../src/index.js';
import { setFeatures } from '../../support/ethtool.js';
import type { NetworkNamespace } from '../../support/namespace.js';
import { createNeighbour, neighbourAddresses } from '../../support/neighbour.js';
import { UdpPeer } from '../../support/udp-peer.js';
import { pattern } from '../../support/udp-sender.js';
import { gsoCases, type GsoCase, type Outcome } from '../../support/udpgso-cases.js';

const PORT = 9000;
const PEER = neighbourAddresses(78);
const MSG_MORE = 0x8000;

let namespace: NetworkNamespace;
let peer: UdpPeer;
beforeAll(async () => {
  namespace = await createNeighbour(78);
  peer = await UdpPeer.start(namespace, 'far', PORT);
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  await namespace[Symbol.asyncDispose]();
});

interface Path {
  readonly family: Family;
  readonly wire: Family;
  readonly to: Endpoint;
  readonly connected: boolean;
}

/** Ways to send: one case, by a socket of its own. Each returns what the socket says of it. */
const ways: Record<string, { expected: (one: GsoCase) => Outcome; send: (one: GsoCase, path: Path) => void }> = {
  'UdpSocket.trySend, segmentSize': {
    expected: ({ kernel, cut }) => cut ?? kernel,
    send: ({ length, segment }, path) => {
      using udp = udpSocket(path);
      const options = { ...target(path), ...(segment !== 0 && { segmentSize: segment }) };
      expect(udp.it.trySend(pattern(length), options)).toBe(length === 0 ? 1 : length);
      expect(udp.it.stats.sent.gsoFallbacks).toBe(0);
    },
  },
  'UdpSocket.trySend, several buffers': {
    expected: ({ kernel, cut }) => cut ?? kernel,
    send: ({ length, segment }, path) => {
      using udp = udpSocket(path);
      const data = pattern(length);
      const middle = Math.floor(length / 3);
      const options = { ...target(path), ...(segment !== 0 && { segmentSize: segment }) };
      const sent = udp.it.trySend([data.subarray(0, middle), data.subarray(middle)], options);
      expect(sent).toBe(length === 0 ? 1 : length);
      expect(udp.it.stats.sent.gsoFallbacks).toBe(0);
    },
  },
  'UdpSocket.trySend, segmentSize of the socket': {
    // Empty data is an empty datagram, unless the send itself asks for segments.
    expected: ({ length, kernel, cut }) => (length === 0 ? kernel : (cut ?? kernel)),
    send: ({ length, segment }, path) => {
      using udp = udpSocket(path, segment);
      expect(udp.it.trySend(pattern(length), target(path))).toBe(length === 0 ? 1 : length);
    },
  },
  'UdpSocket.sendBatch, segmentSize': {
    expected: ({ kernel, cut }) => cut ?? kernel,
    send: ({ length, segment }, path) => {
      using udp = udpSocket(path);
      const batch = udp.it.createSendBatch({ messages: 8, bytes: 200_000 });
      const options = { ...target(path), ...(segment !== 0 && { segmentSize: segment }) };
      expect(batch.add(pattern(length), options)).toBe(true);
      while (batch.remaining > 0) expect(udp.it.sendBatch(batch)).toBeGreaterThan(0);
    },
  },
  'NativeSocket, control message': {
    expected: ({ kernel }) => kernel,
    send: (one, path) => sendByNative(one, path, { cmsg: true, more: false }),
  },
  'NativeSocket, UDP_SEGMENT of the socket': {
    expected: ({ kernel }) => kernel,
    send: (one, path) => sendByNative(one, path, { cmsg: false, more: false }),
  },
  'NativeSocket, control message, MSG_MORE': {
    expected: ({ kernel }) => kernel,
    send: (one, path) => sendByNative(one, path, { cmsg: true, more: true }),
  },
  'NativeSocket, UDP_SEGMENT of the socket, MSG_MORE': {
    expected: ({ kernel }) => kernel,
    send: (one, path) => sendByNative(one, path, { cmsg: false, more: true }),
  },
};

describe.each<[string, Record<string, boolean>]>([
  ['the kernel cuts and sums', { 'tx-udp-segmentation': false, 'tx-checksum-ip-generic': false }],
  ['the kernel cuts', { 'tx-udp-segmentation': false, 'tx-checksum-ip-generic': true }],
  ['the device cuts', { 'tx-udp-segmentation': true, 'tx-checksum-ip-generic': true }],
])('%s', (_, features) => {
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
    const to = Endpoint.from({ address: (family === wire ? '' : '::ffff:') + PEER[wire], port: PORT });

    test.each(Object.entries(ways))('%s', async (_way, { send, expected }) => {
      const cases = gsoCases(wire);
      const found: Record<string, string> = {};
      for (const one of cases) {
        const code = codeOf(() => send(one, { family, wire, to, connected }));
        const { datagrams, wire: frames } = await peer.collect(PEER[wire], PORT);
        const lengths = datagrams.map(({ length }) => length);
        found[one.title] = code ?? short(lengths);
        if (code === undefined) {
          const data = pattern(one.length);
          expect(Buffer.concat(datagrams).equals(data), `${one.title}: the data, once, in order`).toBe(true);
          expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(data), `${one.title}: on the wire`).toBe(
            true,
          );
        } else expect(frames, `${one.title}: nothing is sent`).toEqual([]);
        if (features['tx-udp-segmentation'] === false) {
          expect(
            frames.map(({ payload }) => payload.length),
            `${one.title}: on the wire`,
          ).toEqual(lengths);
        }
        if (features['tx-checksum-ip-generic'] === false) {
          expect(
            frames.filter(({ checksum }) => !checksum),
            `${one.title}: wrong checksums`,
          ).toEqual([]);
        }
      }
      expect(found).toEqual(Object.fromEntries(cases.map((one) => [one.title, short(expected(one))])));
    });
  });
});

function udpSocket({ family, to, connected }: Path, segmentSize = 0): { it: UdpSocket } & Disposable {
  const it = UdpSocket.create({ family, pathMtuDiscovery: 'do', segmentSize });
  if (connected) it.connect(to);
  return { it, [Symbol.dispose]: () => void it.close() };
}

function target({ to, connected }: Path): { to?: Endpoint } {
  return connected ? {} : { to };
}

/** Never a fragment: it goes by segmentation, or not at all. The 1 byte of MSG_MORE is the selftest's way. */
function sendByNative(
  { length, segment }: GsoCase,
  path: Path,
  { cmsg, more }: { readonly cmsg: boolean; readonly more: boolean },
): void {
  using socket = NativeSocket.create({ family: path.family, type: 'dgram' });
  setOption(socket, 'IP_MTU_DISCOVER', 2);
  if (path.family === 'ipv6') setOption(socket, 'IPV6_MTU_DISCOVER', 2);
  if (!cmsg) setOption(socket, 'UDP_SEGMENT', segment);
  if (path.connected) socket.connect(path.to);
  const rest = {
    ...target(path),
    ...(cmsg && segment !== 0 && { control: [{ type: 'UDP_SEGMENT', value: segment } as const] }),
  };
  const data = pattern(length);
  const first = more && length > 1 ? 1 : 0;
  if (first > 0) expect(socket.sendmsg({ data: data.subarray(0, 1), flags: MSG_MORE, ...rest })).toBe(1);
  expect(socket.sendmsg({ data: data.subarray(first), ...rest })).toBe(length - first);
}

/** Lengths as a text that can be read: '44×1472, 739'. */
function short(outcome: Outcome): string {
  if (typeof outcome === 'string') return outcome;
  const runs: [length: number, count: number][] = [];
  for (const length of outcome) {
    const last = runs.at(-1);
    if (last?.[0] === length) last[1]++;
    else runs.push([length, 1]);
  }
  return runs.map(([length, count]) => (count === 1 ? length : `${count}×${length}`)).join(', ');
}

/** The code of the error that is thrown; undefined if none is. */
function codeOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.name !== 'AssertionError') return String(error.code);
    throw error;
  }
}
