// One source of a pool: an address or a prefix, its connections and their number, and its addresses in the orders that
// strategies ask for. Connections are counted per source, and for a prefix also per address.
import type { Held } from './held.js';
import { type Prefix } from './prefix.js';

/** Counters of one source. `held` and `cooldown` are of this moment, the others only grow. */
export interface SourceStats {
  /** As in `pool.sources`: an address or a prefix. */
  readonly source: string;
  /** It was removed: it gets no new connection, and its row disappears when `held` is 0. */
  readonly draining: boolean;
  /** Connections that have a port now: connecting, open, or closing. */
  readonly held: number;
  /** Connections for which the kernel accepted this source: a SYN was sent, or will be. */
  readonly total: number;
  /** How often the kernel found no free port. */
  readonly exhausted: number;
  /** Attempts that failed with any other error: the address cannot be bound, no route, refused, timed out. */
  readonly failed: number;
  /** Destinations (address and port) toward which it is in cooldown now; for a prefix, summed over its addresses. */
  readonly cooldown: number;
}

export class PoolSource {
  readonly prefix: Prefix;
  readonly text: string;
  held = 0;
  total = 0;
  exhausted = 0;
  failed = 0;
  /** Its connections, and those that were unref'ed, the one that was unref'ed first first. */
  readonly #connections = new Set<Held>();
  readonly #unreferenced = new Set<Held>();
  #drained: (() => void) | undefined;
  /** The addresses of a prefix that have connections, and how many. For a single address `held` suffices. */
  readonly #used = new Map<string, number>();
  readonly #only: string | undefined;
  #cursor = 0n;

  constructor(prefix: Prefix) {
    this.prefix = prefix;
    this.text = prefix.text;
    this.#only = prefix.size === 1n ? prefix.at(0n) : undefined;
  }

  /** Number of connections of an address of this source. */
  heldBy(address: string): number {
    return this.#only === undefined ? (this.#used.get(address) ?? 0) : this.held;
  }

  hold(address: string): void {
    this.held++;
    if (this.#only === undefined) this.#used.set(address, (this.#used.get(address) ?? 0) + 1);
  }

  release(address: string): void {
    this.held--;
    if (this.#only === undefined) {
      const left = (this.#used.get(address) ?? 0) - 1;
      if (left > 0) this.#used.set(address, left);
      else this.#used.delete(address);
    }
    if (this.held === 0) this.#drained?.();
  }

  /** A connection that it holds exists from now on. */
  began(connection: Held): void {
    this.#connections.add(connection);
    if (this.isDraining) connection.retire();
  }

  /** Whether the socket of one of its connections keeps the process alive. */
  referenced(connection: Held, isReferenced: boolean): void {
    connection.referenced(isReferenced);
    this.#unreferenced.delete(connection);
    if (!isReferenced) this.#unreferenced.add(connection);
  }

  /** A connection is closed, and released. */
  ended(connection: Held): void {
    this.#connections.delete(connection);
    this.#unreferenced.delete(connection);
    connection.ended();
    this.release(connection.address);
  }

  get isDraining(): boolean {
    return this.#drained !== undefined;
  }

  /**
   * Closes idle connections now and the others at the end of their request.
   * @param drained called once it has no connection left, before this returns if it has none
   */
  drain(drained: () => void): void {
    this.#drained = drained;
    for (const connection of [...this.#connections]) connection.retire();
    if (this.#connections.size === 0 && this.held === 0) drained();
  }

  /** Whether it has fewer connections than this; if not, idle ones are closed, the longest idle first, until it has. */
  hasRoom(limit: number): boolean {
    return this.#hasRoom(() => this.held < limit);
  }

  /** The same for the connections of one address. */
  hasRoomAt(address: string, limit: number): boolean {
    return this.#hasRoom(() => this.heldBy(address) < limit, address);
  }

  /** The addresses in turn, starting after the last one that was pulled. */
  inTurn(): Iterable<string> {
    return this.#only === undefined ? this.#turns() : [this.#only];
  }

  /** The addresses in order, starting with the one at this index. */
  from(start: bigint): Iterable<string> {
    return this.#only === undefined ? this.#from(start) : [this.#only];
  }

  /** Addresses without connections in turn, then the others, the least used first. */
  leastUsed(): Iterable<string> {
    return this.#only === undefined ? this.#leastUsed() : [this.#only];
  }

  stats(cooldown: number): SourceStats {
    const { text, held, total, exhausted, failed } = this;
    return { source: text, draining: this.isDraining, held, total, exhausted, failed, cooldown };
  }

  #hasRoom(enough: () => boolean, address?: string): boolean {
    if (enough()) return true;
    for (const connection of this.#unreferenced) {
      if (address !== undefined && connection.address !== address) continue;
      if (connection.closeIfIdle() && enough()) return true;
    }
    return false;
  }

  *#turns(): Generator<string> {
    for (let tries = this.#tries(); tries > 0; tries--) {
      const index = this.#cursor;
      this.#cursor = (index + 1n) % this.prefix.size;
      yield this.prefix.at(index);
    }
  }

  *#from(start: bigint): Generator<string> {
    const tries = this.#tries();
    for (let i = 0; i < tries; i++) yield this.prefix.at((start + BigInt(i)) % this.prefix.size);
  }

  *#leastUsed(): Generator<string> {
    if (this.#used.size < this.prefix.size) {
      for (const address of this.#turns()) if (!this.#used.has(address)) yield address;
    }
    yield* [...this.#used].sort(([, a], [, b]) => a - b).map(([address]) => address);
  }

  #tries(): number {
    return Number(this.prefix.size < MAX_TRIES ? this.prefix.size : MAX_TRIES);
  }
}

/** How many addresses of a large prefix one attempt looks at; the next attempt continues after them. */
const MAX_TRIES = 1024n;
