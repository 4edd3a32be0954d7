// EgressPool with real connections: what the peer sees, exhaustion and its end, limits, and counts that return to 0.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type LookupFunction, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  connect,
  connector,
  EgressPool,
  getOption,
  type EgressConnectOptions,
  type SocketErrorCode,
} from '../../../src/index.js';
import { tcpSockets } from '../../../src/kernel/sock-diag.js';
import { setSysctl } from '../../support/sysctl.js';
import { closedPort } from '../../support/sockets.js';
import { closeAll, failed, opened, resolving, Sockets, witness } from '../../support/egress.js';
import { address, blackHole, checkDescriptors, IPV4, ip, route, thrown, until } from '../../support/fixtures.js';

const A = '127.1.0.1';
const B = '127.1.0.2';
const C = '127.1.0.3';
const NET6 = 'fd00:1009:bacc:77::/64';
const NET4 = '198.18.7.0/24';

beforeAll(() => {
  ip('-6', 'route', 'add', 'local', NET6, 'dev', 'lo');
  ip('route', 'add', 'local', NET4, 'dev', 'lo');
});
checkDescriptors();

describe('what the peer of an EgressPool connection sees', () => {
  test('round-robin: the peer sees the sources in turn', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, B, C] });
    for (let i = 0; i < 6; i++) sockets.add(await opened(pool, { host: '127.0.0.1', port: server.port }));
    await until(() => server.seen.length === 6);
    expect(server.seen.map(({ address }) => address)).toEqual([A, B, C, A, B, C]);
    expect(sockets.list.map((socket) => socket.localAddress)).toEqual([A, B, C, A, B, C]);
  });

  test.each([
    ['IPv4', NET4, '198.18.7.0', '127.0.0.1'],
    ['IPv6', NET6, 'fd00:1009:bacc:77::', 'fd00:1009:bacc:77::1234'],
  ])('every strategy uses addresses of an %s prefix that is routed to this host', async (_, prefix, first, target) => {
    await using server = await witness(target === '127.0.0.1' ? '198.18.7.99' : '::');
    const host = target === '127.0.0.1' ? '198.18.7.99' : target;
    await using sockets = new Sockets();
    for (const strategy of ['round-robin', 'random', 'least-used', 'sticky'] as const) {
      const pool = new EgressPool({ sources: [prefix], strategy });
      for (let i = 0; i < 20; i++) {
        sockets.add(await opened(pool, { host, port: server.port, egressKey: String(i) }));
      }
      const seen = server.seen.splice(0).map(({ address }) => address);
      expect(new Set(seen).size).toBe(strategy === 'random' || strategy === 'sticky' ? new Set(seen).size : 20);
      expect(new Set(seen).size).toBeGreaterThan(10);
      const stem = first.slice(0, first.includes(':') ? -1 : first.lastIndexOf('.') + 1);
      for (const address of seen) expect(address.startsWith(stem)).toBe(true);
      if (strategy === 'round-robin') expect(seen[0]).toBe(first);
    }
  });

  test('localPortRange: local ports are in the range and shared between destinations', async () => {
    await using one = await witness('127.0.0.1');
    await using other = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], localPortRange: [40_000, 40_001] });
    for (const { port } of [one, one, other, other]) sockets.add(await opened(pool, { host: '127.0.0.1', port }));
    for (const { seen } of [one, other]) {
      await until(() => seen.length === 2);
      expect(seen.map(({ port }) => port).sort()).toEqual([40_000, 40_001]);
    }
  });

  test('sticky: the same egressKey gets the same address', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: ['127.1.0.0/16'], strategy: 'sticky' });
    const keys = ['alice', 'bob', 'alice', 'carol', 'alice', 'bob'];
    for (const key of keys) sockets.add(await opened(pool, { host: '127.0.0.1', port: server.port, egressKey: key }));
    await until(() => server.seen.length === keys.length);
    const [alice, bob, again, carol, oncemore, bobAgain] = server.seen.map(({ address }) => address);
    expect([again, oncemore, bobAgain]).toEqual([alice, alice, bob]);
    expect(new Set([alice, bob, carol]).size).toBe(3);
  });

  test('an IPv4-mapped destination is reached from an IPv4 source', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A] });
    sockets.add(await opened(pool, { host: '::ffff:127.0.0.1', port: server.port }));
    await until(() => server.seen.length === 1);
    expect(server.seen[0]?.address).toBe(A);
  });

  test('sockopts of the pool and of the connection are both set', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], mark: 7, sockopts: { TCP_USER_TIMEOUT: 3000 } });
    const socket = sockets.add(
      await opened(pool, { host: '127.0.0.1', port: server.port, sockopts: { TCP_MAXSEG: 1000 } }),
    );
    expect(getOption(socket, 'SO_MARK')).toBe(7);
    expect(getOption(socket, 'TCP_USER_TIMEOUT')).toBe(3000);
    expect(getOption(socket, 'TCP_MAXSEG')).toBeLessThanOrEqual(1000);
  });
});

describe('pool.socket(), a socket that connects later', () => {
  test('pool.socket() takes a source when its connect() is called', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => egressKey ?? A });
    const socket = sockets.add(pool.socket({ egressKey: B, sockopts: { TCP_USER_TIMEOUT: 3000 } }));
    expect(pool.stats.held).toBe(0);
    socket.connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    expect(socket.localAddress).toBe(B);
    expect(getOption(socket, 'TCP_USER_TIMEOUT')).toBe(3000);
    expect(pool.stats).toMatchObject({ held: 1, total: 1 });
    await closeAll(socket);
    expect(pool.stats.held).toBe(0);
  });

  test('pool.socket() fails when its connect() asks for another localAddress', async () => {
    await using server = await witness('127.0.0.1');
    const socket = new EgressPool({ sources: [A] }).socket();
    socket.connect({ port: server.port, host: '127.0.0.1', localAddress: B });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error).toMatchObject({ reason: 'otherSource' });
    await closeAll(socket);
  });

  test('connector().socket() connects from the source of the connector', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const socket = sockets.add(connector({ localAddress: B, localPortRange: [40_000, 40_009] }).socket());
    socket.connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    expect([socket.localAddress, Math.trunc((socket.localPort ?? 0) / 10)]).toEqual([B, 4000]);
  });

  test('pool.socket() has no descriptor before its connect(), and refuses null as options', () => {
    new EgressPool({ sources: [A] }).socket().destroy();
    expect(thrown(() => new EgressPool({ sources: [A] }).socket(null as unknown as object)).code).toBe(
      'ERR_INVALID_ARG_TYPE',
    );
  });
});

describe('EgressPool and host names', () => {
  const dual = (port: number): EgressConnectOptions => ({
    host: 'dual.test',
    port,
    lookup: resolving('::1', '127.0.0.1'),
  });

  test.each([true, false])(
    'a pool of one family reaches a name with addresses of both (autoSelectFamily: %s)',
    async (autoSelectFamily) => {
      await using four = await witness('127.0.0.1');
      await using sockets = new Sockets();
      const pool = new EgressPool({ sources: [A] });
      sockets.add(await opened(pool, { ...dual(four.port), autoSelectFamily }));
      await until(() => four.seen.length === 1);
      expect(four.seen[0]?.address).toBe(A);
      await using six = await witness('::1');
      const sixth = new EgressPool({ sources: [NET6] });
      sockets.add(await opened(sixth, { ...dual(six.port), lookup: resolving('127.0.0.1', '::1'), autoSelectFamily }));
      await until(() => six.seen.length === 1);
      expect(six.seen[0]?.address).toBe('fd00:1009:bacc:77::');
    },
  );

  test('a pool of both families tries the other family when the first address refuses the connection', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, NET6] });
    sockets.add(await opened(pool, dual(server.port)));
    expect(pool.stats.sources).toMatchObject([
      { source: A, held: 1, total: 1, failed: 0 },
      { source: NET6, held: 0, total: 1, failed: 1 },
    ]);
  });

  test('a name that cannot be resolved fails as in net.connect, and nothing is counted', async () => {
    const pool = new EgressPool({ sources: [A] });
    const error = await failed(pool, { host: 'nowhere.test', port: 1, lookup: resolving() });
    expect(error).toMatchObject({ code: 'ENOTFOUND' });
    expect(pool.stats).toMatchObject({ held: 0, total: 0, failed: 0 });
  });

  test.each([true, false])(
    'a pool of one family toward a name of both tries the addresses of that family only (autoSelectFamily: %s)',
    async (autoSelectFamily) => {
      await using server = await witness('127.0.0.2');
      const pool = new EgressPool({ sources: [A] });
      const asked: unknown[] = [];
      const all = resolving('::1', ...(autoSelectFamily ? ['127.0.0.1'] : []), '127.0.0.2');
      const lookup: LookupFunction = (host, options, callback) => {
        asked.push(options.family);
        all(host, options, callback);
      };
      const tried: string[] = [];
      const socket = pool.connect({ host: 'both.test', port: server.port, lookup, autoSelectFamily });
      socket.on('connectionAttempt', (address: string) => tried.push(address));
      await once(socket, 'connect');
      expect(tried).toEqual(autoSelectFamily ? ['127.0.0.1', '127.0.0.2'] : ['127.0.0.2']);
      expect(asked).toEqual([4]);
      await closeAll(socket);
    },
  );

  test('a destination whose family has no source fails with ERR_EGRESS_NO_SOURCE', async () => {
    const pool = new EgressPool({ sources: [A], name: 'tenants' });
    const error = await failed(pool, { host: '::1', port: 1 });
    expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_EGRESS_NO_SOURCE' });
    expect(error.message).toMatch(/tenants has no IPv6 source to reach ::1/);
    const named = await failed(pool, { host: 'six.test', port: 1, lookup: resolving('::1') });
    expect(named.code).toBe('ERR_EGRESS_NO_SOURCE' satisfies SocketErrorCode);
  });
});

describe('exhaustion of an EgressPool', () => {
  const two = { sources: [A, B], localPortRange: [40_000, 40_001] } as const;

  test('when one source has no free port the next is used; when none has, ERR_PORT_RANGE_EXHAUSTED', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ ...two, strategy: () => [A, B] });
    const to = { host: '127.0.0.1', port: server.port };
    for (let i = 0; i < 4; i++) sockets.add(await opened(pool, to));
    await until(() => server.seen.length === 4);
    expect(server.seen.map(({ address }) => address)).toEqual([A, A, B, B]);
    const error = await failed(pool, to);
    expect(error).toMatchObject({
      code: 'ERR_PORT_RANGE_EXHAUSTED',
      reason: 'portRangeExhausted',
      exhaustedBy: 'connections',
      cause: {
        code: 'EADDRNOTAVAIL',
        syscall: 'connect',
        errno: -99,
        reason: 'portRangeExhausted',
        exhaustedBy: 'connections',
      },
    });
    expect(error.message).toContain(`127.0.0.1:${server.port}`);
    expect(pool.stats).toMatchObject({ held: 4, total: 4, exhausted: 2, failed: 0, cooldown: 2 });
    // The second time the kernel is not asked.
    expect(await failed(pool, to)).toMatchObject({
      code: 'ERR_PORT_RANGE_EXHAUSTED',
      reason: 'portRangeExhausted',
      exhaustedBy: 'connections',
    });
    expect(pool.stats).toMatchObject({ exhausted: 2 });
  });

  test('sources that are exhausted toward one destination still connect to others', async () => {
    await using one = await witness('127.0.0.1');
    await using other = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool(two);
    for (let i = 0; i < 4; i++) sockets.add(await opened(pool, { host: '127.0.0.1', port: one.port }));
    expect(await failed(pool, { host: '127.0.0.1', port: one.port })).toMatchObject({
      code: 'ERR_PORT_RANGE_EXHAUSTED',
    });
    for (let i = 0; i < 4; i++) sockets.add(await opened(pool, { host: '127.0.0.1', port: other.port }));
    await until(() => other.seen.length === 4);
  });

  test('10 ports, 3 sources and 3 destinations allow 90 connections', async () => {
    await using one = await witness('127.0.0.1');
    await using two = await witness('127.0.0.1');
    await using three = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, B, C], localPortRange: [40_000, 40_009] });
    for (const { port } of [one, two, three]) {
      for (let i = 0; i < 30; i++) sockets.add(await opened(pool, { host: '127.0.0.1', port }));
      expect((await failed(pool, { host: '127.0.0.1', port })).code).toBe('ERR_PORT_RANGE_EXHAUSTED');
    }
    expect(pool.stats.held).toBe(90);
  });

  test('when one address of a prefix is exhausted its other addresses are used', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: ['127.1.0.0/30'], localPortRange: [40_000, 40_000] });
    const to = { host: '127.0.0.1', port: server.port };
    for (let i = 0; i < 4; i++) sockets.add(await opened(pool, to));
    await until(() => server.seen.length === 4);
    expect(new Set(server.seen.map(({ address }) => address)).size).toBe(4);
    expect((await failed(pool, to)).code).toBe('ERR_PORT_RANGE_EXHAUSTED');
    expect(pool.stats).toMatchObject({ exhausted: 4, cooldown: 4 });
  });

  test('a cooldown ends at once when a connection of the pool closes after its peer closed first', async () => {
    const ends: (() => void)[] = [];
    await using server = await witness('127.0.0.1', (socket) => {
      ends.push(() => socket.end());
      socket.resume();
    });
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], localPortRange: [40_000, 40_000], cooldown: 60_000 });
    const to = { host: '127.0.0.1', port: server.port };
    const first = await opened(pool, to);
    first.resume();
    await until(() => ends.length === 1);
    expect((await failed(pool, to)).code).toBe('ERR_PORT_RANGE_EXHAUSTED');
    ends[0]?.();
    await once(first, 'close');
    sockets.add(await opened(pool, to));
    expect(pool.stats).toMatchObject({ held: 1, total: 2, exhausted: 1 });
  });

  test('with shareLocalPort: false a port is for one destination, and a cooldown is toward all of them', async () => {
    await using one = await witness('127.0.0.1', (socket) => socket.resume());
    await using other = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({
      sources: [A],
      localPortRange: [40_700, 40_700], // bind(2) takes no port that is in TIME-WAIT after other tests
      shareLocalPort: false,
      cooldown: 60_000,
    });
    const first = sockets.add(await opened(pool, { host: '127.0.0.1', port: one.port }));
    const error = await failed(pool, { host: '127.0.0.1', port: other.port });
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', reason: 'portRangeExhausted' });
    expect(pool.stats).toMatchObject({ exhausted: 1, cooldown: 1 });
    first.resetAndDestroy(); // leaves no TIME-WAIT
    await once(first, 'close');
    sockets.add(await opened(pool, { host: '127.0.0.1', port: other.port }));
    expect(pool.stats).toMatchObject({ held: 1, total: 2, exhausted: 1, cooldown: 0 });
  });

  test('a cooldown ends when a connection that this side closed has left TIME-WAIT', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse', 1);
    using __ = setSysctl('net.ipv4.tcp_tw_reuse_delay', 50);
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({
      sources: [A],
      localPortRange: [40_000, 40_000],
      cooldown: 60_000,
      waitForLocalPort: { timeout: 10_000 },
    });
    const to = { host: '127.0.0.1', port: server.port };
    const first = await opened(pool, to);
    const waiting = pool.connect(to);
    sockets.add(waiting);
    await until(() => pool.stats.exhausted === 1);
    const closed = performance.now();
    first.end();
    await once(waiting, 'connect');
    expect(performance.now() - closed).toBeLessThan(5000);
    expect(performance.now() - closed).toBeGreaterThan(50);
    expect(waiting.localAddress).toBe(A);
  });

  test('a wait for ports whose TIME-WAIT outlasts the timeout ends at once, as that of connect()', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse', 0);
    await using server = await witness('127.0.0.1', (socket) => socket.resume());
    const to = { host: '127.0.0.1', port: server.port };
    const pool = new EgressPool({
      ...{ sources: [A, B], localPortRange: [40_010, 40_010] as const },
      waitForLocalPort: { timeout: 20_000 },
    });
    for (let i = 0; i < 2; i++) {
      const socket = await opened(pool, to);
      socket.resume().end();
      await once(socket, 'close');
    }
    const remote = { address: to.host, port: to.port };
    await until(() => tcpSockets({ remote }).rows.every(({ state }) => state === 'TIME_WAIT'));
    const from = performance.now();
    const error = await failed(pool, to);
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', reason: 'portRangeExhausted' });
    expect(performance.now() - from).toBeLessThan(5000);
  });

  test('after the cooldown a port that another pool has freed is found', async () => {
    await using server = await witness('127.0.0.1', (socket) => socket.resume());
    await using sockets = new Sockets();
    const to = { host: '127.0.0.1', port: server.port };
    const settings = { sources: [A], localPortRange: [40_000, 40_000], cooldown: 20 } as const;
    const other = new EgressPool(settings);
    const pool = new EgressPool({ ...settings, waitForLocalPort: { timeout: 10_000 } });
    const theirs = await opened(other, to);
    const waiting = sockets.add(pool.connect(to));
    await until(() => pool.stats.exhausted > 1);
    theirs.resetAndDestroy();
    await once(waiting, 'connect');
    expect(pool.stats).toMatchObject({ held: 1, total: 1, cooldown: 0 });
  });
});

describe('a source of an EgressPool that cannot be used', () => {
  test('a source whose address is not local is followed by the next source', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: ['192.0.2.1', A], strategy: () => ['192.0.2.1', A] });
    sockets.add(await opened(pool, { host: '127.0.0.1', port: server.port }));
    await until(() => server.seen.length === 1);
    expect(server.seen[0]?.address).toBe(A);
    expect(pool.stats.sources).toMatchObject([
      { failed: 1, held: 0, total: 0 },
      { failed: 0, held: 1, total: 1 },
    ]);
  });

  test('a broadcast address in a prefix, which bind(2) accepts, is followed by the next source', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    using _ = address('10.77.0.254/24');
    const pool = new EgressPool({ sources: ['10.77.0.254/31', A], strategy: () => ['10.77.0.255', A] });
    sockets.add(await opened(pool, { host: '127.0.0.1', port: server.port }));
    await until(() => server.seen.length === 1);
    expect(server.seen[0]?.address).toBe(A);
    expect(pool.stats.sources).toMatchObject([
      { failed: 1, held: 0, total: 0 },
      { failed: 0, held: 1, total: 1 },
    ]);
  });

  test('when all sources fail the error is that of the first', async () => {
    await using server = await witness('127.0.0.1');
    const pool = new EgressPool({ sources: ['192.0.2.1', '192.0.2.2'] });
    const error = await failed(pool, { host: '127.0.0.1', port: server.port });
    expect(error).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'bind',
      reason: 'addressNotLocal',
      address: '192.0.2.1',
    });
    expect(pool.stats).toMatchObject({ failed: 2, held: 0, total: 0 });
  });

  test('a source whose address has been removed from the host is followed by the next source', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: ['10.77.0.1', A], strategy: () => ['10.77.0.1', A] });
    const to = { host: '127.0.0.1', port: server.port };
    {
      using _ = address('10.77.0.1/32');
      sockets.add(await opened(pool, to));
    }
    sockets.add(await opened(pool, to));
    expect(sockets.list.map(({ localAddress }) => localAddress)).toEqual(['10.77.0.1', A]);
  });

  test('a link-local source whose interface is gone is followed by the next source', async () => {
    await using server = await witness('::1');
    await using sockets = new Sockets();
    ip('link', 'add', 'gone0', 'type', 'veth', 'peer', 'name', 'gone1');
    const [gone, here] = ['fe80::9%gone0', 'fd00:1009:bacc:77::9'];
    const pool = new EgressPool({ sources: [gone, here], strategy: () => [gone, here], freebind: true });
    ip('link', 'del', 'gone0');
    const socket = sockets.add(await opened(pool, { host: '::1', port: server.port }));
    expect(socket.localAddress).toBe(here);
    expect(pool.stats).toMatchObject({ failed: 1, held: 1 });
    const alone = new EgressPool({ sources: [gone] });
    const error = await failed(alone, { host: '::1', port: server.port });
    expect(error).toMatchObject({ code: 'ENODEV', syscall: 'bind', reason: 'noDevice', address: gone });
    expect(alone.stats).toMatchObject({ failed: 1, held: 0 });
  });

  test('a pool whose device does not exist fails at the first source', async () => {
    const pool = new EgressPool({ sources: [A, B], device: 'nope0' });
    const error = await failed(pool, { host: '127.0.0.1', port: 9 });
    expect(error).toMatchObject({ code: 'ENODEV', syscall: 'setsockopt', reason: 'noDevice' });
    expect(pool.stats).toMatchObject({ failed: 1, held: 0 });
  });

  test('EHOSTUNREACH of all sources is the error of the connection', async () => {
    using _ = route('unreachable', '198.51.100.0/24');
    const pool = new EgressPool({ sources: [A, B] });
    const error = await failed(pool, { host: '198.51.100.1', port: 1 });
    expect(error).toMatchObject({ code: 'EHOSTUNREACH', syscall: 'connect', address: '198.51.100.1' });
    expect(pool.stats).toMatchObject({ failed: 2, held: 0 });
  });
});

describe('limits of an EgressPool', () => {
  test('ERR_EGRESS_LIMIT at the limit; a closed connection makes room for another', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, B], limit: 2 });
    const to = { host: '127.0.0.1', port: server.port };
    for (let i = 0; i < 4; i++) sockets.add(await opened(pool, to));
    const error = await failed(pool, to);
    expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_EGRESS_LIMIT' });
    const [first] = sockets.list;
    if (first !== undefined) await closeAll(first);
    sockets.add(await opened(pool, to));
    expect(pool.stats.sources.map(({ held }) => held)).toEqual([2, 2]);
  });

  test('limit counts connections that are still connecting', async () => {
    await using hole = await asyncHole();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], limit: 3 });
    const all = Array.from({ length: 8 }, () => sockets.add(pool.connect(hole.to)));
    const errors: unknown[] = [];
    for (const socket of all) socket.on('error', (error) => errors.push(error));
    await until(() => errors.length === 5);
    expect(pool.stats).toMatchObject({ held: 3, total: 3 });
  });
});

describe('stats.held of an EgressPool returns to 0', () => {
  let pool = new EgressPool({ sources: [A, B, NET6] });
  beforeEach(() => {
    pool = new EgressPool({ sources: [A, B, NET6] });
  });
  const nothingHeld = (): void => {
    const { held, sources } = pool.stats;
    expect([held, ...sources.map((source) => source.held)]).toEqual([0, 0, 0, 0]);
  };

  test('held is 0 after a socket was destroyed before its name was resolved', async () => {
    const socket = pool.connect({ host: 'x.test', port: 1, lookup: resolving('127.0.0.1') });
    await closeAll(socket);
    nothingHeld();
    expect(pool.stats.total).toBe(0);
  });

  test('held is 0 after a socket was destroyed at once, or while it was connecting', async () => {
    await using hole = await asyncHole();
    const first = pool.connect(hole.to);
    first.destroy();
    const second = pool.connect(hole.to);
    await until(() => pool.stats.total === 1);
    await closeAll(first, second);
    nothingHeld();
    expect(pool.stats).toMatchObject({ total: 1, failed: 0 });
  });

  test('held is 0 after a connection was aborted', async () => {
    await using hole = await asyncHole();
    const controller = new AbortController();
    const socket = pool.connect({ ...hole.to, signal: controller.signal });
    await until(() => pool.stats.held === 1);
    controller.abort();
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.name).toBe('AbortError');
    await closeAll(socket);
    nothingHeld();
  });

  test('held is 0 after a connection was refused', async () => {
    const error = await failed(pool, { host: '127.0.0.1', port: closedPort() });
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
    nothingHeld();
    expect(pool.stats).toMatchObject({ total: 1, failed: 1 });
  });

  test('held is 0 after a connection timed out and was destroyed', async () => {
    await using hole = await asyncHole();
    const socket = pool.connect({ ...hole.to, timeout: 20 });
    await once(socket, 'timeout');
    expect(pool.stats.held).toBe(1);
    await closeAll(socket);
    nothingHeld();
  });

  test('held is 0 after the peer reset the connection', async () => {
    await using server = await witness('127.0.0.1', (socket) => socket.resetAndDestroy());
    const socket = pool.connect({ host: '127.0.0.1', port: server.port });
    await once(socket, 'error');
    await closeAll(socket);
    nothingHeld();
  });

  test('held is 0 after the connect listener destroyed the socket', async () => {
    await using server = await witness('127.0.0.1');
    const socket = pool.connect({ host: '127.0.0.1', port: server.port }, () => socket.destroy());
    await once(socket, 'close');
    nothingHeld();
  });

  test('held is 0 after each of two connections of the same socket', async () => {
    await using server = await witness('127.0.0.1');
    const to = { host: '127.0.0.1', port: server.port };
    const socket = await opened(pool, to);
    await closeAll(socket);
    nothingHeld();
    socket.connect(to);
    await once(socket, 'connect');
    expect([A, B]).toContain(socket.localAddress);
    expect(pool.stats).toMatchObject({ held: 1, total: 2 });
    await closeAll(socket);
    nothingHeld();
  });

  test('held is 0 after hundreds of concurrent connections that ended in every way', async () => {
    await using server = await witness('127.0.0.1', (socket) => {
      const { remotePort = 0 } = socket;
      if (remotePort % 3 === 0) socket.resetAndDestroy();
      else if (remotePort % 3 === 1) socket.end('bye');
      else socket.resume();
    });
    await using hole = await asyncHole();
    const refusing = closedPort();
    const ended = Array.from({ length: 400 }, async (_, i) => {
      const ports = [server.port, server.port, refusing, hole.to.port];
      const socket = pool.connect({ host: 'x.test', port: ports[i % 4] ?? 0, lookup: resolving('127.0.0.1', '::1') });
      socket.on('error', () => undefined).resume();
      if (i % 4 === 1) socket.on('connect', () => socket.end('hello'));
      if (i % 4 === 3) setImmediate(() => socket.destroy());
      if (i % 8 === 0) socket.on('connect', () => socket.destroy());
      if (i % 4 === 0) socket.setTimeout(100, () => socket.destroy());
      await new Promise((resolve) => socket.on('close', resolve));
    });
    await Promise.all(ended);
    nothingHeld();
    expect(pool.stats.total).toBeGreaterThan(300);
  });
});

describe('user code destroys the socket during an attempt of an EgressPool', () => {
  const NAME = { host: 'pair.test', lookup: resolving('127.0.0.1', '127.0.0.9') };
  const WAYS = [
    ['an address', { host: '127.0.0.1' }],
    ['a name', { host: 'name.test', lookup: resolving('127.0.0.1') }],
    ['several addresses', NAME],
    ['several addresses and a wait', { ...NAME, waitForLocalPort: true }],
  ] as const;

  test('a strategy function destroys the socket: the timer for the next address finds no handle, and nothing throws', async () => {
    let socket: Socket;
    const pool = new EgressPool({ sources: [A], strategy: () => (socket.destroy(), A) });
    for (const addresses of [
      ['127.0.0.1', '127.0.0.9'],
      ['127.0.0.1', '127.0.0.9', '127.0.0.10'],
    ]) {
      const to = { host: 'pair.test', port: closedPort(), lookup: resolving(...addresses) };
      socket = pool.connect({ ...to, autoSelectFamilyAttemptTimeout: 10 });
      await once(socket, 'connectionAttemptTimeout'); // Node closes the handle after this event
      await new Promise((resolve) => setImmediate(resolve));
      expect(socket).toMatchObject({ destroyed: true, _handle: null });
    }
  });

  test.each(WAYS)(
    'a strategy function destroys the socket during an attempt toward %s: nothing connects',
    async (_, to) => {
      await using server = await witness('0.0.0.0');
      for (const throws of [false, true]) {
        for (const abort of [false, true]) {
          const controller = new AbortController();
          const pool: EgressPool = new EgressPool({
            sources: [A, B],
            strategy: () => {
              if (abort) controller.abort();
              else socket.destroy();
              if (throws) throw new Error('and it throws');
              return [A, B];
            },
          });
          const socket = pool.connect({ ...to, port: server.port, signal: controller.signal });
          const errors: unknown[] = [];
          socket.on('error', ({ name }) => errors.push(name));
          await new Promise((resolve) => socket.on('close', resolve));
          expect(errors).toEqual(abort ? ['AbortError'] : []);
          expect(pool.stats).toMatchObject({ held: 0, total: 0, failed: 0, exhausted: 0 });
        }
      }
      expect(server.seen).toEqual([]);
    },
  );

  test.each(WAYS)(
    'a getter in an option value is called once per connection toward %s, before it has a socket',
    async (_, to) => {
      await using server = await witness('0.0.0.0');
      let calls = 0;
      const program = [
        {
          get code() {
            calls++;
            return 6;
          },
          ...{ jt: 0, jf: 0, k: 0xffff },
        },
      ];
      const options = { ...to, port: server.port, sockopts: { SO_ATTACH_FILTER: program } };
      const pool = new EgressPool({ sources: ['192.0.2.1', A], strategy: () => ['192.0.2.1', A] });
      for (const start of [
        () => pool.connect(options),
        () => connect({ ...options, localPortRange: [40_000, 40_100] }),
      ]) {
        calls = 0;
        await using sockets = new Sockets();
        const socket = sockets.add(start());
        expect(calls).toBe(1);
        await once(socket, 'connect');
        expect(calls).toBe(1);
      }
      expect(pool.stats).toMatchObject({ total: 1, failed: 1 });
    },
  );

  test.each(WAYS)(
    'a subscriber of each channel destroys the socket during an attempt toward %s: held is 0',
    async (_, to) => {
      await using server = await witness('0.0.0.0');
      for (const [name, sources] of [
        ['connect', [A]],
        ['failed', ['192.0.2.1', A]],
        ['exhausted', [B, A]],
      ] as const) {
        await using sockets = new Sockets();
        const range = [40_200, 40_200] as const;
        const full = new EgressPool({ sources: [B], localPortRange: range });
        if (name === 'exhausted') {
          for (const host of ['127.0.0.1', '127.0.0.9']) sockets.add(await opened(full, { host, port: server.port }));
        }
        const pool = new EgressPool({ sources, localPortRange: range, strategy: () => sources });
        const closed: unknown[] = [];
        const ended = (message: unknown): void => void closed.push((message as { address: string }).address);
        const destroy = (): void => void socket.destroy();
        subscribe(`linux-sockets.egress.${name}`, destroy);
        subscribe('linux-sockets.egress.closed', ended);
        const socket = pool.connect({ ...to, port: server.port });
        await once(socket, 'close');
        unsubscribe(`linux-sockets.egress.${name}`, destroy);
        unsubscribe('linux-sockets.egress.closed', ended);
        expect(pool.stats).toMatchObject({ held: 0, total: name === 'connect' ? 1 : 0 });
        expect(closed).toEqual(name === 'connect' ? [A] : []);
      }
    },
  );
});

describe('an egressKey function of a connection', () => {
  test('pool.connect calls it once, although several addresses are tried and the connection waits for a port', async () => {
    await using server = await witness('127.0.0.1', (socket) => socket.resume());
    await using sockets = new Sockets();
    const keys: (string | undefined)[] = [];
    const pool = new EgressPool({
      sources: [A, '::1'],
      localPortRange: [40_000, 40_000],
      cooldown: 5,
      strategy: ({ family, egressKey }) => (keys.push(egressKey), family === 'ipv4' ? A : '::1'),
    });
    const first = await opened(pool, { host: '127.0.0.1', port: server.port });
    const egressKey = vi.fn(() => 'tenant');
    const to = { host: 'dual.test', port: server.port, lookup: resolving('::1', '127.0.0.1') };
    const waiting = sockets.add(pool.connect({ ...to, egressKey, waitForLocalPort: true }));
    expect(egressKey).toHaveBeenCalledTimes(1);
    await until(() => pool.stats.exhausted > 1);
    first.resetAndDestroy();
    await once(waiting, 'connect');
    expect(egressKey).toHaveBeenCalledTimes(1);
    expect(keys.length).toBeGreaterThan(3);
    expect(new Set(keys.slice(1))).toEqual(new Set(['tenant']));
  });

  test('pool.socket() calls it when the socket is created, and every connect() of the socket has that key', async () => {
    await using server = await witness('127.0.0.1');
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => egressKey ?? A });
    const egressKey = vi.fn(() => B);
    const socket = pool.socket({ egressKey });
    expect(egressKey).toHaveBeenCalledTimes(1);
    for (let i = 0; i < 2; i++) {
      socket.connect(server.port, '127.0.0.1');
      await once(socket, 'connect');
      expect(socket.localAddress).toBe(B);
      await closeAll(socket);
    }
    expect(egressKey).toHaveBeenCalledTimes(1);
  });

  test('createConnection calls it once; a connection without a key has undefined', async () => {
    await using server = await witness('127.0.0.1');
    await using sockets = new Sockets();
    const keys: unknown[] = [];
    const pool = new EgressPool({ sources: [A], strategy: ({ egressKey }) => (keys.push(egressKey), A) });
    const egressKey = vi.fn(() => undefined);
    const socket = sockets.add(pool.createConnection({ host: '127.0.0.1', port: server.port, egressKey }));
    await once(socket, 'connect');
    expect(egressKey).toHaveBeenCalledTimes(1);
    expect(keys).toEqual([undefined]);
  });

  test.each<[string, () => unknown, object]>([
    ['throws', () => JSON.parse('{') as unknown, { name: 'SyntaxError' }],
    ['returns null', () => null, { code: 'ERR_INVALID_RETURN_VALUE', name: 'TypeError' }],
    ['returns a promise', () => Promise.resolve('k'), { code: 'ERR_INVALID_RETURN_VALUE' }],
  ])('pools and connectors throw when the egressKey function %s', (_, wrong, error) => {
    const options = { host: '127.0.0.1', port: 9, egressKey: wrong as () => string };
    const pool = new EgressPool({ sources: [A] });
    expect(thrown(() => pool.connect(options))).toMatchObject(error);
    for (const made of [pool, connector({ localAddress: A })]) {
      expect(thrown(() => made.createConnection(options))).toMatchObject(error);
      expect(thrown(() => made.connectTls(options))).toMatchObject(error);
      expect(thrown(() => made.socket(options))).toMatchObject(error);
    }
    expect(pool.stats).toMatchObject({ held: 0, total: 0 });
  });
});

test('the internal members of pools and connectors cannot be reached', () => {
  const pool = new EgressPool({ sources: [A] });
  const names = (object: object | null): string[] =>
    object === null || object === Object.prototype
      ? []
      : [...Object.getOwnPropertyNames(object), ...names(Object.getPrototypeOf(object) as object | null)];
  const shared = ['createConnection', 'connectTls', 'httpAgent', 'httpsAgent', 'undiciConnector', 'socket'];
  const ofPool = ['name', 'connect', 'sources', 'addSource', 'addressFor', 'removeSource', 'stats'];
  expect(new Set(names(pool))).toEqual(new Set(['constructor', ...shared, ...ofPool]));
  expect(new Set(names(connector({ localAddress: A })))).toEqual(new Set(['constructor', ...shared]));
});

describe('arguments of pool.connect', () => {
  const pool = new EgressPool({ sources: [A] });

  test.each<[Record<string, unknown>, string, RegExp]>([
    [{ localAddress: B }, 'ERR_INVALID_ARG_VALUE', /options\.localAddress.*the pool sets it/],
    [{ localPort: 1 }, 'ERR_INVALID_ARG_VALUE', /localPort/],
    [{ localPortRange: [40_000, 40_001] }, 'ERR_INVALID_ARG_VALUE', /localPortRange/],
    [{ shareLocalPort: true }, 'ERR_INVALID_ARG_VALUE', /shareLocalPort/],
    [{ freebind: true }, 'ERR_INVALID_ARG_VALUE', /freebind/],
    [{ transparent: true }, 'ERR_INVALID_ARG_VALUE', /transparent/],
    [{ mark: 1 }, 'ERR_INVALID_ARG_VALUE', /mark/],
    [{ device: 'lo' }, 'ERR_INVALID_ARG_VALUE', /device/],
    [{ path: '/tmp/x' }, 'ERR_INVALID_ARG_VALUE', /path/],
    [{ fd: 0 }, 'ERR_INVALID_ARG_VALUE', /fd/],
    [{ egressKey: 7 }, 'ERR_INVALID_ARG_TYPE', /options\.egressKey/],
    [{ sockopts: [] }, 'ERR_INVALID_ARG_TYPE', /options\.sockopts/],
    [{ sockopts: null }, 'ERR_INVALID_ARG_TYPE', /options\.sockopts/],
    [{ sockopts: 0 }, 'ERR_INVALID_ARG_TYPE', /options\.sockopts/],
    [{ sockopts: { TCP_NODELAI: true } }, 'ERR_INVALID_ARG_VALUE', /TCP_NODELAI/],
    [{ sockopts: { IP_FREEBIND: true } }, 'ERR_INVALID_ARG_VALUE', /freebind/],
    [{ sockopts: { SO_MARK: 1 } }, 'ERR_INVALID_ARG_VALUE', /mark/],
    [{ waitForLocalPort: 1 }, 'ERR_INVALID_ARG_TYPE', /options\.waitForLocalPort/],
    [{ port: 70_000 }, 'ERR_SOCKET_BAD_PORT', /70000/],
  ])('pool.connect(%j) throws %s', (options, code, message) => {
    const error = thrown(() => pool.connect({ host: '127.0.0.1', port: 1, ...options }));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
    expect(pool.stats).toMatchObject({ held: 0, total: 0 });
  });

  test('fd and handle are refused by pools and connectors, and stay open', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const plain = connector({ localAddress: A });
    for (const given of [{ fd }, { handle: (server as unknown as { _handle: object })._handle }]) {
      for (const make of [
        () => pool.connect({ port: 9, ...given }),
        () => pool.socket(given as never),
        () => pool.createConnection({ port: 9, ...given } as never),
        () => pool.connectTls({ port: 9, ...given }),
        () => plain.socket(given as never),
        () => plain.createConnection({ port: 9, ...given } as never),
        () => plain.connectTls({ port: 9, ...given }),
        () => connector(given as never),
        () => connect({ port: 9, localPortRange: [40_000, 40_001], ...given } as never),
      ]) {
        expect(thrown(make)).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' });
      }
    }
    const closed = once(server, 'close');
    server.close();
    await closed;
    for (const nothing of [{ handle: null }, { fd: undefined }]) {
      pool.socket(nothing as never).destroy();
      plain.socket(nothing as never).destroy();
    }
  });

  test.each([undefined, null, 80, '127.0.0.1'])('pool.connect(%j) throws ERR_INVALID_ARG_TYPE', (options) => {
    const error = thrown(() => pool.connect(options as unknown as EgressConnectOptions));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('pool.connect ignores options that are undefined', async () => {
    await using server = await witness('127.0.0.1');
    const options = { host: '127.0.0.1', port: server.port, localAddress: undefined, egressKey: undefined };
    await closeAll(await opened(pool, options));
  });
});

afterAll(() => {
  ip('-6', 'route', 'del', 'local', NET6, 'dev', 'lo');
});

async function asyncHole(): Promise<{ to: { host: string; port: number } } & AsyncDisposable> {
  const hole = await blackHole(IPV4);
  return {
    to: { host: hole.local.address, port: hole.local.port },
    [Symbol.asyncDispose]: async () => {
      hole.close();
      await Promise.resolve();
    },
  };
}
