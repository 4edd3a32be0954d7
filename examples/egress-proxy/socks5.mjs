// SOCKS5 (RFC 1928, with user names as in RFC 1929): CONNECT only.
import { createServer } from 'node:net';
import { dismiss } from './dismiss.mjs';

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
    client.on('error', drop);
    // Limits the whole handshake, so that a client cannot stay connected by sending a byte now and then.
    const timer = setTimeout(drop, HANDSHAKE_TIMEOUT_MS);
    serve(client, proxy)
      .catch(drop)
      .finally(() => clearTimeout(timer));
  });
}

/** @param {import('node:net').Socket} client @param {import('./proxy.mjs').Proxy} proxy */
async function serve(client, proxy) {
  const reader = new Reader(client);
  const [version, methods] = await reader.take(2);
  if (version !== 5) throw new Error('not SOCKS5');
  const offered = await reader.take(methods ?? 0);
  const wanted = proxy.wantsCredentials ? 2 : 0;
  if (!offered.includes(wanted)) {
    dismiss(client, Buffer.of(5, 0xff));
    return;
  }
  client.write(Buffer.of(5, wanted));
  let user, password;
  if (wanted === 2) {
    await reader.take(1); // the version of RFC 1929
    user = (await reader.counted()).toString();
    password = (await reader.counted()).toString();
    if (!proxy.mayPass(user, password)) {
      dismiss(client, Buffer.of(1, 1));
      return;
    }
    client.write(Buffer.of(1, 0));
  }
  const [, command, , type] = await reader.take(4);
  const host = await address(reader, type);
  if (host === undefined) {
    dismiss(client, reply(ADDRESS_TYPE_NOT_SUPPORTED));
    return;
  }
  const port = (await reader.take(2)).readUInt16BE();
  if (command !== 1) {
    dismiss(client, reply(COMMAND_NOT_SUPPORTED));
    return;
  }
  reader.putBack();
  proxy.serve({
    protocol: 'socks',
    client,
    host,
    port,
    user,
    password,
    accept: () => client.write(reply(0)),
    refuse: ({ why }) => dismiss(client, reply(REPLIES[why])),
  });
}

/** @param {Reader} reader @param {number | undefined} type */
async function address(reader, type) {
  switch (type) {
    case 1:
      return (await reader.take(4)).join('.');
    case 3:
      return (await reader.counted()).toString('latin1');
    case 4: {
      const bytes = await reader.take(16);
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
 * Reads the handshake, however it is cut into pieces, and puts what follows back for the tunnel.
 */
class Reader {
  #socket;
  #held = Buffer.alloc(0);

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /** Exactly `length` bytes. @param {number} length */
  async take(length) {
    while (this.#held.length < length) {
      // Takes all that has arrived: with a part left in its buffer, the socket would emit 'readable' repeatedly.
      const chunk = /** @type {Buffer | null} */ (this.#socket.read());
      if (chunk !== null) this.#held = Buffer.concat([this.#held, chunk]);
      else if (this.#socket.readableEnded || this.#socket.destroyed) throw new Error('the client ended too early');
      else await this.#more();
    }
    const bytes = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return bytes;
  }

  /** A byte with the length of what follows it. */
  async counted() {
    return await this.take((await this.take(1))[0] ?? 0);
  }

  /** To be called right after `take`: once the client's end was emitted it is too late. */
  putBack() {
    if (this.#held.length > 0) this.#socket.unshift(this.#held);
  }

  #more() {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      const wake = () => {
        for (const event of EVENTS) this.#socket.off(event, wake);
        resolve();
      };
      for (const event of EVENTS) this.#socket.on(event, wake);
    });
  }
}

const EVENTS = /** @type {const} */ (['readable', 'end', 'close']);
