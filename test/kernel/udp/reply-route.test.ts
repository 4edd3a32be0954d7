// How a reply is routed: with the options of its socket, by the requested interface, and never to an address that is not unicast.
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  getOption,
  UdpSocket,
  type MessageInfo,
  type SyscallError,
  type UdpSocketOptions,
} from '../../../src/index.js';
import { address, ip, route, until } from '../../support/fixtures.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { errorOf } from '../../support/sockets.js';

const REPLIES = 50;
type LinkStats = readonly [{ readonly stats64: { readonly tx: { readonly packets: number } } }];
const DATA = Buffer.from('reply');

function bound(options: UdpSocketOptions, at: string): UdpSocket {
  const udp = UdpSocket.create(options);
  udp.bind(at);
  return udp;
}

describe('a reply from another port uses the options of the UdpSocket', () => {
  test.each([
    ['SO_BINDTODEVICE', 'lo'],
    ['IP_UNICAST_IF', 1],
    ['SO_MAX_PACING_RATE', 1_000_000],
    ['SO_PRIORITY', 3],
    ['SO_MARK', 7],
  ] as const)('a reply from another port copies %s from the UdpSocket', async (option, value) => {
    using _address = address('192.0.2.1/32');
    await using udp = bound(
      { family: 'ipv4', originalDestination: true, sockopts: { [option]: value } },
      '0.0.0.0:7100',
    );
    expect(udp.reply({ source: '127.0.0.1:9', destination: '192.0.2.1:5353' } as never, DATA)).toBe(true);
    const own = readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd !== udp.fd && isUdp(fd));
    expect(own).toHaveLength(1);
    expect(getOption(own[0]!, option)).toEqual(getOption(udp, option));
  });

  function isUdp(fd: number): boolean {
    try {
      return getOption(fd, 'SO_PROTOCOL') === 17;
    } catch {
      return false;
    }
  }
});

describe("a reply to or from an address that is not unicast emits 'sendError', and nothing is sent", () => {
  test.each([
    ['ipv4', '0.0.0.0'],
    ['ipv4', '224.0.0.9'],
    ['ipv4', '255.255.255.255'],
    ['ipv6', '[::]'],
    ['ipv6', '[ff02::1]'],
    ['ipv6', '[::ffff:0.0.0.0]'],
  ] as const)(
    "a reply to an address that is not unicast emits 'sendError', and nothing is sent: %s, %s",
    async (family, peer) => {
      const any = family === 'ipv4' ? '0.0.0.0' : '[::]';
      await using udp = bound({ family, pktinfo: true, sockopts: { SO_BROADCAST: true } }, `${any}:0`);
      const event = once(udp, 'sendError') as Promise<[SyscallError]>;
      // 0.0.0.0 and :: lead to this host: the socket would answer itself for as long as it runs.
      const info = {
        source: `${peer}:${udp.local.port}`,
        destination: `${family === 'ipv4' ? '127.0.0.1' : '[::1]'}:${udp.local.port}`,
      };
      expect(udp.reply(info as never, DATA)).toBe(false);
      expect((await event)[0]).toMatchObject({ code: 'EINVAL', syscall: 'sendmsg', reason: 'notUnicast' });
      expect(udp.stats.replies.errors).toBe(1);
      expect(udp.stats.sent.datagrams).toBe(0);
    },
  );

  test("a reply from another port of a subnet's broadcast address emits 'sendError', and nothing is sent", async () => {
    using _address = address('198.51.100.1/24');
    await using udp = bound({ family: 'ipv4', originalDestination: true }, '0.0.0.0:0');
    const event = once(udp, 'sendError') as Promise<[SyscallError]>;
    expect(udp.reply({ source: '127.0.0.1:9', destination: '198.51.100.255:5353' } as never, DATA)).toBe(false);
    expect((await event)[0]).toMatchObject({ code: 'EADDRNOTAVAIL', reason: 'notUnicast' });
    expect(udp.stats.replies.sockets).toBe(0);
  });
});

describe('IPV6_FREEBIND, once a reply has set it,', () => {
  test('IPV6_FREEBIND that a reply has set allows later sends only from addresses that are routed to this host', async () => {
    using _route = route('local', '2001:db8:77::/64', 'dev', 'lo');
    await using peer = bound({ family: 'ipv6' }, '[::1]:0');
    await using udp = bound({ family: 'ipv6', pktinfo: true }, '[::]:0');
    const to = peer.local;
    const foreign = { to, from: '2001:db8:99::1' };
    expect(await errorOf(() => udp.trySend(DATA, foreign))).toMatchObject({ code: 'EINVAL' });
    const info = { source: to, destination: `[2001:db8:77::1]:${udp.local.port}` };
    expect(udp.reply(info as never, DATA)).toBe(true);
    expect(getOption(udp, 'IPV6_FREEBIND')).toBe(true);
    expect(await errorOf(() => udp.trySend(DATA, foreign))).toMatchObject({
      code: 'EINVAL',
      reason: 'addressNotLocal',
    });
    expect(await errorOf(() => udp.send(DATA, foreign))).toMatchObject({ code: 'EINVAL', reason: 'addressNotLocal' });
    expect(udp.trySend(DATA, { to, from: '2001:db8:77::2' })).toBe(DATA.length);
  });

  test('IPV6_FREEBIND that a reply has set changes nothing on a socket with `freebind`', async () => {
    using _route = route('local', '2001:db8:77::/64', 'dev', 'lo');
    await using peer = bound({ family: 'ipv6' }, '[::1]:0');
    await using udp = bound({ family: 'ipv6', pktinfo: true, freebind: true }, '[::]:0');
    const info = { source: peer.local, destination: `[2001:db8:77::1]:${udp.local.port}` };
    expect(udp.reply(info as never, DATA)).toBe(true);
    expect(udp.trySend(DATA, { to: peer.local, from: '2001:db8:99::1' })).toBe(DATA.length);
  });
});

describe('the interface of a reply', () => {
  /** Two links with the same subnet, and a peer at the end of each: the routing table prefers the first. */
  let peers: readonly [NetworkNamespace, NetworkNamespace];
  beforeAll(async () => {
    peers = [await NetworkNamespace.create(), await NetworkNamespace.create()];
    for (const [i, peer] of peers.entries()) {
      await peer.link('current', {
        name: 'far',
        peerName: `near${i}`,
        addresses: [`169.254.${i}.2/16`, `10.9.0.2/24`],
        peerAddresses: [`169.254.${i}.1/16`, `10.9.0.${i + 3}/24`],
      });
    }
  });
  afterAll(async () => {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  /** Asks from the peer, and returns the info of its datagram. */
  async function asked(udp: UdpSocket, peer: NetworkNamespace, to: string): Promise<MessageInfo> {
    const message = once(udp, 'message');
    await peer.run(
      process.execPath,
      '-e',
      `
      const socket = require('node:dgram').createSocket('udp4');
      socket.send('question', ${udp.local.port}, '${to}', () => socket.close());
    `,
    );
    return (await message)[1] as MessageInfo;
  }

  function packetsSent(device: string): number {
    const [link] = JSON.parse(ip('-s', '-j', 'link', 'show', 'dev', device)) as LinkStats;
    return link.stats64.tx.packets;
  }

  /** The interface that many replies have left by: the kernel sends a few packets of its own. */
  async function leftBy(send: () => void): Promise<string[]> {
    const devices = ['near0', 'near1'];
    const before = devices.map(packetsSent);
    const many = (): string[] => devices.filter((device, i) => packetsSent(device) - (before[i] ?? 0) >= REPLIES);
    for (let i = 0; i < REPLIES; i++) send();
    await until(() => many().length > 0); // after the neighbour is resolved
    return many();
  }

  test('a reply to 169.254.0.0/16 leaves by the interface that the datagram arrived on', async () => {
    await using udp = bound({ family: 'ipv4', pktinfo: true }, '0.0.0.0:0');
    const info = await asked(udp, peers[1], '169.254.1.1');
    expect(await leftBy(() => expect(udp.reply(info, DATA)).toBe(true))).toEqual(['near1']);
  });

  test('`interface: true` keeps the interface for any peer, and `false` leaves it to the route', async () => {
    await using udp = bound({ family: 'ipv4', pktinfo: true }, '0.0.0.0:0');
    const info = await asked(udp, peers[1], '10.9.0.4');
    expect(await leftBy(() => udp.reply(info, DATA, { interface: true }))).toEqual(['near1']);
    expect(await leftBy(() => udp.reply(info, DATA, { interface: 'near1' }))).toEqual(['near1']);
    expect(await leftBy(() => udp.reply(info, DATA, { interface: info.interface! }))).toEqual(['near1']);
    expect(await leftBy(() => udp.reply(info, DATA, { interface: false }))).toEqual(['near0']);
  });

  test('reply() throws for invalid values of `interface`, and ERR_INVALID_STATE for `true` without a known interface', async () => {
    await using udp = bound({ family: 'ipv4' }, '127.0.0.1:0');
    const info = { source: '127.0.0.1:9' } as never;
    expect(await errorOf(() => udp.reply(info, DATA, { interface: true }))).toMatchObject({
      code: 'ERR_INVALID_STATE',
    });
    expect(await errorOf(() => udp.reply(info, DATA, { interface: 'none0' }))).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(await errorOf(() => udp.reply(info, DATA, { interface: 0 }))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await errorOf(() => udp.reply(info, DATA, { interface: 1.5 }))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await errorOf(() => udp.reply(info, DATA, { interface: {} as never }))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
