// The connector that undici takes, without undici: TCP from a connector of ours, TLS by Node, and what undici's own
// connector sets.
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { boolean, integer, invalidType, string } from '../arguments.js';
import type { Dialer, DialOptions } from './dialer.js';

export interface UndiciConnectorOptions extends ConnectionOptions {
  /** The key of all connections, for 'sticky' and for functions; `key` is TLS's private key. */
  readonly egressKey?: string | undefined;
  /** Offer HTTP/2 to TLS servers; the Client has to allow it as well. @default false */
  readonly allowH2?: boolean | undefined;
  /** Milliseconds until the connection, TLS included, has to be there; 0 for no limit. @default 10000 */
  readonly timeout?: number | undefined;
  /** TLS sessions to keep, by host; 0 for none. @default 100 */
  readonly maxCachedSessions?: number | undefined;
  /** TCP keep-alive. @default true */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds of silence until the first probe. @default 60000 */
  readonly keepAliveInitialDelay?: number | undefined;
}

/** What undici passes of one connection. */
export interface UndiciConnectRequest {
  readonly hostname: string;
  /** With its port, where it has one: not a name to resolve. */
  readonly host?: string;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null;
  readonly localAddress?: string | null;
  /** A connection through a proxy, on which TLS is to be spoken. */
  readonly httpSocket?: Socket;
}

export type UndiciCallback = (
  ...result: [error: null, socket: Socket | TLSSocket] | [error: Error, socket: null]
) => void;

/** `new undici.Agent({ connect: connector })` */
export type UndiciConnector = (request: UndiciConnectRequest, callback: UndiciCallback) => void;

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function undiciConnector(connector: Dialer, options: UndiciConnectorOptions): UndiciConnector {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  const { egressKey, allowH2 = false, timeout = 10_000, maxCachedSessions = 100, ...rest } = options;
  const { keepAlive = true, keepAliveInitialDelay = 60_000, ...tls } = rest;
  if (egressKey !== undefined) string('options.egressKey', egressKey);
  boolean('options.allowH2', allowH2);
  boolean('options.keepAlive', keepAlive);
  integer('options.timeout', timeout, 0, 0x7fffffff);
  integer('options.keepAliveInitialDelay', keepAliveInitialDelay, 0, 0x7fffffff);
  const sessions = new Sessions(integer('options.maxCachedSessions', maxCachedSessions, 0, 0x7fffffff));

  const open = (request: UndiciConnectRequest): Socket => {
    const { hostname: host, protocol, port, localAddress, httpSocket } = request;
    const isSecure = protocol === 'https:';
    const target = {
      host,
      port: Number(port) || (isSecure ? 443 : 80),
      egressKey,
      ...(localAddress !== undefined && localAddress !== null && { localAddress }),
    };
    // As much as undici's own reads at once.
    if (!isSecure) return connector.dial({ ...target, highWaterMark: 64 * 1024 } as DialOptions);
    const servername = [request.servername, tls.servername, host].find(isName);
    const session = tls.session ?? sessions.get(servername ?? host);
    const secure = {
      ...tls,
      ...target,
      ...(servername !== undefined && { servername }),
      ...(session !== undefined && { session }),
      ALPNProtocols: allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    };
    // Through a proxy the TCP connection is there.
    const socket =
      httpSocket === undefined ? connector.connectTls(secure) : tlsConnect({ ...secure, socket: httpSocket });
    return socket.on('session', (ticket) => {
      sessions.set(servername ?? host, ticket);
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
    const timer = timeout === 0 ? undefined : setTimeout(() => socket.destroy(timeoutError(request, timeout)), timeout);
    let settled = false;
    const settle = (error?: Error): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
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

/** TLS sessions by host, the one that was not used for longest leaves first. */
class Sessions {
  readonly #sessions = new Map<string, Buffer>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(host: string): Buffer | undefined {
    const session = this.#sessions.get(host);
    if (session !== undefined) this.set(host, session);
    return session;
  }

  set(host: string, session: Buffer): void {
    if (this.#most === 0) return;
    this.#sessions.delete(host);
    this.#sessions.set(host, session);
    if (this.#sessions.size > this.#most) this.#sessions.delete(this.#sessions.keys().next().value ?? '');
  }
}

/** TLS has names of servers, and no addresses. */
function isName(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== '' && isIP(text) === 0;
}

/** undici's name and code, which callers know. */
function timeoutError({ hostname, port }: UndiciConnectRequest, timeout: number): Error {
  const message = `Connect Timeout Error (attempted address: ${hostname}:${port}, timeout: ${timeout}ms)`;
  return Object.assign(new Error(message), { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' });
}
