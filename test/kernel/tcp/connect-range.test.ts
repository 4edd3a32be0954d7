// Full port ranges: shared between destinations, waited for, and compared with Node's own sockets.
import { once } from 'node:events';
import { connect as netConnect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { performance } from 'node:perf_hooks';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect, type ConnectOptions } from '../../../src/index.js';
import { setSysctl } from '../../support/sysctl.js';
import { addOtherAddresses, BOTH, checkDescriptors } from '../../support/fixtures.js';
import { closed, connected, failing, holding, peer, type Peer } from '../../support/connect.js';

beforeAll(addOtherAddresses);
checkDescriptors();

const settled = async (socket: Socket): Promise<string> =>
  await new Promise((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(`${error.syscall} ${error.code}`));
  });

describe.each(BOTH)('connect() with a port range over $family', ({ loopback, other }) => {
  test('connect() with a port range holds 30 connections on 10 ports toward 3 destinations, where net.connect holds 10', async () => {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '47000 47009');
    // Listeners are bound to their ports, so those are not from the range.
    await using a = await peer(loopback, 5001);
    await using b = await peer(loopback, 5002);
    await using c = await peer(loopback, 5003);
    const sides: readonly (readonly [(options: TcpNetConnectOpts) => Socket, number])[] = [
      [netConnect, 10],
      [connect, 30],
    ];
    for (const [make, expected] of sides) {
      using held = holding();
      const outcomes: string[] = [];
      for (let i = 0; i < 10; i++) {
        for (const { port } of [a, b, c]) {
          outcomes.push(await settled(held.add(make({ host: loopback, port, localAddress: other }))));
        }
      }
      expect(outcomes.filter((outcome) => outcome === 'connected')).toHaveLength(expected);
      if (make === netConnect) expect(outcomes).toContain('connect EADDRINUSE');
    }
    for (const { seen } of [a, b, c]) {
      expect(new Set(seen.slice(-10))).toEqual(new Set(Array.from({ length: 10 }, (_, i) => `${other}:${47_000 + i}`)));
    }
  });

  test('connect() with a port range reaches another destination when all ports are in use toward one', async () => {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '47100 47355');
    await using full = await peer(loopback, 5004);
    await using free = await peer(loopback, 5005);
    using held = holding();
    for (let i = 0; i < 256; i++) {
      await connected(held.add(connect({ host: loopback, port: full.port, localAddress: other })));
    }
    expect(new Set(full.seen).size).toBe(256);
    expect(await settled(held.add(netConnect({ host: loopback, port: free.port, localAddress: other })))).toBe(
      'connect EADDRINUSE',
    );
    for (let i = 0; i < 256; i++) {
      await connected(held.add(connect({ host: loopback, port: free.port, localAddress: other })));
    }
    expect(await failing(connect({ host: loopback, port: full.port, localAddress: other }))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      reason: 'portRangeExhausted',
    });
  });

  describe('waitForLocalPort', () => {
    const options = (server: Peer, rest: Partial<ConnectOptions> = {}): ConnectOptions => ({
      host: loopback,
      port: server.port,
      localAddress: other,
      localPortRange: [45_100, 45_100],
      waitForLocalPort: { timeout: 10_000 },
      ...rest,
    });

    test('connect() with waitForLocalPort waits until a port is free, and emits nothing until then', async () => {
      await using server = await peer(loopback);
      using held = holding();
      const first = await connected(held.add(connect(options(server))));
      const events: string[] = [];
      const second = held.add(connect(options(server)));
      for (const name of ['connectionAttempt', 'connectionAttemptFailed', 'connect', 'error'] as const) {
        second.on(name, () => events.push(name));
      }
      await once(second, 'connectionAttempt');
      setTimeout(() => first.resetAndDestroy(), 60);
      await once(second, 'connect');
      expect(events).toEqual(['connectionAttempt', 'connect']);
      expect(first.destroyed).toBe(true);
      expect(second.localPort).toBe(45_100);
    });

    test('connect() with waitForLocalPort serves many waiting connections in turn', async () => {
      await using server = await peer(loopback);
      let most = 0;
      let open = 0;
      const sockets = Array.from({ length: 12 }, () => connect(options(server)));
      await Promise.all(
        sockets.map(async (socket) => {
          await once(socket, 'connect');
          most = Math.max(most, ++open);
          await new Promise((resolve) => setImmediate(resolve));
          open--;
          socket.resetAndDestroy();
        }),
      );
      expect(most).toBe(1);
      expect(server.seen).toHaveLength(12);
    });

    test('connect() with waitForLocalPort fails with the error of the exhaustion at the timeout', async () => {
      await using server = await peer(loopback);
      using held = holding();
      await connected(held.add(connect(options(server))));
      const start = performance.now();
      const sockets = [1, 2, 3].map(() => connect(options(server, { waitForLocalPort: { timeout: 150 } })));
      const failed: unknown[] = [];
      sockets[0]?.on('connectionAttemptFailed', (_a, _p, _f, error) => failed.push(error));
      const errors = await Promise.all(sockets.map(failing));
      expect(performance.now() - start).toBeGreaterThanOrEqual(145);
      for (const error of errors) {
        expect(error).toMatchObject({
          code: 'EADDRNOTAVAIL',
          syscall: 'connect',
          address: loopback,
          port: server.port,
          reason: 'portRangeExhausted',
        });
      }
      expect(failed).toEqual([errors[0]]);
    });

    test('connect() with waitForLocalPort searches rarely, and does not block the event loop', async () => {
      await using server = await peer(loopback);
      using held = holding();
      await connected(held.add(connect(options(server))));
      const waiting = Array.from({ length: 50 }, () =>
        connect(options(server, { waitForLocalPort: { timeout: 400 } })),
      );
      const before = process.cpuUsage();
      await Promise.all(waiting.map(failing));
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000, 'ms of CPU in 400 ms of 50 waiting').toBeLessThan(200);
    });

    test('connect() with waitForLocalPort ends at once on destroy and abort', async () => {
      await using server = await peer(loopback);
      using held = holding();
      await connected(held.add(connect(options(server))));
      const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const before = timers();
      const controller = new AbortController();
      const aborted = connect(options(server, { signal: controller.signal }));
      const destroyed = connect(options(server));
      await Promise.all([once(aborted, 'connectionAttempt'), once(destroyed, 'connectionAttempt')]);
      const error = failing(aborted);
      controller.abort();
      expect(await error).toMatchObject({ code: 'ABORT_ERR' });
      await closed(destroyed);
      expect(timers()).toBe(before);
    });

    test('connect() with waitForLocalPort ends on a failure of another kind', async () => {
      await using server = await peer(loopback);
      using held = holding();
      const first = await connected(held.add(connect(options(server))));
      const second = held.add(connect(options(server)));
      await once(second, 'connectionAttempt');
      const error = failing(second);
      // When the port is free, nothing listens there any more.
      const { port } = server;
      await server[Symbol.asyncDispose]();
      first.destroy();
      expect(await error).toMatchObject({ code: 'ECONNREFUSED', address: loopback, port });
    });

    test('connect() with waitForLocalPort waits for a port also with shareLocalPort: false, where bind takes it', async () => {
      await using server = await peer(loopback);
      using held = holding();
      // Its own port: bind(2) to the wildcard takes no port that is in TIME-WAIT on any address.
      const alone = { shareLocalPort: false, localPortRange: [45_101, 45_101] } as const;
      const first = await connected(held.add(connect(options(server, alone))));
      const waiting = [{ localAddress: undefined }, {}, {}].map((more) =>
        held.add(connect(options(server, { ...alone, ...more }))),
      );
      await Promise.all(waiting.map((socket) => once(socket, 'connectionAttempt')));
      first.resetAndDestroy();
      await Promise.all(
        waiting.map(async (socket) => {
          await once(socket, 'connect');
          expect(socket.localPort).toBe(45_101);
          socket.resetAndDestroy();
        }),
      );
    });

    test('connect() with waitForLocalPort fails with the error of bind when bind got no port in time', async () => {
      await using server = await peer(loopback);
      using held = holding();
      await connected(held.add(connect(options(server))));
      const more = { shareLocalPort: false, waitForLocalPort: { timeout: 100 } } as const;
      for (const localAddress of [other, undefined]) {
        const start = performance.now();
        const error = await failing(connect(options(server, { ...more, localAddress })));
        expect(performance.now() - start).toBeGreaterThanOrEqual(95);
        expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind', reason: 'portRangeExhausted' });
      }
    });

    test('connect() with waitForLocalPort does not wait for connections that need other ports', async () => {
      await using server = await peer(loopback);
      await using elsewhere = await peer(loopback);
      using held = holding();
      // Toward another destination: it blocks bind, not connect.
      await connected(held.add(connect(options(elsewhere))));
      const behind: Partial<ConnectOptions>[] = [
        {},
        { sockopts: { SO_REUSEADDR: true } },
        { device: 'lo' },
        { mark: 1 },
      ];
      for (const ahead of [{}, { sockopts: { TCP_USER_TIMEOUT: 7 } }]) {
        const first = held.add(connect(options(server, { shareLocalPort: false, ...ahead })));
        await once(first, 'connectionAttempt');
        for (const more of behind) {
          const socket = await connected(held.add(connect(options(server, more))));
          expect(first.connecting).toBe(true);
          socket.resetAndDestroy();
          await once(socket, 'close');
        }
        first.destroy();
      }
    });

    test('connect() with waitForLocalPort refuses a second connect() while waiting, as it does while connecting', async () => {
      await using server = await peer(loopback);
      using held = holding();
      const first = await connected(held.add(connect(options(server))));
      for (const more of [{}, { localAddress: undefined }, { shareLocalPort: false }]) {
        const second = connect(options(server, more));
        await once(second, 'connectionAttempt');
        const error = failing(second);
        second.connect(options(server, more));
        expect(await error).toMatchObject({ code: 'EALREADY', syscall: 'connect' });
      }
      first.resetAndDestroy();
      await connected(held.add(connect(options(server)))); // none of them has taken the port
      expect(server.seen).toHaveLength(2);
    });

    test('connect() with waitForLocalPort does not keep the process alive for an unreferenced socket', async () => {
      const { runNode } = await import('../../support/child.js');
      const { stdout } = await runNode(`
        import { connect } from 'linux-sockets';
        import { createServer } from 'node:net';
        const server = createServer().listen(0, '127.0.0.1', () => {
          const options = { host: '127.0.0.1', port: server.address().port, localPortRange: [45102, 45102] };
          const first = connect(options, () => {
            const second = connect({ ...options, waitForLocalPort: true });
            second.on('connectionAttempt', () => setImmediate(() => {
              for (const handle of [server, first, second]) handle.unref();
              console.log('waiting');
            }));
          });
        });
        server.on('connection', (socket) => socket.unref());
        process.on('exit', () => console.log('end'));
      `);
      expect(stdout).toBe('waiting\nend\n');
    });
  });
});
