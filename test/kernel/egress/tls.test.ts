// connectTls: TLS from the sources of a pool, to names with several addresses as well, and its failures.
import { once } from 'node:events';
import type { LookupFunction, Socket } from 'node:net';
import { createServer } from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import { connector, EgressPool, type DialTlsOptions } from '../../../src/index.js';
import { closedPort } from '../../support/sockets.js';
import { certificateFor, type Certificate } from '../../support/certificate.js';
import { closeAll, resolving, Sockets } from '../../support/egress.js';
import { blackHole, checkDescriptors, IPV4, IPV6, ip, thrown, type AnyError } from '../../support/fixtures.js';

const A = '127.1.0.1';
const B = '127.1.0.2';
const NET6 = 'fd00:1009:bacc:77::/64';
let certificate: Certificate;

beforeAll(() => {
  certificate = certificateFor('x.test', '127.0.0.1');
  ip('-6', 'route', 'add', 'local', NET6, 'dev', 'lo');
});
checkDescriptors();

test('connectTls: the peer sees the source, and the certificate is checked', async () => {
  await using server = await tlsServer();
  await using sockets = new Sockets();
  const pool = new EgressPool({ sources: [A, B], localPortRange: [40_000, 40_003] });
  for (const source of [A, B, A]) {
    const socket = pool.connectTls({ ...server.to, host: '127.0.0.1' });
    sockets.add(socket);
    expect(await reply(socket)).toMatch(new RegExp(`^${source}:4000[0-3]$`));
    expect(socket.authorized).toBe(true);
  }
  expect(pool.stats).toMatchObject({ held: 3, total: 3 });
  await closeAll(...sockets.list);
  expect(pool.stats.held).toBe(0);
});

describe('connectTls to a name', () => {
  test.each<[string, readonly string[]]>([
    ['one address', ['127.0.0.1']],
    ['two, of which the first is refused', ['::1', '127.0.0.1']],
    ['two, of which the second is refused', ['127.0.0.1', '::1']],
    ['three', ['::1', '127.0.0.9', '127.0.0.1']],
  ])('connectTls reaches a name with %s', async (_, addresses) => {
    await using server = await tlsServer();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, NET6] });
    const socket = sockets.add(pool.connectTls({ ...server.to, lookup: resolving(...addresses) }));
    expect(await reply(socket)).toMatch(new RegExp(`^${A}:`));
    await closeAll(socket);
    expect(pool.stats.held).toBe(0);
  });

  test('connectTls reaches a name whose first address does not answer', async () => {
    using hole = await blackHole(IPV6);
    await using server = await tlsServer(hole.local.port);
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, '::1'] });
    const lookup = resolving('::1', '127.0.0.1');
    const socket = sockets.add(pool.connectTls({ ...server.to, lookup, autoSelectFamilyAttemptTimeout: 10 }));
    expect(await reply(socket)).toMatch(new RegExp(`^${A}:`));
    expect(pool.stats).toMatchObject({ held: 1, total: 2 });
  });

  test('connectTls works with a lookup that answers synchronously', async () => {
    await using server = await tlsServer();
    await using sockets = new Sockets();
    const lookup: LookupFunction = (_host, options, callback) => {
      if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(null, '127.0.0.1', 4);
    };
    const pool = new EgressPool({ sources: [B] });
    for (const autoSelectFamily of [true, false]) {
      const socket = sockets.add(pool.connectTls({ ...server.to, lookup, autoSelectFamily }));
      expect(await reply(socket)).toMatch(new RegExp(`^${B}:`));
    }
  });

  test('connectTls of a pool of one family reaches a name with addresses of both', async () => {
    await using server = await tlsServer();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A] });
    for (const autoSelectFamily of [true, false]) {
      const lookup = resolving('::1', '127.0.0.1');
      const socket = sockets.add(pool.connectTls({ ...server.to, lookup, autoSelectFamily }));
      expect(await reply(socket)).toMatch(new RegExp(`^${A}:`));
    }
  });
});

describe('failures of connectTls', () => {
  const pool = (): EgressPool => new EgressPool({ sources: [A], localPortRange: [40_000, 40_000] });

  test('connectTls fails with ECONNREFUSED of connect when nobody listens', async () => {
    const made = pool();
    const port = closedPort();
    expect(await failure(made.connectTls({ host: '127.0.0.1', port }))).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
    });
    expect(made.stats).toMatchObject({ held: 0, failed: 1 });
  });

  test('connectTls fails with ERR_PORT_RANGE_EXHAUSTED when no port is left', async () => {
    await using server = await tlsServer();
    await using sockets = new Sockets();
    const made = pool();
    const first = sockets.add(made.connectTls({ ...server.to, host: '127.0.0.1' }));
    await reply(first);
    const error = await failure(made.connectTls({ ...server.to, host: '127.0.0.1' }));
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: { code: 'EADDRNOTAVAIL' } });
  });

  test('connectTls fails with ERR_EGRESS_NO_SOURCE when no source has the family', async () => {
    expect((await failure(pool().connectTls({ host: '::1', port: 1 }))).code).toBe('ERR_EGRESS_NO_SOURCE');
    const named = pool().connectTls({ host: 'x.test', port: 1, lookup: resolving('::1') });
    expect((await failure(named)).code).toBe('ERR_EGRESS_NO_SOURCE');
  });

  test('connectTls fails when the certificate is for another name', async () => {
    await using server = await tlsServer();
    const made = pool();
    const error = await failure(made.connectTls({ ...server.to, host: '127.0.0.1', servername: 'y.test' }));
    expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(made.stats.held).toBe(0);
  });

  test('connectTls: held is 0 after a socket was destroyed at once, or while it was connecting', async () => {
    using hole = await blackHole(IPV4);
    const made = new EgressPool({ sources: [A, B] });
    const at = made.connectTls({ host: hole.local.address, port: hole.local.port });
    at.destroy();
    const meanwhile = made.connectTls({ host: hole.local.address, port: hole.local.port });
    await new Promise((resolve) => setImmediate(resolve));
    expect(made.stats).toMatchObject({ held: 1, total: 1 });
    await closeAll(at, meanwhile);
    expect(made.stats.held).toBe(0);
  });

  test('connectTls: held is 0 after a timeout, and after an abort', async () => {
    using hole = await blackHole(IPV4);
    const made = new EgressPool({ sources: [A, B] });
    const to = { host: hole.local.address, port: hole.local.port };
    const slow = made.connectTls({ ...to, timeout: 10 });
    await once(slow, 'timeout');
    await closeAll(slow);
    const controller = new AbortController();
    const aborted = made.connectTls({ ...to, signal: controller.signal });
    controller.abort();
    expect((await failure(aborted)).name).toBe('AbortError');
    expect(made.stats.held).toBe(0);
  });
});

test('connector().connectTls connects from the source of the connector', async () => {
  await using server = await tlsServer();
  await using sockets = new Sockets();
  const made = connector({ localAddress: B, localPortRange: [40_100, 40_100] });
  const socket = sockets.add(made.connectTls({ ...server.to, lookup: resolving('::1', '127.0.0.1') }));
  expect(await reply(socket)).toBe(`${B}:40100`);
  expect((await failure(made.connectTls({ ...server.to, host: '127.0.0.1' }))).code).toBe('EADDRNOTAVAIL');
});

test.each<[Record<string, unknown>, string]>([
  [{ socket: {} }, 'ERR_INVALID_ARG_VALUE'],
  [{ localAddress: B }, 'ERR_INVALID_ARG_VALUE'],
  [{ mark: 1 }, 'ERR_INVALID_ARG_VALUE'],
  [{ egressKey: 7 }, 'ERR_INVALID_ARG_TYPE'],
  [{ socketPath: '/tmp/x' }, 'ERR_INVALID_ARG_VALUE'],
  [{ port: 70_000 }, 'ERR_SOCKET_BAD_PORT'],
  [{ minVersion: 'TLSv9' }, 'ERR_TLS_INVALID_PROTOCOL_VERSION'],
])('connectTls(%j) throws %s', (options, code) => {
  const pool = new EgressPool({ sources: [A] });
  expect(thrown(() => pool.connectTls({ host: '127.0.0.1', port: 1, ...options }))).toMatchObject({ code });
  expect(thrown(() => pool.connectTls(undefined as unknown as DialTlsOptions)).code).toBe('ERR_INVALID_ARG_TYPE');
});

/** Answers with the client's address and port. */
async function tlsServer(onPort = 0) {
  const sockets = new Set<Socket>();
  const server = createServer(certificate, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).resume();
    socket.write(`${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`);
  });
  server.listen(onPort, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    to: { host: 'x.test', port, servername: 'x.test', ca: certificate.cert },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

async function reply(socket: Socket): Promise<string> {
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data.toString();
}

async function failure(socket: Socket): Promise<AnyError> {
  const [error] = (await once(socket, 'error')) as [AnyError];
  await closeAll(socket);
  return error;
}
