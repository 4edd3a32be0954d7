// A tls.TLSSocket whose attempts to connect ask for their source. Node makes it, as tls.connect and https do; it is taken
// over before its first attempt. The other way, TLS on top of a socket that still connects, cannot be had for names with
// several addresses: Node changes the TCP handle under TLS then (Node 20 crashes).
import dns from 'node:dns';
import { Socket, type LookupFunction } from 'node:net';
import { TLSSocket, type ConnectionOptions } from 'node:tls';
import { native } from '../binding.js';
import { requireAdoption } from './stream.js';
import type { Job } from '../tcp/connect/attempt.js';
import { waitPolicyOf, type WaitForLocalPort } from '../tcp/connect/options.js';
import { Refusals } from '../tcp/connect/refusals.js';
import { hook, isHooked, requireHooks, unknownNode } from './connecting-socket.js';
import type { Candidates, Source } from '../source/source.js';

/** What of the options matters here; the others are Node's. */
export interface TlsOptions extends ConnectionOptions {
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/**
 * Makes a TLS socket that connects from the source, or from one of the candidates of each address.
 * @param make calls tls.connect with the options that it is given, and returns what that returns
 * @throws what `make` throws; ERR_UNSUPPORTED where Node's internals are not the known ones
 * @internal
 */
export function secureFrom<O extends TlsOptions>(
  options: O,
  from: Source | Candidates,
  make: (options: O) => TLSSocket,
): TLSSocket {
  native();
  requireAdoption();
  requireHooks();
  known ??= knowsInternals();
  if (!known) throw unknownNode();
  const job: Job = {
    from,
    policy: waitPolicyOf(options.waitForLocalPort),
    refusals: new Refusals(typeof from === 'function'),
  };
  const { lookup } = options;
  // What is no function, Node refuses.
  const laterOn = lookup === undefined || lookup === null || typeof lookup === 'function' ? later(lookup) : lookup;
  const socket = make({ ...options, lookup: laterOn });
  if (takeOver(socket, job)) return socket;
  socket.destroy();
  throw unknownNode();
}

/** False when it has connected already, or has no handle that is known. */
function takeOver(socket: TLSSocket, job: Job): boolean {
  const tcp = tcpOf(socket);
  if (tcp?.fd !== -1) return false;
  hook(tcp, job);
  job.socket = socket;
  // Every attempt after the first gets a handle of its own.
  Object.defineProperty(socket, '_handle', {
    configurable: true,
    enumerable: true,
    get: () => getHandle.call(socket),
    set: (handle: WrapHandle | null) => {
      if (handle?._parent !== undefined) hook(handle._parent, job);
      setHandle.call(socket, handle);
    },
  });
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) =>
    destroy(error === undefined || error === null ? error : job.refusals.explain(error));
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

/** Answers in a later turn, so that no attempt is made before the socket is taken over. */
function later(lookup: LookupFunction | null | undefined): LookupFunction {
  return (hostname, options, callback) => {
    (lookup ?? dns.lookup)(hostname, options, (...answer) => {
      process.nextTick(callback, ...answer);
    });
  };
}

/** Tried without a network: does TLS leave connecting to the TCP handle, and is a handle that Node replaces caught? */
function knowsInternals(): boolean {
  const reinitialize = Object.getOwnPropertySymbols(TLSSocket.prototype).find(
    ({ description }) => description === 'kReinitializeHandle',
  );
  const socket = new TLSSocket(undefined as unknown as Socket);
  socket.on('error', () => undefined);
  try {
    const job: Job = { from: () => [], policy: undefined, refusals: new Refusals(false) };
    const first = tcpOf(socket);
    if (reinitialize === undefined || first === undefined || !takeOver(socket, job)) return false;
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
