// The connector: one way to connect, in the shapes that Node's HTTP world takes. A pool is one; so is any set of options
// for `connect`.
import type { Agent as HttpAgent, ClientRequestArgs } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { isIP, type NetConnectOpts, type Socket, type SocketConstructorOpts } from 'node:net';
import { connect as nodeTlsConnect, type TLSSocket } from 'node:tls';
import { invalidType, invalidValue, string } from '../arguments.js';
import type { StreamSocketOptions } from '../options/table.js';
import { connectAs, listenerOf, optionsOf, socketFrom } from '../tcp/connect/connect.js';
import { sourceOf, type ConnectOptions, type WaitForLocalPort } from '../tcp/connect/options.js';
import { secureFrom } from '../tcp/connect/tls.js';
import type { Dialer, DialOptions, DialTlsOptions, MakeTls } from './dialer.js';
import { httpAgent, httpsAgent, type EgressHttpAgentOptions, type EgressHttpsAgentOptions } from './agents.js';
import { undiciConnector, type UndiciConnector, type UndiciConnectorOptions } from './undici.js';

/** What a socket is made with that connects later. */
export interface UnconnectedOptions extends Omit<SocketConstructorOpts, 'fd'> {
  /** The pool's key of the connection. */
  readonly key?: string | undefined;
  /** As of `connect`. */
  readonly sockopts?: StreamSocketOptions | undefined;
  /** As of `connect`. */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/** net.createConnection's forms, for whoever takes that function. A path has no source, so it throws. */
export interface CreateConnection {
  (options: DialOptions | ClientRequestArgs | NetConnectOpts, listener?: (...args: never) => void): Socket;
  (port: number | string, listener?: () => void): Socket;
  (port: number | string, host?: string, listener?: () => void): Socket;
}

/** Makes sockets, and adapters that make them the same way. */
export abstract class Connector implements Dialer {
  /**
   * For `http.request({ createConnection })`, ws, got and whatever else takes such a function; it needs no `this`. Plain
   * TCP: for https there is `httpsAgent`. `options.egressKey` is the key of the connection.
   * @throws as connect
   */
  readonly createConnection: CreateConnection = (...args: readonly unknown[]) => {
    const [first] = args;
    const options = typeof first === 'object' ? (first as DialOptions) : optionsOf(args);
    // In an object it is HTTP's.
    if (typeof first === 'string' && 'path' in options) throw invalidValue('path', first, NO_SOURCE);
    return this.dial(options, listenerOf(args));
  };

  /**
   * tls.connect, with its options, events and errors, from where this connector connects. Use it rather than
   * `tls.connect({ socket })` on a socket that still connects to a name: Node tries several addresses by changing the
   * TCP handle, which TLS has hold of by then, and crashes. As in tls.connect, `servername` is for the caller to give.
   * @throws as tls.connect and connect
   */
  connectTls(options: DialTlsOptions, listener?: () => void): TLSSocket {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
    return this.dialTls(options, (given) => nodeTlsConnect(given, listener));
  }

  /**
   * An http.Agent that connects this way. Kept-alive sockets of different keys are never mixed. A request may have an
   * `egressKey` of its own where the agent has none.
   * @throws ERR_INVALID_ARG_TYPE
   */
  httpAgent(options: EgressHttpAgentOptions = {}): HttpAgent {
    return httpAgent(this, options);
  }

  /**
   * The same for https. TLS sessions are reused for the same host and key only.
   * @throws ERR_INVALID_ARG_TYPE
   */
  httpsAgent(options: EgressHttpsAgentOptions = {}): HttpsAgent {
    return httpsAgent(this, options);
  }

  /**
   * What undici's Client, Pool and Agent take as `connect`, and so fetch by its dispatcher.
   * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
   */
  undiciConnector(options: UndiciConnectorOptions = {}): UndiciConnector {
    return undiciConnector(this, options);
  }

  /**
   * A net.Socket that has not connected, for libraries that call its `connect(port, host)` by themselves, as
   * node-postgres does.
   * @throws as connect; ERR_INVALID_ARG_VALUE for `fd` and `handle`
   */
  socket(options: UnconnectedOptions = {}): Socket {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
    refuseDescriptor(options);
    return this.unconnected(options);
  }

  /**
   * What the adapters call, with whatever HTTP brings along.
   * @internal
   */
  dial(options: DialOptions, listener?: () => void): Socket {
    return this.open(checked(options), listener);
  }

  /** @internal */
  dialTls(options: DialTlsOptions, make: MakeTls): TLSSocket {
    if (options.socket !== undefined && options.socket !== null) {
      throw invalidValue('options.socket', options.socket, 'a socket that is there already has its source');
    }
    return this.openTls(checked(options), make);
  }

  protected abstract open(options: DialOptions, listener: (() => void) | undefined): Socket;
  protected abstract openTls(options: DialTlsOptions, make: MakeTls): TLSSocket;
  protected abstract unconnected(options: UnconnectedOptions): Socket;
}

/**
 * The adapters for plain `connect`, without a pool: `connector({ localAddress: '192.0.2.9' }).httpAgent()`. The options are
 * those of `connect`, and stand above what a request brings along.
 * @throws as connect
 */
export function connector(options: Partial<Omit<ConnectOptions, 'fd'>>): Connector {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  return new PlainConnector(options);
}

class PlainConnector extends Connector {
  readonly #options: Partial<ConnectOptions>;

  constructor(options: Partial<ConnectOptions>) {
    super();
    sourceOf(options); // what is wrong with it shows now
    refuseDescriptor(options);
    // Of a name with addresses of both families Node would take the first, whatever family the source has.
    const family = isIP(options.localAddress ?? '');
    this.#options = { ...(family !== 0 && { family }), ...options };
  }

  protected override open(options: DialOptions, listener: (() => void) | undefined): Socket {
    return connectAs({ ...options, ...this.#options }, listener);
  }

  protected override unconnected({ key: _, waitForLocalPort, sockopts, ...options }: UnconnectedOptions): Socket {
    const own = { port: 0, ...(sockopts !== undefined && { sockopts }), ...this.#options };
    return socketFrom(options, sourceOf(own), own.waitForLocalPort ?? waitForLocalPort);
  }

  protected override openTls(options: DialTlsOptions, make: MakeTls): TLSSocket {
    const { localAddress, localPort, ...all } = { ...options, ...this.#options };
    const source = sourceOf({
      ...all,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    });
    return secureFrom<DialTlsOptions>(all, source, make);
  }
}

/** Without HTTP's `path`, which is not a socket's. */
function checked<O extends DialOptions>(options: O): O {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  const { path: _, socketPath, ...rest } = options as O & { readonly path?: unknown; readonly socketPath?: unknown };
  if (socketPath !== undefined && socketPath !== null) {
    throw invalidValue('options.socketPath', socketPath, NO_SOURCE);
  }
  if (rest.egressKey !== undefined) string('options.egressKey', rest.egressKey);
  refuseDescriptor(rest);
  return rest as unknown as O;
}

/** net.Socket takes one; it would connect from wherever it is bound to. */
function refuseDescriptor(options: object): void {
  const { fd, handle } = options as { readonly fd?: unknown; readonly handle?: unknown };
  const why = 'a descriptor that is there already has its source';
  if (fd !== undefined) throw invalidValue('options.fd', fd, why);
  if (handle !== undefined && handle !== null) throw invalidValue('options.handle', handle, why);
}

const NO_SOURCE = 'a Unix socket has no source address';
