// EgressPool: connections from many source addresses.
import type { Socket } from 'node:net';
import { object } from '../arguments.js';
import { refuseMisspelt } from '../tcp/connect/options.js';
import type { Family } from '../wire/families.js';
import { Connector } from './connector.js';
import { readEgressKey } from './egress-key.js';
import { PoolDialer } from './pool-dialer.js';
import type { EgressConnectOptions, EgressPoolOptions, EgressPoolStats, RemovedSource } from './pool-options.js';

/**
 * Connects from a pool of source addresses. It owns no descriptor and no timer: there is nothing to close.
 * @throws (the constructor) ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export class EgressPool extends Connector {
  /** In errors and diagnostics_channel messages. */
  readonly name: string;
  readonly #dialer: PoolDialer;

  constructor(options: EgressPoolOptions) {
    const dialer = new PoolDialer(options);
    super(dialer);
    this.#dialer = dialer;
    this.name = dialer.name;
  }

  /**
   * Connects from the next source. If no source can be used, the socket emits 'error':
   * - ERR_PORT_RANGE_EXHAUSTED: no source has a port left toward the destination; `reason` is 'portRangeExhausted',
   *   `exhaustedBy` says what holds the ports, if known, and `cause` is the kernel's error
   * - ERR_EGRESS_LIMIT: all sources are at their limit, with connections in use
   * - ERR_EGRESS_NO_SOURCE: no source has the destination's family, or those that had it were removed during the attempt
   * - ERR_EGRESS_STRATEGY: the strategy function threw, or returned something that is not a source of this pool
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (an option that the pool sets itself), ERR_SOCKET_BAD_PORT;
   * ERR_INVALID_RETURN_VALUE of an `egressKey` function, and what that throws
   */
  connect(options: EgressConnectOptions, listener?: () => void): Socket {
    object('options', options);
    const { egressKey, ...rest } = options;
    refuseMisspelt(rest);
    return this.#dialer.connect(rest, readEgressKey(egressKey), listener);
  }

  /** The sources, normalized: '2001:DB8:0::/64' is '2001:db8::/64'. */
  get sources(): string[] {
    return this.#dialer.sources;
  }

  /**
   * Adds a source. With 'sticky' it takes its share of the keys, and no other key moves.
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE: not an address or a prefix, or it overlaps with another source
   */
  addSource(source: string): void {
    this.#dialer.addSource(source);
  }

  /**
   * Removes a source. From here on no connection is made from it, and no request is sent over a connection that an agent or
   * undici keeps from it: those without a request are closed at once, the others when their request ends. Sockets of
   * `connect`, `connectTls` and `socket` are closed by those who use them. The row of the source in `stats` is `draining`
   * until all are closed.
   * @param source an element of `sources`
   * @returns when the last one is closed (`drained`); undefined if the pool did not have the source
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  removeSource(source: string): RemovedSource | undefined {
    return this.#dialer.removeSource(source);
  }

  /**
   * The address from which the connections of a key leave, with the strategy 'sticky': always with `spill: false`, otherwise
   * as long as it has a port toward the destination. It changes only when sources are added or removed.
   * @param family of the destination
   * @returns undefined if the pool has no source of this family
   * @throws ERR_INVALID_STATE with another strategy; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  addressFor(egressKey: string, family: Family): string | undefined {
    return this.#dialer.addressFor(egressKey, family);
  }

  /** What is held now and what has happened so far, by source and in total. */
  get stats(): EgressPoolStats {
    return this.#dialer.stats;
  }
}
