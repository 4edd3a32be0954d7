// connect: net.connect from a given source. Node resolves names, connects and reports errors as usual, but on descriptors
// created here.
import { type WaitForLocalPort, waitPolicyOf } from '../../ports/wait-policy.js';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  connect as netConnect,
  isIP,
  type IpcNetConnectOpts,
  type Socket,
  type SocketConstructorOpts,
  type TcpNetConnectOpts,
} from 'node:net';
import { invalidValue, readOnce } from '../../arguments.js';
import { native } from '../../binding.js';
import { AbortError } from '../../errors.js';
import { requireNode } from '../../node/runtime.js';
import { ignoreEmptyWrites } from '../../node/stream.js';
import { Job } from './job.js';
import {
  asksForMore,
  isDeferredConnect,
  refuseMisspelt,
  sourceOf,
  UNIX_SOCKET,
  withoutUrlProtocol,
  type ConnectOptions,
} from './options.js';
import { ConnectingSocket, requireHooked, requireHooks } from '../../node/connecting-socket.js';
import type { Candidates, Source } from '../../source/source.js';

/** Options of a Unix domain socket: those of net.connect with a `path`, without options of a TCP source. */
export type PathConnectOptions = IpcNetConnectOpts &
  Readonly<Partial<Record<Exclude<keyof ConnectOptions, keyof IpcNetConnectOpts>, undefined>>>;

/**
 * Connects over TCP from the requested source, with all options, events, errors and signatures of net.connect, and the
 * options of `ConnectOptions`. Every address that is tried, and a later `socket.connect()`, uses that source or fails.
 * Without `localPortRange` the kernel's whole range is set, which keeps the search for a port fast in a nearly full range;
 * see docs/connect.md. A `path` is passed to net.connect unchanged.
 *
 * Errors of the socket are Node's, with the kernel's `code`, and `reason`: 'portRangeExhausted' (with `exhaustedBy` if
 * known: 'connections', 'timeWait', 'boundPorts', 'reservedPorts', 'mixed'), 'portInUse', 'addressNotLocal', 'notUnicast',
 * 'sourceNotLocal', 'familyMismatch', 'noSourceAddress', 'noRoute', 'noZone', 'notPermitted', 'noDevice',
 * 'fastopenClientOff', 'unsupported', 'otherSource'.
 * @param options the options, or a port of localhost, or a path
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; as net.connect does; ERR_UNSUPPORTED on Bun and
 * Deno, whose net.Socket would connect from another source
 */
export function connect(options: ConnectOptions | PathConnectOptions | number | string, listener?: () => void): Socket;
export function connect(port: number, host?: string, listener?: () => void): Socket;
export function connect(...args: readonly unknown[]): Socket {
  native(); // throws on other platforms
  const options = withoutUrlProtocol(readOnce(optionsOf(args)));
  refuseMisspelt(options);
  return isNodesAlone(options) ? netConnect(...(args as [TcpNetConnectOpts])) : connectAs(options, listenerOf(args));
}

/**
 * As `connect`, for options with foreign keys, such as those of a request: no key is refused as misspelt.
 * @internal
 */
export function connectAs(options: ConnectOptions, listener?: () => void): Socket {
  native();
  requireNode();
  requireHooks();
  const source = sourceOf(options);
  const job = new Job(source, waitPolicyOf(options.waitForLocalPort));
  const forNode = nodeOptions(options, source);
  const socket = make(forNode, job);
  if (isDeferredConnect(source)) ignoreEmptyWrites(socket);
  return run(socket, forNode, listener);
}

function nodeOptions(options: ConnectOptions, { address, port }: Source): ConnectOptions {
  // Node tries the first address of a name only, which has to be one that the source can reach.
  const { family: asked = 0 } = options;
  const family = asked === 0 ? isIP(address ?? '') : asked;
  // A shared port is assigned by connect(2), but Node would read it after bind.
  const localPort = port === 0 ? undefined : options.localPort;
  const { localAddress } = options;
  const isSame = localPort === options.localPort && (address === undefined || address === localAddress);
  if (family === asked && isSame) return options;
  return {
    ...options,
    ...(family !== 0 && { family }),
    ...(address !== undefined && { localAddress: address }),
    localPort,
  };
}

/** The options of `connectFrom`, where a pool provides the sources. */
type PoolConnectOptions = Omit<TcpNetConnectOpts, 'localAddress' | 'localPort'> & {
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
};

/**
 * As `connect`, but each attempt uses one of the candidates for its address.
 * @internal
 */
export function connectFrom(options: PoolConnectOptions, candidates: Candidates, listener?: () => void): Socket {
  native();
  requireNode();
  requireHooks();
  const job = new Job(candidates, waitPolicyOf(options.waitForLocalPort));
  return run(make(options, job), options, listener);
}

/** With an already aborted signal, Node destroys the socket but still connects, and never closes the descriptor. */
function make(options: SocketConstructorOpts, job: Job): ConnectingSocket {
  const { signal } = options;
  if (signal?.aborted !== true) return new ConnectingSocket(options, job);
  const unsignalled = { ...options, signal: undefined };
  checkAsNode(unsignalled as unknown as TcpNetConnectOpts, job);
  return new ConnectingSocket(unsignalled, job).destroy(new AbortError(signal));
}

/**
 * Throws what net.connect throws for these options, using another socket that resolves no name and is destroyed before it
 * connects.
 */
function checkAsNode(options: TcpNetConnectOpts, job: Job): void {
  const { lookup } = options;
  const none = lookup === undefined || lookup === null || typeof lookup === 'function' ? () => undefined : lookup;
  const socket = new ConnectingSocket(options, job);
  try {
    socket.connect({ ...options, lookup: none });
  } finally {
    socket.destroy();
  }
}

/**
 * Creates a socket whose `connect()` uses the source, for callers that call it themselves.
 * @internal
 */
export function socketFrom(
  options: SocketConstructorOpts,
  from: Source | Candidates,
  wait: WaitForLocalPort | undefined,
): Socket {
  native();
  requireNode();
  requireHooks();
  return new ConnectingSocket(options, new Job(from, waitPolicyOf(wait)));
}

/** The remaining steps of net.connect. */
function run(socket: ConnectingSocket, options: object, listener: (() => void) | undefined): Socket {
  if (socket.destroyed) return socket;
  const { timeout } = options as TcpNetConnectOpts;
  try {
    if (CLIENT_SOCKETS.hasSubscribers && connectTells !== true) {
      announced(socket, () => {
        if (timeout) socket.setTimeout(timeout);
        socket.connect(options, listener);
      });
    } else {
      if (timeout) socket.setTimeout(timeout);
      socket.connect(options, listener);
    }
    requireHooked(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

/**
 * Publishes the socket to the diagnostics channel once: net.connect does so in Node 20, Socket.connect in later versions.
 * Which applies is detected at the first publication.
 */
function announced(socket: Socket, start: () => void): void {
  if (connectTells === false) {
    CLIENT_SOCKETS.publish({ socket });
    start();
    return;
  }
  let told = false;
  const listener = (message: unknown): void => {
    if ((message as { socket?: unknown }).socket === socket) told = true;
  };
  subscribe(NAME, listener);
  try {
    start();
  } finally {
    unsubscribe(NAME, listener);
    connectTells = told;
  }
  if (!told) CLIENT_SOCKETS.publish({ socket });
}

/**
 * Converts the arguments of net.connect to options.
 * @internal
 */
export function optionsOf([first, second]: readonly unknown[]): ConnectOptions {
  if (typeof first === 'object' && first !== null) return first as ConnectOptions;
  if (typeof first === 'string' && !(Number(first) >= 0)) return { path: first } as unknown as ConnectOptions;
  return (typeof second === 'string' ? { port: first, host: second } : { port: first }) as ConnectOptions;
}

/** @internal */
export function listenerOf(args: readonly unknown[]): (() => void) | undefined {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as () => void) : undefined;
}

/** Whether it is a Unix socket or an existing descriptor, for which no descriptor is created here. */
function isNodesAlone(options: ConnectOptions): boolean {
  const { path, fd, handle } = options as { path?: unknown; fd?: unknown; handle?: unknown };
  if (!path && fd === undefined && !handle) return false; // the same conditions as in net.Socket
  const { localAddress, localPort } = options;
  if (path && (localAddress !== undefined || localPort !== undefined)) {
    throw invalidValue('options.path', path, UNIX_SOCKET);
  }
  if (!asksForMore(options)) return true;
  if (path) throw invalidValue('options.path', path, UNIX_SOCKET);
  throw invalidValue(
    fd === undefined ? 'options.handle' : 'options.fd',
    fd ?? handle,
    'options of a TCP source do not apply to an existing descriptor',
  );
}

/** Whether Socket.connect publishes itself. Unknown until there was a subscriber. */
let connectTells: boolean | undefined;
const NAME = 'net.client.socket';
const CLIENT_SOCKETS = channel(NAME);
