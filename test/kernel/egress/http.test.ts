// httpAgent, httpsAgent and createConnection: sources, keys, keep-alive, sessions, timeouts and errors, with Node's http.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import {
  connector,
  EgressPool,
  type Connector,
  type EgressHttpAgentOptions,
  type EgressHttpsAgentOptions,
  type StrategyRequest,
} from '../../../src/index.js';
import { runNode } from '../../support/child.js';
import { closedPort } from '../../support/sockets.js';
import { certificateFor, type Certificate } from '../../support/certificate.js';
import { resolving, Sockets } from '../../support/egress.js';
import { blackHole, checkDescriptors, IPV4, thrown, until, type AnyError } from '../../support/fixtures.js';

const A = '127.1.0.1';
const B = '127.1.0.2';
let certificate: Certificate;

beforeAll(() => {
  certificate = certificateFor('x.test');
});
checkDescriptors();

interface Scheme {
  readonly name: string;
  readonly agent: (pool: Connector, options?: EgressHttpAgentOptions & EgressHttpsAgentOptions) => http.Agent;
  readonly request: (options: https.RequestOptions) => http.ClientRequest;
}

const SCHEMES: readonly Scheme[] = [
  { name: 'http', agent: (pool, options) => pool.httpAgent(options), request: (options) => http.request(options) },
  {
    name: 'https',
    agent: (pool, options) => pool.httpsAgent(options),
    request: (options) => https.request({ ca: certificate.cert, ...options }),
  },
];

describe.each(SCHEMES)('an agent for $name', ({ name, agent, request }) => {
  test(`${name}: a request with agent: false leaves from the pool whose agent is the global one, and keeps no socket`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A] });
    const library = createRequire(import.meta.url)(`node:${name}`) as { globalAgent: http.Agent };
    const before = library.globalAgent;
    const used = agent(pool, { keepAlive: true, egressKey: 'global' });
    library.globalAgent = used;
    try {
      const { text } = await get(request({ ...to(server.port), agent: false }));
      expect(text.split(':')[0]).toBe(A);
    } finally {
      library.globalAgent = before;
    }
    await until(() => pool.stats.held === 0);
    expect(Object.keys(used.sockets)).toEqual([]);
  });

  const isTls = name === 'https';
  const serve = () => httpServer(isTls);
  const to = (port: number): https.RequestOptions => ({ host: 'x.test', port, lookup: resolving('::1', '127.0.0.1') });

  test(`${name}: an agent connects from the sources of the pool`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B], localPortRange: [40_000, 40_009] });
    const used = agent(pool);
    for (const source of [A, B, A]) {
      const { text } = await get(request({ ...to(server.port), agent: used }));
      expect(text).toMatch(new RegExp(`^${source}:4000\\d /$`));
    }
    await until(() => pool.stats.held === 0);
    expect(pool.stats.total).toBe(3);
  });

  test(`${name}: an agent reuses a kept-alive socket`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B] });
    const used = agent(pool, { keepAlive: true });
    const first = await get(request({ ...to(server.port), agent: used }));
    const second = await get(request({ ...to(server.port), agent: used, path: '/second' }));
    expect(second.text).toBe(first.text.replace(' /', ' /second'));
    expect(pool.stats).toMatchObject({ held: 1, total: 1 });
    used.destroy();
    await until(() => pool.stats.held === 0);
  });

  test(`${name}: an agent never reuses a socket for a request with another egressKey`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => (egressKey === 'b' ? B : A) });
    const used = agent(pool, { keepAlive: true });
    const from = async (egressKey?: string): Promise<string> => {
      const { text } = await get(request({ ...to(server.port), agent: used, egressKey }));
      return text.replace(/ .*/, '');
    };
    const [a, b, none] = [await from('a'), await from('b'), await from()];
    expect([a, b, none].map((text) => text.split(':')[0])).toEqual([A, B, A]);
    expect(none).not.toBe(a);
    // Each key gets its own socket again.
    expect([await from('a'), await from('b'), await from()]).toEqual([a, b, none]);
    expect(pool.stats.total).toBe(3);
    used.destroy();
    await until(() => pool.stats.held === 0);
  });

  test(`${name}: the egressKey of an agent takes precedence over that of a request`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => (egressKey === 'b' ? B : A) });
    const used = agent(pool, { egressKey: 'b' });
    const { text } = await get(request({ ...to(server.port), agent: used, egressKey: 'a' }));
    expect(text).toMatch(new RegExp(`^${B}:`));
    expect(used.getName({ host: 'x.test', port: 1 })).toMatch(/egress="b"$/);
    await until(() => pool.stats.held === 0);
  });

  test(`${name}: getName differs for different egressKeys, whatever they contain`, () => {
    const used = agent(new EgressPool({ sources: [A] }));
    const nameOf = (egressKey?: string): string =>
      used.getName({ host: 'h', port: 1, egressKey } as http.ClientRequestArgs);
    const keys = [undefined, '', 'a', '"', '"a', 'a:egress="b"', '\ud800', '\ud801', 'null', 'undefined'];
    expect(new Set(keys.map(nameOf)).size).toBe(keys.length);
  });

  describe('with a function as egressKey', () => {
    const tenant = new AsyncLocalStorage<string>();
    const source = ({ egressKey = A }: StrategyRequest): string => egressKey;

    test.each(['of the agent', 'of each request'])(
      `${name}: an egressKey function %s is called once per request, and sockets of different keys are not mixed`,
      async (which) => {
        await using server = await serve();
        const pool = new EgressPool({ sources: [A, B], strategy: source });
        const egressKey = vi.fn(() => tenant.getStore());
        const [ofAgent, ofRequest] = which === 'of the agent' ? [{ egressKey }, {}] : [{}, { egressKey }];
        const used = agent(pool, { keepAlive: true, ...ofAgent });
        const options = { ...to(server.port), agent: used, ...ofRequest };
        const from = async (key: string): Promise<string> => {
          const { text } = await tenant.run(key, async () => get(request(options)));
          return text.replace(/ .*/, '');
        };
        const seen = [await from(A), await from(B), await from(A), await from(B)];
        expect(seen.map((text) => text.split(':')[0])).toEqual([A, B, A, B]);
        expect(seen.slice(2)).toEqual(seen.slice(0, 2));
        expect(pool.stats.total).toBe(2);
        expect(egressKey).toHaveBeenCalledTimes(4);
        used.destroy();
        await until(() => pool.stats.held === 0);
      },
    );

    test(`${name}: the egressKey of a request that waits for a socket is determined when the request is made`, async () => {
      await using server = await serve();
      const pool = new EgressPool({ sources: [A, B], strategy: source });
      const egressKey = vi.fn(() => tenant.getStore());
      const used = agent(pool, { egressKey, maxTotalSockets: 1 });
      const keys = [A, B, B, A];
      const answers = keys.map((key) => tenant.run(key, async () => get(request({ ...to(server.port), agent: used }))));
      const seen = await Promise.all(answers);
      expect(seen.map(({ text }) => text.split(':')[0])).toEqual(keys);
      expect(egressKey).toHaveBeenCalledTimes(keys.length);
      await until(() => pool.stats.held === 0);
    });

    test(`${name}: agent.getName does not fix the key of later requests with the same options`, async () => {
      await using server = await serve();
      const pool = new EgressPool({ sources: [A, B], strategy: source });
      const used = agent(pool);
      const options = { ...to(server.port), agent: used, egressKey: () => tenant.getStore() };
      expect(tenant.run(A, () => used.getName(options as http.ClientRequestArgs))).toMatch(`:egress="${A}"`);
      const { text } = await tenant.run(B, async () => get(request(options)));
      expect(text).toMatch(new RegExp(`^${B}:`));
      await until(() => pool.stats.held === 0);
    });

    test.each<[string, () => unknown, object]>([
      ['throws', () => JSON.parse('{') as unknown, { name: 'SyntaxError' }],
      ['returns a number', () => 7, { code: 'ERR_INVALID_RETURN_VALUE', name: 'TypeError' }],
      ['returns a promise', () => Promise.resolve('k'), { code: 'ERR_INVALID_RETURN_VALUE' }],
    ])(`${name}: a request throws when the egressKey function %s`, (_, wrong, error) => {
      const egressKey = wrong as () => string;
      const pool = new EgressPool({ sources: [A] });
      const target = { host: '127.0.0.1', port: 1 };
      expect(thrown(() => request({ ...target, agent: agent(pool, { egressKey }) }))).toMatchObject(error);
      expect(thrown(() => request({ ...target, agent: agent(pool), egressKey }))).toMatchObject(error);
      expect(pool.stats).toMatchObject({ held: 0, total: 0 });
    });
  });

  test(`${name}: a request waits for a local port with waitForLocalPort of its agent`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A], localPortRange: [40_000, 40_000], cooldown: 60_000 });
    const first = pool.connect({ host: '127.0.0.1', port: server.port });
    await once(first, 'connect');
    const waiting = get(request({ ...to(server.port), agent: agent(pool, { waitForLocalPort: { timeout: 10_000 } }) }));
    await until(() => pool.stats.exhausted > 0);
    first.resetAndDestroy(); // leaves no TIME-WAIT
    expect((await waiting).text).toMatch(new RegExp(`^${A}:40000 `));
    await until(() => pool.stats.held === 0);
    const wrong = { waitForLocalPort: 'yes' } as unknown as EgressHttpAgentOptions;
    expect(thrown(() => agent(pool, wrong)).code).toBe('ERR_INVALID_ARG_TYPE');
  });

  test(`${name}: an agent keeps requests waiting at maxSockets`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A] });
    const used = agent(pool, { keepAlive: true, maxSockets: 1 });
    const all = Array.from({ length: 5 }, (_, i) => get(request({ ...to(server.port), agent: used, path: `/${i}` })));
    const answers = await Promise.all(all);
    expect(answers.map(({ text }) => text.split(' ')[1])).toEqual(['/0', '/1', '/2', '/3', '/4']);
    expect(pool.stats.total).toBe(1);
    used.destroy();
    await until(() => pool.stats.held === 0);
  });

  test.each(['of the request', 'of the agent'])(
    `${name}: a request emits 'timeout' while connecting, with the timeout %s`,
    async (which) => {
      using hole = await blackHole(IPV4);
      const pool = new EgressPool({ sources: [A] });
      const used = agent(pool, which === 'of the agent' ? { timeout: 20 } : {});
      const made = request({
        host: hole.local.address,
        port: hole.local.port,
        agent: used,
        ...(which === 'of the request' && { timeout: 20 }),
      });
      made.on('timeout', () => made.destroy(new Error('too slow'))).end();
      const [error] = (await once(made, 'error')) as [Error];
      expect(error.message).toBe('too slow');
      await until(() => pool.stats.held === 0);
    },
  );

  test(`${name}: a request fails with the error of its connection`, async () => {
    const pool = new EgressPool({ sources: [A] });
    const used = agent(pool);
    const port = closedPort();
    expect(await failure(request({ host: '127.0.0.1', port, agent: used }))).toMatchObject({
      code: 'ECONNREFUSED',
      port,
    });
    expect(await failure(request({ host: '::1', port, agent: used }))).toMatchObject({ code: 'ERR_EGRESS_NO_SOURCE' });
    expect(pool.stats).toMatchObject({ held: 0, failed: 1 });
  });

  test(`${name}: a request fails with ERR_PORT_RANGE_EXHAUSTED when no port is left`, async () => {
    await using server = await serve();
    const pool = new EgressPool({ sources: [A], localPortRange: [40_000, 40_000] });
    const used = agent(pool, { keepAlive: true, egressKey: 'first' });
    await get(request({ ...to(server.port), agent: used }));
    const other = request({ host: '127.0.0.1', port: server.port, agent: agent(pool) });
    expect(await failure(other)).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: { code: 'EADDRNOTAVAIL' } });
    used.destroy();
    await until(() => pool.stats.held === 0);
  });

  test(`${name}: the socket of an aborted request is released`, async () => {
    using hole = await blackHole(IPV4);
    const pool = new EgressPool({ sources: [A] });
    const controller = new AbortController();
    const { signal } = controller;
    const made = request({ host: hole.local.address, port: hole.local.port, agent: agent(pool), signal });
    const failed = failure(made);
    await until(() => pool.stats.held === 1);
    controller.abort();
    expect((await failed).name).toBe('AbortError');
    await until(() => pool.stats.held === 0);
  });

  test.each<[https.RequestOptions, string]>([
    [{ localAddress: B }, 'ERR_INVALID_ARG_VALUE'],
    [{ socketPath: '/tmp/x' }, 'ERR_INVALID_ARG_VALUE'],
    [{ egressKey: 7 as unknown as string }, 'ERR_INVALID_ARG_TYPE'],
  ])(`${name}: a request with %j fails with %s`, async (options, code) => {
    const used = agent(new EgressPool({ sources: [A] }));
    const error = await (async () =>
      await failure(request({ host: '127.0.0.1', port: 1, agent: used, ...options })))().catch(
      (thrownNow: unknown) => thrownNow,
    );
    expect(error).toMatchObject({ code });
  });

  test(`${name}: an agent refuses an egressKey that is not a string or a function`, () => {
    const pool = new EgressPool({ sources: [A] });
    expect(thrown(() => agent(pool, { egressKey: 7 as unknown as string })).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('httpsAgent and TLS', () => {
  test('an httpsAgent reuses TLS sessions for the same egressKey, and for no other', async () => {
    await using server = await httpServer(true);
    const pool = new EgressPool({ sources: [A] });
    const used = pool.httpsAgent({ ca: certificate.cert, maxCachedSessions: 10 });
    const to = { host: 'x.test', port: server.port, lookup: resolving('127.0.0.1'), agent: used };
    const reused = async (egressKey: string): Promise<boolean> => {
      const { socket } = await get(https.request({ ...to, egressKey }));
      return socket instanceof TLSSocket && socket.isSessionReused();
    };
    expect([await reused('a'), await reused('a'), await reused('b'), await reused('b'), await reused('a')]).toEqual([
      false,
      true,
      false,
      true,
      true,
    ]);
    await until(() => pool.stats.held === 0);
  });

  test('an httpsAgent refuses a certificate that is not trusted, unless rejectUnauthorized is false', async () => {
    await using server = await httpServer(true);
    const pool = new EgressPool({ sources: [A] });
    const to = { host: 'x.test', port: server.port, lookup: resolving('127.0.0.1') };
    expect(await failure(https.request({ ...to, agent: pool.httpsAgent() }))).toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    await until(() => pool.stats.held === 0);
    const { text } = await get(https.request({ ...to, agent: pool.httpsAgent({ rejectUnauthorized: false }) }));
    expect(text).toMatch(new RegExp(`^${A}:`));
    await until(() => pool.stats.held === 0);
  });

  test('the TLS option key of an httpsAgent is a private key, not the egressKey', async () => {
    await using server = await httpServer(true);
    const keys: unknown[] = [];
    const pool = new EgressPool({ sources: [A], strategy: ({ egressKey }) => (keys.push(egressKey), A) });
    const used = pool.httpsAgent({ ca: certificate.cert, key: certificate.key, cert: certificate.cert });
    await get(https.request({ host: 'x.test', port: server.port, lookup: resolving('127.0.0.1'), agent: used }));
    expect(keys).toEqual([undefined]);
    await until(() => pool.stats.held === 0);
  });
});

describe.each(SCHEMES)('invalid options of an agent for $name, or of a request', ({ name, agent, request }) => {
  const pool = new EgressPool({ sources: [A] });

  test(`${name}: an agent refuses proxyEnv`, () => {
    const options = { proxyEnv: { HTTP_PROXY: 'http://127.0.0.1:1' } } as unknown as EgressHttpAgentOptions;
    for (const wrong of [options, { ...options, egressKey: 'k' }]) {
      const { code, message } = thrown(() => agent(pool, wrong));
      expect(code).toBe('ERR_INVALID_ARG_VALUE');
      expect(message).toMatch(/options\.proxyEnv.* does not use a proxy/);
    }
  });

  test.each([null, 7, 'x'])(`${name}: an agent refuses %j as options`, (options) => {
    expect(thrown(() => agent(pool, options as unknown as object)).code).toBe('ERR_INVALID_ARG_TYPE');
  });

  test.each([
    [pool, { sockopts: [] }, /options\.sockopts/],
    [connector({ localAddress: A }), { sockopts: [] }, /options\.sockopts/],
    [pool, { egressKey: 5 }, /options\.egressKey/],
    [connector({ localAddress: A }), { egressKey: 5 }, /options\.egressKey/],
  ] as const)(`${name}: a request of an agent of %o throws for %j`, (from: Connector, wrong, message) => {
    const to = { host: 'x.test', port: 1, lookup: resolving('127.0.0.1') };
    const error = thrown(() => request({ ...to, agent: agent(from), ...(wrong as object) }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringMatching(message) as unknown });
  });

  test(`${name}: a request throws when the sockopts of its agent are an array`, () => {
    const used = agent(pool, { sockopts: [] } as object);
    expect(thrown(() => request({ host: '127.0.0.1', port: 1, agent: used })).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

const PROXIED = `
  import * as http from 'node:http';
  import { once } from 'node:events';
  import { EgressPool } from 'linux-sockets';
  const serve = async (name, port) => {
    const server = http.createServer((request, response) => response.end(name + ' ' + request.socket.remoteAddress));
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  };
  const proxy = await serve('proxy', 34567);
  const server = await serve('server', 0);
  const get = async (options) => {
    const [response] = await once(http.get({ host: '127.0.0.1', port: server.address().port, ...options }), 'response');
    console.log((await response.toArray()).join(''));
  };
  const pool = new EgressPool({ sources: ['${A}'] });
  await get({ agent: pool.httpAgent() });
  await get({ createConnection: pool.createConnection });
  await get({});
  process.exit();
`;

test.skipIf(!process.allowedNodeEnvironmentFlags.has('--use-env-proxy'))(
  "an agent of a pool does not use the environment's proxy, which Node's own agent does (Node >= 24)",
  async () => {
    const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:34567' };
    const { stdout } = await runNode(PROXIED, { env });
    expect(stdout.trim().split('\n')).toEqual([`server ${A}`, `server ${A}`, 'proxy 127.0.0.1']);
  },
);

describe('pool.createConnection', () => {
  test('http.request takes pool.createConnection as a function without this', async () => {
    await using server = await httpServer(false);
    const pool = new EgressPool({ sources: [A] });
    const { createConnection } = pool;
    const request = http.request({ host: '127.0.0.1', port: server.port, path: '/x', createConnection });
    expect((await get(request)).text).toMatch(new RegExp(`^${A}:\\d+ /x$`));
    await until(() => pool.stats.held === 0);
  });

  test('createConnection takes all forms of net.createConnection except a path', async () => {
    await using server = await httpServer(false);
    await using sockets = new Sockets();
    const { createConnection } = new EgressPool({ sources: [A] });
    const connected = vi.fn();
    sockets.add(createConnection(server.port, '127.0.0.1', connected));
    sockets.add(createConnection({ port: server.port, host: '127.0.0.1' }, connected));
    sockets.add(createConnection(server.port, connected)); // of localhost
    sockets.add(createConnection(String(server.port), connected));
    sockets.add(createConnection(String(server.port), '127.0.0.1', connected));
    await until(() => connected.mock.calls.length === 5);
    expect(sockets.list.map(({ localAddress }) => localAddress)).toEqual([A, A, A, A, A]);
    sockets.add(createConnection(server.port));
    sockets.add(createConnection(server.port, '127.0.0.1'));
    await until(() => sockets.list.every(({ connecting }) => !connecting));
    expect(thrown(() => createConnection('/tmp/x')).message).toMatch(/^The "path" argument .* no local address/);
    expect(thrown(() => createConnection(65_536)).code).toBe('ERR_SOCKET_BAD_PORT');
    expect(thrown(() => createConnection(undefined as unknown as number)).code).toBe('ERR_MISSING_ARGS');
    expect(thrown(() => createConnection({ socketPath: '/tmp/x' })).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(thrown(() => createConnection(null as unknown as number)).code).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('createConnection takes an egressKey', async () => {
    await using server = await httpServer(false);
    const pool = new EgressPool({ sources: [A, B], strategy: ({ egressKey }) => egressKey ?? A });
    const { createConnection } = pool;
    const options = { host: '127.0.0.1', port: server.port, createConnection, egressKey: B };
    expect((await get(http.request(options))).text).toMatch(new RegExp(`^${B}:`));
    await until(() => pool.stats.held === 0);
  });
});

describe('a connector without a pool', () => {
  test.each([true, false])('an agent of a connector connects from its source (TLS: %s)', async (isTls) => {
    await using server = await httpServer(isTls);
    const made = connector({ localAddress: B, localPortRange: [40_000, 40_009] });
    const agent = isTls ? made.httpsAgent({ ca: certificate.cert }) : made.httpAgent();
    const request = (isTls ? https : http).request({
      host: 'x.test',
      port: server.port,
      lookup: resolving('::1', '127.0.0.1'),
      localAddress: A, // the connector's takes precedence
      agent,
    });
    expect((await get(request)).text).toMatch(new RegExp(`^${B}:4000\\d /$`));
  });

  test.each([undefined, null, 7])('connector(%j) throws ERR_INVALID_ARG_TYPE', (options) => {
    expect(thrown(() => connector(options as unknown as object)).code).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('connector() throws for wrong options when it is created', () => {
    expect(thrown(() => connector({ localPortRange: [2, 1] })).code).toBe('ERR_OUT_OF_RANGE');
  });
});

/** Answers with the client's address and port, and the path that was asked for. */
async function httpServer(isTls: boolean) {
  const answer: http.RequestListener = (request, response) => {
    response.end(`${request.socket.remoteAddress ?? ''}:${request.socket.remotePort ?? 0} ${request.url ?? ''}`);
  };
  const server = isTls ? https.createServer(certificate, answer) : http.createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function get(request: http.ClientRequest): Promise<{ text: string; socket: Socket }> {
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const { socket } = response;
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return { text, socket };
}

async function failure(request: http.ClientRequest): Promise<AnyError> {
  request.end();
  const [error] = (await once(request, 'error')) as [AnyError];
  return error;
}
