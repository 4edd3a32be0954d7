// Agents for http and https whose sockets come from a connector.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { invalidType, invalidValue, string } from '../arguments.js';
import type { Dialer, DialOptions, DialTlsOptions } from './dialer.js';

// Node hands all options of a request to its agent; its types are told of this one. Those of https take it from http's.
declare module 'node:http' {
  interface RequestOptions {
    /** linux-sockets: the pool's key of this request's connection, where the agent is a pool's and has none itself. */
    egressKey?: string | undefined;
  }
}

export interface EgressHttpAgentOptions extends http.AgentOptions {
  /** The key of all connections of this agent, for 'sticky' and for functions. @default the request's `egressKey` */
  readonly egressKey?: string | undefined;
  /** Refused: this agent connects to the destination itself, from its sources, and goes through no proxy. */
  readonly proxyEnv?: undefined;
}

export interface EgressHttpsAgentOptions extends https.AgentOptions {
  /** The key of all connections of this agent; `key` is TLS's private key. @default the request's `egressKey` */
  readonly egressKey?: string | undefined;
  /** Refused, as by `httpAgent`. */
  readonly proxyEnv?: undefined;
}

export function httpAgent(connector: Dialer, options: EgressHttpAgentOptions): http.Agent {
  return new EgressHttpAgent(connector, checked(options));
}

export function httpsAgent(connector: Dialer, options: EgressHttpsAgentOptions): https.Agent {
  return new EgressHttpsAgent(connector, checked(options));
}

/** An agent puts its own options before those of a request, so that a key of the agent's is the one that counts. */
class EgressHttpAgent extends http.Agent {
  /** Node's, and not in its types. */
  declare readonly options: EgressHttpAgentOptions;
  readonly #connector: Dialer;

  constructor(connector: Dialer, options: EgressHttpAgentOptions) {
    super(options);
    this.#connector = connector;
  }

  override createConnection(options: http.ClientRequestArgs): Duplex {
    return this.#connector.dial(options as DialOptions);
  }

  override getName(options?: Parameters<http.Agent['getName']>[0]): string {
    return nameWithKey(super.getName(options), this.options, options);
  }
}

class EgressHttpsAgent extends https.Agent {
  readonly #connector: Dialer;

  constructor(connector: Dialer, options: EgressHttpsAgentOptions) {
    super(options);
    this.#connector = connector;
  }

  /** Node's own calls tls.connect, and looks after the session. */
  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return this.#connector.dialTls(
      options as DialTlsOptions,
      (given) => super.createConnection(given, callback) as TLSSocket,
    );
  }

  override getName(options?: https.RequestOptions): string {
    return nameWithKey(super.getName(options), this.options, options);
  }
}

function checked<T extends EgressHttpAgentOptions | EgressHttpsAgentOptions>(options: T): T {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  const { egressKey, proxyEnv, ...rest } = options;
  if (proxyEnv !== undefined) {
    throw invalidValue(
      'options.proxyEnv',
      proxyEnv,
      'this agent connects to the destination itself, from its sources, and goes through no proxy',
    );
  }
  if (egressKey === undefined) return rest as T; // or it would stand above the request's
  string('options.egressKey', egressKey);
  return options;
}

/** Sockets are kept by this name, so that it has to have the key: the agent's before the request's, as Node puts them. */
function nameWithKey(name: string, agent: object, request: object | undefined): string {
  const key = (agent as DialOptions).egressKey ?? (request as DialOptions | undefined)?.egressKey;
  return key === undefined ? name : `${name}:egress=${JSON.stringify(key)}`;
}
