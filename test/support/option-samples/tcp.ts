// Samples for the rows of IPPROTO_TCP and IPPROTO_UDP.
import { expect } from 'vitest';
import { getOption, NativeSocket, setOption, type Family, type OptionName } from '../../../src/index.js';
import { codeOf, create, reading, refusal } from '../options.js';
import { accepted, LOOPBACK, tcp, tcpPair } from '../sockets.js';
import type { Samples } from './samples.js';

const KEY = Buffer.from('secret');
const MD5 = { peer: '127.0.0.1', key: KEY } as const;
const AO = { peer: '127.0.0.1', prefixLength: 32, sendId: 1, receiveId: 2 } as const;

export const TCP_SAMPLES = {
  TCP_NODELAY: { set: true },
  TCP_MAXSEG: {
    set: 1000,
    adjusted: async () => {
      using pair = await tcpPair('ipv4', { TCP_MAXSEG: 1000 }); // timestamps use a part of each segment
      return [1000, getOption(pair.server, 'TCP_MAXSEG')];
    },
  },
  TCP_CORK: { set: true },
  TCP_KEEPIDLE: { set: 77 },
  TCP_KEEPINTVL: { set: 7 },
  TCP_KEEPCNT: { set: 3 },
  TCP_SYNCNT: { set: 2 },
  TCP_LINGER2: { set: 7, adjusted: reading('TCP_LINGER2', 1000) },
  TCP_DEFER_ACCEPT: { set: 7, adjusted: reading('TCP_DEFER_ACCEPT', 10) },
  TCP_WINDOW_CLAMP: { set: 20_000, adjusted: reading('TCP_WINDOW_CLAMP', 1) },
  TCP_INFO: {
    initial: () => expect.objectContaining({ state: 'CLOSE', segsOut: 0, bytesSent: 0, options: 0 }) as unknown,
    later: async (check) => {
      using pair = await tcpPair();
      pair.client.sendmsg({ data: Buffer.alloc(1000) });
      await pair.server.readable();
      check(pair.listener, expect.objectContaining({ state: 'LISTEN' }));
      check(pair.client, expect.objectContaining({ state: 'ESTABLISHED', bytesSent: 1000, dataSegsOut: 1 }));
      check(pair.server, expect.objectContaining({ state: 'ESTABLISHED', bytesReceived: 1000, segsIn: 3 }));
    },
  },
  TCP_QUICKACK: {
    set: false,
    adjusted: () => {
      using socket = tcp('ipv4', { TCP_QUICKACK: false });
      socket.listen(); // the kernel returns to its own mode
      return [false, getOption(socket, 'TCP_QUICKACK')];
    },
  },
  TCP_CONGESTION: { set: 'reno' }, // every kernel has it, and it is not the default
  TCP_THIN_LINEAR_TIMEOUTS: { set: true },
  TCP_USER_TIMEOUT: { set: 3000 },
  TCP_FASTOPEN: { set: 16, adjusted: reading('TCP_FASTOPEN', 2 ** 31 - 1) },
  TCP_NOTSENT_LOWAT: { set: 4_000_000_000 },
  TCP_CC_INFO: {
    initial: () => expect.any(Uint8Array) as unknown,
    later: (check) => {
      using socket = tcp('ipv4', { TCP_CONGESTION: 'reno' });
      check(socket, new Uint8Array(0)); // reno has no statistics
    },
  },
  TCP_SAVE_SYN: { set: 2 },
  TCP_SAVED_SYN: {
    initial: () => new Uint8Array(0),
    later: async (check) => {
      using pair = await tcpPair('ipv6', { TCP_SAVE_SYN: 1 });
      const syn = getOption(pair.server, 'TCP_SAVED_SYN');
      expect(syn[0]! >> 4).toBe(6);
      expect(syn.length).toBe(40 + 40);
      check(pair.server, new Uint8Array(0)); // reading removes it
    },
  },
  TCP_FASTOPEN_CONNECT: { set: true },
  TCP_ULP: {
    set: 'tls',
    shows: 'TCP_ULP is set once on a connection',
    test: async (family) => {
      using pair = await tcpPair(family);
      expect(getOption(pair.client, 'TCP_ULP')).toBe('');
      setOption(pair.client, 'TCP_ULP', 'tls');
      expect(getOption(pair.client, 'TCP_ULP')).toBe('tls');
      expect(refusal(pair.client, 'TCP_ULP', 'tls')).toBe('EEXIST');
    },
    missing: () => (refuses('TCP_ULP', 'tls') === 'ENOENT' ? 'no kernel TLS (CONFIG_TLS)' : undefined),
  },
  TCP_FASTOPEN_KEY: { set: Uint8Array.from({ length: 32 }, (_, i) => i) },
  TCP_FASTOPEN_NO_COOKIE: { set: true },
  TCP_INQ: { set: true },
  TCP_TX_DELAY: { set: 1000 },
  TCP_IS_MPTCP: {
    initial: () => false,
    later: (check) => {
      using socket = NativeSocket.create({ family: 'ipv4', type: 'stream', protocol: 262 });
      check(socket, true);
    },
  },
  TCP_RTO_MAX_MS: { set: 10_000, adjusted: reading('TCP_RTO_MAX_MS', 1001) },
  TCP_RTO_MIN_US: { set: 100_000, adjusted: roundedUpToTicks('TCP_RTO_MIN_US') },
  TCP_DELACK_MAX_US: { set: 100_000, adjusted: roundedUpToTicks('TCP_DELACK_MAX_US') },

  TCP_MD5SIG: {
    set: MD5,
    shows: 'TCP_MD5SIG lets both sides with the key connect, and removes a key',
    test: async (family) => {
      const key = { peer: LOOPBACK[family], key: KEY };
      await signed(family, 'TCP_MD5SIG', key);
      using socket = tcp(family, { TCP_MD5SIG: key });
      setOption(socket, 'TCP_MD5SIG', { ...key, key: new Uint8Array(0) });
      expect(refusal(socket, 'TCP_MD5SIG', { ...key, key: new Uint8Array(0) })).toBe('ENOENT');
    },
    missing: () => (refuses('TCP_MD5SIG', MD5) === 'ENOPROTOOPT' ? 'no TCP MD5 (CONFIG_TCP_MD5SIG)' : undefined),
  },
  TCP_MD5SIG_EXT: {
    set: { ...MD5, prefixLength: 8 },
    shows: 'TCP_MD5SIG_EXT lets both sides with the key of a prefix connect, and removes a key',
    test: async (family) => {
      const key = { peer: family === 'ipv4' ? '127.0.0.0' : '::', key: KEY, prefixLength: 8 };
      await signed(family, 'TCP_MD5SIG_EXT', key);
      using socket = tcp(family, { TCP_MD5SIG_EXT: key });
      setOption(socket, 'TCP_MD5SIG_EXT', { ...key, key: new Uint8Array(0) });
      expect(refusal(socket, 'TCP_MD5SIG_EXT', { ...key, key: new Uint8Array(0) })).toBe('ENOENT');
    },
    missing: () => (refuses('TCP_MD5SIG_EXT', MD5) === 'ENOPROTOOPT' ? 'no TCP MD5 (CONFIG_TCP_MD5SIG)' : undefined),
  },
  TCP_AO_ADD_KEY: {
    set: { ...AO, algorithm: 'hmac(sha1)', key: KEY },
    shows: 'TCP_AO_ADD_KEY adds a key, and fails the second time',
    test: (family) => {
      using socket = tcp(family);
      const key = { ...aoOf(family), algorithm: 'hmac(sha1)', key: KEY };
      setOption(socket, 'TCP_AO_ADD_KEY', key);
      expect(refusal(socket, 'TCP_AO_ADD_KEY', key)).toBe('EEXIST');
    },
    missing: noAo,
  },
  TCP_AO_DEL_KEY: {
    set: AO,
    shows: 'TCP_AO_DEL_KEY removes a key, and fails the second time',
    test: (family) => {
      using socket = tcp(family);
      setOption(socket, 'TCP_AO_ADD_KEY', { ...aoOf(family), algorithm: 'hmac(sha1)', key: KEY });
      setOption(socket, 'TCP_AO_DEL_KEY', aoOf(family));
      expect(refusal(socket, 'TCP_AO_DEL_KEY', aoOf(family))).toBe('ENOENT');
    },
    missing: noAo,
  },
  TCP_AO_INFO: {
    set: { required: true },
    shows: 'TCP_AO_INFO reads back what was set, with counters',
    test: (family) => {
      using socket = tcp(family);
      setOption(socket, 'TCP_AO_ADD_KEY', { ...aoOf(family), algorithm: 'hmac(sha1)', key: KEY });
      setOption(socket, 'TCP_AO_INFO', { required: true });
      expect(getOption(socket, 'TCP_AO_INFO')).toMatchObject({ required: true, counters: { good: 0n, bad: 0n } });
    },
    missing: noAo,
  },
  TCP_AO_REPAIR: {
    set: { sentIsn: 1, receivedIsn: 2, sentSne: 3, receivedSne: 4 },
    shows: 'TCP_AO_REPAIR is refused without TCP_REPAIR',
    test: (family) => {
      using socket = tcp(family);
      expect(refusal(socket, 'TCP_AO_REPAIR', { sentIsn: 1, receivedIsn: 2, sentSne: 3, receivedSne: 4 })).toBe(
        'EPERM',
      );
    },
    missing: noAo,
  },
  TCP_REPAIR: { set: true },
  TCP_REPAIR_QUEUE: {
    set: 'send',
    shows: 'TCP_REPAIR_QUEUE selects the queue in repair mode',
    test: (family) => {
      using socket = tcp(family);
      expect(codeOf(() => getOption(socket, 'TCP_REPAIR_QUEUE'))).toBe('EINVAL');
      setOption(socket, 'TCP_REPAIR', true);
      expect(getOption(socket, 'TCP_REPAIR_QUEUE')).toBe('none');
      for (const queue of ['send', 'receive', 'none'] as const) {
        setOption(socket, 'TCP_REPAIR_QUEUE', queue);
        expect(getOption(socket, 'TCP_REPAIR_QUEUE')).toBe(queue);
      }
    },
  },
  TCP_QUEUE_SEQ: {
    set: 4_000_000_000,
    shows: 'TCP_QUEUE_SEQ sets the sequence number of the selected queue in repair mode',
    test: (family) => {
      using socket = tcp(family, { TCP_REPAIR: true, TCP_REPAIR_QUEUE: 'send' });
      expect(getOption(socket, 'TCP_QUEUE_SEQ')).not.toBe(4_000_000_000);
      setOption(socket, 'TCP_QUEUE_SEQ', 4_000_000_000);
      expect(getOption(socket, 'TCP_QUEUE_SEQ')).toBe(4_000_000_000);
    },
  },
  TCP_REPAIR_OPTIONS: {
    set: { mss: 1000 },
    shows: 'TCP_REPAIR_OPTIONS sets the negotiated options of a connection in repair mode',
    test: async (family) => {
      using pair = await tcpPair(family);
      setOption(pair.client, 'TCP_REPAIR', true);
      const agreed = { mss: 1000, windowScale: { send: 5, receive: 6 }, sackPermitted: true, timestamps: true };
      setOption(pair.client, 'TCP_REPAIR_OPTIONS', agreed);
      expect(getOption(pair.client, 'TCP_INFO')).toMatchObject({ sndWscale: 5, rcvWscale: 6 });
    },
  },
  TCP_REPAIR_WINDOW: {
    set: { sndWl1: 0, sndWnd: 0, maxWindow: 0, rcvWnd: 0, rcvWup: 0 },
    shows: 'TCP_REPAIR_WINDOW reads and sets the windows in repair mode',
    test: async (family) => {
      using pair = await tcpPair(family);
      setOption(pair.client, 'TCP_REPAIR', true);
      const before = getOption(pair.client, 'TCP_REPAIR_WINDOW');
      const after = { ...before, sndWnd: before.sndWnd - 1 };
      setOption(pair.client, 'TCP_REPAIR_WINDOW', after);
      expect(getOption(pair.client, 'TCP_REPAIR_WINDOW')).toEqual(after);
    },
  },
  TCP_TIMESTAMP: {
    set: 12_345,
    shows: 'TCP_TIMESTAMP sets the clock in repair mode, which then continues',
    test: (family) => {
      using socket = tcp(family);
      expect(refusal(socket, 'TCP_TIMESTAMP', 12_345)).toBe('EPERM');
      setOption(socket, 'TCP_REPAIR', true);
      setOption(socket, 'TCP_TIMESTAMP', 12_345);
      const clock = getOption(socket, 'TCP_TIMESTAMP');
      expect(clock).toBeGreaterThanOrEqual(12_345);
      expect(clock).toBeLessThan(112_345);
    },
  },
} as const satisfies Samples;

export const UDP_SAMPLES = {
  UDP_CORK: { set: true },
  UDP_ENCAP: {
    set: 'l2tp',
    shows: 'UDP_ENCAP accepts L2TP and ESP, and refuses types that kernel modules set themselves',
    test: (family, type) => {
      using socket = create(family, type);
      expect(getOption(socket, 'UDP_ENCAP')).toBe('none');
      for (const value of ['l2tp', 'esp', 'none'] as const) {
        setOption(socket, 'UDP_ENCAP', value);
        expect(getOption(socket, 'UDP_ENCAP')).toBe(value);
      }
      expect(refusal(socket, 'UDP_ENCAP', 5)).toBe('ENOPROTOOPT');
    },
    missing: () => {
      using socket = create('ipv4', 'dgram');
      return refusal(socket, 'UDP_ENCAP', 2) === 'ENOPROTOOPT' ? 'no IPsec (CONFIG_XFRM)' : undefined;
    },
  },
  UDP_NO_CHECK6_TX: { set: true },
  UDP_NO_CHECK6_RX: { set: true },
  UDP_SEGMENT: { set: 1200 },
  UDP_GRO: { set: true },
} as const satisfies Samples;

/** Kernels count in ticks of 1, 4 or 10 ms. */
function roundedUpToTicks(name: 'TCP_RTO_MIN_US' | 'TCP_DELACK_MAX_US'): () => readonly [unknown, unknown] {
  return reading(name, 99_999);
}

/** Two sockets that sign with the same key connect; one that does not is ignored. */
async function signed(
  family: Family,
  name: 'TCP_MD5SIG' | 'TCP_MD5SIG_EXT',
  key: { peer: string; key: Uint8Array },
): Promise<void> {
  using listener = tcp(family, { [name]: key });
  listener.bind({ address: LOOPBACK[family], port: 0 });
  listener.listen();
  using stranger = tcp(family);
  stranger.connect(listener.local);
  using client = tcp(family, { [name]: key });
  client.connect(listener.local);
  await client.connected();
  expect(getOption(stranger, 'TCP_INFO').state).toBe('SYN_SENT');
  // The accepted socket signs as well: the client accepts nothing else.
  using server = await accepted(listener);
  server.sendmsg({ data: Buffer.from('signed') });
  await client.readable();
  expect(client.recvmsg({ buffers: [Buffer.alloc(16)] })?.bytes).toBe(6);
  expect(refusal(server, name, { ...key, key: new Uint8Array(0) })).toBe(
    'prefixLength' in key ? 'ENOENT' : undefined, // it has the key of this one peer
  );
}

function refuses(name: OptionName, value: unknown): string | undefined {
  using socket = tcp();
  return refusal(socket, name, value);
}

function noAo(): string | undefined {
  const key = { ...AO, algorithm: 'hmac(sha1)', key: KEY };
  return refuses('TCP_AO_ADD_KEY', key) === 'ENOPROTOOPT' ? 'no TCP-AO (CONFIG_TCP_AO)' : undefined;
}

function aoOf(family: Family): typeof AO & { readonly peer: string; readonly prefixLength: number } {
  return { ...AO, ...(family === 'ipv6' && { peer: '::1', prefixLength: 128 }) } as typeof AO;
}
