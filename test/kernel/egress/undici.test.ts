// undiciConnector: sources, TLS sessions, HTTP/2, proxies, timeouts and errors, with undici.
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Agent, Client, fetch, Pool, ProxyAgent } from 'undici';
import {
  connector,
  EgressPool,
  type UndiciConnector,
  type UndiciConnectorOptions,
  type UndiciConnectRequest,
} from '../../../src/index.js';
import { closedPort } from '../../support/sockets.js';
import { certificateFor, type Certificate } from '../../support/certificate.js';
import { blackHole, checkDescriptors, IPV4, rejection, thrown, until } from '../../support/fixtures.js';

const A = '127.1.0.1';
const B = '127.1.0.2';
let certificate: Certificate;

beforeAll(() => {
  certificate = certificateFor('127.0.0.1', 'localhost');
});
checkDescriptors();

describe.each(['http', 'https'])('%s', (scheme) => {
  const ca = (): UndiciConnectorOptions => (scheme === 'https' ? { ca: certificate.cert } : {});

  test(`${scheme}: undici's Client, Pool and Agent connect from the sources`, async () => {
    await using server = await serve(scheme === 'https');
    const pool = new EgressPool({ sources: [A, B], localPortRange: [40_000, 40_009] });
    const origin = `${scheme}://127.0.0.1:${server.port}`;
    const dispatchers = [
      new Client(origin, { connect: pool.undiciConnector(ca()) }),
      new Pool(origin, { connect: pool.undiciConnector(ca()), connections: 2 }),
      new Agent({ connect: pool.undiciConnector(ca()) }),
    ];
    for (const dispatcher of dispatchers) {
      const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' });
      expect(await body.text()).toMatch(/^127\.1\.0\.[12]:4000\d$/);
      await dispatcher.close();
    }
    await until(() => pool.stats.held === 0);
    expect(pool.stats.sources).toMatchObject([{ total: 2 }, { total: 1 }]);
  });

  test(`${scheme}: fetch with a dispatcher connects with its egressKey`, async () => {
    await using server = await serve(scheme === 'https');
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => egressKey ?? A });
    const dispatcher = new Agent({ connect: pool.undiciConnector({ ...ca(), egressKey: B }) });
    const response = await fetch(`${scheme}://localhost:${server.port}/`, { dispatcher });
    expect(await response.text()).toMatch(new RegExp(`^${B}:`));
    await dispatcher.close();
    await until(() => pool.stats.held === 0);
  });

  test(`${scheme}: undici's request fails with the code of the connection's error`, async () => {
    const pool = new EgressPool({ sources: [A] });
    const dispatcher = new Agent({ connect: pool.undiciConnector(ca()) });
    const get = (origin: string): Promise<unknown> => dispatcher.request({ origin, path: '/', method: 'GET' });
    expect(await rejection(get(`${scheme}://127.0.0.1:${closedPort()}`))).toMatchObject({ code: 'ECONNREFUSED' });
    expect(await rejection(get(`${scheme}://[::1]:1`))).toMatchObject({ code: 'ERR_EGRESS_NO_SOURCE' });
    await dispatcher.close();
    expect(pool.stats.held).toBe(0);
  });

  test(`${scheme}: undiciConnector fails with undici's ConnectTimeoutError after its timeout`, async () => {
    using hole = await blackHole(IPV4);
    const pool = new EgressPool({ sources: [A] });
    const dispatcher = new Agent({ connect: pool.undiciConnector({ ...ca(), timeout: 30 }) });
    const origin = `${scheme}://127.0.0.1:${hole.local.port}`;
    const error = await rejection(dispatcher.request({ origin, path: '/', method: 'GET' }));
    expect(error).toMatchObject({ name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' });
    await dispatcher.close();
    await until(() => pool.stats.held === 0);
  });

  test(`${scheme}: undici's localAddress is refused by a pool`, async () => {
    const pool = new EgressPool({ sources: [A] });
    const client = new Client(`${scheme}://127.0.0.1:1`, { connect: pool.undiciConnector(), localAddress: B });
    const error = await rejection(client.request({ path: '/', method: 'GET' }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    await client.destroy();
  });

  test(`${scheme}: connector().undiciConnector connects from the source of the connector`, async () => {
    await using server = await serve(scheme === 'https');
    const made = connector({ localAddress: B });
    const client = new Client(`${scheme}://localhost:${server.port}`, { connect: made.undiciConnector(ca()) });
    const { body } = await client.request({ path: '/', method: 'GET' });
    expect(await body.text()).toMatch(new RegExp(`^${B}:`));
    await client.close();
  });
});

test('undiciConnector reuses TLS sessions, unless maxCachedSessions is 0', async () => {
  await using server = await serve(true);
  const pool = new EgressPool({ sources: [A] });
  const connect = pool.undiciConnector({ ca: certificate.cert });
  expect([await reused(connect, server.port), await reused(connect, server.port)]).toEqual([false, true]);
  const none = pool.undiciConnector({ ca: certificate.cert, maxCachedSessions: 0 });
  expect([await reused(none, server.port), await reused(none, server.port)]).toEqual([false, false]);
});

test('undiciConnector calls an egressKey function once per connection, and reuses TLS sessions for the same key only', async () => {
  await using server = await serve(true);
  const pool = new EgressPool({ sources: [A] });
  const wanted = ['a', 'a', 'b', undefined, 'b', undefined];
  const egressKey = vi.fn(() => wanted[egressKey.mock.calls.length - 1]);
  const connect = pool.undiciConnector({ ca: certificate.cert, egressKey });
  const answers: boolean[] = [];
  for (const _ of wanted) answers.push(await reused(connect, server.port));
  expect(answers).toEqual([false, true, false, false, true, true]);
  expect(egressKey).toHaveBeenCalledTimes(wanted.length);
});

test('undiciConnector passes what an egressKey function throws to the callback', async () => {
  const pool = new EgressPool({ sources: [A] });
  for (const [wrong, error] of [
    [() => JSON.parse('{') as string, { name: 'SyntaxError' }],
    [() => 7 as unknown as string, { code: 'ERR_INVALID_RETURN_VALUE' }],
  ] as const) {
    const client = new Client('http://127.0.0.1:1', { connect: pool.undiciConnector({ egressKey: wrong }) });
    expect(await rejection(client.request({ path: '/', method: 'GET' }))).toMatchObject(error);
    await client.destroy();
  }
});

test('undiciConnector does not time out a connection that was established while the event loop was blocked', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = new EgressPool({ sources: [A] });
  const connectTo = pool.undiciConnector({ timeout: 20 });
  const [error, socket] = await new Promise<[Error | null, Socket | null]>((resolve) => {
    connectTo({ hostname: '127.0.0.1', protocol: 'http:', port: String(port) }, (...result) => resolve(result));
    for (const end = performance.now() + 60; performance.now() < end;); // the kernel completes the handshake
  });
  expect(error).toBeNull();
  socket?.destroy();
  server.close();
  await once(server, 'close');
  await until(() => pool.stats.held === 0);
});

test('undiciConnector waits for a local port with waitForLocalPort', async () => {
  await using server = await serve(false);
  const pool = new EgressPool({ sources: [A], localPortRange: [40_000, 40_000], cooldown: 60_000 });
  const first = pool.connect({ host: '127.0.0.1', port: server.port });
  await once(first, 'connect');
  const client = new Client(`http://127.0.0.1:${server.port}`, {
    connect: pool.undiciConnector({ waitForLocalPort: { timeout: 10_000 } }),
  });
  const waiting = client.request({ path: '/', method: 'GET' });
  await until(() => pool.stats.exhausted > 0);
  first.resetAndDestroy(); // leaves no TIME-WAIT
  expect(await (await waiting).body.text()).toBe(`${A}:40000`);
  await client.destroy();
  await until(() => pool.stats.held === 0);
});

test('undiciConnector refuses a certificate that is not trusted', async () => {
  await using server = await serve(true);
  const pool = new EgressPool({ sources: [A] });
  const client = new Client(`https://127.0.0.1:${server.port}`, { connect: pool.undiciConnector() });
  const error = await rejection(client.request({ path: '/', method: 'GET' }));
  expect(error).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await client.destroy();
  await until(() => pool.stats.held === 0);
});

test('undiciConnector uses HTTP/2 with allowH2', async () => {
  const server = http2.createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
    response.end(request.httpVersion);
  });
  await using _ = await listening(server, () => undefined);
  const { port } = server.address() as { port: number };
  const pool = new EgressPool({ sources: [A] });
  for (const [allowH2, version] of [
    [true, '2.0'],
    [false, '1.1'],
  ] as const) {
    const connect = pool.undiciConnector({ ca: certificate.cert, allowH2 });
    const client = new Client(`https://localhost:${port}`, { connect, allowH2 });
    const { body } = await client.request({ path: '/', method: 'GET' });
    expect(await body.text()).toBe(version);
    await client.destroy();
  }
  await until(() => pool.stats.held === 0);
});

test('undiciConnector connects to the proxy of a ProxyAgent, and TLS goes through it', async () => {
  await using server = await serve(true);
  const seen: (string | undefined)[] = [];
  const proxy = http.createServer().on('connect', (request, socket) => {
    seen.push(request.socket.remoteAddress);
    const upstream = connect(server.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await using _ = await listening(proxy, () => proxy.closeAllConnections());
  const pool = new EgressPool({ sources: [A] });
  const dispatcher = new ProxyAgent({
    uri: `http://127.0.0.1:${(proxy.address() as { port: number }).port}`,
    requestTls: { ca: certificate.cert },
    clientFactory: (origin, options) => new Client(origin, { ...options, connect: pool.undiciConnector() }),
  });
  const response = await fetch(`https://localhost:${server.port}/`, { dispatcher });
  expect(await response.text()).toMatch(/^127\.0\.0\.1:/);
  expect(seen).toEqual([A]);
  await dispatcher.destroy();
  await until(() => pool.stats.held === 0);
});

test('undiciConnector uses TLS on an httpSocket that exists already', async () => {
  await using server = await serve(true);
  const raw = connect(server.port, '127.0.0.1');
  await once(raw, 'connect');
  const pool = new EgressPool({ sources: [A] });
  const request = { hostname: 'localhost', protocol: 'https:', port: '443', httpSocket: raw };
  const socket = await new Promise<Socket>((resolve, reject) => {
    pool.undiciConnector({ ca: certificate.cert })(request, (error, made) => {
      if (error === null) resolve(made);
      else reject(error);
    });
  });
  expect(socket).toMatchObject({ authorized: true });
  const closed = once(socket, 'close');
  socket.destroy();
  await closed;
});

test.each<[Record<string, unknown> | null, string]>([
  [{ timeout: -1 }, 'ERR_OUT_OF_RANGE'],
  [{ timeout: '1' }, 'ERR_INVALID_ARG_TYPE'],
  [{ allowH2: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [{ keepAlive: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [{ keepAliveInitialDelay: 0.5 }, 'ERR_OUT_OF_RANGE'],
  [{ maxCachedSessions: -1 }, 'ERR_OUT_OF_RANGE'],
  [{ egressKey: 7 }, 'ERR_INVALID_ARG_TYPE'],
  [{ waitForLocalPort: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
])('undiciConnector(%j) throws %s', (options, code) => {
  const pool = new EgressPool({ sources: [A] });
  expect(thrown(() => pool.undiciConnector(options as UndiciConnectorOptions))).toMatchObject({ code });
});

/** Whether a new connection reuses the TLS session of an earlier one. */
async function reused(connect: UndiciConnector, port: number): Promise<boolean> {
  const secure = await new Promise<Socket>((resolve, reject) => {
    const request: UndiciConnectRequest = { hostname: 'localhost', protocol: 'https:', port: String(port) };
    connect(request, (error, made) => {
      if (error === null) resolve(made);
      else reject(error);
    });
  });
  if (!(secure instanceof TLSSocket)) throw new Error('not a TLSSocket');
  const answer = secure.isSessionReused();
  // TLS 1.3 sends its tickets after the handshake.
  if (!answer) await Promise.race([once(secure, 'session'), once(secure.resume(), 'close')]);
  const closed = once(secure, 'close');
  secure.destroy();
  await closed;
  return answer;
}

/** Answers with the client's address and port. */
async function serve(isTls: boolean) {
  const answer: http.RequestListener = ({ socket }, response) => {
    response.end(`${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`);
  };
  const server = isTls ? https.createServer(certificate, answer) : http.createServer(answer);
  return await listening(server, () => server.closeAllConnections());
}

async function listening(server: Server, closeConnections: () => void) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      closeConnections();
      await closed;
    },
  };
}
