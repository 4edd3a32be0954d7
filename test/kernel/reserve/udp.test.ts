// reserveUdp: what it guarantees, what the UdpSocket made from it receives, and how it fails.
import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  getOption,
  NativeSocket,
  reserveUdp,
  setOption,
  type UdpReservation,
  type ReserveUdpOptions,
} from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { boundUdp, errorOf, LOOPBACK } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { UdpCapture } from '../../support/udp-capture.js';
import { nextMessages } from '../../support/udp-receive.js';

beforeAll(() => {
  execFileSync('ip', ['route', 'add', 'local', '192.0.2.0/24', 'dev', 'lo']);
  execFileSync('ip', ['-6', 'route', 'add', 'local', '2001:db8::/48', 'dev', 'lo']);
});

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

function hold(options: Partial<ReserveUdpOptions> = {}): UdpReservation {
  const reservation = reserveUdp({ remote: '127.0.0.1:9', ...options });
  open.push({ close: () => reservation.release() });
  return reservation;
}

const WAYS = [
  { way: 'IPv4', remote: '127.0.0.1', family: 'ipv4', local: '127.0.0.5' },
  { way: 'IPv6', remote: '::1', family: 'ipv6', local: '::1' },
  { way: 'mapped', remote: '::ffff:127.0.0.1', family: 'ipv6', local: '::ffff:127.0.0.5' },
] as const;

describe.each(WAYS)('reserveUdp() over $way', ({ remote, family, local }) => {
  const shown = (address: string) => address.replace('::ffff:', '');

  test('reserveUdp() reserves a port toward a destination: no other socket can bind it, and nothing is sent', async () => {
    using capture = new UdpCapture('lo');
    const reservation = hold({ remote: { address: remote, port: 9 }, local: { address: local } });
    expect(reservation).toMatchObject({
      ...{ state: 'held', local: { address: shown(local) }, remote: { address: shown(remote), port: 9 } },
    });
    expect(reservation.fd).toBeGreaterThan(2);
    const { port } = reservation.local;
    for (const options of [{}, { SO_REUSEADDR: true }, { SO_REUSEPORT: true }]) {
      for (const address of [local, family === 'ipv4' ? '0.0.0.0' : '::']) {
        using other = NativeSocket.create({ family, type: 'dgram', sockopts: options });
        expect((await errorOf(() => other.bind({ address, port }))).code).toBe('EADDRINUSE');
      }
    }
    reservation.release();
    expect([reservation.state, reservation.fd]).toEqual(['released', -1]);
    using other = NativeSocket.create({ family, type: 'dgram' });
    other.bind({ address: local, port });
    expect(capture.datagrams()).toEqual([]);
  });

  test('toUdpSocket() returns a UdpSocket with the datagrams that arrived before, from its destination only', async () => {
    const peer = boundUdp(family === 'ipv4' || remote === '::1' ? family : 'ipv4');
    const stranger = boundUdp(peer.family);
    open.push(peer, stranger);
    const reservation = hold({ remote: { address: remote, port: peer.local.port } });
    const to = { address: LOOPBACK[peer.family], port: reservation.local.port };
    peer.sendmsg({ data: Buffer.from('early'), to });
    stranger.sendmsg({ data: Buffer.from('stranger'), to });
    const udp = reservation.toUdpSocket({ ecn: true });
    open.push(udp);
    expect([reservation.state, reservation.fd]).toEqual(['converted', -1]);
    peer.sendmsg({ data: Buffer.from('late'), to });
    expect(await nextMessages(udp, 2)).toEqual(['early', 'late']);
    expect(udp.remote).toEqual(reservation.remote);
    expect(udp.local).toEqual(reservation.local);
    expect(udp.features.ecn.on).toBe(true);
    expect(udp.trySend(Buffer.from('hello'))).toBe(5);
    expect(peer.recvmsg({ buffers: [Buffer.alloc(9)] })?.source?.port).toBe(reservation.local.port);
    // It keeps the port.
    udp.disconnect();
    expect(udp.local.port).toBe(reservation.local.port);
    reservation.release();
    expect(udp.trySend(Buffer.from('x'), { to: { address: remote, port: peer.local.port } })).toBe(1);
  });

  test('reserveUdp() gets each port of a range once, then fails with exhaustion, and gets a released port again', async () => {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '40000 41000');
    const options = {
      remote: { address: remote, port: 9 },
      local: { address: local },
      localPortRange: [40100, 40104],
    } as const;
    const held = Array.from({ length: 5 }, () => hold(options));
    expect(held.map((one) => one.local.port).sort()).toEqual([40100, 40101, 40102, 40103, 40104]);
    const error = await errorOf(() => hold({ ...options, remote: { address: remote, port: 10 } }));
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: { code: 'EAGAIN', syscall: 'connect' } });
    expect(error.message).toContain('40100-40104');
    held[2]?.release();
    expect(hold(options).local.port).toBe(held[2]?.local.port);
  });
});

test('reserveUdp() accepts a given port, also outside the sysctl range, once per address', async () => {
  const reservation = hold({ local: '127.0.0.5:1234' });
  expect(reservation.local.toString()).toBe('127.0.0.5:1234');
  expect(hold({ local: '127.0.0.6:1234' }).local.port).toBe(1234);
  expect(await errorOf(() => hold({ local: '127.0.0.5:1234' }))).toMatchObject({
    ...{ code: 'EADDRINUSE', syscall: 'bind', reason: 'portInUse', address: '127.0.0.5', port: 1234 },
  });
});

test('reserveUdp() on an address that is not local requires freebind or transparent', async () => {
  expect(await errorOf(() => hold({ remote: '[2001:db8::1]:9', local: { address: '2001:db8::5' } }))).toMatchObject({
    ...{ code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'addressNotLocal' },
  });
  const held = hold({ remote: '[2001:db8::1]:9', local: { address: '2001:db8::5' }, freebind: true });
  expect(held.local.address).toBe('2001:db8::5');
  expect(hold({ remote: '192.0.2.1:9', local: '198.51.100.1:0', transparent: true }).local.address).toBe(
    '198.51.100.1',
  );
  expect(await errorOf(() => hold({ remote: '203.0.113.1:9' }))).toMatchObject({
    ...{ code: 'ENETUNREACH', syscall: 'connect', address: '203.0.113.1', port: 9 },
  });
});

test('reserveUdp() on a broadcast or multicast address is refused, since no datagram would be sent from it', async () => {
  for (const [remote, address] of [
    ['127.0.0.1:9', '127.255.255.255'],
    ['127.0.0.1:9', '224.0.0.1'],
    ['[::1]:9', 'ff02::1%lo'],
  ] as const) {
    expect(await errorOf(() => hold({ remote, local: { address } }))).toMatchObject({
      ...{ code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'notUnicast', address },
    });
  }
});

test('reserveUdp() in an exhausted sysctl range fails with ERR_PORT_RANGE_EXHAUSTED, with and without an address', async () => {
  using _ = setSysctl('net.ipv4.ip_local_port_range', '40000 40001');
  hold();
  hold();
  for (const options of [{}, { local: { address: '127.0.0.1' } }]) {
    expect((await errorOf(() => hold(options))).code).toBe('ERR_PORT_RANGE_EXHAUSTED');
  }
  expect(hold({ local: { address: '127.0.0.5' } }).local.address).toBe('127.0.0.5');
});

test('reserveUdp() refuses options that would break its guarantee, in sockopts and in setOption()', async () => {
  for (const [name, number] of [
    ['SO_REUSEADDR', 2],
    ['SO_REUSEPORT', 15],
  ] as const) {
    expect((await errorOf(() => hold({ sockopts: { [name]: true } }))).code).toBe('ERR_INVALID_ARG_VALUE');
    const reservation = hold();
    expect((await errorOf(() => setOption(reservation, name as never, true as never))).code).toBe(
      'ERR_INVALID_ARG_VALUE',
    );
    const raw = { level: 1, name: number };
    expect((await errorOf(() => setOption(reservation, raw, 1))).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(getOption(reservation, name)).toBe(false);
  }
  expect((await errorOf(() => hold({ sockopts: { IP_FREEBIND: true } as object }))).code).toBe('ERR_INVALID_ARG_VALUE');
  setOption(hold({ sockopts: { SO_PRIORITY: 3 } }), 'IP_TOS', 8);
});

test('reserveUdp() refuses UDP_SEGMENT and names segmentSize, since toUdpSocket() has it per send', async () => {
  expect((await errorOf(() => hold({ sockopts: { UDP_SEGMENT: 100 } as object }))).message).toContain('segmentSize');
  const reservation = hold();
  for (const option of ['UDP_SEGMENT', { level: 17, name: 103 }, { level: 136, name: 103 }]) {
    const error = await errorOf(() => setOption(reservation, option as never, 100 as never));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('segmentSize');
  }
  expect(getOption(reservation, 'UDP_SEGMENT')).toBe(0);
});

test('reserveUdp() refuses UDP_GRO and names toUdpSocket(), since datagrams would arrive merged', async () => {
  expect((await errorOf(() => hold({ sockopts: { UDP_GRO: true } as object }))).message).toContain('toUdpSocket');
  const reservation = hold();
  for (const option of ['UDP_GRO', { level: 17, name: 104 }, { level: 136, name: 104 }]) {
    const error = await errorOf(() => setOption(reservation, option as never, 1 as never));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('toUdpSocket');
  }
  expect(getOption(reservation, 'UDP_GRO')).toBe(false);
});

test('setOption() refuses a UDP reservation that has become a UdpSocket', async () => {
  const reservation = hold();
  const udp = reservation.toUdpSocket();
  open.push(udp);
  for (const option of ['IP_TOS', { level: 0, name: 1 }, { level: 17, name: 104 }]) {
    const error = await errorOf(() => setOption(reservation, option as never, 8 as never));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('converted');
  }
  expect([getOption(udp, 'IP_TOS'), getOption(udp, 'UDP_GRO')]).toEqual([0, false]);
});

test('toUdpSocket() that fails leaves the reservation held, to be tried again', async () => {
  const reservation = hold();
  vi.stubEnv('LINUX_SOCKETS_GSO', 'off');
  const options = { errorQueue: true, gro: true, gso: 'require' } as const;
  expect((await errorOf(() => reservation.toUdpSocket(options))).code).toBe('ERR_UNSUPPORTED');
  vi.unstubAllEnvs();
  expect(reservation.state).toBe('held');
  expect([getOption(reservation, 'UDP_GRO'), getOption(reservation, 'IP_RECVERR')]).toEqual([false, false]);
  const udp = reservation.toUdpSocket(options);
  open.push(udp);
  udp.trySend(Buffer.from('nobody hears it'));
  for await (const { code } of udp.errorQueue) {
    expect(code).toBe('ECONNREFUSED');
    break;
  }
});

test('reserveUdp() leaves no descriptor open, whatever happens', async () => {
  await expectNoNewFds(async () => {
    {
      using reservation = reserveUdp({ remote: '127.0.0.1:9' });
      expect(inspect(reservation)).toContain("state: 'held'");
      await errorOf(() => reservation.toUdpSocket({ gso: 'never' as never }));
      expect(reservation.state).toBe('held');
    }
    await errorOf(() => reserveUdp({ remote: '203.0.113.1:9' }));
    await errorOf(() => reserveUdp({ remote: '127.0.0.1:9', local: '198.51.100.1:0' }));
    const reservation = reserveUdp({ remote: '127.0.0.1:9' });
    const udp = reservation.toUdpSocket();
    reservation[Symbol.dispose]();
    expect(udp.fd).toBeGreaterThan(2);
    expect((await errorOf(() => reservation.toUdpSocket())).code).toBe('ERR_INVALID_STATE');
    await udp.close();
  });
});

test.each<[string, unknown, string]>([
  ['no options', undefined, 'ERR_INVALID_ARG_TYPE'],
  ['an unknown option', { remote: '127.0.0.1:9', exclusive: true }, 'ERR_INVALID_ARG_VALUE'],
  ['no remote', {}, 'ERR_INVALID_ARG_TYPE'],
  ['remote port 0', { remote: '127.0.0.1:0' }, 'ERR_OUT_OF_RANGE'],
  ['a host name as remote', { remote: 'localhost:9' }, 'ERR_INVALID_ARG_VALUE'],
  ['families that do not match', { remote: '127.0.0.1:9', local: '[::1]:0' }, 'ERR_INVALID_ARG_VALUE'],
  ['a reversed range', { remote: '127.0.0.1:9', localPortRange: [50000, 40000] }, 'ERR_OUT_OF_RANGE'],
  ["a range outside the kernel's", { remote: '127.0.0.1:9', localPortRange: [1, 2] }, 'ERR_OUT_OF_RANGE'],
  [
    'a port outside the range',
    { remote: '127.0.0.1:9', local: '127.0.0.1:5', localPortRange: [40000, 40001] },
    'ERR_OUT_OF_RANGE',
  ],
  ['shareLocalPort: true', { remote: '127.0.0.1:9', shareLocalPort: true }, 'ERR_INVALID_ARG_VALUE'],
  ['a number for shareLocalPort', { remote: '127.0.0.1:9', shareLocalPort: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ['a number for freebind', { remote: '127.0.0.1:9', freebind: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ['a number as sockopts', { remote: '127.0.0.1:9', sockopts: 5 }, 'ERR_INVALID_ARG_TYPE'],
])('reserveUdp() refuses invalid options: %s', async (_, options, code) => {
  expect((await errorOf(() => reserveUdp(options as never))).code).toBe(code);
});

test('toUdpSocket() refuses wrong arguments', async () => {
  const reservation = hold();
  for (const options of [{ family: 'ipv4' }, { reuseAddr: true }, { wrong: 1 }]) {
    expect((await errorOf(() => reservation.toUdpSocket(options as never))).code).toBe('ERR_INVALID_ARG_VALUE');
  }
  expect((await errorOf(() => reservation.toUdpSocket(5 as never))).code).toBe('ERR_INVALID_ARG_TYPE');
});
