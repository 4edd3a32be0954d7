// A tls.TLSSocket whose attempts to connect ask hooks for their source. Node makes it, as tls.connect and https do; it is taken
// over before its first attempt. The other way, TLS on top of a socket that still connects, does not work for names with
// several addresses: Node changes the TCP handle under TLS then (Node 20 crashes).
import dns from 'node:dns';
import { Socket, type LookupFunction } from 'node:net';
import { TLSSocket } from 'node:tls';
import { hook, isHooked, NO_HOOKS, unknownNode, type SocketHooks } from './connecting-socket.js';

/** Throws ERR_UNSUPPORTED where the internals of Node's TLS are not those that this file knows. */
export function requireTlsHooks(): void {
  known ??= knowsInternals();
  if (!known) throw unknownNode();
}

/** Takes over a socket that has not made an attempt yet. @throws ERR_UNSUPPORTED when it has; it is destroyed then */
export function hookTls(socket: TLSSocket, hooks: SocketHooks): TLSSocket {
  if (takeOver(socket, hooks)) return socket;
  socket.destroy();
  throw unknownNode();
}

/** Answers in a later turn, so that no attempt is made before the socket is taken over. What is not a function, Node refuses. */
export function laterLookup(lookup: LookupFunction | null | undefined): LookupFunction | undefined {
  if (lookup !== undefined && lookup !== null && typeof lookup !== 'function') return lookup;
  return (hostname, options, callback) => {
    (lookup ?? dns.lookup)(hostname, options, (...answer) => {
      process.nextTick(callback, ...answer);
    });
  };
}

/** False when it has connected already, or has no handle that is known. */
function takeOver(socket: TLSSocket, hooks: SocketHooks): boolean {
  const tcp = tcpOf(socket);
  if (tcp?.fd !== -1) return false;
  hook(tcp, hooks);
  hooks.socket = socket;
  // Every attempt after the first gets a handle of its own.
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

/** Node's TLSWrap around its TCP handle: what it is told to do, its parent does. */
interface WrapHandle {
  readonly _parent?: { readonly fd: number } | undefined;
  connect(...args: readonly unknown[]): unknown;
}

function tcpOf(socket: Socket): WrapHandle['_parent'] {
  return (socket as unknown as { readonly _handle?: WrapHandle | null })._handle?._parent;
}

/** Tried without a network: does TLS leave connecting to the TCP handle, and is a handle that Node replaces caught? */
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
const accessor = Object.getOwnPropertyDescriptor(Socket.prototype, '_handle');
const { get: getHandle, set: setHandle } = accessor as unknown as {
  get: (this: Socket) => unknown;
  set: (this: Socket, handle: unknown) => void;
};
