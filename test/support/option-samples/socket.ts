// Samples for the rows of SOL_SOCKET.
import { expect } from 'vitest';
import { getOption, NativeSocket, setOption, steerByCpu, type BpfInstruction } from '../../../src/index.js';
import { bpfAttached } from '../bpf.js';
import { create, get, noHostAdmin, reading, refusal } from '../options.js';
import { boundUdp, listening, tcp, udp } from '../sockets.js';
import type { Samples } from './samples.js';

/** BPF_RET | BPF_K: takes all of every packet. */
const ACCEPT: readonly BpfInstruction[] = [{ code: 6, jt: 0, jf: 0, k: 0xffff_ffff }];

export const SOCKET_SAMPLES = {
  SO_DEBUG: { set: true, missing: noHostAdmin },
  SO_REUSEADDR: { set: true },
  SO_TYPE: { initial: ({ type }) => ({ stream: 1, dgram: 2, raw: 3 })[type] },
  SO_ERROR: {
    initial: () => 0,
    later: async (check) => {
      using socket = tcp();
      socket.connect('127.0.0.1:1');
      await socket.writable();
      check(socket, 111);
      check(socket, 0); // reading clears it
    },
  },
  SO_DONTROUTE: { set: true },
  SO_BROADCAST: { set: true },
  SO_SNDBUF: { set: 10_000 },
  SO_RCVBUF: { set: 10_000 },
  SO_KEEPALIVE: { set: true },
  SO_OOBINLINE: { set: true },
  SO_NO_CHECK: { set: true },
  SO_PRIORITY: { set: 5 },
  SO_LINGER: { set: 7 },
  SO_REUSEPORT: { set: true },
  SO_RCVLOWAT: { set: 3 },
  SO_SNDLOWAT: { initial: () => 1 },
  SO_RCVTIMEO: { set: 1500, adjusted: roundedUpToTicks('SO_RCVTIMEO') },
  SO_SNDTIMEO: { set: 1500, adjusted: roundedUpToTicks('SO_SNDTIMEO') },
  SO_BINDTODEVICE: { set: 'lo' },
  SO_ACCEPTCONN: {
    initial: () => false,
    later: (check) => {
      using socket = listening();
      check(socket, true);
    },
  },
  SO_PEERSEC: { initial: () => 'ENOPROTOOPT' }, // labelled networking takes SELinux, and a policy
  SO_SNDBUFFORCE: {
    set: 100_000_000,
    shows: 'SO_SNDBUFFORCE makes the buffer larger than net.core.wmem_max lets SO_SNDBUF make it',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'SO_SNDBUFFORCE', 100_000_000);
      expect(getOption(socket, 'SO_SNDBUF')).toBe(200_000_000);
      setOption(socket, 'SO_SNDBUF', 100_000_000);
      expect(getOption(socket, 'SO_SNDBUF')).toBeLessThan(200_000_000);
    },
    missing: noHostAdmin,
  },
  SO_RCVBUFFORCE: {
    set: 100_000_000,
    shows: 'SO_RCVBUFFORCE makes the buffer larger than net.core.rmem_max lets SO_RCVBUF make it',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'SO_RCVBUFFORCE', 100_000_000);
      expect(getOption(socket, 'SO_RCVBUF')).toBe(200_000_000);
      setOption(socket, 'SO_RCVBUF', 100_000_000);
      expect(getOption(socket, 'SO_RCVBUF')).toBeLessThan(200_000_000);
    },
    missing: noHostAdmin,
  },
  SO_MARK: { set: 0xf000_0001 },
  SO_PROTOCOL: { initial: ({ type }) => ({ stream: 6, dgram: 17, raw: 17 })[type] },
  SO_DOMAIN: { initial: ({ family }) => (family === 'ipv4' ? 2 : 10) },
  SO_PEEK_OFF: { set: 7 },
  SO_SELECT_ERR_QUEUE: { set: true },
  SO_MAX_PACING_RATE: { set: 2 ** 40 },
  SO_CNX_ADVICE: {
    set: true,
    shows: 'SO_CNX_ADVICE is accepted repeatedly, connected or not',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'SO_CNX_ADVICE', true);
      if (type !== 'stream') socket.connect({ address: family === 'ipv4' ? '127.0.0.1' : '::1', port: 9 });
      setOption(socket, 'SO_CNX_ADVICE', true);
    },
  },
  SO_MEMINFO: {
    initial: (socket) =>
      expect.objectContaining({
        ...{ rmemAlloc: 0, wmemAlloc: 0, wmemQueued: 0, optmem: 0, backlog: 0, drops: 0 },
        rcvbuf: getOption(socket, 'SO_RCVBUF'),
        sndbuf: getOption(socket, 'SO_SNDBUF'),
      }) as unknown,
    later: async (check) => {
      using receiver = boundUdp('ipv4', { SO_RCVBUF: 2304 });
      using sender = udp();
      for (let i = 0; i < 10; i++) sender.sendmsg({ data: Buffer.alloc(1000), to: receiver.local });
      await receiver.readable();
      const { rmemAlloc, drops } = getOption(receiver, 'SO_MEMINFO');
      expect(rmemAlloc).toBeGreaterThan(1000);
      expect(drops).toBeGreaterThan(0);
      check(receiver, expect.objectContaining({ rmemAlloc, drops }));
    },
  },
  SO_COOKIE: { initial: () => expect.any(BigInt) as unknown },
  SO_ZEROCOPY: { set: true },
  SO_BINDTOIFINDEX: { set: 1 },
  SO_NETNS_COOKIE: { initial: () => getOption(udpOfNow(), 'SO_NETNS_COOKIE') },
  SO_BUF_LOCK: { set: 'both' },
  SO_RESERVE_MEM: {
    set: 65536,
    shows: 'SO_RESERVE_MEM reserves memory',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'SO_RESERVE_MEM', 65536);
      expect(getOption(socket, 'SO_RESERVE_MEM')).toBe(65536);
    },
    missing: () => {
      using socket = tcp();
      return refusal(socket, 'SO_RESERVE_MEM', 4096) === 'ENOTSUP'
        ? 'no memory cgroup that counts sockets’ memory'
        : undefined;
    },
  },
  SO_TXREHASH: { set: 'off', adjusted: reading('SO_TXREHASH', 'default') },

  SO_TIMESTAMP: { set: true },
  SO_TIMESTAMPNS: { set: true },
  SO_TIMESTAMPING: { set: { flags: ['RX_SOFTWARE', 'SOFTWARE', 'OPT_CMSG'], bindPhc: 0 } },
  SO_RXQ_OVFL: { set: true },
  SO_WIFI_STATUS: { set: true },
  SO_TXTIME: { set: { clock: 'CLOCK_MONOTONIC', deadline: true, reportErrors: true } },
  SO_RCVMARK: { set: true },
  SO_RCVPRIORITY: { set: true },
  SO_ATTACH_FILTER: { set: ACCEPT },
  SO_DETACH_FILTER: {
    set: true,
    shows: 'SO_DETACH_FILTER removes the filter, and fails when there is none',
    test: (family, type) => {
      using socket = create(family, type);
      expect(refusal(socket, 'SO_DETACH_FILTER', true)).toBe('ENOENT');
      setOption(socket, 'SO_ATTACH_FILTER', ACCEPT);
      setOption(socket, 'SO_DETACH_FILTER', true);
      expect(getOption(socket, 'SO_ATTACH_FILTER')).toEqual([]);
      expect(refusal(socket, 'SO_DETACH_FILTER', true)).toBe('ENOENT');
    },
  },
  SO_LOCK_FILTER: { set: true },
  SO_BPF_EXTENSIONS: { initial: () => 64 },
  SO_ATTACH_BPF: {
    set: 0,
    shows: 'SO_ATTACH_BPF attaches a program that drops packets',
    test: async (family, type) => {
      expect(await bpfAttached('SO_ATTACH_BPF', family, type)).toEqual({ attached: true });
    },
    missing: noHostAdmin,
  },
  SO_INCOMING_CPU: { set: 77 }, // not a CPU of this machine, so that it differs from one that the kernel writes
  SO_ATTACH_REUSEPORT_CBPF: {
    set: steerByCpu(1),
    shows: 'SO_ATTACH_REUSEPORT_CBPF succeeds on a socket of a group only',
    test: (family, type) => {
      using socket = create(family, type);
      expect(refusal(socket, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(2))).toBe('EINVAL');
      setOption(socket, 'SO_REUSEPORT', true);
      setOption(socket, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(2));
    },
  },
  SO_ATTACH_REUSEPORT_EBPF: {
    set: 0,
    shows: 'SO_ATTACH_REUSEPORT_EBPF attaches a program to a group',
    test: async (family, type) => {
      expect(await bpfAttached('SO_ATTACH_REUSEPORT_EBPF', family, type)).toEqual({ attached: true });
    },
    missing: noHostAdmin,
  },
  SO_DETACH_REUSEPORT_BPF: {
    set: true,
    shows: 'SO_DETACH_REUSEPORT_BPF removes the program, and fails when there is none',
    test: (family, type) => {
      using socket = create(family, type, { SO_REUSEPORT: true });
      setOption(socket, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(2));
      setOption(socket, 'SO_DETACH_REUSEPORT_BPF', true);
      expect(refusal(socket, 'SO_DETACH_REUSEPORT_BPF', true)).toBe('ENOENT');
    },
  },
  SO_INCOMING_NAPI_ID: { initial: () => 0 },
  SO_BUSY_POLL: { set: 50 },
  SO_PREFER_BUSY_POLL: { set: true, missing: noHostAdmin },
  SO_BUSY_POLL_BUDGET: { set: 16, missing: noHostAdmin },
} as const satisfies Samples;

/** Kernels count in ticks of 1, 4 or 10 ms; 1 ms is a whole one at the least. */
function roundedUpToTicks(name: 'SO_RCVTIMEO' | 'SO_SNDTIMEO'): () => readonly [unknown, unknown] {
  return () => {
    using socket = udp();
    const odd = [1, 3, 7, 1001, 1333].find((milliseconds) => {
      setOption(socket, name, milliseconds);
      return get(socket, name) !== milliseconds;
    });
    if (odd === undefined) return [0, 'a kernel with HZ=1000 keeps them all'];
    setOption(socket, name, odd);
    return [odd, get(socket, name)];
  };
}

let other: NativeSocket | undefined;

/** A socket of this namespace that stays open. */
function udpOfNow(): NativeSocket {
  return (other ??= NativeSocket.create({ family: 'ipv4', type: 'dgram' }));
}
