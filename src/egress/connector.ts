// The connector: one way to connect, in the forms that Node's HTTP libraries take. A pool is one, and so is any set of
// options for `connect`.
import type { Agent as HttpAgent, ClientRequestArgs } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import type { NetConnectOpts, Socket } from 'node:net';
import { connect as nodeTlsConnect, type TLSSocket } from 'node:tls';
import { invalidValue, object } from '../arguments.js';
import { native } from '../binding.js';
import { listenerOf, optionsOf } from '../tcp/connect/connect.js';
import { UNIX_SOCKET, type ConnectOptions } from '../tcp/connect/options.js';
import { httpAgent, httpsAgent, type EgressHttpAgentOptions, type EgressHttpsAgentOptions } from './agents.js';
import {
  dial,
  dialLater,
  dialTls,
  type Dialer,
  type DialOptions,
  type DialTlsOptions,
  type UnconnectedOptions,
} from './dialer.js';
import { SourceDialer } from './source-dialer.js';
import { undiciConnector, type UndiciConnector, type UndiciConnectorOptions } from './undici.js';

/** net.createConnection in all its forms; a path is refused, because a Unix socket has no source address. */
export interface CreateConnection {
  (options: DialOptions | ClientRequestArgs | NetConnectOpts, listener?: (...args: never) => void): Socket;
  (port: number | string, listener?: () => void): Socket;
  (port: number | string, host?: string, listener?: () => void): Socket;
}

/** Makes sockets, and adapters that make their sockets the same way. */
export abstract class Connector {
  readonly #dialer: Dialer;

  /** @internal */
  constructor(dialer: Dialer) {
    native(); // throws on other platforms
    this.#dialer = dialer;
  }

  /**
   * For `http.request({ createConnection })`, ws, got and other libraries that take such a function; it needs no `this`.
   * Plain TCP: for https use `httpsAgent`. `options.egressKey` says whose connection it is.
   * @throws as connect
   */
  readonly createConnection: CreateConnection = (...args: readonly unknown[]) => {
    const [first] = args;
    const options = typeof first === 'object' ? (first as DialOptions) : optionsOf(args);
    // In an object, `path` is HTTP's.
    if (typeof first === 'string' && 'path' in options) throw invalidValue('path', first, UNIX_SOCKET);
    return dial(this.#dialer, options, listenerOf(args));
  };

  /**
   * tls.connect, with its options, events and errors, from where this connector connects. Use it instead of
   * `tls.connect({ socket })` on a socket that is still connecting to a name: Node tries several addresses by replacing
   * the TCP handle, which TLS holds by then, and crashes. As with tls.connect, pass `servername` yourself.
   * @throws as tls.connect and connect
   */
  connectTls(options: DialTlsOptions, listener?: () => void): TLSSocket {
    return dialTls(this.#dialer, options, (given) => nodeTlsConnect(given, listener));
  }

  /**
   * An http.Agent that connects this way. A kept-alive socket is reused for requests with the same key only. If the agent
   * has no `egressKey`, each request may have its own.
   * @throws ERR_INVALID_ARG_TYPE
   */
  httpAgent(options: EgressHttpAgentOptions = {}): HttpAgent {
    return httpAgent(this.#dialer, options);
  }

  /**
   * The same for https. TLS sessions are reused for the same host and key only.
   * @throws ERR_INVALID_ARG_TYPE
   */
  httpsAgent(options: EgressHttpsAgentOptions = {}): HttpsAgent {
    return httpsAgent(this.#dialer, options);
  }

  /**
   * What undici's Client, Pool and Agent take as `connect`; with such a dispatcher, fetch connects this way.
   * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
   */
  undiciConnector(options: UndiciConnectorOptions = {}): UndiciConnector {
    return undiciConnector(this.#dialer, options);
  }

  /**
   * A net.Socket that has not connected, for libraries that call its `connect(port, host)` themselves, such as
   * node-postgres.
   * @throws as connect; ERR_INVALID_ARG_VALUE for `fd` and `handle`
   */
  socket(options: UnconnectedOptions = {}): Socket {
    return dialLater(this.#dialer, options);
  }
}

/**
 * The adapters for plain `connect`, without a pool: `connector({ localAddress: '192.0.2.9' }).httpAgent()`. The options are
 * those of `connect`, and take precedence over those of a request.
 * @throws as connect
 */
export function connector(options: Partial<Omit<ConnectOptions, 'fd'>>): Connector {
  object('options', options);
  return new SourceConnector(new SourceDialer(options));
}

class SourceConnector extends Connector {}
