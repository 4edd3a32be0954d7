// connect: net.connect with a source. Node resolves, connects and reports as it always does; the descriptors are ours.
import { type WaitForLocalPort, waitPolicyOf } from '../../ports/wait-policy.js';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  connect as netConnect,
  type IpcNetConnectOpts,
  type Socket,
  type SocketConstructorOpts,
  type TcpNetConnectOpts,
} from 'node:net';
import { invalidValue } from '../../arguments.js';
import { native } from '../../binding.js';
import { AbortError } from '../../errors.js';
import { ignoreEmptyWrites, requireAdoption } from '../../node/stream.js';
import { Job } from './job.js';
import {
  asksForMore,
  isDeferredConnect,
  refuseMisspelt,
  sourceOf,
  withoutUrlProtocol,
  type ConnectOptions,
} from './options.js';
import { ConnectingSocket, requireHooked, requireHooks } from '../../node/connecting-socket.js';
import type { Candidates, Source } from '../../source/source.js';

/** A Unix domain socket: what net.connect takes with a `path`, and no option of a TCP source. */
export type PathConnectOptions = IpcNetConnectOpts &
  Readonly<Partial<Record<Exclude<keyof ConnectOptions, keyof IpcNetConnectOpts>, undefined>>>;

/**
 * Connects over TCP from the source that is asked for: all of net.connect's options, events, errors and forms, and
 * those of `ConnectOptions`. Every address that is tried, every later attempt, and a `socket.connect()` after the end
 * leave from that source or fail. Without `localPortRange` the kernel's whole range is set, which keeps the search for a port
 * fast in a full range; see docs/connect.md. A `path` goes to net.connect as it is.
 *
 * Errors of the socket are Node's, with the kernel's `code`, and `reason`: 'portRangeExhausted' (then `exhaustedBy` says
 * by what: 'connections', 'timeWait', 'boundPorts', 'reservedPorts', 'mixed'; it is not always known), 'portInUse',
 * 'addressNotLocal', 'notUnicast', 'sourceNotLocal', 'familyMismatch', 'noSourceAddress', 'noRoute', 'noZone', 'notPermitted',
 * 'noDevice', 'fastopenClientOff', 'unsupported', 'otherSource'.
 * @param options or a port of localhost, or a path
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; as net.connect does; ERR_UNSUPPORTED on Bun and
 * Deno, whose net.Socket would connect from elsewhere
 */
export function connect(options: ConnectOptions | PathConnectOptions | number | string, listener?: () => void): Socket;
export function connect(port: number, host?: string, listener?: () => void): Socket;
export function connect(...args: readonly unknown[]): Socket {
  native(); // throws on other platforms
  const options = withoutUrlProtocol(optionsOf(args));
  refuseMisspelt(options);
  return isNodesAlone(options) ? netConnect(...(args as [TcpNetConnectOpts])) : connectAs(options, listenerOf(args));
}

/**
 * `connect` for options that carry keys of others, as those of a request do: none looks misspelt.
 * @internal
 */
export function connectAs(options: ConnectOptions, listener?: () => void): Socket {
  native();
  requireAdoption();
  requireHooks();
  const source = sourceOf(options);
  const job = new Job(source, waitPolicyOf(options.waitForLocalPort));
  // A shared port is connect(2)'s to take: Node would look for it after bind.
  const forNode = source.port === 0 && options.localPort !== undefined ? { ...options, localPort: undefined } : options;
  const socket = make(forNode, job);
  if (isDeferredConnect(source)) ignoreEmptyWrites(socket);
  return run(socket, forNode, listener);
}

/** What a pool gives to `connectFrom`: the sources are its own. */
export type PoolConnectOptions = Omit<TcpNetConnectOpts, 'localAddress' | 'localPort'> & {
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
};

/**
 * As `connect`, each attempt from one of the candidates that there are for its address.
 * @internal
 */
export function connectFrom(options: PoolConnectOptions, candidates: Candidates, listener?: () => void): Socket {
  native();
  requireAdoption();
  requireHooks();
  const job = new Job(candidates, waitPolicyOf(options.waitForLocalPort));
  return run(make(options, job), options, listener);
}

/** With a signal that is aborted already, Node emits the end, connects nevertheless, and nobody closes the descriptor. */
function make(options: SocketConstructorOpts, job: Job): ConnectingSocket {
  const { signal } = options;
  if (signal?.aborted !== true) return new ConnectingSocket(options, job);
  const unsignalled = { ...options, signal: undefined };
  checkAsNode(unsignalled as unknown as TcpNetConnectOpts, job);
  return new ConnectingSocket(unsignalled, job).destroy(new AbortError(signal));
}

/** Lets another socket throw what net.connect throws. It looks up no name, and is gone before it makes an attempt. */
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
 * A socket that has not connected. Its `connect()` asks for a source; for whoever calls that by himself.
 * @internal
 */
export function socketFrom(
  options: SocketConstructorOpts,
  from: Source | Candidates,
  wait: WaitForLocalPort | undefined,
): Socket {
  native();
  requireAdoption();
  requireHooks();
  return new ConnectingSocket(options, new Job(from, waitPolicyOf(wait)));
}

/** The rest of what net.connect does with a socket. */
function run(socket: ConnectingSocket, options: object, listener: (() => void) | undefined): Socket {
  if (socket.destroyed) return socket;
  const { timeout } = options as TcpNetConnectOpts;
  try {
    if (CLIENT_SOCKETS.hasSubscribers && connectTells !== true) {
      announced(socket, () => {
        if (timeout) socket.setTimeout(timeout);
        socket.connect(options as TcpNetConnectOpts, listener);
      });
    } else {
      if (timeout) socket.setTimeout(timeout);
      socket.connect(options as TcpNetConnectOpts, listener);
    }
    requireHooked(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

/**
 * Tells the subscribers of the socket once: net.connect does so in Node 20, Socket.connect since. Which of them is seen
 * when it is told for the first time.
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
 * As net.connect takes its arguments.
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

/** A pipe, or a descriptor that is there already: there is nothing for us to make. */
function isNodesAlone(options: ConnectOptions): boolean {
  const { path, fd, handle } = options as { path?: unknown; fd?: unknown; handle?: unknown };
  if (!path && fd === undefined && !handle) return false; // which net.Socket takes for one, and which not
  const { localAddress, localPort } = options;
  if (path && (localAddress !== undefined || localPort !== undefined)) {
    throw invalidValue('options.path', path, 'a Unix socket has no local address and port');
  }
  if (!asksForMore(options)) return true;
  if (path) throw invalidValue('options.path', path, "a pipe has no source: only net.connect's own options go with it");
  throw invalidValue(
    fd === undefined ? 'options.handle' : 'options.fd',
    fd ?? handle,
    "connect makes the descriptor itself: only net.connect's own options go with it",
  );
}

/** Does Socket.connect tell of itself? Unknown as long as nobody listened. */
let connectTells: boolean | undefined;
const NAME = 'net.client.socket';
const CLIENT_SOCKETS = channel(NAME);
