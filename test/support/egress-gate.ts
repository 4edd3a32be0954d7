// For tests of kept connections: an HTTP server that answers a request when the test says so, and the HTTP clients that keep
// connections, each over a pool.
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import type { Server, Socket } from 'node:net';
import { Client } from 'undici';
import type { EgressPool } from '../../src/index.js';
import type { Certificate } from './certificate.js';

export interface Gate extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  /** Requests to '/wait' that have no answer yet: calling one answers it. */
  readonly waiting: (() => void)[];
  /** The connections that are open on this side. */
  readonly sockets: ReadonlySet<Socket>;
}

/** Answers with the client's address: at once, but for '/wait' only when the test lets it. */
export async function gate(certificate?: Certificate, { h2 = false } = {}): Promise<Gate> {
  const waiting: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const answer = (request: http.IncomingMessage | http2.Http2ServerRequest, end: (text: string) => void): void => {
    const { remoteAddress = '' } = request.socket;
    if (request.url === '/wait') waiting.push(() => end(remoteAddress));
    else end(remoteAddress);
  };
  const plain: http.RequestListener = (request, response) => answer(request, (text) => response.end(text));
  const server = h2
    ? http2.createSecureServer({ ...certificate }, (request, response) => answer(request, (text) => response.end(text)))
    : certificate === undefined
      ? http.createServer({ keepAliveTimeout: 60_000 }, plain)
      : https.createServer({ ...certificate, keepAliveTimeout: 60_000 }, plain);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as { port: number }).port,
    waiting,
    sockets,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** An HTTP client that keeps one connection for each key, and lets other requests with that key wait for it. */
export interface Keeper extends AsyncDisposable {
  /** Resolves to the address that the server has seen. */
  get(path: string, egressKey?: string): Promise<string>;
}

export type MakeKeeper = (pool: EgressPool, port: number, certificate: Certificate) => Keeper;

export const KEEPERS: readonly { readonly name: string; readonly isTls: boolean; readonly make: MakeKeeper }[] = [
  {
    name: 'httpAgent',
    isTls: false,
    make: (pool, port) => keeperOf(pool.httpAgent(KEEP), (options) => http.request({ ...options, port })),
  },
  {
    name: 'httpsAgent',
    isTls: true,
    make: (pool, port, { cert }) =>
      keeperOf(pool.httpsAgent({ ...KEEP, ca: cert }), (options) => https.request({ ...options, port })),
  },
  {
    name: "Node's own agent over createConnection",
    isTls: false,
    make: (pool, port) => {
      const agent = Object.assign(new http.Agent(KEEP), { createConnection: pool.createConnection });
      const getName = agent.getName.bind(agent);
      agent.getName = (options) => `${getName(options)}:${(options as { egressKey?: string }).egressKey ?? ''}`;
      return keeperOf(agent, (options) => http.request({ ...options, port }));
    },
  },
  {
    name: 'undiciConnector for http',
    isTls: false,
    make: (pool, port) =>
      undiciKeeper(
        (egressKey) => new Client(`http://127.0.0.1:${port}`, { connect: pool.undiciConnector({ egressKey }) }),
      ),
  },
  {
    name: 'undiciConnector for https',
    isTls: true,
    make: (pool, port, { cert: ca }) =>
      undiciKeeper(
        (egressKey) => new Client(`https://localhost:${port}`, { connect: pool.undiciConnector({ egressKey, ca }) }),
      ),
  },
];

/** undici keeps no keys apart: one client for each. */
export function undiciKeeper(clientFor: (egressKey: string | undefined) => Client): Keeper {
  const clients = new Map<string | undefined, Client>();
  return {
    get: async (path, egressKey) => {
      const client = clients.get(egressKey) ?? clientFor(egressKey);
      clients.set(egressKey, client);
      const { body } = await client.request({ path, method: 'GET' });
      return await body.text();
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...clients.values()].map((client) => client.destroy()));
    },
  };
}

function keeperOf(agent: http.Agent, request: (options: http.RequestOptions) => http.ClientRequest): Keeper {
  return {
    get: async (path, egressKey) => {
      const sent = request({ host: '127.0.0.1', path, agent, egressKey }).end();
      const closed = new Promise((resolve) => sent.once('close', resolve));
      const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
      const text = await response.setEncoding('utf8').reduce((all, chunk) => `${all}${String(chunk)}`, '');
      await closed; // the agent has the socket back
      return text;
    },
    [Symbol.asyncDispose]: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

const KEEP = { keepAlive: true, maxSockets: 1 };
