// Loaded into every process of a test (NODE_OPTIONS) before the test itself. TCP connections that Node, a library or the test
// makes with net.connect, net.Socket or tls.connect, directly or not, are then made by the route.
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import { connect, connector, EgressPool } from '../../lib/index.js';
import { POOL, PORTS, SOURCES } from './routes.mjs';

/** @typedef {net.TcpNetConnectOpts & { path?: string, fd?: number, handle?: unknown }} ConnectOptions */
/** @typedef {tls.ConnectionOptions & ConnectOptions} TlsOptions */
/**
 * @typedef {object} Way
 * @property {(options: ConnectOptions, listener?: () => void) => net.Socket} connect
 * @property {(options: TlsOptions, listener?: () => void) => tls.TLSSocket} tls
 * @property {((options: net.SocketConstructorOpts) => net.Socket) | undefined} socket a socket that connects later;
 *   undefined: Node's own
 */

const { connect: netConnect, Socket } = net;
const { connect: tlsConnect } = tls;
const route = process.env['SUITES_ROUTE'] ?? '';
const log = process.env['SUITES_LOG'] ?? '';
const way = wayOf(route);

const laterBy = process.env['SUITES_SOCKETS'] === 'unix' ? undefined : way.socket;

/** True while the route makes a connection: the functions of Node that it calls must not call the route again. */
let inside = false;

/** @type {typeof Socket} */
const RoutedSocket = new Proxy(Socket, {
  construct(target, args, newTarget) {
    const options = args[0] ?? {};
    const fresh = typeof options === 'object' && isTcp(options);
    if (newTarget !== RoutedSocket || !fresh || inside || laterBy === undefined)
      return Reflect.construct(target, args, newTarget);
    return laterBy(options);
  },
  apply(target, self, args) {
    return self instanceof target ? Reflect.apply(target, self, args) : new RoutedSocket(...args);
  },
});
Object.assign(net, {
  connect: routedConnect,
  createConnection: routedConnect,
  Socket: RoutedSocket,
  Stream: RoutedSocket,
});
Object.assign(tls, { connect: routedTlsConnect });
// Agents of Node 20 hold a copy of net.createConnection; later ones look it up.
const agent = /** @type {{ createConnection?: unknown }} */ (/** @type {unknown} */ (http.Agent.prototype));
if (agent.createConnection === netConnect) agent.createConnection = routedConnect;
syncBuiltinESMExports(); // for `import { connect } from 'node:net'`

/** @param {string} name @returns {Way} */
function wayOf(name) {
  const plain = connector({});
  const pool = new EgressPool({ sources: POOL, localPortRange: PORTS });
  switch (name) {
    case 'connect':
      return { connect, tls: (...args) => plain.connectTls(...args), socket: (options) => plain.socket(options) };
    case 'pool':
      return {
        connect: (options, listener) =>
          isForSource(options) ? pool.createConnection(options, listener) : connect(options, listener),
        tls: (options, listener) => (isForSource(options) ? pool : plain).connectTls(options, listener),
        socket: (options) => pool.socket(options),
      };
    case 'connect-source':
      return {
        connect: (options, listener) => connect({ ...withSource(options), localPortRange: PORTS }, listener),
        tls: (options, listener) => plain.connectTls({ ...withSource(options), localPortRange: PORTS }, listener),
        socket: undefined,
      };
    case 'node-source':
      return {
        connect: (options, listener) => netConnect(withSource(options), listener),
        tls: (options, listener) => tlsConnect(withSource(options), listener),
        socket: undefined,
      };
    default:
      return { connect: netConnect, tls: tlsConnect, socket: undefined };
  }
}

/** @param {readonly unknown[]} args as net.connect has them @returns {net.Socket} */
function routedConnect(...args) {
  const [options, listener] = normalize(args);
  if (inside || !isTcp(options)) return Reflect.apply(netConnect, net, args);
  return byRoute(() => way.connect(options, listener));
}

/** @param {readonly unknown[]} args as tls.connect has them @returns {tls.TLSSocket} */
function routedTlsConnect(...args) {
  const [tcp, listener] = normalize(args);
  const more = args.slice(1, 3).find((arg) => typeof arg === 'object' && arg !== null);
  const options = /** @type {TlsOptions} */ ({ ...tcp, ...more });
  if (inside || options.socket || !isTcp(options)) return Reflect.apply(tlsConnect, tls, args);
  return byRoute(() => way.tls(options, listener));
}

/** @template T @param {() => T} make @returns {T} */
function byRoute(make) {
  inside = true;
  try {
    const socket = make();
    appendFileSync(log, '.');
    return socket;
  } finally {
    inside = false;
  }
}

/** @template {ConnectOptions} O @param {O} options @returns {O} */
function withSource(options) {
  if (!isForSource(options)) return options;
  // A name may have addresses of both families; a source has one.
  const family = net.isIP(options.host || '') || (options.family === 6 ? 6 : 4);
  return { ...options, localAddress: SOURCES[family === 6 ? 6 : 4], family };
}

/** Does it go to loopback, without a source that the test chose? @param {ConnectOptions} options */
function isForSource({ host, localAddress, localPort }) {
  if (localAddress || localPort) return false; // undici passes null for none
  return net.isIP(host ?? '') === 0 || host === '::1' || host?.startsWith('127.') === true;
}

/**
 * The arguments as Node itself normalizes them.
 * @param {readonly unknown[]} args
 * @returns {[ConnectOptions, (() => void) | undefined]}
 */
function normalize(args) {
  const { _normalizeArgs } =
    /** @type {{ _normalizeArgs: (args: readonly unknown[]) => [ConnectOptions, (() => void) | null] }} */ (
      /** @type {unknown} */ (net)
    );
  const [options, listener] = _normalizeArgs(args);
  return [options, listener ?? undefined];
}

/** Neither a Unix socket nor a given descriptor or handle. @param {ConnectOptions} options */
function isTcp({ path, fd, handle }) {
  return !path && (fd ?? handle ?? undefined) === undefined;
}
