// connect, listen, the pool and the adapters.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { addressServer, closing, HOST, SOURCE, textOf } from './support.mjs';

/** @typedef {import('./support.mjs').Library} Library */

const FROM = { localAddress: SOURCE };

/** @type {readonly import('./support.mjs').Row[]} */
export const TCP_CALLS = [
  {
    name: 'connect',
    call: ({ connect }) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd);
        assert.equal(await textOf(connect({ host: HOST, port, ...FROM })), SOURCE);
      }),
  },
  {
    name: 'listen',
    call: ({ listen }) =>
      closing(async (onEnd) => {
        const server = net.createServer((socket) => socket.end('served'));
        onEnd(() => server.close());
        listen(server, { host: SOURCE, port: 0 });
        await once(server, 'listening');
        const { port } = /** @type {net.AddressInfo} */ (server.address());
        assert.equal(await textOf(net.connect(port, SOURCE)), 'served');
      }),
  },
  {
    name: 'originalDestination',
    call: ({ originalDestination }) =>
      closing(async (onEnd) => {
        const server = net.createServer();
        onEnd(() => server.close());
        server.listen(0, HOST);
        await once(server, 'listening');
        const { port } = /** @type {net.AddressInfo} */ (server.address());
        const client = net.connect(port, HOST);
        onEnd(() => client.destroy());
        const [accepted] = /** @type {[net.Socket]} */ (await once(server, 'connection'));
        onEnd(() => accepted.destroy());
        assert.equal(originalDestination(accepted).port, port);
      }),
  },
  {
    name: 'new EgressPool',
    call: (library) => assert.equal(poolOf(library).name.length > 0, true),
  },
  { name: 'pool.sources, stats', call: (library) => assert.deepEqual(poolOf(library).sources, [SOURCE]) },
  {
    name: 'pool.addSource, removeSource',
    call: async (library) => {
      const pool = poolOf(library);
      pool.addSource('127.0.0.10');
      await pool.removeSource(SOURCE);
      assert.deepEqual(pool.sources, ['127.0.0.10']);
    },
  },
  {
    name: 'pool.addressFor',
    call: ({ EgressPool }) =>
      assert.equal(new EgressPool({ sources: [SOURCE], strategy: 'sticky' }).addressFor('key', 'ipv4'), SOURCE),
  },
  {
    name: 'pool.connect',
    call: (library) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd);
        assert.equal(await textOf(poolOf(library).connect({ host: HOST, port })), SOURCE);
      }),
  },
  {
    name: 'connector.createConnection',
    call: ({ connector }) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd);
        assert.equal(await textOf(connector(FROM).createConnection({ host: HOST, port })), SOURCE);
      }),
  },
  {
    name: 'connector.socket',
    call: ({ connector }) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd);
        assert.equal(await textOf(connector(FROM).socket().connect(port, HOST)), SOURCE);
      }),
  },
  {
    name: 'connector.connectTls',
    call: ({ connector }) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd); // does not speak TLS: the client's hello is what is awaited
        const socket = connector(FROM).connectTls({ host: HOST, port });
        const [error] = await once(socket, 'error');
        assert.ok(error instanceof Error && socket instanceof tls.TLSSocket);
      }),
  },
  {
    name: 'connector.httpAgent',
    call: ({ connector }) =>
      closing(async (onEnd) => {
        const server = http.createServer((request, response) => response.end(request.socket.remoteAddress));
        server.listen(0, HOST);
        await once(server, 'listening');
        onEnd(() => server.close());
        const { port } = /** @type {net.AddressInfo} */ (server.address());
        const agent = connector(FROM).httpAgent({ keepAlive: false });
        const request = http.get({ host: HOST, port, agent });
        const [response] = /** @type {[http.IncomingMessage]} */ (await once(request, 'response'));
        assert.equal(await textOf(/** @type {net.Socket} */ (/** @type {unknown} */ (response))), SOURCE);
      }),
  },
  { name: 'connector.httpsAgent', call: ({ connector }) => assert.ok(connector(FROM).httpsAgent()) },
  {
    name: 'connector.undiciConnector',
    call: ({ connector }) =>
      closing(async (onEnd) => {
        const port = String(await addressServer(onEnd));
        const connect = connector(FROM).undiciConnector();
        const socket = await new Promise((resolve, reject) => {
          connect({ hostname: HOST, port, protocol: 'http:', host: `${HOST}:${port}` }, (error, opened) =>
            error === null ? resolve(opened) : reject(error),
          );
        });
        assert.equal(await textOf(/** @type {net.Socket} */ (socket)), SOURCE);
      }),
  },
];

/** @param {Library} library */
function poolOf({ EgressPool }) {
  return new EgressPool({ sources: [SOURCE] });
}
