// The net.Socket that `connect` returns. Node makes a TCP handle for each attempt and puts it into `_handle`; from there
// on that handle asks its hooks before it binds or connects.
import { Socket, type SocketConstructorOpts } from 'node:net';
import { SocketError } from '../errors.js';
import type { Family } from '../wire/families.js';
import type { ConnectRequest, TcpHandle } from './tcp-handle.js';

/** What one handle asks. Results are 0 or a negative errno, as those of the handle's own methods. */
export interface HandleHooks {
  /** In the place of the handle's bind and bind6. */
  bind(address: string, port: number, family: Family): number;
  /** In the place of its connect and connect6. A negative errno fails the attempt at once; 0 leaves it to `request`. */
  connect(request: ConnectRequest, address: string, port: number, family: Family): number;
  /** The handle is closed, whatever for. @param reset by a RST */
  close(reset: boolean): void;
  ref(): void;
  unref(): void;
}

/** What all attempts of one socket have in common. */
export interface SocketHooks {
  /** The socket that connects. */
  socket?: Socket | undefined;
  /** The hooks of a new handle. @param base has Node's own methods of the handle */
  handle(handle: TcpHandle, base: TcpHandle): HandleHooks;
  /** The error that the caller gets for one of Node's: the same one with more in it, or another. */
  explain(error: Error): Error;
}

/** An ordinary net.Socket in every other respect. */
export class ConnectingSocket extends Socket {
  readonly #hooks: SocketHooks;

  constructor(options: SocketConstructorOpts | undefined, hooks: SocketHooks) {
    super(options);
    this.#hooks = hooks;
    hooks.socket = this;
  }

  /** Node's own accessor has the handle; it is set by connect, by each attempt after the first, and by a reconnect. */
  get _handle(): unknown {
    return getHandle.call(this);
  }

  set _handle(handle: unknown) {
    if (typeof handle === 'object' && handle !== null) hook(handle, this.#hooks);
    setHandle.call(this, handle);
  }

  /** Node makes errors of errnos; here they get to say more. */
  override destroy(error?: Error): this {
    // A signal that is aborted already destroys it while it is made.
    const known = error === undefined || error === null || !(#hooks in this);
    return super.destroy(known ? error : this.#hooks.explain(error));
  }
}

/** Throws ERR_UNSUPPORTED where Node's internals are not those that this file knows. */
export function requireHooks(): void {
  known ??= knowsInternals();
  if (!known) throw unknownNode();
}

/** After `socket.connect`: does the handle ask? Otherwise it would connect from anywhere. */
export function requireHooked(socket: ConnectingSocket): void {
  const handle = socket._handle as Partial<Hooked> | null | undefined;
  if (handle === null || handle === undefined || handle[HOOKS] !== undefined) return;
  socket.destroy();
  throw unknownNode();
}

/** Where the hooks of a handle are found. */
const HOOKS = Symbol('linux-sockets.hooks');

/** Where the hooks of the handle's socket are found. */
const SOCKET = Symbol('linux-sockets.socket');

type Hooked = TcpHandle & { [HOOKS]: HandleHooks; [SOCKET]: SocketHooks };

/** Lets a handle of Node's ask before it binds or connects. */
export function hook(handle: object, hooks: SocketHooks): void {
  const base = Object.getPrototypeOf(handle) as TcpHandle;
  const prototype = prototypes.get(base) ?? addPrototype(handle, base);
  if (prototype === base) return; // hooked already
  (handle as Hooked)[HOOKS] = hooks.handle(handle as TcpHandle, base);
  (handle as Hooked)[SOCKET] = hooks;
  Object.setPrototypeOf(handle, prototype);
}

export function isHooked(handle: object): boolean {
  return (handle as Partial<Hooked>)[HOOKS] !== undefined;
}

/** There is one for each class of handles: Node's TCP. */
function addPrototype(handle: object, base: TcpHandle): object {
  if (!METHODS.every((name) => typeof (handle as Record<string, unknown>)[name] === 'function')) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'This socket was made by connect() of linux-sockets to connect over TCP; it takes no other handle or path.',
    );
  }
  const prototype = hookedPrototype(base);
  prototypes.set(base, prototype);
  prototypes.set(prototype, prototype);
  return prototype;
}

/** Node's prototype with the methods in between that matter here. The handle is still one of its class. */
function hookedPrototype(base: TcpHandle): object {
  const methods: ThisType<Hooked> & Partial<TcpHandle> = {
    bind(address, port) {
      return this[HOOKS].bind(address, port ?? 0, 'ipv4');
    },
    bind6(address, port) {
      return this[HOOKS].bind(address, port ?? 0, 'ipv6');
    },
    connect(request: ConnectRequest, address, port) {
      const result = this[HOOKS].connect(request, address, port, 'ipv4');
      surviveDestroy(this[SOCKET].socket);
      return result;
    },
    connect6(request: ConnectRequest, address, port) {
      const result = this[HOOKS].connect(request, address, port, 'ipv6');
      surviveDestroy(this[SOCKET].socket);
      return result;
    },
    close(callback) {
      base.close.call(this, callback);
      this[HOOKS].close(false);
    },
    reset(callback) {
      const result = base.reset.call(this, callback);
      this[HOOKS].close(true);
      return result;
    },
    ref() {
      base.ref.call(this);
      this[HOOKS].ref();
    },
    unref() {
      base.unref.call(this);
      this[HOOKS].unref();
    },
  };
  return Object.setPrototypeOf(methods, base) as object;
}

/**
 * User code that runs during an attempt (a strategy, a getter, a subscriber) may destroy the socket. If there are more
 * addresses, Node then passes the socket's handle, which is null by now, to a timer that closes it: an uncaught TypeError.
 * So Node finds a stand-in until it has returned.
 */
function surviveDestroy(socket: Socket | undefined): void {
  if (socket?.destroyed !== true || getHandle.call(socket) !== null) return;
  setHandle.call(socket, DESTROYED);
  process.nextTick(() => {
    if (getHandle.call(socket) === DESTROYED) setHandle.call(socket, null);
  });
}

const DESTROYED = { close: () => undefined };

/** Tried without a network: is a handle that Node replaces by another caught? */
function knowsInternals(): boolean {
  if (typeof accessor?.get !== 'function' || typeof accessor.set !== 'function') return false;
  const symbol = Object.getOwnPropertySymbols(Socket.prototype).find(
    ({ description }) => description === 'kReinitializeHandle',
  );
  const reinitialize = symbol && (Socket.prototype as unknown as Record<symbol, unknown>)[symbol];
  if (typeof reinitialize !== 'function') return false;
  const fake = Object.create(Object.fromEntries(METHODS.map((name) => [name, () => 0]))) as object;
  Reflect.apply(reinitialize, new ConnectingSocket(undefined, { ...NO_HOOKS }), [fake]);
  return isHooked(fake);
}

export function unknownNode(): SocketError {
  return new SocketError(
    'ERR_UNSUPPORTED',
    `connect() does not know the internals of this Node (${process.version}), and could not guarantee the source address.`,
  );
}

/** For looking at Node: a socket with them connects nowhere. */
export const NO_HOOKS: SocketHooks = {
  handle: () => ({
    bind: () => 0,
    connect: () => 0,
    close: () => undefined,
    ref: () => undefined,
    unref: () => undefined,
  }),
  explain: (error) => error,
};

const METHODS = ['open', 'bind', 'bind6', 'connect', 'connect6', 'close', 'reset', 'ref', 'unref', 'hasRef'] as const;
const prototypes = new WeakMap<object, object>();
const accessor = Object.getOwnPropertyDescriptor(Socket.prototype, '_handle');
const { get: getHandle, set: setHandle } = (accessor ?? {}) as Record<'get' | 'set', (handle?: unknown) => unknown>;
let known: boolean | undefined;
