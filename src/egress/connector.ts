// The connector: one way to connect, in the shapes that Node's HTTP world takes. A pool is one; so is any set of options
// for `connect`.
import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { invalidType, invalidValue } from '../arguments.js';
import { connect } from '../tcp/connect/connect.js';
import type { ConnectOptions } from '../tcp/connect/options.js';
import { httpAgent, httpsAgent, type EgressHttpAgentOptions, type EgressHttpsAgentOptions } from './agents.js';
import { undiciConnector, type UndiciConnector, type UndiciConnectorOptions } from './undici.js';

/** What adapters hand to `connect`. HTTP and TLS options may be among them, where `key` is a private key. */
export interface DialOptions extends ConnectOptions {
  readonly egressKey?: string | undefined;
}

/** Makes sockets, and adapters that make them the same way. */
export abstract class Connector {
  /**
   * For `http.request({ createConnection })`, ws, got and whatever else takes such a function; it needs no `this`. Plain
   * TCP: for https there is `httpsAgent`. `options.egressKey` is the key of the connection.
   * @throws as connect
   */
  readonly createConnection: (options: DialOptions) => Socket = (options) => this.dial(options);

  /**
   * An http.Agent that connects this way. Kept-alive sockets of different keys are never mixed. A request may have an
   * `egressKey` of its own where the agent has none.
   */
  httpAgent(options: EgressHttpAgentOptions = {}): HttpAgent {
    return httpAgent(this, options);
  }

  /** The same for https. TLS sessions are reused for the same host and key only. */
  httpsAgent(options: EgressHttpsAgentOptions = {}): HttpsAgent {
    return httpsAgent(this, options);
  }

  /** What undici's Client, Pool and Agent take as `connect`, and so fetch by its dispatcher. */
  undiciConnector(options: UndiciConnectorOptions = {}): UndiciConnector {
    return undiciConnector(this, options);
  }

  /**
   * What the adapters call, with whatever HTTP brings along: a `path` is not a socket's there.
   * @internal
   */
  dial(options: DialOptions): Socket {
    const {
      path: _,
      socketPath,
      ...rest
    } = options as DialOptions & { readonly path?: unknown; readonly socketPath?: unknown };
    if (socketPath !== undefined && socketPath !== null) {
      throw invalidValue('options.socketPath', socketPath, 'a Unix socket has no source address');
    }
    return this.make(rest);
  }

  /** @internal */
  protected abstract make(options: DialOptions): Socket;
}

/**
 * The adapters for plain `connect`, without a pool: `connector({ localAddress: '192.0.2.9' }).httpAgent()`. The options are
 * those of `connect`, and stand above what a request brings along.
 * @throws ERR_INVALID_ARG_TYPE
 */
export function connector(options: Partial<ConnectOptions>): Connector {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  return new PlainConnector(options);
}

class PlainConnector extends Connector {
  readonly #options: Partial<ConnectOptions>;

  constructor(options: Partial<ConnectOptions>) {
    super();
    this.#options = { ...options };
  }

  protected override make(options: DialOptions): Socket {
    return connect({ ...options, ...this.#options });
  }
}
