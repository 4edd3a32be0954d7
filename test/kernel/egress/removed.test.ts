// What becomes of connections when their source is removed, and of kept ones when a limit is reached.
import { once } from 'node:events';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import * as http from 'node:http';
import { connect, type Socket } from 'node:net';
import { Client, ProxyAgent } from 'undici';
import { beforeAll, describe, expect, test } from 'vitest';
import { EgressPool, type RemovedSource } from '../../../src/index.js';
import { certificateFor, type Certificate } from '../../support/certificate.js';
import { opened, Sockets } from '../../support/egress.js';
import { gate, KEEPERS, undiciKeeper } from '../../support/egress-gate.js';
import { blackHole, checkDescriptors, IPV4, until } from '../../support/fixtures.js';

const A = '127.1.0.1';
const B = '127.1.0.2';
let certificate: Certificate;

beforeAll(() => {
  certificate = certificateFor('127.0.0.1', 'localhost');
});
checkDescriptors();

describe.each(KEEPERS)('$name', ({ name, isTls, make }) => {
  const serve = async () => await gate(isTls ? certificate : undefined);

  test(`${name}: removeSource closes an idle connection at once, and the next request leaves from another source`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B] });
    await using client = make(pool, server.port, certificate);
    expect(await client.get('/')).toBe(A);
    expect(await client.get('/')).toBe(A);
    const removed = pool.removeSource(A);
    expect(pool.stats).toMatchObject({ held: 0, sources: [{ source: B }] });
    expect(await client.get('/')).toBe(B);
    await removed?.drained;
    await until(() => server.sockets.size === 1);
  });

  test(`${name}: removeSource lets a request end, and the requests that wait leave from another source`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B] });
    await using client = make(pool, server.port, certificate);
    const answers = [client.get('/wait'), client.get('/wait'), client.get('/wait')];
    await until(() => server.waiting.length === 1);
    const removed = pool.removeSource(A);
    expect(pool.stats).toMatchObject({
      held: 1,
      sources: [
        { source: B, draining: false, held: 0 },
        { source: A, draining: true, held: 1 },
      ],
    });
    for (const _ of answers) {
      await until(() => server.waiting.length > 0);
      server.waiting.shift()?.();
    }
    expect(await Promise.all(answers)).toEqual([A, B, B]);
    await removed?.drained;
    expect(pool.stats).toMatchObject({ held: 1, sources: [{ source: B, draining: false, held: 1 }] });
    await until(() => server.sockets.size === 1);
  });

  test(`${name}: a connection that is being made when its source is removed ends after its request`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B] });
    await using client = make(pool, server.port, certificate);
    const answer = client.get('/');
    await until(() => pool.stats.held === 1);
    const removed = pool.removeSource(A);
    expect(await answer).toBe(A);
    await removed?.drained;
    expect(await client.get('/')).toBe(B);
  });

  test.each(['limit', 'limitPerAddress'])(
    `${name}: at %s an idle connection makes room for another egressKey`,
    async (limit) => {
      await using server = await serve();
      const pool = new EgressPool({ sources: [limit === 'limit' ? A : '127.2.0.0/32'], [limit]: 2 });
      await using client = make(pool, server.port, certificate);
      await client.get('/', 'first');
      await client.get('/', 'second');
      await until(() => server.sockets.size === 2);
      const [first, second] = server.sockets;
      await client.get('/', 'third');
      expect(pool.stats).toMatchObject({ held: 2, total: 3 });
      await until(() => server.sockets.size === 2);
      expect(server.sockets.has(first!)).toBe(false);
      expect(server.sockets.has(second!)).toBe(true);
    },
  );

  test(`${name}: at the limit a connection with a request does not make room`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A], limit: 1 });
    await using client = make(pool, server.port, certificate);
    const answer = client.get('/wait', 'first');
    await until(() => server.waiting.length === 1);
    await expect(client.get('/', 'second')).rejects.toMatchObject({ code: 'ERR_EGRESS_LIMIT' });
    server.waiting.shift()?.();
    expect(await answer).toBe(A);
  });
});

describe('removeSource and undici', () => {
  test('undici with pipelining: all requests in flight on the connection are answered before it is closed', async () => {
    await using server = await gate();
    const pool = new EgressPool({ sources: [A, B] });
    const client = new Client(`http://127.0.0.1:${server.port}`, { connect: pool.undiciConnector(), pipelining: 2 });
    const get = async (path: string): Promise<string> => {
      const { body } = await client.request({ path, method: 'GET', blocking: false });
      return await body.text();
    };
    const answers = [get('/wait'), get('/wait')];
    await until(() => server.waiting.length === 2);
    const removed = pool.removeSource(A);
    for (const answer of server.waiting) answer();
    expect(await Promise.all(answers)).toEqual([A, A]);
    await removed?.drained;
    expect(await get('/')).toBe(B);
    await client.destroy();
  });

  test('undici with HTTP/2: all streams of the connection are answered before it is closed', async () => {
    await using server = await gate(certificate, { h2: true });
    const pool = new EgressPool({ sources: [A, B] });
    const connector = pool.undiciConnector({ ca: certificate.cert, allowH2: true });
    await using client = undiciKeeper(
      () => new Client(`https://localhost:${server.port}`, { connect: connector, allowH2: true, pipelining: 2 }),
    );
    await client.get('/');
    const answers = [client.get('/wait'), client.get('/wait')];
    await until(() => server.waiting.length === 2);
    const removed = pool.removeSource(A);
    server.waiting.shift()?.();
    expect(await answers[0]).toBe(A);
    expect(pool.stats.sources).toMatchObject([{ source: B }, { source: A, held: 1 }]);
    server.waiting.shift()?.();
    expect(await answers[1]).toBe(A);
    await removed?.drained;
    expect(await client.get('/')).toBe(B);
    pool.removeSource(B);
    expect(pool.stats.held).toBe(0);
  });

  test('undici with HTTP/2: a connection that was opened for a request that has been aborted is idle', async () => {
    await using server = await gate(certificate, { h2: true });
    const pool = new EgressPool({ sources: [A, B, '127.1.0.3'] });
    const connector = pool.undiciConnector({ ca: certificate.cert, allowH2: true });
    const client = new Client(`https://localhost:${server.port}`, { connect: connector, allowH2: true });
    const abandoned = async (andThen?: () => void): Promise<void> => {
      const aborter = new AbortController();
      const whenConnecting = (): void => {
        aborter.abort();
        andThen?.();
      };
      subscribe('linux-sockets.egress.connect', whenConnecting);
      const answer = client.request({ path: '/', method: 'GET', signal: aborter.signal });
      await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
      unsubscribe('linux-sockets.egress.connect', whenConnecting);
    };
    // Removed when undici has the connection.
    const connected = once(client, 'connect');
    await abandoned();
    await connected;
    expect(pool.stats.held).toBe(1);
    const disconnected = once(client, 'disconnect');
    pool.removeSource(A);
    expect(pool.stats.held).toBe(0);
    await disconnected;
    // Removed while it is being made.
    let removed: RemovedSource | undefined;
    await abandoned(() => (removed = pool.removeSource(B)));
    expect(pool.stats.held).toBe(1);
    await removed?.drained;
    const { body } = await client.request({ path: '/', method: 'GET' });
    expect(await body.text()).toBe('127.1.0.3');
    await client.destroy();
  });

  test('undici with HTTP/2: a connection whose only request was aborted is idle, and closed at once', async () => {
    await using server = await gate(certificate, { h2: true });
    const pool = new EgressPool({ sources: [A, B] });
    const connector = pool.undiciConnector({ ca: certificate.cert, allowH2: true });
    const client = new Client(`https://localhost:${server.port}`, { connect: connector, allowH2: true });
    const aborter = new AbortController();
    const answer = client.request({ path: '/wait', method: 'GET', signal: aborter.signal });
    await until(() => server.waiting.length === 1);
    aborter.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.stats.held).toBe(1);
    const removed = pool.removeSource(A);
    expect(pool.stats.held).toBe(0);
    await removed?.drained;
    await client.destroy();
  });

  test('the tunnel of a ProxyAgent is closed when its source is removed and no request uses it', async () => {
    await using server = await gate(certificate);
    const seen: (string | undefined)[] = [];
    const proxy = await gate();
    await using _ = proxy;
    proxy.server.on('connect', (request: http.IncomingMessage, socket: Socket) => {
      seen.push(request.socket.remoteAddress);
      const upstream = connect(server.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    });
    const pool = new EgressPool({ sources: [A, B] });
    const dispatcher = new ProxyAgent({
      uri: `http://127.0.0.1:${proxy.port}`,
      requestTls: { ca: certificate.cert },
      connections: 1,
      clientFactory: (origin, options) => new Client(origin, { ...options, connect: pool.undiciConnector() }),
    });
    const origin = `https://localhost:${server.port}`;
    const get = async (path: string): Promise<string> => {
      const { body } = await dispatcher.request({ origin, path, method: 'GET' });
      return await body.text();
    };
    await get('/');
    await get('/');
    expect(seen).toEqual([A]);
    pool.removeSource(A);
    expect(pool.stats.held).toBe(0);
    const answer = get('/wait');
    await until(() => server.waiting.length === 1);
    expect(seen).toEqual([A, B]);
    pool.addSource(A);
    const removed = pool.removeSource(B);
    expect(pool.stats.held).toBe(1);
    server.waiting.shift()?.();
    expect(await answer).toBe('127.0.0.1');
    await removed?.drained;
    await dispatcher.destroy();
  });

  test('a connection that undici has upgraded is not closed: its user closes it', async () => {
    await using server = await gate();
    server.server.on('upgrade', (_: http.IncomingMessage, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    const pool = new EgressPool({ sources: [A, B], limit: 1 });
    const client = new Client(`http://127.0.0.1:${server.port}`, { connect: pool.undiciConnector() });
    const { socket } = await client.upgrade({ path: '/', protocol: 'websocket' });
    const removed = pool.removeSource(A);
    socket.write('still open');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    expect(echo.toString()).toBe('still open');
    expect(pool.stats.sources).toMatchObject([{ source: B }, { source: A, draining: true, held: 1 }]);
    socket.destroy();
    await removed?.drained;
    await client.destroy();
  });
});

describe('removeSource and sockets that the pool does not manage', () => {
  test('a connection that an agent has given away for an upgrade is not closed: its user closes it', async () => {
    await using server = await gate();
    server.server.on('upgrade', (_: http.IncomingMessage, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    const pool = new EgressPool({ sources: [A] });
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    const agent = pool.httpAgent({ keepAlive: true });
    const request = http.request({ host: '127.0.0.1', port: server.port, agent, headers }).end();
    const [, socket] = (await once(request, 'upgrade')) as [unknown, Socket];
    socket.unref();
    const removed = pool.removeSource(A);
    socket.write('still open');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    expect(echo.toString()).toBe('still open');
    socket.destroy();
    await removed?.drained;
  });

  test.each<[string, (pool: EgressPool, port: number) => Socket]>([
    ['pool.connect', (pool, port) => pool.connect({ host: '127.0.0.1', port })],
    ['pool.createConnection', (pool, port) => pool.createConnection(port, '127.0.0.1')],
    ['pool.socket', (pool, port) => pool.socket().connect(port, '127.0.0.1')],
  ])('a socket of %s stays open, though it was unref-ed, and its source drains when it is closed', async (_, open) => {
    await using server = await gate();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], limit: 1 });
    const socket = sockets.add(open(pool, server.port));
    await once(socket, 'connect');
    socket.unref();
    const refused = pool.connect({ host: '127.0.0.1', port: server.port });
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ERR_EGRESS_LIMIT' }]);
    const removed = pool.removeSource(A);
    expect(pool.stats).toMatchObject({ held: 1, sources: [{ source: A, draining: true, held: 1 }] });
    expect(socket.destroyed).toBe(false);
    socket.destroy();
    await removed?.drained;
    expect(pool.stats).toMatchObject({ held: 0, sources: [] });
  });

  test('a socket that connects again after its source was removed can be kept by an agent', async () => {
    await using server = await gate();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A, B] });
    const socket = sockets.add(pool.socket().connect(server.port, '127.0.0.1'));
    await once(socket, 'connect');
    const removed = pool.removeSource(A);
    socket.destroy();
    await Promise.all([once(socket, 'close'), removed?.drained]);
    socket.connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    expect(socket.localAddress).toBe(B);
    socket.emit('free');
    expect(socket.destroyed).toBe(false);
  });

  test('the draining of a source ends when its last connection is destroyed while it is being made', async () => {
    using hole = await blackHole(IPV4);
    const pool = new EgressPool({ sources: [A] });
    const socket = pool.connect({ host: hole.local.address, port: hole.local.port });
    await until(() => pool.stats.held === 1);
    const removed = pool.removeSource(A);
    expect(pool.stats.held).toBe(1);
    socket.destroy();
    await removed?.drained;
    expect(pool.stats).toMatchObject({ held: 0, sources: [] });
  });

  test('a source that is added again while its old connections are open has a row of its own', async () => {
    await using server = await gate();
    await using sockets = new Sockets();
    const pool = new EgressPool({ sources: [A], limit: 1 });
    const to = { host: '127.0.0.1', port: server.port };
    const old = sockets.add(await opened(pool, to));
    const removed = pool.removeSource(A);
    pool.addSource(A);
    sockets.add(await opened(pool, to));
    expect(pool.sources).toEqual([A]);
    expect(pool.stats).toMatchObject({
      held: 2,
      sources: [
        { source: A, draining: false, held: 1 },
        { source: A, draining: true, held: 1 },
      ],
    });
    old.destroy();
    await removed?.drained;
    expect(pool.stats.sources).toMatchObject([{ source: A, draining: false, held: 1 }]);
  });
});
