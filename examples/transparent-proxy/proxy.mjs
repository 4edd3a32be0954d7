// The proxy: for each connection, one to its original destination, from the address of its client.
import { createServer } from 'node:net';
import { connect, isLocal, listen, originalDestination } from 'linux-sockets';

/**
 * @typedef {object} Proxy
 * @property {import('node:net').Server} server
 * @property {(grace: number) => void} close accepts no new connections; the open ones have `grace` milliseconds to end
 */

/**
 * @param {{ port: number, log: (line: string) => void }} options
 * @returns {Proxy}
 */
export function proxy({ port, log }) {
  /** @type {Set<import('node:net').Socket>} */
  const open = new Set();
  // A side that has ended may still receive.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => client.destroy());
    try {
      serve(client);
    } catch (error) {
      // The client has left already, or no descriptor is left to ask the kernel.
      log(`a connection failed: ${error instanceof Error ? error.message : String(error)}`);
      client.destroy();
    }
  });

  /** @param {import('node:net').Socket} client */
  function serve(client) {
    const { remoteAddress: source, remotePort } = client;
    if (source === undefined) {
      client.destroy(); // it is closed already, and nothing may be sent from an address other than its own
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
    // When one side fails the other gets a reset, as it would without the proxy.
    upstream.on('error', (error) => {
      log(`${name} failed: ${error.message}`);
      client.resetAndDestroy();
    });
    client.on('error', () => upstream.resetAndDestroy());
    client.pipe(upstream).pipe(client);
    upstream.on('close', () => {
      log(`${name}: ${upstream.bytesWritten} bytes sent, ${upstream.bytesRead} received`);
    });
  }
  listen(server, { host: '::', port, transparent: true });
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
 * Why a destination is refused. Clients do not connect to the unspecified address, but a packet may have it, and connect(2)
 * treats it as this host. A connection to the proxy would make it connect to itself indefinitely.
 * @param {import('linux-sockets').OriginalDestination} to
 * @param {import('node:net').Server} server
 */
function refusalOf({ address, port }, server) {
  if (address === '::' || address.startsWith('0.')) return 'its destination is the unspecified address';
  const proxy = /** @type {import('node:net').AddressInfo} */ (server.address());
  return port === proxy.port && isLocal(address) ? 'its destination is the proxy itself' : undefined;
}

/**
 * The listener is an IPv6 socket, and shows IPv4 clients as ::ffff:192.0.2.1.
 * @param {string} address
 */
function unmapped(address) {
  return address.replace(/^::ffff:(?=[\d.]+$)/, '');
}
