// The connector that undici takes, without undici: TCP from a dialer, TLS by Node, and what undici's own connector sets.
import { type WaitForLocalPort, waitPolicyOf } from '../ports/wait-policy.js';
import { isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { boolean, integer, object } from '../arguments.js';
import { afterPoll } from '../node/after-poll.js';
import { BoundedMap } from '../bounded-map.js';
import { checkAccepted, dial, dialTls, type Dialer, type DialOptions, type DialTlsOptions } from './dialer.js';
import { checkEgressKey, readEgressKey, type EgressKey } from './egress-key.js';
import { followUndici } from './undici-use.js';

/** The options of net.connect and tls.connect for every connection; `key` is TLS's private key. */
export interface UndiciConnectorOptions
  extends ConnectionOptions, Partial<Omit<TcpNetConnectOpts, 'timeout' | keyof ConnectionOptions>> {
  /**
   * Whose connections these are. A function is called once per connection, when undici opens it; undici does not know the
   * key, and sends any request of the dispatcher over it.
   */
  readonly egressKey?: EgressKey | undefined;
  /** As for `connect`. @default the pool's */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  /** Offer HTTP/2 to TLS servers; the Client has to allow it as well. @default false */
  readonly allowH2?: boolean | undefined;
  /** Milliseconds until the connection, TLS included, must be established; 0 for no limit. @default 10000 */
  readonly timeout?: number | undefined;
  /** How many TLS sessions are kept, by host and `egressKey`; 0 for none. @default 100 */
  readonly maxCachedSessions?: number | undefined;
  /** TCP keep-alive. @default true */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds without data until the first keep-alive probe. @default 60000 */
  readonly keepAliveInitialDelay?: number | undefined;
}

/** What undici passes for one connection. */
export interface UndiciConnectRequest {
  readonly hostname: string;
  /** With its port, if it has one: not a name to resolve. */
  readonly host?: string;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null;
  readonly localAddress?: string | null;
  /** A connection through a proxy, over which to use TLS. */
  readonly httpSocket?: Socket;
}

export type UndiciCallback = (
  ...result: [error: null, socket: Socket | TLSSocket] | [error: Error, socket: null]
) => void;

/** `new undici.Agent({ connect: connector })` */
export type UndiciConnector = (request: UndiciConnectRequest, callback: UndiciCallback) => void;

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function undiciConnector(dialer: Dialer, options: UndiciConnectorOptions): UndiciConnector {
  object('options', options);
  const { egressKey, waitForLocalPort, allowH2 = false, timeout = 10_000, maxCachedSessions = 100, ...rest } = options;
  const { keepAlive = true, keepAliveInitialDelay = 60_000, ...given } = rest;
  checkAccepted(given);
  dialer.check(given);
  checkEgressKey(egressKey);
  waitPolicyOf(waitForLocalPort);
  boolean('options.allowH2', allowH2);
  boolean('options.keepAlive', keepAlive);
  integer('options.timeout', timeout, 0, 0x7fffffff);
  integer('options.keepAliveInitialDelay', keepAliveInitialDelay, 0, 0x7fffffff);
  const sessions = sessionCache(integer('options.maxCachedSessions', maxCachedSessions, 0, 0x7fffffff));

  const open = (request: UndiciConnectRequest): Socket => {
    const { hostname: host, protocol, port, localAddress, httpSocket } = request;
    const isSecure = protocol === 'https:';
    const key = readEgressKey(egressKey);
    const target = {
      host,
      port: Number(port) || (isSecure ? 443 : 80),
      egressKey: key,
      ...(waitForLocalPort !== undefined && { waitForLocalPort }),
      ...(localAddress !== undefined && localAddress !== null && { localAddress }),
    };
    // The same amount that undici's own connector reads at once.
    if (!isSecure) {
      const socket = dial(dialer, { highWaterMark: 64 * 1024, ...given, ...target } as DialOptions);
      followUndici(socket);
      return socket;
    }
    const servername = [request.servername, given.servername, host].find(isName);
    const sessionKey = JSON.stringify([servername ?? host, key]);
    const session = given.session ?? sessions?.get(sessionKey);
    const secure: DialTlsOptions = {
      ...given,
      ...target,
      ...(servername !== undefined && { servername }),
      ...(session !== undefined && { session }),
      ALPNProtocols: allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    };
    // Through a proxy the TCP connection exists already.
    const socket =
      httpSocket === undefined ? dialTls(dialer, secure, tlsConnect) : tlsConnect({ ...secure, socket: httpSocket });
    if (httpSocket === undefined) followUndici(socket);
    return socket.on('session', (ticket) => {
      sessions?.set(sessionKey, ticket);
    });
  };

  return (request, callback) => {
    let socket: Socket;
    try {
      socket = open(request);
    } catch (error) {
      queueMicrotask(() => callback(error as Error, null));
      return;
    }
    const limit = timeout === 0 ? undefined : afterPoll(timeout, () => socket.destroy(timeoutError(request, timeout)));
    let settled = false;
    const settle = (error?: Error): void => {
      if (settled) return;
      settled = true;
      limit?.clear();
      if (error !== undefined) {
        callback(error, null);
        return;
      }
      socket.setNoDelay(true);
      if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay);
      callback(null, socket);
    };
    socket
      .once(request.protocol === 'https:' ? 'secureConnect' : 'connect', () => settle())
      .on('error', settle)
      .once('close', () => settle(new Error('The socket was destroyed before it was connected')));
  };
}

/** TLS sessions by host and key; when there are too many, the least recently used one leaves. */
function sessionCache(max: number): BoundedMap<string, Buffer> | undefined {
  return max === 0 ? undefined : new BoundedMap(max, { touchOnGet: true });
}

/** A TLS server name is a name, not an address. */
function isName(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== '' && isIP(text) === 0;
}

/** With undici's name and code, which callers check. */
function timeoutError({ hostname, port }: UndiciConnectRequest, timeout: number): Error {
  const message = `Connect Timeout Error (attempted address: ${hostname}:${port}, timeout: ${timeout}ms)`;
  return Object.assign(new Error(message), { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' });
}
