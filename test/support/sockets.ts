// Sockets on loopback for tests that need a peer. The test closes them: `using`.
import { NativeSocket, type Family, type SocketOptions } from '../../src/index.js';

export const LOOPBACK = { ipv4: '127.0.0.1', ipv6: '::1' } as const;

export function tcp(family: Family = 'ipv4', sockopts?: SocketOptions): NativeSocket {
  return NativeSocket.create({ family, type: 'stream', ...(sockopts && { sockopts }) });
}

export function udp(family: Family = 'ipv4', sockopts?: SocketOptions): NativeSocket {
  return NativeSocket.create({ family, type: 'dgram', ...(sockopts && { sockopts }) });
}

/** A datagram socket on its own port. */
export function boundUdp(family: Family = 'ipv4', sockopts?: SocketOptions): NativeSocket {
  const socket = udp(family, sockopts);
  socket.bind({ address: LOOPBACK[family], port: 0 });
  return socket;
}

/** A listener on its own port. */
export function listening(family: Family = 'ipv4', sockopts?: SocketOptions): NativeSocket {
  const socket = tcp(family, sockopts);
  socket.bind({ address: LOOPBACK[family], port: 0 });
  socket.listen();
  return socket;
}

export interface Pair extends Disposable {
  readonly listener: NativeSocket;
  readonly client: NativeSocket;
  readonly server: NativeSocket;
}

/** Both ends of a connection, and its listener. */
export async function tcpPair(family: Family = 'ipv4', listenerOptions?: SocketOptions): Promise<Pair> {
  const listener = listening(family, listenerOptions);
  const client = tcp(family);
  client.connect(listener.local);
  await client.connected();
  const server = await accepted(listener);
  return {
    listener,
    client,
    server,
    [Symbol.dispose]: () => {
      for (const socket of [listener, client, server]) socket.close();
    },
  };
}

/** The next connection. */
export async function accepted(listener: NativeSocket): Promise<NativeSocket> {
  for (;;) {
    const connection = listener.accept();
    if (connection !== undefined) return connection.socket;
    await listener.readable();
  }
}

/** A port without a listener: it was free a moment ago, and the namespace belongs to the test file. */
export function closedPort(family: Family = 'ipv4'): number {
  using socket = tcp(family);
  socket.bind({ address: LOOPBACK[family], port: 0 });
  return socket.local.port;
}

/** The error that `action` throws or rejects with. Fails when there is none. */
export async function errorOf(action: () => unknown): Promise<NodeJS.ErrnoException & Record<string, unknown>> {
  try {
    await action();
  } catch (error) {
    if (error instanceof Error) return error as NodeJS.ErrnoException & Record<string, unknown>;
    throw new TypeError('a value that is not an Error was thrown', { cause: error });
  }
  throw new Error('nothing was thrown');
}
