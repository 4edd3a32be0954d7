// What sock_diag and /proc/net/tcp say of sockets, compared with each other, with ss(8) and with the sockets themselves.
import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { reserve, type NativeSocket, reserveMany } from '../../../src/index.js';
import { parseProcTcp, procSockets } from '../../../src/kernel/proc-tcp.js';
import { tcpSockets, visitSockets } from '../../../src/kernel/sock-diag.js';
import type { SocketFilter, SocketRow } from '../../../src/kernel/socket-row.js';
import { expectNoNewFds } from '../../support/fds.js';
import { withoutCapabilities } from '../../support/without-capabilities.js';
import { testWith } from '../../support/kernel.js';
import { listening, tcp, tcpPair } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { all, BOTH, checkDescriptors, connectFrom, plain, until } from '../../support/fixtures.js';

checkDescriptors();

function inodeOf(socket: NativeSocket): number {
  return Number(/\d+/.exec(readlinkSync(`/proc/self/fd/${socket.fd}`))?.[0]);
}

/** Local port → how long its socket waits, as the quick form has it. */
function waits(filter: SocketFilter): Map<number, number> {
  const found = new Map<number, number>();
  visitSockets(filter, (port, _state, waitsMs) => found.set(port, waitsMs));
  return found;
}

/** The rows of both sources, which have to agree on what both know. */
function rowsOf(filter: SocketFilter): readonly SocketRow[] {
  const { rows, from } = tcpSockets(filter);
  expect(from).toBe('sock_diag');
  const known = rows.filter(({ state }) => state !== 'BOUND');
  const comparable = (row: SocketRow): object => ({ ...row, timerMs: row.timerMs > 0, interface: 0 });
  const key = ({ local, remote, state }: SocketRow): string => JSON.stringify([local, remote, state]);
  const sorted = (list: readonly SocketRow[]): object[] =>
    [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1)).map(comparable);
  expect(sorted(procSockets(filter)!)).toEqual(sorted(known));
  expect([...waits(filter).keys()].sort()).toEqual([...new Set(rows.map(({ local }) => local.port))].sort());
  return rows;
}

describe.each(BOTH)('$family', ({ family, loopback, wildcard }) => {
  test('tcpSockets lists a connection as two rows and a listener as one', async () => {
    using pair = await tcpPair(family);
    const rows = rowsOf({ states: ['ESTABLISHED', 'LISTEN'] });
    const ofClient = { state: 'ESTABLISHED', timeWait: false, interface: 0, timerMs: 0, uid: process.getuid!() };
    expect(rows).toContainEqual({
      ...ofClient,
      local: plain(pair.client.local),
      remote: plain(pair.client.remote!),
      inode: inodeOf(pair.client),
    });
    expect(rows).toContainEqual({
      ...ofClient,
      local: plain(pair.server.local),
      remote: plain(pair.client.local),
      inode: inodeOf(pair.server),
    });
    expect(rows).toContainEqual(
      expect.objectContaining({
        state: 'LISTEN',
        local: plain(pair.listener.local),
        remote: { address: wildcard, port: 0 },
      }),
    );
    expect(rows).toHaveLength(3);
  });

  test('visitSockets applies its filters', async () => {
    using pair = await tcpPair(family);
    using second = await tcpPair(family);
    const remote = plain(pair.listener.local);
    expect(rowsOf({ remote }).map(({ local }) => local)).toEqual([plain(pair.client.local)]);
    expect(rowsOf({ remote, localPorts: [1, 1] })).toEqual([]);
    const { port } = pair.client.local;
    expect(rowsOf({ localPorts: [port, port] }).map(({ inode }) => inode)).toEqual([inodeOf(pair.client)]);
    expect(rowsOf({ localPorts: [port, port], remote })).toHaveLength(1);
    expect(rowsOf({ localPorts: [port + 1, 65535], remote })).toEqual([]);
    expect(rowsOf({ localPorts: [1, port - 1], remote })).toEqual([]);
    expect(rowsOf({ remote: { ...remote, port: 1 } })).toEqual([]);
    expect(rowsOf({ remote, local: loopback })).toHaveLength(1);
    expect(rowsOf({ remote, local: wildcard })).toEqual([]);
    expect(rowsOf({ states: ['LISTEN'] })).toHaveLength(2);
    expect(rowsOf({ states: ['LISTEN', 'ESTABLISHED'] })).toHaveLength(6);
    expect(rowsOf({ states: [] })).toEqual([]);
    expect(rowsOf({ localPorts: [0, 65535], states: ['LISTEN', 'ESTABLISHED'] })).toHaveLength(6);
    expect(second.client.fd).toBeGreaterThan(0);
  });

  test('tcpSockets lists a reservation', () => {
    using reservation = reserve({ remote: { address: loopback, port: 9 } });
    expect(rowsOf({ remote: { address: loopback, port: 9 } })).toMatchObject([
      { state: 'SYN_SENT', timeWait: false, local: plain(reservation.local) },
    ]);
  });

  test('tcpSockets lists a socket that is only bound since Linux 6.8, unlike /proc', () => {
    using socket = tcp(family);
    socket.bind({ address: loopback, port: 0 });
    expect(rowsOf({ states: ['BOUND'] })).toMatchObject([
      { state: 'BOUND', local: plain(socket.local), remote: { port: 0 }, inode: inodeOf(socket) },
    ]);
    expect(waits({ states: ['BOUND'] })).toEqual(new Map([[socket.local.port, Infinity]]));
  });

  test('rows in FIN-WAIT-2 and TIME-WAIT have the remaining time', async () => {
    using _ = setSysctl('net.ipv4.tcp_fin_timeout', 20);
    using pair = await tcpPair(family);
    const { port } = pair.client.local;
    const remote = plain(pair.listener.local);
    const rest = { timeWait: true, local: { address: loopback, port }, remote, inode: 0, uid: 0 };
    pair.client.close();
    await until(() => tcpSockets({ remote }).rows[0]?.state !== 'FIN_WAIT1'); // the other side's ACK may be delayed
    const [half, ...more] = rowsOf({ remote });
    expect(more).toEqual([]);
    expect(half).toMatchObject({ ...rest, state: 'FIN_WAIT2' });
    expect(half!.timerMs).toBeGreaterThan(19_000);
    expect(half!.timerMs).toBeLessThanOrEqual(20_000);
    await pair.server.readable();
    pair.server.close();
    const [whole] = rowsOf({ remote });
    expect(whole).toMatchObject({ ...rest, state: 'TIME_WAIT' });
    expect(whole!.timerMs).toBeGreaterThan(59_000);
    expect(whole!.timerMs).toBeLessThanOrEqual(60_000);
    expect(waits({ remote }).get(port)).toBeLessThanOrEqual(60_000);
  });

  test('visitSockets visits all rows when they need several reply datagrams', () => {
    using listener = listening(family);
    const remote = plain(listener.local);
    const reservations = reserveMany(2000, { remote });
    using _ = all(reservations);
    const ports = new Set(rowsOf({ remote }).map(({ local }) => local.port));
    expect(ports).toEqual(new Set(reservations.map(({ local }) => local.port)));
  });

  test('the row of a socket bound to a device has the interface index', () => {
    using socket = connectFrom(
      { family, loopback, wildcard, other: '' },
      { address: loopback, port: 40500 },
      { address: loopback, port: 9 },
      { SO_BINDTODEVICE: 'lo', TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true },
    );
    expect(rowsOf({ remote: { address: loopback, port: 9 } })).toMatchObject([
      { interface: 1, inode: inodeOf(socket) },
    ]);
  });
});

test('an IPv4-mapped connection is listed and found as IPv4', async () => {
  using listener = listening('ipv4');
  using client = tcp('ipv6');
  client.connect({ address: `::ffff:127.0.0.1`, port: listener.local.port });
  await client.connected();
  const remote = { address: '127.0.0.1', port: listener.local.port };
  expect(rowsOf({ remote })).toMatchObject([{ local: { address: '127.0.0.1' }, remote, inode: inodeOf(client) }]);
});

testWith({ tools: ['ss'] })('tcpSockets agrees with ss', async () => {
  using _ = await tcpPair('ipv4');
  using __ = await tcpPair('ipv6');
  const lines = execFileSync('ss', ['-Htan'], { encoding: 'utf8' }).trim().split('\n');
  const names = lines.map((line) => line.trim().split(/\s+/).slice(3, 5).join(' '));
  const shown = ({ address, port }: SocketRow['local']): string =>
    `${address.includes(':') ? `[${address}]` : address}:${port === 0 ? '*' : String(port)}`;
  expect(
    rowsOf({})
      .map(({ local, remote }) => `${shown(local)} ${shown(remote)}`)
      .sort(),
  ).toEqual(names.sort());
});

test('visitSockets leaves no descriptor open', async () => {
  await expectNoNewFds(() => {
    for (let i = 0; i < 50; i++) tcpSockets({ states: ['LISTEN'] });
  });
});

testWith({ tools: ['setpriv'] })('visitSockets needs no privilege', () => {
  using listener = listening('ipv4');
  const stdout = withoutCapabilities(`
    import { tcpSockets } from './lib/kernel/sock-diag.js';
    const { rows, from } = tcpSockets({ states: ['LISTEN'] });
    console.log(from, ...rows.map(({ local, inode }) => [local.port, inode].join()));
  `);
  expect(stdout.trim()).toBe(`sock_diag ${listener.local.port},${inodeOf(listener)}`);
});

describe('/proc/net/tcp', () => {
  test('procSockets skips lines that do not describe a socket', () => {
    const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
    const good =
      '   0: 0100007F:9C40 0200007F:0050 06 00000000:00000000 03:0000176C 00000000     0        0 0 3 00000000a7a43b8e';
    expect(parseProcTcp([head, good, good.slice(0, 40), '', 'x'].join('\n'))).toEqual([
      {
        state: 'TIME_WAIT',
        timeWait: true,
        local: { address: '127.0.0.1', port: 40000 },
        remote: { address: '127.0.0.2', port: 80 },
        interface: 0,
        timerMs: 59_960,
        inode: 0,
        uid: 0,
      },
    ]);
  });
});
