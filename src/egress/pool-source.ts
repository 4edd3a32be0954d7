// One source of a pool: an address or a prefix, what is held from it, and its addresses in the orders that strategies ask
// for. Counts are by source as it is written; for a prefix also by address.
import { type Prefix } from './prefix.js';

/** Numbers of one source. `held` is what is there now, the others only grow. */
export interface SourceStats {
  /** As written: an address or a prefix. */
  readonly source: string;
  /** Connections that have a port now: being made, open, or closing. */
  readonly held: number;
  /** Connections for which the kernel took this source: a SYN was sent, or will be. */
  readonly total: number;
  /** How often the kernel found no free port. */
  readonly exhausted: number;
  /** Attempts that ended in any other error: the address cannot be bound, no route, refused, timed out. */
  readonly failed: number;
  /** Destinations (address and port) toward which it is set aside now; for a prefix, summed over its addresses. */
  readonly aside: number;
}

export class PoolSource {
  readonly prefix: Prefix;
  readonly text: string;
  held = 0;
  total = 0;
  exhausted = 0;
  failed = 0;
  /** A prefix's addresses with connections, and how many. A single address needs no list: it has `held`. */
  readonly #used = new Map<string, number>();
  readonly #only: string | undefined;
  #cursor = 0n;

  constructor(prefix: Prefix) {
    this.prefix = prefix;
    this.text = prefix.text;
    this.#only = prefix.size === 1n ? prefix.at(0n) : undefined;
  }

  /** How many connections an address of this source has. */
  heldBy(address: string): number {
    return this.#only === undefined ? (this.#used.get(address) ?? 0) : this.held;
  }

  hold(address: string): void {
    this.held++;
    if (this.#only === undefined) this.#used.set(address, (this.#used.get(address) ?? 0) + 1);
  }

  release(address: string): void {
    this.held--;
    if (this.#only !== undefined) return;
    const left = (this.#used.get(address) ?? 0) - 1;
    if (left > 0) this.#used.set(address, left);
    else this.#used.delete(address);
  }

  /** The addresses one after the other, each time beginning behind the last one that was asked for. */
  inTurn(): Iterable<string> {
    return this.#only === undefined ? this.#turns() : [this.#only];
  }

  /** The addresses in order, beginning with the one of this number. */
  from(start: bigint): Iterable<string> {
    return this.#only === undefined ? this.#from(start) : [this.#only];
  }

  /** Those without connections in turn, then the others, the least used first. */
  leastUsed(): Iterable<string> {
    return this.#only === undefined ? this.#leastUsed() : [this.#only];
  }

  stats(aside: number): SourceStats {
    const { text, held, total, exhausted, failed } = this;
    return { source: text, held, total, exhausted, failed, aside };
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
    return Number(this.prefix.size < MOST_TRIES ? this.prefix.size : MOST_TRIES);
  }
}

/** Of a large prefix so many addresses are looked at for one attempt; the next attempt goes on behind them. */
const MOST_TRIES = 1024n;
