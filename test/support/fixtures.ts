// Helpers of the kernel tests: addresses of both families, peers, and checks of refusals.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect } from 'vitest';
import {
  NativeSocket,
  type Endpoint,
  type Family,
  type PortReservation,
  type SocketOptions,
  type SyscallError,
} from '../../src/index.js';
import { countSockets, expectNoNewFds } from './fds.js';

export interface Addresses {
  readonly family: Family;
  readonly loopback: string;
  /** Another address of this host; `addOtherAddresses` makes the IPv6 one. */
  readonly other: string;
  readonly wildcard: string;
}

export const IPV4: Addresses = { family: 'ipv4', loopback: '127.0.0.1', other: '127.0.0.2', wildcard: '0.0.0.0' };
export const IPV6: Addresses = { family: 'ipv6', loopback: '::1', other: 'fd00:1009:bacc::2', wildcard: '::' };
export const BOTH: readonly Addresses[] = [IPV4, IPV6];

/** Adds the second IPv6 address to lo; 127.0.0.0/8 is local anyway. */
export function addOtherAddresses(): void {
  ip('-6', 'addr', 'add', `${IPV6.other}/128`, 'dev', 'lo', 'nodad');
}

/** Runs ip(8) in the namespace of this test file. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Adds a route until the end of the scope. */
export function route(...args: readonly string[]): Disposable {
  const family = args.some((arg) => arg.includes(':')) ? '-6' : '-4';
  ip(family, 'route', 'add', ...args);
  return {
    [Symbol.dispose]: () => {
      ip(family, 'route', 'del', ...args);
    },
  };
}

/** Adds an address to lo until the end of the scope: '10.0.0.1/32'. */
export function address(prefix: string): Disposable {
  const noDad = prefix.includes(':') ? ['nodad'] : [];
  ip('addr', 'add', prefix, 'dev', 'lo', ...noDad);
  return {
    [Symbol.dispose]: () => {
      ip('addr', 'del', prefix, 'dev', 'lo');
    },
  };
}

/** Excludes ports from those that the kernel picks, until the end of the scope: '45000-45002,45005'. */
export function reservedPorts(list: string): Disposable {
  const path = '/proc/sys/net/ipv4/ip_local_reserved_ports';
  writeFileSync(path, list);
  return {
    [Symbol.dispose]: () => {
      writeFileSync(path, '\n'); // an empty write changes nothing
    },
  };
}

/** Fails a test of this file that leaves a descriptor open. */
export function checkDescriptors(): void {
  let before = 0;
  beforeEach(() => {
    before = countSockets();
  });
  afterEach(async () => {
    for (let turns = 0; turns < 100 && countSockets() !== before; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(countSockets(), 'sockets left open by the test').toBe(before);
  });
}

export type AnyError = Error & Partial<SyscallError>;

/** What `action` throws. */
export function thrown(action: () => unknown): AnyError {
  try {
    const value = action();
    if (typeof value === 'object' && value !== null && Symbol.dispose in value) {
      (value as Disposable)[Symbol.dispose]();
    }
  } catch (error) {
    return error as AnyError;
  }
  throw new Error('nothing was thrown');
}

/** What `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<AnyError> {
  return await promise.then(
    () => {
      throw new Error('the promise was not rejected');
    },
    (error: unknown) => error as AnyError,
  );
}

/** Waits for a change in the kernel that has no event. A test whose condition never holds times out. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Asserts that `action` throws an error with these properties and messages, and leaves no descriptor behind. */
export async function refused(
  action: () => unknown,
  properties: Readonly<Record<string, unknown>>,
  ...messages: readonly RegExp[]
): Promise<void> {
  await expectNoNewFds(() => {
    const error = thrown(action);
    expect(error).toMatchObject(properties);
    for (const message of messages) expect(error.message).toMatch(message);
  });
}

/** The error of a reservation for which no port is left. */
export const EXHAUSTED = {
  code: 'ERR_PORT_RANGE_EXHAUSTED',
  cause: expect.objectContaining({ code: 'EADDRNOTAVAIL', errno: -99, syscall: 'connect' }) as unknown,
};

/** A TCP server that listens on a free port, and closes with its connections. */
export async function serve(
  host: string,
  onConnection: (socket: Socket) => void = (socket) => socket.resume(),
): Promise<{ server: Server; address: string; port: number } & AsyncDisposable> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket)).on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    server,
    address: host,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** A listener whose queue is full, so that the kernel drops every further SYN: a black hole. */
export async function blackHole(addresses: Addresses): Promise<NativeSocket & Disposable> {
  const listener = bound(addresses, { address: addresses.loopback, port: 0 });
  using waiting = NativeSocket.create({ family: addresses.family, type: 'stream' });
  listener.listen(0);
  waiting.connect(listener.local);
  await listener.readable(); // it stays in the queue although its client has closed
  return listener;
}

/** Echoes what it receives. */
export function echo(socket: Socket): void {
  socket.pipe(socket);
}

/** A port that refuses connections and that no other socket can get: a bound socket that does not listen. */
export function refusing(addresses: Addresses): NativeSocket {
  const socket = NativeSocket.create({ family: addresses.family, type: 'stream' });
  socket.bind({ address: addresses.loopback, port: 0 });
  return socket;
}

/** A socket bound to an address. `with` as in 'with SO_REUSEADDR'. */
export function bound(
  addresses: Addresses,
  local: { readonly address: string; readonly port: number },
  sockopts: SocketOptions = {},
  type: 'stream' | 'dgram' = 'stream',
): NativeSocket {
  const socket = NativeSocket.create({ family: addresses.family, type, sockopts });
  try {
    socket.bind(local);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** A reservation made by hand, with options that `reserve` refuses. The port is the kernel's choice, or `port`. */
export function rawReservation(
  addresses: Addresses,
  remote: { readonly address: string; readonly port: number },
  sockopts: SocketOptions = {},
  port?: number,
): NativeSocket {
  const socket = NativeSocket.create({
    family: addresses.family,
    type: 'stream',
    sockopts: {
      IP_BIND_ADDRESS_NO_PORT: true,
      IP_LOCAL_PORT_RANGE: port === undefined ? [1, 65535] : [port, port],
      TCP_FASTOPEN_CONNECT: true,
      TCP_FASTOPEN_NO_COOKIE: true,
      ...sockopts,
    },
  });
  try {
    socket.bind({ address: addresses.loopback, port: 0 });
    expect(socket.connect(remote)).toBe(true);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Starts an ordinary connect from one port; does not wait for the outcome. */
export function connectFrom(
  addresses: Addresses,
  local: { readonly address: string; readonly port: number },
  remote: { readonly address: string; readonly port: number },
  sockopts: SocketOptions = {},
): NativeSocket {
  const socket = NativeSocket.create({
    family: addresses.family,
    type: 'stream',
    sockopts: { IP_BIND_ADDRESS_NO_PORT: true, IP_LOCAL_PORT_RANGE: [local.port, local.port], ...sockopts },
  });
  try {
    socket.bind({ address: local.address, port: 0 });
    socket.connect(remote);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

export function plain(endpoint: Endpoint): { address: string; port: number } {
  return { address: endpoint.address, port: endpoint.port };
}

/** Releases them all at the end of the scope. */
export function all(reservations: readonly PortReservation[]): Disposable {
  return {
    [Symbol.dispose]: () => {
      for (const reservation of reservations) reservation.release();
    },
  };
}
