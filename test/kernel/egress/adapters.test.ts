// Each adapter passes on what Node's counterpart accepts: a lookup that refuses, an aborted signal, options of the socket.
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connector, EgressPool, getOption, type Connector, type StreamSocketOptions } from '../../../src/index.js';
import { witness } from '../../support/egress.js';
import { checkDescriptors, thrown, until } from '../../support/fixtures.js';

const SOURCE = '127.1.0.1';
const HOST = '127.0.0.1';
/** Options of net.connect, which each adapter takes in its own way. */
interface Given {
  readonly lookup?: LookupFunction;
  readonly signal?: AbortSignal;
  readonly family?: number;
  readonly sockopts?: StreamSocketOptions;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
}
/** Connects, and calls back with the connected socket or the error. */
type Adapter = (from: Connector, host: string, port: number, given: Given) => Promise<Socket>;

const ADAPTERS: readonly (readonly [name: string, adapter: Adapter])[] = [
  ['createConnection', (from, host, port, given) => connected(from.createConnection({ host, port, ...given }))],
  ['connectTls', (from, host, port, given) => connected(from.connectTls({ host, port, ...given }))],
  [
    'socket()',
    (from, host, port, { signal, sockopts, ...given }) => {
      const made = from.socket({ ...(signal && { signal }), ...(sockopts && { sockopts }) });
      return connected(made.connect({ host, port, ...given }));
    },
  ],
  ['httpAgent', (from, host, port, given) => requested(http.get({ host, port, agent: from.httpAgent(given) }))],
  [
    'httpAgent, options of the request',
    (from, host, port, given) => requested(http.get({ host, port, agent: from.httpAgent(), ...(given as object) })),
  ],
  ['httpsAgent', (from, host, port, given) => requested(https.get({ host, port, agent: from.httpsAgent(given) }))],
  ['undiciConnector, http', (from, host, port, given) => byUndici(from, 'http:', host, port, given)],
  ['undiciConnector, https', (from, host, port, given) => byUndici(from, 'https:', host, port, given)],
];

/** http reports a socket that is destroyed already as a hang up. */
const ABORTED = { code: expect.stringMatching(/^(ABORT_ERR|ECONNRESET)$/) as unknown };

let server: Awaited<ReturnType<typeof witness>>;
const sockets = new Set<Socket>();
checkDescriptors();
beforeEach(async () => {
  server = await witness(HOST);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await server[Symbol.asyncDispose]();
});

describe.each([
  ['a pool', () => new EgressPool({ sources: [SOURCE] })],
  ['connector()', () => connector({ localAddress: SOURCE })],
] as const)('%s', (_, make) => {
  test.each(ADAPTERS)('%s: a lookup that refuses a name keeps it from connecting', async (_name, adapter) => {
    const refused = Object.assign(new Error('not this name'), { code: 'EREFUSED' });
    const lookup: LookupFunction = (_host, _options, callback) => process.nextTick(callback, refused, '', 4);
    await expect(adapter(make(), 'localhost', server.port, { lookup })).rejects.toMatchObject({ code: 'EREFUSED' });
    expect(server.seen).toEqual([]);
  });

  test.each(ADAPTERS)('%s: `family` is the family of the lookup', async (_name, adapter) => {
    let asked: unknown;
    const lookup: LookupFunction = (_host, options, callback) => {
      asked = options.family;
      process.nextTick(callback, Object.assign(new Error('none'), { code: 'ENONE' }), '', 4);
    };
    await expect(adapter(make(), 'name.test', server.port, { lookup, family: 4 })).rejects.toMatchObject({
      code: 'ENONE',
    });
    expect(asked).toBe(4);
  });

  // A request's signal is http's own, and is not an option of its socket.
  const withSignal = ADAPTERS.filter(([name]) => name !== 'httpAgent, options of the request');
  test.each(withSignal)('%s: a signal that is aborted already keeps it from connecting', async (_name, adapter) => {
    const from = make();
    const signal = AbortSignal.abort();
    await expect(adapter(from, HOST, server.port, { signal })).rejects.toMatchObject(ABORTED);
    await expect(adapter(from, 'localhost', server.port, { signal })).rejects.toMatchObject(ABORTED);
    expect(server.seen).toEqual([]);
    if (from instanceof EgressPool) expect(from.stats).toMatchObject({ held: 0, total: 0 });
  });

  test.each(withSignal)(
    '%s: a signal that is aborted during the lookup keeps it from connecting',
    async (_name, adapter) => {
      const from = make();
      const controller = new AbortController();
      const lookup: LookupFunction = (_host, options, callback) => {
        controller.abort();
        if (options.all === true) callback(null, [{ address: HOST, family: 4 }]);
        else callback(null, HOST, 4);
      };
      await expect(
        adapter(from, 'name.test', server.port, { lookup, signal: controller.signal }),
      ).rejects.toMatchObject(ABORTED);
      expect(server.seen).toEqual([]);
      if (from instanceof EgressPool) expect(from.stats).toMatchObject({ held: 0, total: 0 });
    },
  );

  // These need no answer of the server to be connected.
  test.each(ADAPTERS.filter(([name]) => ['createConnection', 'socket()', 'undiciConnector, http'].includes(name)))(
    '%s: `sockopts` take precedence over what Node sets itself',
    async (_name, adapter) => {
      const sockopts = {
        TCP_NODELAY: false,
        SO_KEEPALIVE: true,
        TCP_KEEPIDLE: 77,
        TCP_KEEPINTVL: 15,
        TCP_KEEPCNT: 4,
      } as const;
      const socket = await adapter(make(), HOST, server.port, { sockopts, noDelay: true, keepAlive: true });
      socket.setKeepAlive(true, 1000); // as an agent does with a socket that it keeps
      socket.setNoDelay(true);
      for (const [name, value] of Object.entries(sockopts))
        expect([name, getOption(socket, name as never)]).toEqual([name, value]);
    },
  );
});

test.each([
  ['httpAgent', (pool: EgressPool, options: object) => pool.httpAgent(options)],
  ['httpsAgent', (pool: EgressPool, options: object) => pool.httpsAgent(options)],
  ['undiciConnector', (pool: EgressPool, options: object) => pool.undiciConnector(options)],
] as const)(
  '%s of a pool refuses options of the source, a Unix socket and a descriptor when it is made',
  (_name, make) => {
    const pool = new EgressPool({ sources: [SOURCE] });
    for (const options of [{ localAddress: HOST }, { localPort: 1 }, { mark: 1 }, { socketPath: '/x' }, { fd: 3 }]) {
      expect(thrown(() => make(pool, options))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    }
  },
);

test('an agent that keeps its sockets does not change the sockopts of the pool', async () => {
  await using web = await served();
  const pool = new EgressPool({ sources: [SOURCE], sockopts: { TCP_KEEPINTVL: 15, TCP_NODELAY: false } });
  const agent = pool.httpAgent({ keepAlive: true });
  const request = http.get({ host: HOST, port: web.port, agent });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const { socket } = response;
  await once(response.resume(), 'end');
  await until(() => Object.keys(agent.freeSockets).length === 1);
  expect(getOption(socket, 'SO_KEEPALIVE')).toBe(true);
  expect(getOption(socket, 'TCP_KEEPINTVL')).toBe(15);
  expect(getOption(socket, 'TCP_NODELAY')).toBe(false);
  agent.destroy();
});

async function connected(socket: Socket): Promise<Socket> {
  sockets.add(socket);
  socket.on('error', () => undefined);
  if (socket.destroyed) throw socket.errored ?? new Error('destroyed');
  await once(socket, 'connect');
  return socket;
}

async function requested(request: http.ClientRequest): Promise<Socket> {
  request.once('socket', (socket) => sockets.add(socket));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return response.socket;
}

function byUndici(from: Connector, protocol: string, hostname: string, port: number, given: Given): Promise<Socket> {
  const open = from.undiciConnector(given);
  return new Promise((resolve, reject) => {
    open({ hostname, port: String(port), protocol }, (error, socket) => {
      if (error === null) {
        sockets.add(socket);
        resolve(socket);
      } else reject(error);
    });
  });
}

async function served() {
  const web = http.createServer((_request, response) => response.end('ok')).listen(0, HOST);
  await once(web, 'listening');
  return Object.assign(web, { port: (web.address() as { port: number }).port });
}
