// The net.Socket that `connect` returns. Node makes a TCP handle for each attempt and puts it into `_handle`; from there
// on that handle asks an Attempt before it binds or connects. All of Node's internals that are relied on are in this file.
import { Socket, type SocketConstructorOpts } from 'node:net';
import { SocketError } from '../errors.js';
import { Attempt, type ConnectRequest, type Job, type NodeHandle } from '../tcp/connect/attempt.js';

/** An ordinary net.Socket in every other respect. */
export class ConnectingSocket extends Socket {
  readonly #job: Job;

  constructor(options: SocketConstructorOpts | undefined, job: Job) {
    super(options);
    this.#job = job;
    job.socket = this;
  }

  /** Node's own accessor has the handle; it is set by connect, by each attempt after the first, and by a reconnect. */
  get _handle(): unknown {
    return getHandle.call(this);
  }

  set _handle(handle: unknown) {
    if (typeof handle === 'object' && handle !== null) hook(handle, this.#job);
    setHandle.call(this, handle);
  }

  /** Node makes errors of errnos; here they get to say more. */
  override destroy(error?: Error): this {
    // A signal that is aborted already destroys it while it is made.
    const known = error === undefined || error === null || !(#job in this);
    return super.destroy(known ? error : this.#job.refusals.explain(error));
  }
}

/** Throws ERR_UNSUPPORTED where Node's internals are not those that this file knows. */
export function requireHooks(): void {
  known ??= knowsInternals();
  if (!known) throw unknownNode();
}

/** After `socket.connect`: will the handle ask? Otherwise it would connect from anywhere. */
export function requireHooked(socket: ConnectingSocket): void {
  const handle = socket._handle as Partial<Hooked> | null | undefined;
  if (handle === null || handle === undefined || handle[ATTEMPT] !== undefined) return;
  socket.destroy();
  throw unknownNode();
}

/** Where the Attempt of a handle is found. */
const ATTEMPT = Symbol('linux-sockets.attempt');

/** What all attempts of the handle's socket have in common. */
const JOB = Symbol('linux-sockets.job');

type Hooked = NodeHandle & { [ATTEMPT]: Attempt; [JOB]: Job };

/** Lets a handle of Node's ask `job` before it binds or connects. */
export function hook(handle: object, job: Job): void {
  const base = Object.getPrototypeOf(handle) as NodeHandle;
  const prototype = prototypes.get(base) ?? addPrototype(handle, base);
  if (prototype === base) return; // hooked already
  (handle as Hooked)[ATTEMPT] = new Attempt(handle as NodeHandle, base, job);
  (handle as Hooked)[JOB] = job;
  Object.setPrototypeOf(handle, prototype);
}

export function isHooked(handle: object): boolean {
  return (handle as Partial<Hooked>)[ATTEMPT] !== undefined;
}

/** There is one for each class of handles: Node's TCP. */
function addPrototype(handle: object, base: NodeHandle): object {
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
function hookedPrototype(base: NodeHandle): object {
  const methods: ThisType<Hooked> & Partial<NodeHandle> = {
    bind(address, port) {
      return this[ATTEMPT].bind(address, port ?? 0, 'ipv4');
    },
    bind6(address, port) {
      return this[ATTEMPT].bind(address, port ?? 0, 'ipv6');
    },
    connect(request: ConnectRequest, address, port) {
      const result = this[ATTEMPT].connect(request, address, port, 'ipv4');
      surviveDestroy(this[JOB].socket);
      return result;
    },
    connect6(request: ConnectRequest, address, port) {
      const result = this[ATTEMPT].connect(request, address, port, 'ipv6');
      surviveDestroy(this[JOB].socket);
      return result;
    },
    close(callback) {
      base.close.call(this, callback);
      this[ATTEMPT].close();
    },
    reset(callback) {
      const result = base.reset.call(this, callback);
      this[ATTEMPT].close(true);
      return result;
    },
    ref() {
      base.ref.call(this);
      this[ATTEMPT].ref();
    },
    unref() {
      base.unref.call(this);
      this[ATTEMPT].unref();
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
  const job = { from: () => [], policy: undefined, refusals: { explain: (error: Error) => error } } as unknown as Job;
  const fake = Object.create(Object.fromEntries(METHODS.map((name) => [name, () => 0]))) as object;
  Reflect.apply(reinitialize, new ConnectingSocket(undefined, job), [fake]);
  return ATTEMPT in fake;
}

export function unknownNode(): SocketError {
  return new SocketError(
    'ERR_UNSUPPORTED',
    `connect() does not know the insides of this Node (${process.version}), and would not be sure of the source address.`,
  );
}

const METHODS = ['open', 'bind', 'bind6', 'connect', 'connect6', 'close', 'reset', 'ref', 'unref', 'hasRef'] as const;
const prototypes = new WeakMap<object, object>();
const accessor = Object.getOwnPropertyDescriptor(Socket.prototype, '_handle');
const { get: getHandle, set: setHandle } = (accessor ?? {}) as Record<'get' | 'set', (handle?: unknown) => unknown>;
let known: boolean | undefined;
