// The proxy: checks who may connect where, connects from the pool, and logs the result. Each protocol has its own file.
import { once } from 'node:events';
import { lookup as dnsLookup } from 'node:dns';
import { isIP } from 'node:net';
import { isLocal } from 'linux-sockets';
import { mayPass } from './credentials.mjs';
import { addressesOf, isIn, isUnspecified } from './destination.mjs';
import { createConnectServer } from './http-connect.mjs';
import { createSocksServer } from './socks5.mjs';
import { tunnel } from './tunnel.mjs';

/**
 * @typedef {object} Refusal
 * @property {'credentials' | 'denied' | 'loop' | 'busy' | 'noPort' | 'name' | 'unreachable' | 'refused' | 'timeout' | 'failed'} why
 * @property {Error} [error]
 */
/**
 * @typedef {object} TunnelRequest
 * @property {'http' | 'socks'} protocol
 * @property {import('node:net').Socket} client
 * @property {string} host
 * @property {number} port
 * @property {string | undefined} [user]
 * @property {string | undefined} [password]
 * @property {() => void} accept
 * @property {(refusal: Refusal) => void} refuse
 */
/** What the protocols need from the proxy. @typedef {Pick<EgressProxy, 'serve' | 'mayPass' | 'wantsCredentials'>} Proxy */
/**
 * @typedef {import('./options.mjs').ProxyOptions & {
 *   pool: import('linux-sockets').EgressPool,
 *   metrics: import('./metrics.mjs').Metrics,
 *   log: (event: Record<string, unknown>) => void,
 * }} EgressProxyOptions
 */

export class EgressProxy {
  #options;
  /** @type {import('node:net').Server[]} */
  #servers = [];
  /** All clients, including those that have not sent a request yet. @type {Set<import('node:net').Socket>} */
  #clients = new Set();
  /** Requests that are being served, each until its tunnel ends. @type {Set<Promise<void>>} */
  #served = new Set();
  #closing = false;

  /** @param {EgressProxyOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Number of requests that are being served. */
  get open() {
    return this.#served.size;
  }

  get wantsCredentials() {
    return this.#options.credentials !== undefined;
  }

  /** @param {string | undefined} user @param {string | undefined} password */
  mayPass(user, password) {
    return mayPass(this.#options.credentials, user, password);
  }

  /** Starts all servers, and returns their addresses. */
  async listen() {
    const { http, socks, metricsListener, metrics } = this.#options;
    const wanted = /** @type {const} */ ([
      ['http', http, () => createConnectServer(this)],
      ['socks', socks, () => createSocksServer(this)],
      ['metrics', metricsListener, () => metrics.createServer()],
    ]);
    const listening = [];
    for (const [protocol, where, create] of wanted) {
      if (where === undefined) continue;
      const server = create();
      server.on('connection', (client) => this.#remember(client, protocol));
      this.#servers.push(server);
      server.listen(where.port, where.address);
      await once(server, 'listening');
      // Accepting fails when no descriptor is left; the server continues.
      server.on('error', (error) => this.#options.log({ event: 'error', protocol, error: error.message }));
      const { address, port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      listening.push({ protocol, address, port });
    }
    return listening;
  }

  /** Stops accepting, waits for open tunnels, and ends them after `grace` milliseconds. @param {number} grace */
  async close(grace) {
    this.#closing = true;
    for (const server of this.#servers) server.close();
    const timer = setTimeout(() => this.#endAll(), grace);
    // Clients without a request are not waited for.
    if (this.#served.size === 0) this.#endAll();
    while (this.#served.size > 0) await Promise.all(this.#served);
    clearTimeout(timer);
    this.#endAll();
  }

  /**
   * Serves one request, or refuses it: connects, and joins the two sockets. Never throws.
   * @param {TunnelRequest} request
   */
  serve(request) {
    const served = this.#serve(request)
      .catch((/** @type {Error} */ error) => {
        // No descriptor is left to ask the kernel about an address, say.
        this.#options.log({ event: 'error', protocol: request.protocol, error: error.message });
        request.client.destroy();
      })
      .finally(() => {
        this.#served.delete(served);
        this.#options.metrics.opened(-1);
      });
    this.#served.add(served);
    this.#options.metrics.opened(1);
  }

  /** @param {TunnelRequest} request */
  async #serve({ protocol, client, host, port, user, password, accept, refuse }) {
    const { pool, metrics, log, connectTimeout, idleTimeout, maxConnections } = this.#options;
    const about = { protocol, client: client.remoteAddress, user, destination: `${host}:${port}` };
    client.on('error', () => undefined); // the tunnel handles it, or the client has left
    const why = this.mayPass(user, password)
      ? this.#closing || this.#served.size >= maxConnections
        ? 'busy'
        : this.#forbidden(host, port)
      : 'credentials';
    /** @param {Refusal} refusal */
    const reject = (refusal) => {
      metrics.refused(protocol, refusal);
      log({ event: 'refused', ...about, why: refusal.why, error: refusal.error?.message });
      refuse(refusal);
    };
    if (why !== undefined) {
      reject({ why });
      return;
    }
    const upstream = pool.connect({
      host,
      port,
      egressKey: user ?? client.remoteAddress ?? '',
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      lookup: this.#lookup(port),
    });
    const leave = () => upstream.destroy();
    client.once('close', leave);
    const timer = setTimeout(() => upstream.destroy(new TimeoutError(connectTimeout)), connectTimeout);
    const failure = await connected(upstream);
    clearTimeout(timer);
    client.off('close', leave);
    if (failure !== undefined) {
      if (client.destroyed) log({ event: 'left', ...about });
      else reject({ why: whyOf(failure), error: failure });
      return;
    }
    const { localAddress, localPort, remoteAddress } = upstream;
    if (!client.destroyed) accept();
    const result = await tunnel(client, upstream, idleTimeout);
    metrics.ended(protocol, result);
    const { sent, received, error } = result;
    const from = `${localAddress}:${localPort}`;
    log({ event: 'ended', ...about, address: remoteAddress, from, sent, received, error: error?.message });
  }

  /** @param {import('node:net').Socket} client @param {'http' | 'socks' | 'metrics'} protocol */
  #remember(client, protocol) {
    // At most as many clients without a request as requests are allowed.
    if (this.#clients.size - this.#served.size >= this.#options.maxConnections) {
      this.#options.metrics.refused(protocol, { why: 'busy' });
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
  }

  #endAll() {
    for (const client of this.#clients) client.resetAndDestroy();
  }

  /**
   * Node's lookup without the addresses that are forbidden, so that a name does not get around the check.
   * @param {number} port
   * @returns {import('node:net').LookupFunction}
   */
  #lookup(port) {
    return (host, options, callback) => {
      dnsLookup(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) {
          callback(error, '');
          return;
        }
        /** @type {Map<string, Refusal['why'] | undefined>} */
        const refusals = new Map();
        try {
          for (const { address } of addresses) refusals.set(address, this.#forbidden(address, port));
        } catch (failure) {
          callback(/** @type {Error} */ (failure), '');
          return;
        }
        const allowed = addresses.filter(({ address }) => refusals.get(address) === undefined);
        const [first] = allowed;
        if (first === undefined) callback(new ForbiddenError([...refusals.values()][0]), '');
        else if (options.all) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    };
  }

  /** Why a destination is refused; a name is only checked when it is looked up. @param {string} host @param {number} port */
  #forbidden(host, port) {
    if (isIP(host) === 0) return undefined;
    const addresses = addressesOf(host);
    if (addresses.some((address) => isUnspecified(address) || isIn(this.#options.denied, address))) return 'denied';
    return addresses.some((address) => this.#isProxy(address, port)) ? 'loop' : undefined;
  }

  /** Whether a connection to it would reach this proxy. @param {string} address @param {number} port */
  #isProxy(address, port) {
    return this.#servers.some((server) => {
      const own = /** @type {import('node:net').AddressInfo | null} */ (server.address());
      if (own?.port !== port) return false;
      return addressesOf(own.address)[0] === address || (isUnspecified(own.address) && isLocal(address));
    });
  }
}

class TimeoutError extends Error {
  code = 'ETIMEDOUT';

  /** @param {number} milliseconds */
  constructor(milliseconds) {
    super(`no answer within ${milliseconds / 1000} s`);
  }
}

class ForbiddenError extends Error {
  /** @param {Refusal['why'] | undefined} why */
  constructor(why = 'denied') {
    super('this proxy does not connect to that destination');
    this.code = why;
  }
}

/** Resolves with the error, or undefined once it is connected. @param {import('node:net').Socket} socket */
function connected(socket) {
  return new Promise((/** @type {(error: NodeJS.ErrnoException | undefined) => void} */ resolve) => {
    /** @type {NodeJS.ErrnoException | undefined} */
    let failure;
    socket.once('connect', () => resolve(undefined));
    socket.on('error', (error) => (failure ??= error)); // it stays, for errors between here and the tunnel
    socket.once('close', () => resolve(failure ?? new Error('closed before it was connected')));
  });
}

/** @param {NodeJS.ErrnoException} error @returns {Refusal['why']} */
function whyOf({ code = '' }) {
  if (code === 'denied' || code === 'loop') return code;
  return WHY.get(code) ?? 'failed';
}

/** @type {ReadonlyMap<string, Refusal['why']>} */
const WHY = new Map([
  ['ERR_PORT_RANGE_EXHAUSTED', 'noPort'],
  ['ERR_EGRESS_NO_SOURCE', 'unreachable'],
  ['ENOTFOUND', 'name'],
  ['EAI_AGAIN', 'name'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ECONNREFUSED', 'refused'],
  ['ETIMEDOUT', 'timeout'],
]);
