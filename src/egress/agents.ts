// Agents for http and https whose sockets come from a dialer.
import { type WaitForLocalPort, waitPolicyOf } from '../ports/wait-policy.js';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { invalidType, invalidValue } from '../arguments.js';
import { changeRequests } from '../node/agent.js';
import { dial, dialTls, type Dialer, type DialOptions, type DialTlsOptions } from './dialer.js';
import { checkEgressKey, readEgressKey, type EgressKey } from './egress-key.js';

// Node passes all options of a request to its agent, so this one is added to its types; https extends those of http.
declare module 'node:http' {
  interface RequestOptions {
    /** linux-sockets: whose connection it is, for an agent of a pool that has no `egressKey` itself. */
    egressKey?: EgressKey | undefined;
  }
}

interface EgressAgentOptions {
  /**
   * Whose connections these are; takes precedence over that of a request. A function is called once per request, when the
   * request asks for a socket, and the request only gets sockets with that key.
   * @default the request's `egressKey`
   */
  readonly egressKey?: EgressKey | undefined;
  /** As for `connect`. @default the pool's */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  /** Refused: this agent connects to the destination itself, from its sources, and does not use a proxy. */
  readonly proxyEnv?: undefined;
}

export interface EgressHttpAgentOptions extends Omit<http.AgentOptions, 'proxyEnv'>, EgressAgentOptions {}

/** `key` is TLS's private key. */
export interface EgressHttpsAgentOptions extends Omit<https.AgentOptions, 'proxyEnv'>, EgressAgentOptions {}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function httpAgent(dialer: Dialer, options: EgressHttpAgentOptions): http.Agent {
  return new EgressHttpAgent(dialer, checked(options));
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function httpsAgent(dialer: Dialer, options: EgressHttpsAgentOptions): https.Agent {
  return new EgressHttpsAgent(dialer, checked(options));
}

class EgressHttpAgent extends http.Agent {
  readonly #dialer: Dialer;
  readonly #egressKey: EgressKey | undefined;

  constructor(dialer: Dialer, { egressKey, ...options }: EgressHttpAgentOptions) {
    super(options);
    this.#dialer = dialer;
    this.#egressKey = egressKey;
    changeRequests(this, (given) => withKey(given, egressKey));
  }

  override createConnection(options: http.ClientRequestArgs): Duplex {
    return dial(this.#dialer, { ...(options as DialOptions), egressKey: keyOf(options, this.#egressKey) });
  }

  override getName(options?: Parameters<http.Agent['getName']>[0]): string {
    return nameWithKey(super.getName(options), keyOf(options, this.#egressKey));
  }
}

class EgressHttpsAgent extends https.Agent {
  readonly #dialer: Dialer;
  readonly #egressKey: EgressKey | undefined;

  constructor(dialer: Dialer, { egressKey, ...options }: EgressHttpsAgentOptions) {
    super(options);
    this.#dialer = dialer;
    this.#egressKey = egressKey;
    changeRequests(this, (given) => withKey(given, egressKey));
  }

  /** Node's own calls tls.connect, and caches the session by the socket's name. */
  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return dialTls(
      this.#dialer,
      { ...(options as DialTlsOptions), egressKey: keyOf(options, this.#egressKey) },
      (given) => super.createConnection(given, callback) as TLSSocket,
    );
  }

  override getName(options?: https.RequestOptions): string {
    return nameWithKey(super.getName(options), keyOf(options, this.#egressKey));
  }
}

function checked<T extends EgressAgentOptions>(options: T): T {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  const { egressKey, waitForLocalPort, proxyEnv } = options;
  if (proxyEnv !== undefined) {
    throw invalidValue(
      'options.proxyEnv',
      proxyEnv,
      'this agent connects to the destination itself, from its sources, and does not use a proxy',
    );
  }
  checkEgressKey(egressKey);
  waitPolicyOf(waitForLocalPort);
  return options;
}

/** Where the key of a request is found once it has been read. Node copies it with the options. */
const KEY = Symbol('linux-sockets.egressKey');

/** With the key of this request. Of two keys the agent's counts, as with all options of an agent. */
function withKey(options: object, agentKey: EgressKey | undefined): object {
  return { ...options, [KEY]: readEgressKey(agentKey ?? (options as DialOptions).egressKey) };
}

/** The key that was read for the request; of options that did not come with a request, read now. */
function keyOf(options: object | undefined, agentKey: EgressKey | undefined): string | undefined {
  if (options !== undefined && KEY in options) return options[KEY] as string | undefined;
  return readEgressKey(agentKey ?? (options as DialOptions | undefined)?.egressKey);
}

/** Node keeps sockets by this name, so the key has to be part of it. */
function nameWithKey(name: string, key: string | undefined): string {
  return key === undefined ? name : `${name}:egress=${JSON.stringify(key)}`;
}
