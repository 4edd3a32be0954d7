// SOCKS5 (RFC 1928, with user names as in RFC 1929): CONNECT only.
import { createServer } from 'node:net';

/** @typedef {import('./proxy.mjs').Refusal} Refusal */

/** Reply codes of RFC 1928. @type {Record<Refusal['why'], number>} */
const REPLIES = {
  credentials: 2,
  denied: 2,
  loop: 2,
  busy: 1,
  noPort: 1,
  name: 4,
  unreachable: 3,
  refused: 5,
  timeout: 6,
  failed: 1,
};
const COMMAND_NOT_SUPPORTED = 7;
const ADDRESS_TYPE_NOT_SUPPORTED = 8;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** @param {import('./proxy.mjs').Proxy} proxy */
export function createSocksServer(proxy) {
  return createServer({ allowHalfOpen: true }, (client) => {
    // Until there is a tunnel, any error destroys the client.
    const drop = () => client.destroy();
    client.on('error', drop).setTimeout(HANDSHAKE_TIMEOUT_MS, drop);
    serve(client, proxy).catch(drop);
  });
}

/** @param {import('node:net').Socket} client @param {import('./proxy.mjs').Proxy} proxy */
async function serve(client, proxy) {
  const read = reader(client);
  const [version, methods] = await read(2);
  if (version !== 5) throw new Error('not SOCKS5');
  const offered = await read(methods ?? 0);
  const wanted = proxy.wantsCredentials ? 2 : 0;
  if (!offered.includes(wanted)) {
    client.end(Buffer.of(5, 0xff));
    return;
  }
  client.write(Buffer.of(5, wanted));
  let user, password;
  if (wanted === 2) {
    await read(1); // the version of RFC 1929
    user = (await read((await read(1))[0] ?? 0)).toString();
    password = (await read((await read(1))[0] ?? 0)).toString();
    const right = proxy.mayPass(user, password);
    client.write(Buffer.of(1, right ? 0 : 1));
    if (!right) {
      client.end();
      return;
    }
  }
  const [, command, , type] = await read(4);
  const host = await address(read, type);
  if (host === undefined) {
    client.end(reply(ADDRESS_TYPE_NOT_SUPPORTED));
    return;
  }
  const port = (await read(2)).readUInt16BE();
  if (command !== 1) {
    client.end(reply(COMMAND_NOT_SUPPORTED));
    return;
  }
  proxy.serve({
    protocol: 'socks',
    client,
    host,
    port,
    user,
    password,
    accept: () => client.write(reply(0)),
    refuse: ({ why }) => client.end(reply(REPLIES[why])),
  });
}

/** @param {ReturnType<typeof reader>} read @param {number | undefined} type */
async function address(read, type) {
  switch (type) {
    case 1:
      return (await read(4)).join('.');
    case 3:
      return (await read((await read(1))[0] ?? 0)).toString('latin1');
    case 4: {
      const bytes = await read(16);
      return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':');
    }
    default:
      return undefined;
  }
}

/** The bound address is not disclosed: clients do not use it. @param {number} code */
function reply(code) {
  return Buffer.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

/**
 * Reads exactly so many bytes, so that what follows the handshake is left for the tunnel.
 * @param {import('node:net').Socket} socket
 * @returns {(length: number) => Promise<Buffer>}
 */
function reader(socket) {
  return async (length) => {
    if (length === 0) return Buffer.alloc(0);
    for (;;) {
      const bytes = /** @type {Buffer | null} */ (socket.read(length));
      // At the end `read` returns the rest, which may be less.
      if (bytes !== null && bytes.length === length) return bytes;
      if (bytes !== null || socket.readableEnded || socket.destroyed) throw new Error('the client ended too early');
      await new Promise((resolve) => {
        const wake = () => {
          for (const event of ['readable', 'end', 'close']) socket.off(event, wake);
          resolve(undefined);
        };
        for (const event of ['readable', 'end', 'close']) socket.on(event, wake);
      });
    }
  };
}
