// Loaded into every process of a test (NODE_OPTIONS), before the test: from then on TCP connections that Node, a library
// or the test itself makes by net.connect, an http or https agent, tls.connect or http2.connect are made by the route.
// What it cannot reach: `new net.Socket().connect()`, which is no call of net.connect.
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import * as lib from '../../lib/index.js';
import { PORTS, SOURCES } from './routes.mjs';

/** @typedef {net.TcpNetConnectOpts & { path?: string, fd?: number, handle?: unknown }} ConnectOptions */
/** @typedef {(...args: readonly unknown[]) => net.Socket} Connect */

const route = process.env['SUITES_ROUTE'] ?? '';
const log = process.env['SUITES_LOG'] ?? '';
const { connect: netConnect } = net;
const { connect: tlsConnect } = tls;
const ours = route.startsWith('connect');
const connect = /** @type {Connect} */ (/** @type {unknown} */ (ours ? lib.connect : netConnect));
const fromSource = route.endsWith('-source');

/** Set while the route runs: what it asks Node for is not its own affair again. */
let inside = false;

Object.assign(net, { connect: routedConnect, createConnection: routedConnect });
Object.assign(tls, { connect: routedTlsConnect });
syncBuiltinESMExports(); // for `import { connect } from 'node:net'`
// node:http is not loaded here: some lines of Node take net.createConnection over when it loads, for the agents.

/** @param {readonly unknown[]} args as net.connect has them @returns {net.Socket} */
function routedConnect(...args) {
  const [options] = normalize(args);
  if (inside || !isTcp(options)) return Reflect.apply(netConnect, net, args);
  inside = true;
  try {
    const socket = fromSource ? connect(...withSource(args)) : connect(...args);
    appendFileSync(log, '.');
    return socket;
  } finally {
    inside = false;
  }
}

/**
 * TLS over a socket of ours, as whoever uses this package would do it.
 * @param {readonly unknown[]} args as tls.connect has them
 * @returns {tls.TLSSocket}
 */
function routedTlsConnect(...args) {
  const [tcp, listener] = normalize(args);
  const more = args.slice(1, 3).find((arg) => typeof arg === 'object' && arg !== null);
  const options = /** @type {ConnectOptions & tls.ConnectionOptions} */ ({ ...tcp, ...more });
  if (inside || options.socket || !isTcp(options)) return Reflect.apply(tlsConnect, tls, args);
  const wanted = TCP_OPTIONS.filter((name) => options[name] !== undefined);
  const socket = routedConnect(Object.fromEntries(wanted.map((name) => [name, options[name]])));
  try {
    const secure = tlsConnect({ ...options, socket }, /** @type {() => void} */ (listener ?? undefined));
    if (options.timeout) secure.setTimeout(options.timeout); // Node leaves that to whoever gives the socket
    return secure;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** @param {readonly unknown[]} args */
function withSource(args) {
  const [options, listener] = normalize(args);
  if (options.localAddress !== undefined || options.localPort !== undefined) return args;
  const host = options.host || 'localhost';
  const family = net.isIP(host) || (options.family === 6 ? 6 : 4);
  const loopback = net.isIP(host) === 0 || host === '::1' || host.startsWith('127.');
  if (!loopback) return args;
  const source = { localAddress: SOURCES[family === 6 ? 6 : 4], ...(ours && { localPortRange: PORTS }) };
  // A name's addresses may be of either family, a source is of one.
  return [{ ...options, ...source, family }, ...(listener ? [listener] : [])];
}

/**
 * The arguments as Node itself reads them.
 * @param {readonly unknown[]} args
 * @returns {[ConnectOptions, unknown]}
 */
function normalize(args) {
  const { _normalizeArgs } =
    /** @type {{ _normalizeArgs: (args: readonly unknown[]) => [ConnectOptions, unknown] }} */ (
      /** @type {unknown} */ (net)
    );
  return _normalizeArgs(args);
}

/** Not a Unix socket, nor one that is given. @param {ConnectOptions} options */
function isTcp({ path, fd, handle }) {
  return !path && fd === undefined && handle === undefined;
}

const TCP_OPTIONS = /** @type {const} */ ([
  'host',
  'port',
  'localAddress',
  'localPort',
  'family',
  'hints',
  'lookup',
  'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout',
  'noDelay',
  'keepAlive',
  'keepAliveInitialDelay',
  'allowHalfOpen',
]);
