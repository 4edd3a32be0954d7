// Samples for the rows of IPPROTO_IPV6.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { getOption, NativeSocket, setOption } from '../../../src/index.js';
import { interfaceIndex } from '../../../src/kernel/interfaces.js';
import { codeOf, create, reading, refusal } from '../options.js';
import { boundUdp, listening, tcp, tcpPair, udp } from '../sockets.js';
import type { Samples } from './samples.js';

/** A header of eight bytes with nothing in it but padding (PadN). */
const PADDING = Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0);
/** A segment routing header with one segment, ::1. */
const SEGMENTS = Uint8Array.of(0, 2, 4, 0, 0, 0, 0, 0, ...Array<number>(15).fill(0), 1);
const GROUP = { address: 'ff12::7', interface: 'lo' } as const;
const ANYCAST = { address: '2001:db8:a::', interface: 'lo' } as const;

export const IPV6_SAMPLES = {
  IPV6_ADDRFORM: {
    set: 2,
    shows: 'IPV6_ADDRFORM turns a connected socket with a mapped peer into an IPv4 socket',
    test: async (_, type) => {
      using peer = type === 'stream' ? listening('ipv4') : boundUdp('ipv4');
      using socket = create('ipv6', type);
      expect(codeOf(() => getOption(socket, 'IPV6_ADDRFORM'))).toBe('ENOTCONN');
      socket.connect({ address: '::ffff:127.0.0.1', port: peer.local.port });
      await socket.connected();
      expect(getOption(socket, 'IPV6_ADDRFORM')).toBe(10);
      setOption(socket, 'IPV6_ADDRFORM', 2);
      expect(getOption(socket, 'SO_DOMAIN')).toBe(2);
    },
  },
  IPV6_CHECKSUM: { set: 6 },
  IPV6_FLOWINFO: { set: true },
  IPV6_UNICAST_HOPS: { set: 33, adjusted: reading('IPV6_UNICAST_HOPS', -1) },
  IPV6_MULTICAST_IF: { set: 1 },
  IPV6_MULTICAST_HOPS: { set: 33, adjusted: reading('IPV6_MULTICAST_HOPS', -1, ['ipv6', 'dgram']) },
  IPV6_MULTICAST_LOOP: { set: false },
  IPV6_ADD_MEMBERSHIP: {
    set: GROUP,
    shows: 'IPV6_ADD_MEMBERSHIP joins a group, and fails the second time',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'IPV6_ADD_MEMBERSHIP', GROUP);
      expect(refusal(socket, 'IPV6_ADD_MEMBERSHIP', GROUP)).toBe('EADDRINUSE');
    },
  },
  IPV6_DROP_MEMBERSHIP: {
    set: GROUP,
    shows: 'IPV6_DROP_MEMBERSHIP leaves a group, and fails the second time',
    test: (family, type) => {
      using socket = create(family, type);
      setOption(socket, 'IPV6_ADD_MEMBERSHIP', GROUP);
      setOption(socket, 'IPV6_DROP_MEMBERSHIP', { address: 'ff12::7%lo' });
      expect(refusal(socket, 'IPV6_DROP_MEMBERSHIP', GROUP)).toBe('EADDRNOTAVAIL');
    },
  },
  IPV6_ROUTER_ALERT: {
    set: 5,
    shows: 'IPV6_ROUTER_ALERT is set on a socket of protocol 255, and reads back as set',
    test: (family) => {
      using socket = NativeSocket.create({ family, type: 'raw', protocol: 255 });
      expect(getOption(socket, 'IPV6_ROUTER_ALERT')).toBe(0);
      setOption(socket, 'IPV6_ROUTER_ALERT', 5);
      expect(getOption(socket, 'IPV6_ROUTER_ALERT')).toBe(1);
      setOption(socket, 'IPV6_ROUTER_ALERT', -1);
    },
  },
  IPV6_MTU_DISCOVER: { set: 'probe' },
  IPV6_MTU: {
    set: 1400,
    shows: 'IPV6_MTU sets the size at which datagrams are fragmented, and reads as the path MTU',
    test: async (family, type) => {
      using socket = create(family, type);
      expect(codeOf(() => getOption(socket, 'IPV6_MTU'))).toBe('ENOTCONN');
      if (type !== 'dgram') {
        setOption(socket, 'IPV6_MTU', 1400);
        return;
      }
      using receiver = boundUdp('ipv6', { IPV6_RECVFRAGSIZE: true });
      using _ = mtuOfLoopback(2000);
      socket.connect(receiver.local);
      for (const [size, largest] of [
        [0, 2000],
        [1400, 1400],
      ] as const) {
        setOption(socket, 'IPV6_MTU', size);
        expect(getOption(socket, 'IPV6_MTU')).toBe(2000);
        socket.sendmsg({ data: Buffer.alloc(3000) });
        await receiver.readable();
        const { control } = receiver.recvmsg({ buffers: [Buffer.alloc(3000)], controlLength: 64 })!;
        const value = expect.toSatisfy((bytes) => bytes <= largest && bytes > largest - 8) as number;
        expect(control).toEqual([{ type: 'IPV6_RECVFRAGSIZE', value }]);
      }
    },
  },
  IPV6_RECVERR: { set: true },
  IPV6_V6ONLY: { set: true },
  IPV6_JOIN_ANYCAST: {
    set: ANYCAST,
    shows: 'IPV6_JOIN_ANYCAST gives the host an address for as long as the socket is open',
    test: (family, type) => {
      anycastable();
      const socket = create(family, type);
      setOption(socket, 'IPV6_JOIN_ANYCAST', ANYCAST);
      expect(anycast()).toContain('20010db8000a0000');
      socket.close();
      expect(anycast()).not.toContain('20010db8000a0000');
    },
  },
  IPV6_LEAVE_ANYCAST: {
    set: ANYCAST,
    shows: 'IPV6_LEAVE_ANYCAST removes an anycast address',
    test: (family, type) => {
      anycastable();
      using socket = create(family, type);
      setOption(socket, 'IPV6_JOIN_ANYCAST', ANYCAST);
      setOption(socket, 'IPV6_LEAVE_ANYCAST', ANYCAST);
      expect(anycast()).not.toContain('20010db8000a0000');
    },
  },
  IPV6_MULTICAST_ALL: { set: false },
  IPV6_ROUTER_ALERT_ISOLATE: { set: true },
  IPV6_RECVERR_RFC4884: { set: true },
  IPV6_FLOWLABEL_MGR: {
    set: { action: 'get', label: 0x12345, destination: '::1', create: true, share: 'any' },
    shows: 'IPV6_FLOWLABEL_MGR leases a flow label, which packets then carry',
    test: async (family, type) => {
      using socket = create(family, type, { IPV6_FLOWINFO_SEND: true });
      expect(codeOf(() => getOption(socket, 'IPV6_FLOWLABEL_MGR'))).toBe('ENOENT');
      const request = { label: 0x12345, destination: '::1', share: 'any' } as const;
      setOption(socket, 'IPV6_FLOWLABEL_MGR', { ...request, action: 'get', create: true, linger: 7, expires: 9 });
      if (type === 'dgram') {
        using receiver = boundUdp('ipv6', { IPV6_FLOWINFO: true });
        socket.connect({ address: '::1', port: receiver.local.port, flowlabel: 0x12345 });
        const { label, share, destination } = getOption(socket, 'IPV6_FLOWLABEL_MGR');
        expect({ label, share, destination }).toEqual(request);
        socket.sendmsg({ data: Buffer.from('x') });
        await receiver.readable();
        const { control } = receiver.recvmsg({ buffers: [Buffer.alloc(1)], controlLength: 64 })!;
        expect(control).toEqual([{ type: 'IPV6_FLOWINFO', value: 0x12345 }]);
      }
      setOption(socket, 'IPV6_FLOWLABEL_MGR', { action: 'put', label: 0x12345 });
    },
  },
  IPV6_FLOWINFO_SEND: { set: true },
  IPV6_HDRINCL: { set: true },
  IPV6_RECVPKTINFO: { set: true },
  IPV6_PKTINFO: {
    set: 1,
    shows: 'IPV6_PKTINFO sets the interface that datagrams leave by',
    test: (family, type) => {
      using socket = create(family, type);
      for (const [device, code] of [
        ['lo', undefined],
        [otherInterface(), 'ENETUNREACH'],
        [0, undefined],
      ] as const) {
        setOption(socket, 'IPV6_PKTINFO', device);
        if (type === 'dgram') {
          expect(codeOf(() => socket.sendmsg({ data: Buffer.from('x'), to: '[::1]:9' }))).toBe(code);
          using next = udp('ipv6', { IPV6_PKTINFO: device });
          expect(codeOf(() => next.connect('[::1]:9'))).toBe(code);
        }
      }
    },
  },
  IPV6_RECVHOPLIMIT: { set: true },
  IPV6_RECVPATHMTU: { set: true },
  IPV6_PATHMTU: {
    initial: () => 'ENOTCONN',
    later: (check) => {
      using socket = udp('ipv6');
      socket.connect('[::1]:9');
      check(socket, { mtu: 65536 });
    },
  },
  IPV6_DONTFRAG: { set: true },
  IPV6_RECVTCLASS: { set: true },
  IPV6_TCLASS: { set: 0x10, adjusted: reading('IPV6_TCLASS', 0xb9) },
  IPV6_AUTOFLOWLABEL: { set: false },
  IPV6_ADDR_PREFERENCES: { set: 0x402, adjusted: reading('IPV6_ADDR_PREFERENCES', 1) },
  IPV6_MINHOPCOUNT: { set: 33 },
  IPV6_RECVORIGDSTADDR: { set: true },
  IPV6_TRANSPARENT: { set: true },
  IPV6_UNICAST_IF: { set: 1 },
  IPV6_RECVFRAGSIZE: { set: true },
  IPV6_FREEBIND: { set: true },

  IPV6_HOPOPTS: { set: PADDING },
  IPV6_RTHDRDSTOPTS: { set: PADDING },
  IPV6_RTHDR: { set: SEGMENTS },
  IPV6_DSTOPTS: { set: PADDING },
  IPV6_RECVHOPOPTS: { set: true },
  IPV6_RECVRTHDR: { set: true },
  IPV6_RECVDSTOPTS: { set: true },
  IPV6_2292PKTINFO: { set: true },
  IPV6_2292HOPOPTS: { set: true },
  IPV6_2292DSTOPTS: { set: true },
  IPV6_2292RTHDR: { set: true },
  IPV6_2292PKTOPTIONS: {
    initial: () => [],
    later: async (check) => {
      using pair = await tcpPair('ipv6', { IPV6_RECVPKTINFO: true, IPV6_RECVHOPLIMIT: true });
      check(pair.server, [
        { type: 'IPV6_PKTINFO', value: { interface: 1, source: '::1' } },
        { type: 'IPV6_HOPLIMIT', value: 64 },
      ]);
    },
  },
  IPV6_2292HOPLIMIT: { set: true },
} as const satisfies Samples;

/** An address of this host, added once. */
function addAddress(address: string): void {
  using socket = tcp('ipv6');
  if (codeOf(() => socket.bind({ address, port: 0 })) === undefined) return;
  execFileSync('ip', ['addr', 'add', `${address}/64`, 'dev', 'lo', 'nodad']);
}

/** An interface without a peer. */
function otherInterface(): string {
  if (interfaceIndex('other0') === undefined) {
    execFileSync('ip', ['link', 'add', 'other0', 'type', 'veth', 'peer', 'name', 'other1']);
    execFileSync('ip', ['link', 'set', 'other0', 'up']);
  }
  return 'other0';
}

/** Until the end of the scope. */
function mtuOfLoopback(bytes: number): Disposable {
  const set = (mtu: number): Buffer => execFileSync('ip', ['link', 'set', 'lo', 'mtu', String(mtu)]);
  set(bytes);
  return { [Symbol.dispose]: () => set(65536) };
}

/** Anycast needs another address of the same prefix. */
function anycastable(): void {
  addAddress('2001:db8:a::9');
}

function anycast(): string {
  return readFileSync('/proc/self/net/anycast6', 'utf8');
}
