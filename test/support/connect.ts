// Helpers for the tests of connect: peers that report their clients, sockets and their outcomes.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { AnyError } from './fixtures.js';

/** A server that records the source of its connections, and keeps them open. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
  /** '127.0.0.2:40000', in the order of arrival; IPv4-mapped addresses unmapped. */
  readonly seen: string[];
  /** The next connection's `seen`. */
  next(): Promise<string>;
}

export async function peer(host = '::', port = 0, onConnection?: (socket: Socket) => void): Promise<Peer> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    if (onConnection === undefined) socket.resume();
    else onConnection(socket);
    seen.push(`${(socket.remoteAddress ?? '').replace('::ffff:', '')}:${socket.remotePort}`);
    server.emit('seen');
  });
  server.listen({ port, host, backlog: 4096 });
  await once(server, 'listening');
  let read = 0;
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    next: async () => {
      while (seen.length <= read) await once(server, 'seen');
      return seen[read++] ?? '';
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** Resolves when it is connected, rejects with its error. */
export async function connected(socket: Socket): Promise<Socket> {
  if (socket.connecting) await once(socket, 'connect');
  return socket;
}

/** The error of a socket that fails to connect. Rejects when it connects. */
export async function failing(socket: Socket): Promise<AnyError & { errors?: AnyError[] }> {
  return await new Promise((resolve, reject) => {
    socket.once('error', resolve);
    socket.once('connect', () => {
      socket.destroy();
      reject(new Error(`it connected from ${socket.localAddress}:${socket.localPort}`));
    });
  });
}

export async function closed(socket: Socket): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

/** Resets the added sockets at the end of the scope, without TIME-WAIT. */
export function holding(): Disposable & { add(socket: Socket): Socket; readonly sockets: Set<Socket> } {
  const sockets = new Set<Socket>();
  return {
    sockets,
    add: (socket) => {
      socket.on('error', () => undefined);
      sockets.add(socket);
      return socket;
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) if (!socket.destroyed) socket.resetAndDestroy();
    },
  };
}
