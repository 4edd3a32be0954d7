// Options of an EgressPool and of its connections, and its statistics.
import { type WaitForLocalPort } from '../ports/wait-policy.js';
import type { ConnectOptions, SourceOptions } from '../tcp/connect/options.js';
import type { EgressKey } from './egress-key.js';
import type { SourceStats } from './pool-source.js';
import type { Strategy } from './strategy.js';

/** The options of the source are those of `connect`; `localAddress` comes from `sources`. */
export interface EgressPoolOptions extends SourceOptions {
  /**
   * Where connections leave from: addresses and prefixes, IPv4 and IPv6; each is one source. Any address of a prefix may
   * be used, the first and the last included. Sources must not overlap.
   */
  readonly sources: readonly string[];
  /** How the next source is chosen. @default 'round-robin' */
  readonly strategy?: Strategy | undefined;
  /**
   * With the strategy 'sticky': whether a connection whose address has no port left, is at its limit, or fails goes on with
   * the next address or source. False: it fails, or waits (`waitForLocalPort`); see `pool.addressFor`. @default true
   */
  readonly spill?: boolean | undefined;
  /**
   * Maximum number of connections per source; a prefix is one source. Where it is reached, a connection that an agent or
   * undici keeps without a request is closed to make room. @default no limit
   */
  readonly limit?: number | undefined;
  /** Maximum number of connections per address of a prefix; as `limit` otherwise. @default no limit */
  readonly limitPerAddress?: number | undefined;
  /**
   * Milliseconds for which an address without a free port is not tried again toward that destination. Doubles while there
   * is still no port, up to a minute; ends early when a connection of the pool closes. 0: try every time. @default 1000
   */
  readonly cooldown?: number | undefined;
  /**
   * IP_FREEBIND, IPV6_FREEBIND: addresses need not be assigned to this host.
   * @default true for IPv6 prefixes, which can be routed here without it but not bound; otherwise false
   */
  readonly freebind?: boolean | undefined;
  /**
   * Whether connections wait for a local port when no source has one; `connect` may override it.
   * @default false: they fail
   */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  /** In errors and diagnostics_channel messages. @default 'egress pool' */
  readonly name?: string | undefined;
}

/** As for `connect`, without the options that the pool sets itself. */
export interface EgressConnectOptions extends Omit<ConnectOptions, (typeof POOL_DECIDES)[number]> {
  /** Whose connection it is. */
  readonly egressKey?: EgressKey | undefined;
}

/** A source that was removed from a pool. */
export interface RemovedSource {
  /** Fulfilled when the descriptor of its last connection is closed; never rejected. */
  readonly drained: Promise<void>;
}

/** Sums over all sources, and each source. */
export interface EgressPoolStats extends Omit<SourceStats, 'source' | 'draining'> {
  /** In the order of the pool; then those that were removed and have connections. */
  readonly sources: readonly SourceStats[];
}

/** Options of `connect` that a pool sets itself. */
export const POOL_DECIDES = [
  'localAddress',
  'localPort',
  'localPortRange',
  'shareLocalPort',
  'freebind',
  'transparent',
  'mark',
  'device',
  'protocol',
  'path',
  'fd',
  'handle',
] as const;

export const POOL_OPTIONS = [
  'sources',
  'strategy',
  'spill',
  'localPortRange',
  'limit',
  'limitPerAddress',
  'cooldown',
  'freebind',
  'transparent',
  'mark',
  'device',
  'shareLocalPort',
  'protocol',
  'sockopts',
  'waitForLocalPort',
  'name',
] as const satisfies readonly (keyof EgressPoolOptions)[];
