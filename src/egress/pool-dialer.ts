// Connects from the sources of a pool: chooses the source of each attempt, and counts. The descriptor is made by connect.
import { type WaitForLocalPort, waitPolicyOf } from '../ports/wait-policy.js';
import { getDefaultAutoSelectFamily, type LookupFunction, type Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { boolean, integer, invalidType, invalidValue, options as checkOptions, string } from '../arguments.js';
import { SocketError } from '../errors.js';
import type { EncodedOption } from '../options/access.js';
import type { Candidates, Source } from '../source/source.js';
import { connectFrom, socketFrom } from '../tcp/connect/connect.js';
import { sourceOf, type ConnectOptions } from '../tcp/connect/options.js';
import { secureFrom } from '../tcp/connect/tls.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { candidates, type Connection, type Shared } from './attempt.js';
import { Closing } from './closing.js';
import { Cooldowns } from './cooldowns.js';
import type { Dialer, DialTlsOptions, MakeTls, UnconnectedOptions } from './dialer.js';
import { lookupOf } from './family-lookup.js';
import {
  POOL_DECIDES,
  POOL_OPTIONS,
  type EgressPoolOptions,
  type EgressPoolStats,
  type RemovedSource,
} from './pool-options.js';
import { PoolSource, type SourceStats } from './pool-source.js';
import { Prefix } from './prefix.js';
import { stickyAddress, strategyOf, type Choose } from './strategy.js';

export class PoolDialer implements Dialer {
  readonly name: string;
  readonly #choose: Choose;
  readonly #isSticky: boolean;
  readonly #shared: Shared;
  readonly #template: Source;
  readonly #freebind: boolean | undefined;
  readonly #waitForLocalPort: WaitForLocalPort | undefined;
  /** Replaced, never changed: an attempt continues with the sources that it began with. */
  #sources: readonly PoolSource[] = [];
  /** Removed sources that have connections. */
  readonly #draining = new Set<PoolSource>();
  #byFamily: Readonly<Record<Family, readonly PoolSource[]>> = { ipv4: [], ipv6: [] };

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(options: EgressPoolOptions) {
    checkOptions('options', options, POOL_OPTIONS);
    const {
      sources,
      strategy = 'round-robin',
      spill = true,
      limit,
      limitPerAddress,
      cooldown = 1000,
      waitForLocalPort,
      name,
      ...local
    } = options;
    this.name = name === undefined ? 'egress pool' : string('options.name', name);
    boolean('options.spill', spill);
    if (!spill && strategy !== 'sticky') throw invalidValue('options.spill', spill, "it takes the strategy 'sticky'");
    this.#choose = strategyOf('options.strategy', strategy, spill);
    this.#isSticky = strategy === 'sticky';
    this.#template = sourceOf(local);
    this.#freebind = local.freebind;
    waitPolicyOf(waitForLocalPort);
    this.#waitForLocalPort = waitForLocalPort;
    this.#shared = {
      name: this.name,
      cooldowns: new Cooldowns(integer('options.cooldown', cooldown, 0, 0x7fffffff)),
      limit: limitOf('options.limit', limit),
      shareLocalPort: this.#template.shareLocalPort,
      limitPerAddress: limitOf('options.limitPerAddress', limitPerAddress),
      local: (source, address, sockopts) => this.#local(source, address, sockopts),
    };
    if (!Array.isArray(sources)) throw invalidType('options.sources', 'an array of addresses and prefixes', sources);
    if (sources.length === 0) throw invalidValue('options.sources', sources, 'a pool needs at least one source');
    const prefixes = sources.map((text, i) => Prefix.parse(`options.sources[${i}]`, text));
    refuseOverlap('options.sources', prefixes);
    this.#replace(prefixes.map((prefix) => new PoolSource(prefix)));
  }

  check(options: object): void {
    for (const decided of POOL_DECIDES) {
      const value = (options as Record<string, unknown>)[decided];
      if (value !== undefined && value !== null) throw invalidValue(`options.${decided}`, value, 'the pool sets it');
    }
  }

  connect(options: ConnectOptions, egressKey: string | undefined, listener?: () => void): Socket {
    const { defaults, candidates, closing } = this.#plan(options, egressKey);
    return closing.watch(connectFrom({ ...options, ...defaults }, candidates, listener));
  }

  connectTls(options: ConnectionOptions & ConnectOptions, egressKey: string | undefined, make: MakeTls): TLSSocket {
    const { defaults, candidates, closing } = this.#plan(options, egressKey);
    return closing.watch(secureFrom<DialTlsOptions>({ ...options, ...defaults }, candidates, make));
  }

  socket(options: UnconnectedOptions, egressKey: string | undefined): Socket {
    const { waitForLocalPort, sockopts, ...forNode } = options;
    const asked = {
      ...(waitForLocalPort !== undefined && { waitForLocalPort }),
      ...(sockopts !== undefined && { sockopts }),
    };
    const { defaults, candidates, closing } = this.#plan({ port: 0, ...asked }, egressKey);
    return closing.watch(socketFrom(forNode, candidates, defaults.waitForLocalPort));
  }

  get sources(): string[] {
    return this.#sources.map(({ text }) => text);
  }

  addSource(source: string): void {
    const prefix = Prefix.parse('source', source);
    for (const other of this.#sources) refusePair('source', prefix, other.prefix);
    this.#replace([...this.#sources, new PoolSource(prefix)]);
  }

  removeSource(source: string): RemovedSource | undefined {
    const { text } = Prefix.parse('source', source);
    const removed = this.#sources.find((other) => other.text === text);
    if (removed === undefined) return undefined;
    this.#replace(this.#sources.filter((other) => other !== removed));
    this.#draining.add(removed);
    const drained = new Promise<void>((resolve) => {
      removed.drain(() => {
        this.#draining.delete(removed);
        resolve();
      });
    });
    return { drained };
  }

  addressFor(egressKey: string, family: Family): string | undefined {
    if (!this.#isSticky) {
      throw new SocketError('ERR_INVALID_STATE', "Only with the strategy 'sticky' does a key have an address.");
    }
    return stickyAddress(string('egressKey', egressKey), this.#byFamily[oneOfFamilies(family)]);
  }

  get stats(): EgressPoolStats {
    const cooldowns = this.#shared.cooldowns.count(performance.now());
    const sources = [...this.#sources, ...this.#draining].map((source) => source.stats(cooldowns.get(source) ?? 0));
    const sum = (of: (stats: SourceStats) => number): number => sources.reduce((total, stats) => total + of(stats), 0);
    return {
      held: sum(({ held }) => held),
      total: sum(({ total }) => total),
      exhausted: sum(({ exhausted }) => exhausted),
      failed: sum(({ failed }) => failed),
      cooldown: sum(({ cooldown }) => cooldown),
      sources,
    };
  }

  /** The sources for each attempt of one connection, best first. */
  candidates({ egressKey, sockopts, ...socket }: Connection): Candidates {
    const connection = { ...socket, egressKey, sockopts: override(this.#template.sockopts, sockopts) };
    return (remote) => {
      const { family } = remote;
      const sources = this.#byFamily[family];
      if (sources.length === 0) throw this.#noSource(remote);
      const request = { family, remote, egressKey };
      const choices = this.#choose(request, sources);
      return candidates({ shared: this.#shared, connection, request, choices });
    };
  }

  /** Checks the options of a connection. `defaults` are what Node gets beyond them. */
  #plan(options: ConnectOptions, egressKey: string | undefined): Plan {
    this.check(options);
    const {
      family,
      autoSelectFamily = getDefaultAutoSelectFamily(),
      waitForLocalPort = this.#waitForLocalPort,
    } = options;
    const { sockopts } = sourceOf({ sockopts: options.sockopts, protocol: this.#template.protocol });
    const { ipv4, ipv6 } = this.#byFamily;
    const one = !family && (ipv4.length === 0) !== (ipv6.length === 0);
    const only = ipv4.length === 0 ? 6 : 4;
    const closing = new Closing();
    return {
      closing,
      candidates: this.candidates({
        egressKey,
        sockopts,
        leftNoTimeWait: () => closing.leftNoTimeWait(),
        socket: () => closing.socket,
      }),
      defaults: {
        ...(waitForLocalPort !== undefined && { waitForLocalPort }),
        // With a family, Node would try the first address only.
        ...(one && (autoSelectFamily ? { lookup: lookupOf(only, options.lookup) } : { family: only })),
      },
    };
  }

  #local(source: PoolSource, address: string, sockopts: readonly EncodedOption[]): Source {
    const { family, size } = source.prefix;
    const freebind = this.#freebind ?? (family === 'ipv6' && size > 1n);
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
      `${this.name} has no ${name} source to reach ${address} from. Add one, or connect to an address of the other family.`,
      { reason: 'familyMismatch' },
    );
  }
}

interface Plan {
  readonly defaults: {
    readonly waitForLocalPort?: WaitForLocalPort;
    readonly family?: number;
    readonly lookup?: LookupFunction;
  };
  readonly candidates: Candidates;
  readonly closing: Closing;
}

/** Options of a connection replace those of the pool. */
function override(ofPool: readonly EncodedOption[], own: readonly EncodedOption[]): readonly EncodedOption[] {
  if (own.length === 0) return ofPool;
  const replaced = new Set(own.map(({ option }) => option));
  return [...ofPool.filter(({ option }) => !replaced.has(option)), ...own];
}

function oneOfFamilies(family: unknown): Family {
  if (family === 'ipv4' || family === 'ipv6') return family;
  throw invalidValue('family', family, "it must be 'ipv4' or 'ipv6'");
}

function limitOf(name: string, limit: number | undefined): number {
  return limit === undefined ? Infinity : integer(name, limit, 1, Number.MAX_SAFE_INTEGER);
}

/** Sorted, overlapping prefixes are neighbours: of two prefixes one contains the other, or they have nothing in common. */
/** Of two sources, of which one was given. @throws ERR_INVALID_ARG_VALUE */
function refusePair(name: string, given: Prefix, other: Prefix): void {
  if (!given.overlaps(other)) return;
  const relation = given.size > other.size ? 'it contains' : 'it is part of';
  const why =
    given.text === other.text ? 'it is a source of this pool already' : `${relation} another source, ${other.text}`;
  throw invalidValue(name, given.text, why);
}

function refuseOverlap(name: string, prefixes: readonly Prefix[]): void {
  const sorted = [...prefixes].sort(Prefix.compare);
  for (const [i, prefix] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next === undefined || !prefix.overlaps(next)) continue;
    const why = prefix.text === next.text ? 'it is listed twice' : `it is part of another source, ${prefix.text}`;
    throw invalidValue(name, next.text, why);
  }
}
