// The proxy itself: one connection for each that comes, to where that one was dialled, from where it came.
import { createServer } from 'node:net';
import { connect, isLocal, listen, originalDestination } from 'linux-sockets';

/**
 * @typedef {object} Proxy
 * @property {import('node:net').Server} server
 * @property {(grace: number) => void} close no new connections; the open ones have `grace` milliseconds to end
 */

/**
 * @param {{ port: number, log: (line: string) => void }} options
 * @returns {Proxy}
 */
export function proxy({ port, log }) {
  /** @type {Set<import('node:net').Socket>} */
  const open = new Set();
  // A side that has ended may still listen.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const { remoteAddress: source, remotePort } = client;
    if (source === undefined) {
      client.destroy(); // it has gone already, and nothing may leave from another address than its own
      return;
    }
    const from = `${source}:${remotePort}`;
    const to = originalDestination(client);
    const refusal = refusalOf(to, server);
    if (refusal !== undefined) {
      log(`${from} refused: ${refusal}`);
      client.destroy();
      return;
    }
    const upstream = connect({
      host: to.address,
      port: to.port,
      localAddress: unmapped(source),
      localPort: 0,
      transparent: true,
      allowHalfOpen: true,
      noDelay: true,
    });
    const name = `${from} -> ${to.address}:${to.port}`;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
    // Where one side fails the other sees a reset, as it would have without a proxy between them.
    upstream.on('error', (error) => {
      log(`${name} failed: ${error.message}`);
      client.resetAndDestroy();
    });
    client.on('error', () => upstream.resetAndDestroy());
    client.pipe(upstream).pipe(client);
    upstream.on('close', () => {
      log(`${name}: ${upstream.bytesWritten} bytes there, ${upstream.bytesRead} back`);
    });
  });
  listen(server, { address: '::', port, transparent: true });
  return {
    server,
    close: (grace) => {
      if (server.listening) server.close();
      setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, grace).unref();
    },
  };
}

/**
 * Nobody dials the unspecified address, but a packet may have it, and connect(2) takes it for this host. A connection to the
 * proxy would connect to itself for ever.
 * @param {import('linux-sockets').OriginalDestination} to
 * @param {import('node:net').Server} server
 */
function refusalOf({ address, port }, server) {
  if (address === '::' || address.startsWith('0.')) return 'it dialled the unspecified address';
  const own = /** @type {import('node:net').AddressInfo} */ (server.address());
  return port === own.port && isLocal(address) ? 'it dialled the proxy itself' : undefined;
}

/**
 * The listener is an IPv6 socket, and shows IPv4 clients as ::ffff:192.0.2.1.
 * @param {string} address
 */
function unmapped(address) {
  return address.replace(/^::ffff:(?=[\d.]+$)/, '');
}
