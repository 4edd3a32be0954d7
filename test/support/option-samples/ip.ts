// Samples for the rows of IPPROTO_IP, multicast of both families among them.
import { expect } from 'vitest';
import { getOption, setOption, type Family, type OptionName } from '../../../src/index.js';
import type { SocketType } from '../../../src/options/row.js';
import { create, reading, refusal } from '../options.js';
import { tcpPair, udp } from '../sockets.js';
import type { Samples } from './samples.js';

const IPV4_GROUP = { group: '239.1.2.3', address: '127.0.0.1' } as const;
const IPV4_SOURCE = { ...IPV4_GROUP, source: '192.0.2.1' } as const;
const IPV4_FILTER = { ...IPV4_GROUP, mode: 'exclude', sources: ['192.0.2.1', '192.0.2.2'] } as const;
const GROUP = { group: '239.1.2.4', interface: 'lo' } as const;
const GROUP_SOURCE = { ...GROUP, source: '192.0.2.1' } as const;
const GROUP_FILTER = { ...GROUP, mode: 'exclude', sources: ['192.0.2.1', '192.0.2.2'] } as const;

export const IP_SAMPLES = {
  IP_TOS: { set: 0x10, adjusted: reading('IP_TOS', 0xb9) },
  IP_TTL: { set: 33 },
  IP_HDRINCL: { set: true },
  IP_OPTIONS: {
    set: Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0), // record one route
    adjusted: reading('IP_OPTIONS', Uint8Array.of(1)), // padded to a multiple of four
  },
  IP_ROUTER_ALERT: { set: true },
  IP_RECVOPTS: { set: true },
  IP_RETOPTS: { set: true },
  IP_PKTINFO: { set: true },
  IP_PKTOPTIONS: {
    initial: () => [],
    later: async (check) => {
      using pair = await tcpPair('ipv4', { IP_PKTINFO: true, IP_RECVTTL: true });
      const addresses = { source: '127.0.0.1', destination: '127.0.0.1' };
      check(pair.server, [
        { type: 'IP_PKTINFO', value: { interface: 1, ...addresses } },
        { type: 'IP_TTL', value: 64 },
      ]);
    },
  },
  IP_MTU_DISCOVER: { set: 'probe' },
  IP_RECVERR: { set: true },
  IP_RECVTTL: { set: true },
  IP_RECVTOS: { set: true },
  IP_MTU: {
    initial: () => 'ENOTCONN',
    later: (check) => {
      using socket = udp('ipv4');
      socket.connect('127.0.0.1:9');
      check(socket, 65535); // of lo, as far as IPv4 goes
    },
  },
  IP_FREEBIND: { set: true },
  IP_PASSSEC: { set: true },
  IP_TRANSPARENT: { set: true },
  IP_RECVORIGDSTADDR: { set: true },
  IP_MINTTL: { set: 33 },
  IP_NODEFRAG: { set: true },
  IP_CHECKSUM: { set: true },
  IP_BIND_ADDRESS_NO_PORT: { set: true },
  IP_RECVFRAGSIZE: { set: true },
  IP_RECVERR_RFC4884: { set: true },
  IP_UNICAST_IF: { set: 1 },
  IP_LOCAL_PORT_RANGE: { set: [40_000, 60_000] }, // negative, were it read as an int32
  IP_PROTOCOL: { initial: ({ type }) => (type === 'raw' ? 17 : 0) },

  IP_MULTICAST_IF: {
    set: { address: '127.0.0.1' },
    reads: '127.0.0.1',
    adjusted: reading('IP_MULTICAST_IF', { interface: 'lo' }, ['ipv4', 'dgram']),
  },
  IP_MULTICAST_TTL: { set: 33, adjusted: reading('IP_MULTICAST_TTL', -1, ['ipv4', 'dgram']) },
  IP_MULTICAST_LOOP: { set: false },
  IP_ADD_MEMBERSHIP: {
    set: IPV4_GROUP,
    shows: 'IP_ADD_MEMBERSHIP joins a group, and fails the second time',
    test: (family, type) => joined(family, type, 'IP_ADD_MEMBERSHIP', 'IP_DROP_MEMBERSHIP', IPV4_GROUP),
  },
  IP_DROP_MEMBERSHIP: {
    set: IPV4_GROUP,
    shows: 'IP_DROP_MEMBERSHIP leaves a group, which may then be joined again',
    test: (family, type) => joined(family, type, 'IP_ADD_MEMBERSHIP', 'IP_DROP_MEMBERSHIP', IPV4_GROUP),
  },
  IP_UNBLOCK_SOURCE: {
    set: IPV4_SOURCE,
    shows: 'IP_UNBLOCK_SOURCE unblocks a blocked source, and fails the second time',
    test: (family, type) => blocked(family, type, 'IP_BLOCK_SOURCE', 'IP_UNBLOCK_SOURCE', IPV4_SOURCE),
  },
  IP_BLOCK_SOURCE: {
    set: IPV4_SOURCE,
    shows: 'IP_BLOCK_SOURCE blocks a source, and fails the second time',
    test: (family, type) => blocked(family, type, 'IP_BLOCK_SOURCE', 'IP_UNBLOCK_SOURCE', IPV4_SOURCE),
  },
  IP_ADD_SOURCE_MEMBERSHIP: {
    set: IPV4_SOURCE,
    shows: 'IP_ADD_SOURCE_MEMBERSHIP joins a source, and fails the second time',
    test: (family, type) => joined(family, type, 'IP_ADD_SOURCE_MEMBERSHIP', 'IP_DROP_SOURCE_MEMBERSHIP', IPV4_SOURCE),
  },
  IP_DROP_SOURCE_MEMBERSHIP: {
    set: IPV4_SOURCE,
    shows: 'IP_DROP_SOURCE_MEMBERSHIP leaves a source, and fails the second time',
    test: (family, type) => joined(family, type, 'IP_ADD_SOURCE_MEMBERSHIP', 'IP_DROP_SOURCE_MEMBERSHIP', IPV4_SOURCE),
  },
  IP_MSFILTER: {
    set: IPV4_FILTER,
    shows: 'IP_MSFILTER blocks the listed sources',
    test: (family, type) => filtered(family, type, 'IP_MSFILTER', 'IP_BLOCK_SOURCE', IPV4_FILTER),
  },
  MCAST_JOIN_GROUP: {
    set: GROUP,
    shows: 'MCAST_JOIN_GROUP joins a group, and fails the second time',
    test: (family, type) => joined(family, type, 'MCAST_JOIN_GROUP', 'MCAST_LEAVE_GROUP', of(family, GROUP)),
  },
  MCAST_LEAVE_GROUP: {
    set: GROUP,
    shows: 'MCAST_LEAVE_GROUP leaves a group, which may then be joined again',
    test: (family, type) => joined(family, type, 'MCAST_JOIN_GROUP', 'MCAST_LEAVE_GROUP', of(family, GROUP)),
  },
  MCAST_BLOCK_SOURCE: {
    set: GROUP_SOURCE,
    shows: 'MCAST_BLOCK_SOURCE blocks a source, and fails the second time',
    test: (family, type) =>
      blocked(family, type, 'MCAST_BLOCK_SOURCE', 'MCAST_UNBLOCK_SOURCE', of(family, GROUP_SOURCE)),
  },
  MCAST_UNBLOCK_SOURCE: {
    set: GROUP_SOURCE,
    shows: 'MCAST_UNBLOCK_SOURCE unblocks a blocked source, and fails the second time',
    test: (family, type) =>
      blocked(family, type, 'MCAST_BLOCK_SOURCE', 'MCAST_UNBLOCK_SOURCE', of(family, GROUP_SOURCE)),
  },
  MCAST_JOIN_SOURCE_GROUP: {
    set: GROUP_SOURCE,
    shows: 'MCAST_JOIN_SOURCE_GROUP joins a source, and fails the second time',
    test: (family, type) =>
      joined(family, type, 'MCAST_JOIN_SOURCE_GROUP', 'MCAST_LEAVE_SOURCE_GROUP', of(family, GROUP_SOURCE)),
  },
  MCAST_LEAVE_SOURCE_GROUP: {
    set: GROUP_SOURCE,
    shows: 'MCAST_LEAVE_SOURCE_GROUP leaves a source, and fails the second time',
    test: (family, type) =>
      joined(family, type, 'MCAST_JOIN_SOURCE_GROUP', 'MCAST_LEAVE_SOURCE_GROUP', of(family, GROUP_SOURCE)),
  },
  MCAST_MSFILTER: {
    set: GROUP_FILTER,
    shows: 'MCAST_MSFILTER blocks the listed sources',
    test: (family, type) => filtered(family, type, 'MCAST_MSFILTER', 'MCAST_BLOCK_SOURCE', of(family, GROUP_FILTER)),
  },
  IP_MULTICAST_ALL: {
    set: false,
    shows: 'IP_MULTICAST_ALL can be turned off and on',
    test: (family, type) => {
      using socket = create(family, type);
      for (const value of [false, true, false]) {
        setOption(socket, 'IP_MULTICAST_ALL', value);
        expect(getOption(socket, 'IP_MULTICAST_ALL')).toBe(value);
      }
    },
  },
} as const satisfies Samples;

/** A value with the addresses of the family. */
function of<T extends object>(family: Family, value: T): T {
  if (family === 'ipv4') return value;
  const text = JSON.stringify(value).replaceAll('239.1.2.', 'ff12::').replaceAll('192.0.2.', '2001:db8::');
  return JSON.parse(text) as T;
}

/** The kernel refuses to join twice, and to leave what was not joined. */
function joined(family: Family, type: SocketType, join: OptionName, leave: OptionName, value: object): void {
  using socket = create(family, type);
  expect(refusal(socket, leave, value)).toMatch(/^(EADDRNOTAVAIL|EINVAL)$/);
  expect(refusal(socket, join, value)).toBeUndefined();
  expect(refusal(socket, join, value)).toMatch(/^(EADDRINUSE|EADDRNOTAVAIL)$/);
  expect(refusal(socket, leave, value)).toBeUndefined();
  expect(refusal(socket, leave, value)).toMatch(/^(EADDRNOTAVAIL|EINVAL)$/);
  expect(refusal(socket, join, value)).toBeUndefined();
}

/** The kernel refuses to block twice, and to unblock what is not blocked. */
function blocked(
  family: Family,
  type: SocketType,
  block: OptionName,
  unblock: OptionName,
  value: { readonly group: string; readonly source: string },
): void {
  using socket = create(family, type);
  setOption(socket, 'MCAST_JOIN_GROUP', { group: value.group, interface: 'lo' });
  expect(refusal(socket, unblock, value)).toBe('EADDRNOTAVAIL');
  expect(refusal(socket, block, value)).toBeUndefined();
  expect(refusal(socket, block, value)).toBe('EADDRNOTAVAIL');
  expect(refusal(socket, unblock, value)).toBeUndefined();
  expect(refusal(socket, unblock, value)).toBe('EADDRNOTAVAIL');
}

/** Sources that the filter blocks cannot be blocked again, others can. */
function filtered(
  family: Family,
  type: SocketType,
  filter: OptionName,
  block: OptionName,
  value: { readonly group: string; readonly sources: readonly string[]; readonly mode: string },
): void {
  using socket = create(family, type);
  const { sources, mode: _, ...group } = value;
  setOption(socket, 'MCAST_JOIN_GROUP', { group: value.group, interface: 'lo' });
  expect(refusal(socket, filter, value)).toBeUndefined();
  for (const source of sources) expect(refusal(socket, block, { ...group, source })).toBe('EADDRNOTAVAIL');
  expect(refusal(socket, filter, { ...value, sources: [] })).toBeUndefined();
  for (const source of sources) expect(refusal(socket, block, { ...group, source })).toBeUndefined();
}
