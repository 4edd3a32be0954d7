// Shared by the egress kernel tests: servers that record their clients, and connections to wait for.
import { once } from 'node:events';
import type { LookupFunction, Socket } from 'node:net';
import type { EgressConnectOptions, EgressPool } from '../../src/index.js';
import { serve, type AnyError } from './fixtures.js';

/** A server that records the address and port of each client. */
export async function witness(host: string, onConnection?: (socket: Socket) => void) {
  const seen: { readonly address: string; readonly port: number }[] = [];
  const server = await serve(host, (socket) => {
    seen.push({ address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
    if (onConnection === undefined) socket.resume();
    else onConnection(socket);
  });
  return Object.assign(server, { seen });
}

/** A socket that has connected. */
export async function opened(pool: EgressPool, options: EgressConnectOptions): Promise<Socket> {
  const socket = pool.connect(options);
  await once(socket, 'connect');
  return socket;
}

/** The error that a connection fails with. */
export async function failed(pool: EgressPool, options: EgressConnectOptions): Promise<AnyError> {
  const socket = pool.connect(options);
  const [error] = (await once(socket, 'error')) as [AnyError];
  if (!socket.closed) await once(socket, 'close');
  return error;
}

/** Destroys sockets and waits until their descriptors are closed. */
export async function closeAll(...sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      if (socket.closed) return;
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    }),
  );
}

/** Sockets that are destroyed when they go out of scope. */
export class Sockets implements AsyncDisposable {
  readonly list: Socket[] = [];

  add(socket: Socket): Socket {
    this.list.push(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(...this.list);
  }
}

/** A lookup that resolves every name to these addresses: to all of them with `all`, otherwise to the first. */
export function resolving(...addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_host, options, callback) => {
    const wanted = all.filter(
      ({ family }) => options.family === undefined || options.family === 0 || options.family === family,
    );
    process.nextTick(() => {
      const [first] = wanted;
      if (first === undefined) callback(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }), '', 4);
      else if (options.all === true) callback(null, wanted);
      else callback(null, first.address, first.family);
    });
  };
}
