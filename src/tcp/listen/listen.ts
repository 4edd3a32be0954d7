// listen: makes a Node server listen on a socket with options that must be set before bind(2).
import cluster from 'node:cluster';
import { Server } from 'node:net';
import { invalidType } from '../../arguments.js';
import { native, type Handle } from '../../binding.js';
import { SocketError, SyscallError } from '../../errors.js';
import { isLocal } from '../../kernel/routes.js';
import { readSysctl, type PortRange } from '../../kernel/sysctl.js';
import { encodeOption, type EncodedOption } from '../../options/access.js';
import { requireAccepted } from '../../options/reuse-port.js';
import { Endpoint } from '../../wire/endpoint.js';
import { unpackRange } from '../../options/kinds/numbers.js';
import type { Asked } from '../../source/asked.js';
import { callError, failedCall } from '../../source/explain.js';
import { localRoute } from '../../source/remedies.js';
import { localSteps, optionSteps, streamSocket } from '../../source/local-steps.js';
import { Recipe, type Step } from '../../source/recipe.js';
import { requireNode } from '../../node/runtime.js';
import { planOf, socketFamily, socketOptionsOf, type ListenOptions, type Plan } from './options.js';
import { serve } from '../../node/server.js';

/**
 * Starts a server: net.Server, tls.Server, http.Server, https.Server, or a server of node:http2. Like
 * `server.listen(options, listener)`, it returns the server, and 'listening' or 'error' is emitted after it has returned.
 * SO_REUSEADDR is set, as Node does for every listener; `sockopts: { SO_REUSEADDR: false }` turns it off.
 *
 * In cluster workers and worker threads each server has its own listening socket: they share a port with `reusePort`, and
 * with port 0 each gets a different one. `server.close()` closes the socket.
 * @param listener added for 'listening', once
 * @throws ERR_SERVER_ALREADY_LISTEN; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; ERR_UNSUPPORTED
 *
 * 'error' has a SyscallError with `code`, `syscall`, `address`, `port` in Node's shape, and `reason`:
 * EADDRNOTAVAIL 'addressNotLocal', EADDRINUSE 'portInUse', EACCES 'notPermitted' (all of 'listen'); EPERM
 * 'notPermitted' of 'setsockopt' for `transparent`. `listen` may then be called again for this server.
 */
export function listen<S extends Server>(server: S, options: ListenOptions = {}, listener?: () => void): S {
  if (!(server instanceof Server)) throw invalidType('server', 'a server of net, tls, http, https or http2', server);
  if (listener !== undefined && typeof listener !== 'function') {
    throw invalidType('listener', 'of type function', listener);
  }
  const plan = planOf(options, cluster.isWorker);
  requireNode();
  if (server.listening) refuseSecond(server);
  const stopListening = closeOnAbort(server, plan.signal);
  let handle: Handle;
  try {
    handle = openListener(plan);
  } catch (error) {
    stopListening();
    if (!(error instanceof SyscallError)) throw error;
    if (listener !== undefined) server.once('listening', listener); // as Node does: also called for a later attempt
    process.nextTick(() => server.emit('error', error));
    return server;
  }
  if (listener !== undefined) server.once('listening', listener);
  serve(server, handle, plan.backlog);
  return server;
}

/** Node's own error, with its code. */
function refuseSecond(server: Server): never {
  server.listen();
  throw new SocketError('ERR_INVALID_STATE', 'The server is already listening.');
}

/** Closes the server on abort, as Node does; an aborted signal closes it before it emits 'listening'. */
function closeOnAbort(server: Server, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => undefined;
  const close = (): void => void server.close();
  if (signal.aborted) {
    const tick = { wanted: true };
    process.nextTick(() => {
      if (tick.wanted) close();
    });
    return () => (tick.wanted = false);
  }
  signal.addEventListener('abort', close, { once: true });
  const stop = (): void => {
    signal.removeEventListener('abort', close);
  };
  server.once('close', stop);
  return () => {
    stop();
    server.off('close', stop);
  };
}

/** Opens a listening descriptor. @throws SyscallError */
function openListener(plan: Plan): Handle {
  requireAccepted(plan.steering);
  if (plan.endpoint !== undefined) return openOn(plan.endpoint, plan);
  try {
    return openOn(Endpoint.from({ address: '::', port: plan.port }), plan);
  } catch (error) {
    const noIPv6 = error instanceof SyscallError && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL');
    if (!noIPv6 || plan.ipv6Only) throw error;
    return openOn(Endpoint.from({ address: '0.0.0.0', port: plan.port }), plan);
  }
}

function openOn(endpoint: Endpoint, plan: Plan): Handle {
  const family = socketFamily(endpoint);
  const recipe = new Recipe([
    streamSocket(family, plan.protocol),
    ...optionSteps(socketOptionsOf(plan, family)),
    ...localSteps(plan, family),
    ...optionSteps(plan.sockopts),
    { call: 'bind' },
    // Done here and not by Node, so that its errors are explained, and because listen(2) adds the socket to its reuseport group.
    { call: 'listen', backlog: plan.backlog },
    ...optionSteps(plan.steering === undefined ? [] : [encodeOption('SO_ATTACH_REUSEPORT_CBPF', plan.steering)]),
  ]);
  recipe.bindTo(endpoint.sockaddr(family));
  const handle = new (native().Handle)();
  const errno = recipe.run(handle);
  if (errno !== 0) throw failureOf(errno, recipe.failed, endpoint, plan);
  warnWhenInVain(plan, endpoint);
  return handle;
}

/** Errors of bind(2) and listen(2) both have `syscall: 'listen'`, as in Node, since error handlers of servers check for it. */
function failureOf(errno: number, step: Step | undefined, endpoint: Endpoint, plan: Plan): SyscallError {
  const asked: Asked = {
    ...{
      by: 'listen',
      family: socketFamily(endpoint),
      protocol: plan.protocol,
      transparent: plan.transparent,
      device: plan.device,
    },
    ...{ local: endpoint.address, port: endpoint.port, inWorker: cluster.isWorker },
    range: rangeAmong(plan.sockopts),
  };
  const { call, option } = failedCall(step);
  if (call === 'setsockopt') return callError(call, errno, asked, { option });
  return callError(call, errno, asked, { syscall: call === 'socket' ? call : 'listen', ends: endpoint });
}

/** The listener's own port range, which bind(2) keeps to. */
function rangeAmong(options: readonly EncodedOption[]): PortRange | undefined {
  const value = options.find(({ option }) => option === 'IP_LOCAL_PORT_RANGE')?.value;
  return typeof value === 'number' ? unpackRange(value) : undefined;
}

/** Warns about settings that the kernel accepted but that have no effect. */
function warnWhenInVain(plan: Plan, endpoint: Endpoint): void {
  // With transparent a TPROXY rule may deliver connections to other addresses.
  if (plan.freebind && !plan.transparent && isUnreachable(endpoint)) {
    warn(
      'LINUX_SOCKETS_NOT_LOCAL',
      `The server listens on ${endpoint.address}, which is not routed to this host: nothing will reach it until it is ` +
        `assigned or routed here (\`${localRoute(endpoint.address)}\`, or its whole prefix).`,
    );
  }
  const fastOpen = Number(readSysctl('net.ipv4.tcp_fastopen') ?? FASTOPEN_SERVER);
  if (plan.fastOpen > 0 && (fastOpen & FASTOPEN_SERVER) === 0) {
    warn(
      'LINUX_SOCKETS_FASTOPEN_OFF',
      'fastOpen has no effect: bit 2 of net.ipv4.tcp_fastopen, TCP Fast Open for servers, is off ' +
        `(sysctl -w net.ipv4.tcp_fastopen=${String(fastOpen | FASTOPEN_SERVER)}).`,
    );
  }
}

function isUnreachable(endpoint: Endpoint): boolean {
  try {
    return !isLocal(endpoint);
  } catch {
    return false; // unknown: AF_NETLINK is forbidden
  }
}

function warn(code: string, message: string): void {
  process.emitWarning(message, { type: 'LinuxSocketsWarning', code });
}

/** TFO_SERVER_ENABLE */
const FASTOPEN_SERVER = 2;
