// Agents for http and https whose sockets come from a dialer.
import { type WaitForLocalPort, waitPolicyOf } from '../ports/wait-policy.js';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { invalidValue, object } from '../arguments.js';
import { changeRequests } from '../node/agent.js';
import { withoutUrlProtocol } from '../tcp/connect/options.js';
import { checkAccepted, dial, dialTls, type Dialer, type DialOptions, type DialTlsOptions } from './dialer.js';
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
   * request needs a socket, and the request only gets sockets with that key.
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
  return new EgressHttpAgent(dialer, checked(dialer, options));
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function httpsAgent(dialer: Dialer, options: EgressHttpsAgentOptions): https.Agent {
  return new EgressHttpsAgent(dialer, checked(dialer, options));
}

class EgressHttpAgent extends http.Agent {
  readonly #dialer: Dialer;
  readonly #egressKey: EgressKey | undefined;

  constructor(dialer: Dialer, all: EgressHttpAgentOptions) {
    const { egressKey, ...options } = all;
    super(options);
    this.#dialer = dialer;
    this.#egressKey = egressKey;
    changeRequests(this, (given) => withKey(given, egressKey));
    makeOneOffs(this, () => new EgressHttpAgent(dialer, { ...all, keepAlive: false }));
  }

  override createConnection(options: http.ClientRequestArgs, callback?: OnCreated): Duplex | undefined {
    const egressKey = keyOf(options, this.#egressKey);
    return given(dial(this.#dialer, { ...(options as DialOptions), egressKey }), callback);
  }

  override getName(options?: Parameters<http.Agent['getName']>[0]): string {
    return nameWithKey(super.getName(options), keyOf(options, this.#egressKey));
  }
}

class EgressHttpsAgent extends https.Agent {
  readonly #dialer: Dialer;
  readonly #egressKey: EgressKey | undefined;

  constructor(dialer: Dialer, all: EgressHttpsAgentOptions) {
    const { egressKey, ...options } = all;
    super(options);
    this.#dialer = dialer;
    this.#egressKey = egressKey;
    changeRequests(this, (given) => withKey(given, egressKey));
    makeOneOffs(this, () => new EgressHttpsAgent(dialer, { ...all, keepAlive: false }));
  }

  /** Node's own calls tls.connect, and caches the session by the socket's name. */
  override createConnection(options: https.RequestOptions, callback?: OnCreated): Duplex | undefined {
    const egressKey = keyOf(options, this.#egressKey);
    const make = (all: DialTlsOptions): TLSSocket => super.createConnection(all, callback) as TLSSocket;
    return given(dialTls(this.#dialer, { ...(options as DialTlsOptions), egressKey }, make), callback);
  }

  override getName(options?: https.RequestOptions): string {
    return nameWithKey(super.getName(options), keyOf(options, this.#egressKey));
  }
}

/**
 * For a request with `agent: false`, Node makes a new agent by the constructor of the global one, which may be this: it has
 * the same sources and guards, and keeps no connection.
 */
function makeOneOffs(agent: http.Agent, make: () => http.Agent): void {
  Object.defineProperty(agent, 'constructor', {
    value: function EgressAgent() {
      return make();
    },
    configurable: true,
    writable: true,
  });
}

type OnCreated = (error: Error | null, stream: Duplex) => void;

/**
 * A signal that is aborted already has destroyed the socket. Its request does not listen to it yet, so that the error would
 * end the process: it is passed to the callback instead.
 */
function given(socket: Socket, callback: OnCreated | undefined): Socket | undefined {
  const error = socket.errored;
  if (error === null || callback === undefined) return socket;
  socket.on('error', () => undefined);
  callback(error, socket);
  return undefined;
}

function checked<T extends EgressAgentOptions>(dialer: Dialer, options: T): T {
  object('options', options);
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
  checkAccepted(options);
  dialer.check(withoutUrlProtocol(options));
  return options;
}

/** The key under which the options of a request carry its egressKey once it was read. Node copies it with the options. */
const KEY = Symbol('linux-sockets.egressKey');

/** With the key of this request. The agent's key takes precedence, as all options of an agent do. */
function withKey(options: object, agentKey: EgressKey | undefined): object {
  return { ...options, [KEY]: readEgressKey(agentKey ?? (options as DialOptions).egressKey) };
}

/** The key that was read for the request; for options without a request, it is read now. */
function keyOf(options: object | undefined, agentKey: EgressKey | undefined): string | undefined {
  if (options !== undefined && KEY in options) return options[KEY] as string | undefined;
  return readEgressKey(agentKey ?? (options as DialOptions | undefined)?.egressKey);
}

/** Node keeps sockets by this name, so the key has to be part of it. */
function nameWithKey(name: string, key: string | undefined): string {
  return key === undefined ? name : `${name}:egress=${JSON.stringify(key)}`;
}
