// Installs hooks on a tls.TLSSocket that set the source of its connection attempts. tls.connect or https creates the
// socket; the hooks are installed before its first attempt. The alternative, TLS on top of a connecting socket, does not
// work for names with several addresses: Node then replaces the TCP handle under TLS (Node 20 crashes).
import dns from 'node:dns';
import { type Socket, type LookupFunction } from 'node:net';
import { TLSSocket } from 'node:tls';
import {
  getHandle,
  hook,
  isHooked,
  NO_HOOKS,
  requireHooks,
  setHandle,
  unknownNode,
  type SocketHooks,
} from './connecting-socket.js';

/** Throws ERR_UNSUPPORTED if the internals of Node's TLS are not as expected. */
export function requireTlsHooks(): void {
  requireHooks();
  known ??= knowsInternals();
  if (!known) throw unknownNode();
}

/** Installs the hooks on a socket that has not made an attempt yet. @throws ERR_UNSUPPORTED if it has; it is then destroyed */
export function hookTls(socket: TLSSocket, hooks: SocketHooks): TLSSocket {
  if (takeOver(socket, hooks)) return socket;
  socket.destroy();
  throw unknownNode();
}

/**
 * Makes a lookup start later, so that no attempt is made, and no signal aborted by it, before the hooks are installed. Node
 * refuses anything but a function.
 */
export function laterLookup(lookup: LookupFunction | null | undefined): LookupFunction | undefined {
  if (lookup !== undefined && lookup !== null && typeof lookup !== 'function') return lookup;
  return (hostname, options, callback) => {
    process.nextTick(lookup ?? dns.lookup, hostname, options, callback);
  };
}

/** The socket that a TLS socket was put on, if it did not make its own connection. */
export function underlying(socket: Socket): Socket | undefined {
  return (socket as unknown as { readonly _parent?: Socket | undefined })._parent;
}

/** Returns false if it has already connected, or its handle is not as expected. */
function takeOver(socket: TLSSocket, hooks: SocketHooks): boolean {
  const tcp = tcpOf(socket);
  if (tcp?.fd !== -1) return false;
  hook(tcp, hooks);
  hooks.socket = socket;
  // Every attempt after the first gets a new handle.
  Object.defineProperty(socket, '_handle', {
    configurable: true,
    enumerable: true,
    get: () => getHandle.call(socket),
    set: (handle: WrapHandle | null) => {
      if (handle?._parent !== undefined) hook(handle._parent, hooks);
      setHandle.call(socket, handle);
    },
  });
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) => destroy(error === undefined || error === null ? error : hooks.explain(error));
  return isHooked(tcp);
}

/** Node's TLSWrap around its TCP handle: it forwards calls to its parent. */
interface WrapHandle {
  readonly _parent?: { readonly fd: number } | undefined;
  connect(...args: readonly unknown[]): unknown;
}

function tcpOf(socket: Socket): WrapHandle['_parent'] {
  return (socket as unknown as { readonly _handle?: WrapHandle | null })._handle?._parent;
}

/** Checks, without a network, that TLS connects through the TCP handle, and that a replaced handle is noticed. */
function knowsInternals(): boolean {
  const reinitialize = Object.getOwnPropertySymbols(TLSSocket.prototype).find(
    ({ description }) => description === 'kReinitializeHandle',
  );
  const socket = new TLSSocket(undefined as unknown as Socket);
  socket.on('error', () => undefined);
  try {
    const first = tcpOf(socket);
    if (reinitialize === undefined || first === undefined || !takeOver(socket, { ...NO_HOOKS })) return false;
    const Tcp = Object.getPrototypeOf(Object.getPrototypeOf(first)) as { constructor: new (type: number) => object };
    const second = new Tcp.constructor(0);
    Reflect.apply((socket as unknown as Record<symbol, () => void>)[reinitialize] as () => void, socket, [second]);
    let asked = false;
    Object.defineProperty(second, 'connect', { value: () => ((asked = true), 0) });
    (socket as unknown as { readonly _handle: WrapHandle })._handle.connect({}, '192.0.2.1', 1);
    return asked && tcpOf(socket) === second && isHooked(second);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

let known: boolean | undefined;
