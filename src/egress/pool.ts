// EgressPool: connections from many source addresses. It decides which source an attempt leaves from, and counts; making
// the descriptor is connect's.
import { getDefaultAutoSelectFamily, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { integer, invalidType, invalidValue, options as checkOptions, string } from '../arguments.js';
import { SocketError } from '../errors.js';
import type { PortRange } from '../kernel/sysctl.js';
import type { EncodedOption } from '../options/access.js';
import type { StreamSocketOptions } from '../options/table.js';
import type { Candidates, Source } from '../source/source.js';
import { connectFrom, socketFrom } from '../tcp/connect/connect.js';
import { sourceOf, waitPolicyOf, type ConnectOptions, type WaitForLocalPort } from '../tcp/connect/options.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { secureFrom } from '../tcp/connect/tls.js';
import { Aside } from './aside.js';
import { candidates, type Connection, type Shared } from './attempt.js';
import { PoolSource, type SourceStats } from './pool-source.js';
import { Connector, type UnconnectedOptions } from './connector.js';
import type { DialOptions, DialTlsOptions, MakeTls } from './dialer.js';
import { Prefix } from './prefix.js';
import { strategyOf, type Choose, type Strategy } from './strategy.js';

export interface EgressPoolOptions {
  /**
   * Where connections leave from: addresses and prefixes, IPv4 and IPv6, each of them one source. A prefix gives any of its
   * addresses, the first and the last included. None may lie in another.
   */
  readonly sources: readonly string[];
  /** Which source is next. @default 'round-robin' */
  readonly strategy?: Strategy | undefined;
  /** The ports to pick from, both ends included, inside net.ipv4.ip_local_port_range. @default all of those */
  readonly localPortRange?: PortRange | undefined;
  /** Connections that a source may hold; a prefix is one source. @default no limit */
  readonly limit?: number | undefined;
  /** Connections that one address of a prefix may hold. @default no limit */
  readonly limitPerAddress?: number | undefined;
  /**
   * Milliseconds for which an address without a free port is not tried again toward that destination; they double while
   * there is none, up to a minute, and end when a connection of the pool closes. 0 tries each time. @default 1000
   */
  readonly exhaustedFor?: number | undefined;
  /**
   * IP_FREEBIND, IPV6_FREEBIND: addresses need not be assigned to this host.
   * @default true for IPv6 prefixes, which can be routed here without it but not bound; false for all else
   */
  readonly freebind?: boolean | undefined;
  /** IP_TRANSPARENT, IPV6_TRANSPARENT: sources may be addresses of others; CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** SO_MARK; CAP_NET_ADMIN or CAP_NET_RAW. */
  readonly mark?: number | undefined;
  /** SO_BINDTODEVICE: an interface's name. */
  readonly device?: string | undefined;
  /** Options for each descriptor, set before bind. */
  readonly sockopts?: StreamSocketOptions | undefined;
  /** Whether connections wait for a port when no source has one; each may say so for itself. @default they fail */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  /** In errors and diagnostics_channel events. @default 'egress pool' */
  readonly name?: string | undefined;
}

/** As for `connect`, but for what the pool decides. */
export interface EgressConnectOptions extends Omit<ConnectOptions, (typeof DECIDED)[number]> {
  /** Says whose connection it is: for 'sticky', for functions, for events. */
  readonly key?: string | undefined;
}

export interface EgressPoolStats extends Omit<SourceStats, 'source'> {
  /** In the order of the pool. */
  readonly sources: readonly SourceStats[];
}

/**
 * Connects from a pool of source addresses. It owns no descriptor and no timer: there is nothing to close.
 * @throws (the constructor) ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export class EgressPool extends Connector {
  /** In errors and diagnostics_channel events. */
  readonly name: string;
  readonly #choose: Choose;
  readonly #shared: Shared;
  readonly #template: Source;
  readonly #freebind: boolean | undefined;
  readonly #waitForLocalPort: WaitForLocalPort | undefined;
  /** Replaced, never changed: an attempt goes on with what it began with. */
  #sources: readonly PoolSource[] = [];
  #byFamily: Readonly<Record<Family, readonly PoolSource[]>> = { ipv4: [], ipv6: [] };

  constructor(options: EgressPoolOptions) {
    super();
    checkOptions('options', options, KNOWN);
    const {
      sources,
      strategy = 'round-robin',
      limit,
      limitPerAddress,
      exhaustedFor = 1000,
      waitForLocalPort,
      name,
      ...local
    } = options;
    this.name = name === undefined ? 'egress pool' : string('options.name', name);
    this.#choose = strategyOf('options.strategy', strategy);
    this.#template = sourceOf(local);
    this.#freebind = local.freebind;
    waitPolicyOf(waitForLocalPort);
    this.#waitForLocalPort = waitForLocalPort;
    this.#shared = {
      name: this.name,
      aside: new Aside(integer('options.exhaustedFor', exhaustedFor, 0, 0x7fffffff)),
      limit: limit === undefined ? Infinity : integer('options.limit', limit, 1, Number.MAX_SAFE_INTEGER),
      limitPerAddress:
        limitPerAddress === undefined
          ? Infinity
          : integer('options.limitPerAddress', limitPerAddress, 1, Number.MAX_SAFE_INTEGER),
      local: (source, address, extra) => this.#local(source, address, extra),
    };
    if (!Array.isArray(sources)) throw invalidType('options.sources', 'an array of addresses and prefixes', sources);
    if (sources.length === 0) throw invalidValue('options.sources', sources, 'a pool needs a source');
    const prefixes = sources.map((text, i) => Prefix.parse(`options.sources[${i}]`, text));
    refuseOverlap('options.sources', prefixes);
    this.#replace(prefixes.map((prefix) => new PoolSource(prefix)));
  }

  /**
   * Connects from the source that is next; the socket's 'error' tells when there is none.
   * - ERR_PORT_RANGE_EXHAUSTED: no source has a port left toward the destination; the kernel's error is its
   *   `cause`, whose `exhaustedBy` says what has the ports, where that is known
   * - ERR_EGRESS_LIMIT: all sources are at their limit
   * - ERR_EGRESS_NO_SOURCE: none has the destination's family
   * - ERR_EGRESS_STRATEGY: the strategy function threw, or returned no source of this pool
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (an option that is the pool's to decide), ERR_SOCKET_BAD_PORT
   */
  connect(options: EgressConnectOptions, listener?: () => void): Socket {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
    const { key, ...rest } = options;
    const { defaults, candidates, closing } = this.#plan('options.key', key, rest);
    return closing.watch(connectFrom({ ...rest, ...defaults }, candidates, listener));
  }

  protected override open({ egressKey, ...options }: DialOptions, listener: (() => void) | undefined): Socket {
    return this.connect({ ...options, key: egressKey }, listener);
  }

  protected override openTls({ egressKey, ...options }: DialTlsOptions, make: MakeTls): TLSSocket {
    const { defaults, candidates, closing } = this.#plan('options.egressKey', egressKey, options);
    return closing.watch(secureFrom<DialTlsOptions>({ ...options, ...defaults }, candidates, make));
  }

  protected override unconnected({ key, waitForLocalPort, sockopts, ...options }: UnconnectedOptions): Socket {
    const asked = {
      ...(waitForLocalPort !== undefined && { waitForLocalPort }),
      ...(sockopts !== undefined && { sockopts }),
    };
    const { defaults, candidates, closing } = this.#plan('options.key', key, { port: 0, ...asked });
    return closing.watch(socketFrom(options, candidates, defaults.waitForLocalPort));
  }

  /** The sources, as they are written. */
  get sources(): string[] {
    return this.#sources.map(({ text }) => text);
  }

  /**
   * Adds a source. With 'sticky' it takes its share of the keys, and no other key moves.
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE: not an address or a prefix, or it overlaps with another source
   */
  addSource(source: string): void {
    const prefix = Prefix.parse('source', source);
    refuseOverlap('source', [...this.#sources.map((other) => other.prefix), prefix]);
    this.#replace([...this.#sources, new PoolSource(prefix)]);
  }

  /**
   * Takes a source out. Its connections stay, and are counted no more.
   * @param source as it is written, which `sources` tells
   * @returns whether the pool had it
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  removeSource(source: string): boolean {
    const { text } = Prefix.parse('source', source);
    const left = this.#sources.filter((other) => other.text !== text);
    const removed = left.length < this.#sources.length;
    if (removed) this.#replace(left);
    return removed;
  }

  /** What is held and what has happened, by source and in all. */
  stats(): EgressPoolStats {
    const aside = this.#shared.aside.count(performance.now());
    const sources = this.#sources.map((source) => source.stats(aside.get(source) ?? 0));
    const sum = (of: (stats: SourceStats) => number): number => sources.reduce((total, stats) => total + of(stats), 0);
    return {
      held: sum(({ held }) => held),
      total: sum(({ total }) => total),
      exhausted: sum(({ exhausted }) => exhausted),
      failed: sum(({ failed }) => failed),
      aside: sum(({ aside: pairs }) => pairs),
      sources,
    };
  }

  /**
   * Where the attempts of one connection leave from.
   * @internal
   */
  candidates(connection: Connection): Candidates {
    return (remote) => {
      const { family } = remote;
      const sources = this.#byFamily[family];
      if (sources.length === 0) throw this.#noSource(remote);
      const request = { family, remote, key: connection.key };
      return candidates(this.#shared, connection, request, this.#choose(request, sources));
    };
  }

  /** Checks the options of a connection, and says what Node is told beyond them. */
  #plan(name: string, key: string | undefined, options: Omit<EgressConnectOptions, 'key'>): Plan {
    if (key !== undefined) string(name, key);
    for (const decided of DECIDED) {
      const value = (options as Record<string, unknown>)[decided];
      if (value !== undefined && value !== null) throw invalidValue(`options.${decided}`, value, 'the pool decides it');
    }
    const {
      family,
      autoSelectFamily = getDefaultAutoSelectFamily(),
      waitForLocalPort = this.#waitForLocalPort,
    } = options;
    const sockopts = options.sockopts === undefined ? [] : sourceOf({ sockopts: options.sockopts }).sockopts;
    const { ipv4, ipv6 } = this.#byFamily;
    // Where Node tries one address only, it has to be one that there is a source for.
    const one = !autoSelectFamily && !family && (ipv4.length === 0) !== (ipv6.length === 0);
    const closing = new Closing();
    return {
      closing,
      candidates: this.candidates({ key, sockopts, leftNoTimeWait: () => closing.leftNoTimeWait() }),
      defaults: {
        ...(waitForLocalPort !== undefined && { waitForLocalPort }),
        ...(one && { family: ipv4.length === 0 ? 6 : 4 }),
      },
    };
  }

  #local(source: PoolSource, address: string, extra: readonly EncodedOption[]): Source {
    const { family, size } = source.prefix;
    const freebind = this.#freebind ?? (family === 'ipv6' && size > 1n);
    const sockopts = extra.length === 0 ? this.#template.sockopts : [...this.#template.sockopts, ...extra];
    return { ...this.#template, address, freebind, sockopts };
  }

  #replace(sources: readonly PoolSource[]): void {
    this.#sources = sources;
    this.#byFamily = {
      ipv4: sources.filter(({ prefix }) => prefix.family === 'ipv4'),
      ipv6: sources.filter(({ prefix }) => prefix.family === 'ipv6'),
    };
  }

  #noSource({ family, address }: Endpoint): SocketError {
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
    return new SocketError(
      'ERR_EGRESS_NO_SOURCE',
      `${this.name} has no ${name} source to reach ${address} from: add one, or connect to an address of the other family.`,
    );
  }
}

interface Plan {
  readonly defaults: { readonly waitForLocalPort?: WaitForLocalPort; readonly family?: number };
  readonly candidates: Candidates;
  readonly closing: Closing;
}

/** How a connection ends: of the two sides, the one whose FIN was first keeps the port in TIME-WAIT; a reset keeps none. */
class Closing {
  #socket: Socket | undefined;
  #peerWasFirst = false;

  watch<S extends Socket>(socket: S): S {
    this.#socket = socket;
    return socket.once('end', () => (this.#peerWasFirst = !socket.writableFinished));
  }

  leftNoTimeWait(): boolean {
    const error: NodeJS.ErrnoException | null | undefined = this.#socket?.errored;
    return this.#peerWasFirst || BROKEN.has(error?.code ?? '');
  }
}

/** Sorted, what overlaps stands side by side: of two prefixes one lies in the other, or they have nothing in common. */
function refuseOverlap(name: string, prefixes: readonly Prefix[]): void {
  const sorted = [...prefixes].sort(Prefix.compare);
  for (const [i, prefix] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next === undefined || !prefix.overlaps(next)) continue;
    const why = prefix.text === next.text ? 'it is there twice' : `it lies in another source, ${prefix.text}`;
    throw invalidValue(name, next.text, why);
  }
}

/** What a connection that was established breaks with. */
const BROKEN: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

const DECIDED = [
  'localAddress',
  'localPort',
  'localPortRange',
  'shareLocalPort',
  'freebind',
  'transparent',
  'mark',
  'device',
  'path',
  'fd',
  'handle',
] as const;

const KNOWN = [
  'sources',
  'strategy',
  'localPortRange',
  'limit',
  'limitPerAddress',
  'exhaustedFor',
  'freebind',
  'transparent',
  'mark',
  'device',
  'sockopts',
  'waitForLocalPort',
  'name',
] as const satisfies readonly (keyof EgressPoolOptions)[];
