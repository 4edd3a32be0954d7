// The net.Socket that `connect` returns. Node creates a TCP handle for each attempt and assigns it to `_handle`; from then
// on that handle calls its hooks before it binds or connects.
import { Socket, type SocketConstructorOpts } from 'node:net';
import { native } from '../binding.js';
import { SocketError } from '../errors.js';
import { resetOnClose } from '../kernel/reset.js';
import type { Family } from '../wire/families.js';
import { withKnownZones } from './zones.js';
import { isOpen, type ConnectRequest, type TcpHandle } from './tcp-handle.js';

/** The hooks of one handle. Results are 0 or a negative errno, as those of the handle's methods. */
export interface HandleHooks {
  /** Replaces the handle's bind and bind6. */
  bind(address: string, port: number, family: Family): number;
  /** Replaces its connect and connect6. A negative errno fails the attempt at once; 0 leaves it to `request`. */
  connect(request: ConnectRequest, address: string, port: number, family: Family): number;
  /** Called when the handle is closed, for any reason. @param reset by a RST */
  close(reset: boolean): void;
  ref(): void;
  unref(): void;
  /** Called after Node has set TCP_NODELAY, or SO_KEEPALIVE with its intervals, on the connection. */
  optionsSet(): void;
}

/** What all attempts of one socket have in common. */
export interface SocketHooks {
  /** The socket that connects. */
  socket?: Socket | undefined;
  /** The hooks of a new handle. @param base has Node's own methods of the handle */
  handle(handle: TcpHandle, base: TcpHandle): HandleHooks;
  /** Maps an error of Node to the one that the caller gets: the same error with added properties, or another. */
  explain(error: Error): Error;
}

/** A net.Socket whose handles call hooks. */
export class ConnectingSocket extends Socket {
  readonly #hooks: SocketHooks;
  readonly #signal: AbortSignal | undefined;

  constructor(options: SocketConstructorOpts | undefined, hooks: SocketHooks) {
    super(options);
    this.#hooks = hooks;
    this.#signal = options?.signal;
    hooks.socket = this;
  }

  /** An aborted signal has destroyed the socket, which Node would connect all the same. */
  override connect(...args: readonly unknown[]): this {
    if (this.#signal?.aborted === true) return this;
    return (super.connect as (...given: readonly unknown[]) => this)(...withKnownZones(args));
  }

  /** Wraps Node's accessor of the handle, which is set by connect, by each attempt after the first, and by a reconnect. */
  get _handle(): unknown {
    return getHandle.call(this);
  }

  set _handle(handle: unknown) {
    if (typeof handle === 'object' && handle !== null) hook(handle, this.#hooks);
    setHandle.call(this, handle);
  }

  /** Adds information to the errors that Node creates from errnos. */
  override destroy(error?: Error): this {
    // A signal that is already aborted destroys it during construction.
    const known = error === undefined || error === null || !(#hooks in this);
    return super.destroy(known ? error : this.#hooks.explain(error));
  }
}

/** Throws ERR_UNSUPPORTED if Node's internals are not as expected. */
export function requireHooks(): void {
  known ??= knowsInternals();
  if (!known) throw unknownNode();
}

/** Checks after `socket.connect` that the handle has hooks. Otherwise it would connect from any source. */
export function requireHooked(socket: ConnectingSocket): void {
  const handle = socket._handle as Partial<Hooked> | null | undefined;
  if (handle === null || handle === undefined || handle[HOOKS] !== undefined) return;
  socket.destroy();
  throw unknownNode();
}

/** The hooks of each handle. */
const HOOKS = Symbol('linux-sockets.hooks');

/** The hooks of each socket. */
const SOCKET = Symbol('linux-sockets.socket');

type Hooked = TcpHandle & { [HOOKS]: HandleHooks; [SOCKET]: SocketHooks };

/** Makes a handle of Node call its hooks before it binds or connects. */
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

/** One for each class of handles, such as Node's TCP. */
function addPrototype(handle: object, base: TcpHandle): object {
  if (!METHODS.every((name) => typeof (handle as Record<string, unknown>)[name] === 'function')) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'This socket was created by connect() of linux-sockets for TCP; it cannot use another handle or a path.',
    );
  }
  const prototype = hookedPrototype(base);
  prototypes.set(base, prototype);
  prototypes.set(prototype, prototype);
  return prototype;
}

/** A prototype derived from Node's that overrides the relevant methods. The handle is still an instance of its class. */
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
      // What libuv does, which refuses it while the end of the stream is being sent; Node would then never close the handle.
      if (isOpen(this)) resetOnClose({ setsockopt: (...option) => native().setsockopt(this.fd, ...option) });
      base.close.call(this, callback);
      this[HOOKS].close(true);
      return 0;
    },
    ref() {
      base.ref.call(this);
      this[HOOKS].ref();
    },
    unref() {
      base.unref.call(this);
      this[HOOKS].unref();
    },
    setNoDelay(on) {
      const result = base.setNoDelay.call(this, on);
      this[HOOKS].optionsSet();
      return result;
    },
    setKeepAlive(on, delay) {
      const result = base.setKeepAlive.call(this, on, delay);
      this[HOOKS].optionsSet();
      return result;
    },
  };
  return Object.setPrototypeOf(methods, base) as object;
}

/**
 * User code that runs during an attempt (a strategy, a getter, a subscriber) may destroy the socket. If there are more
 * addresses, Node then passes the socket's handle, which is now null, to a timer that closes it: an uncaught TypeError. So
 * Node gets a placeholder until it has returned.
 */
function surviveDestroy(socket: Socket | undefined): void {
  if (socket?.destroyed !== true || getHandle.call(socket) !== null) return;
  setHandle.call(socket, DESTROYED);
  process.nextTick(() => {
    if (getHandle.call(socket) === DESTROYED) setHandle.call(socket, null);
  });
}

const DESTROYED = { close: () => undefined };

/** Checks, without a network, that a handle that Node replaces is noticed. */
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

/** Hooks for that check: a socket with them never connects. */
export const NO_HOOKS: SocketHooks = {
  handle: () => ({
    bind: () => 0,
    connect: () => 0,
    close: () => undefined,
    ref: () => undefined,
    unref: () => undefined,
    optionsSet: () => undefined,
  }),
  explain: (error) => error,
};

const METHODS = [
  'open',
  'bind',
  'bind6',
  'connect',
  'connect6',
  'close',
  'reset',
  'ref',
  'unref',
  'hasRef',
  'setNoDelay',
  'setKeepAlive',
] as const;
const prototypes = new WeakMap<object, object>();
/** Node's accessor of the handle. Other runtimes have none, and `requireHooks` throws there. */
const accessor = Object.getOwnPropertyDescriptor(Socket.prototype, '_handle');
export const { get: getHandle, set: setHandle } = (accessor ?? {}) as Record<
  'get' | 'set',
  (this: Socket, handle?: unknown) => unknown
>;
let known: boolean | undefined;
