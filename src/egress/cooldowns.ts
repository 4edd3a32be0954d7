// Which sources have no free port toward which destination, so that they are skipped without another search: searching a
// full range costs the kernel milliseconds, on the event loop. Nothing reports when a port becomes free, so each pair is
// tried again after a cooldown, which doubles while there is still no port; or as soon as a connection of the pool closes.
import { BoundedMap } from '../bounded-map.js';
import type { PoolSource } from './pool-source.js';

interface Pair {
  readonly source: PoolSource;
  readonly error: Error;
  /** In milliseconds of performance.now(). */
  until: number;
  /** The length of the cooldown in milliseconds. */
  readonly cooldown: number;
}

/** What is remembered of an address and a destination between which no port was free. */
export interface Exhausted {
  readonly source: PoolSource;
  readonly address: string;
  /** The destination, address and port; '' for all destinations. */
  readonly toward: string;
  /** The kernel's. */
  readonly error: Error;
}

/** The cooldowns of a pool. Times are milliseconds of performance.now(). */
export class Cooldowns {
  readonly #pairs: BoundedMap<string, Pair>;
  readonly #first: number;

  /**
   * @param first length of a first cooldown in milliseconds; 0 for none
   * @param maxPairs of address and destination; when there are more, the oldest is forgotten
   */
  constructor(first: number, maxPairs: number = MAX_PAIRS) {
    this.#first = first;
    this.#pairs = new BoundedMap(maxPairs);
  }

  /** The kernel's error, and the end of the cooldown, if the address is in cooldown toward the destination. */
  find(address: string, toward: string, now: number): { readonly error: Error; readonly until: number } | undefined {
    if (this.#pairs.size === 0) return undefined;
    const pair = this.#pairs.get(key(address, toward));
    return pair !== undefined && now < pair.until ? pair : undefined;
  }

  /** No port was free: starts a cooldown. Returns its length in milliseconds. */
  add({ source, address, toward, error }: Exhausted, now: number): number {
    const id = key(address, toward);
    const before = this.#pairs.get(id);
    const again = before !== undefined && now < before.until + MAX_COOLDOWN;
    const cooldown = again ? Math.max(before.cooldown, Math.min(2 * before.cooldown, MAX_COOLDOWN)) : this.#first;
    if (cooldown > 0) this.#pairs.set(id, { source, error, until: now + cooldown, cooldown });
    return cooldown;
  }

  /** A port was free: the next cooldown has its first length again. */
  clear(address: string, toward: string): void {
    if (this.#pairs.size > 0) this.#pairs.delete(key(address, toward));
  }

  /** A port will be free at this time, because a connection of the pool has closed. */
  shorten(address: string, toward: string, until: number): void {
    if (this.#pairs.size === 0) return;
    const pair = this.#pairs.get(key(address, toward));
    if (pair !== undefined) pair.until = Math.min(pair.until, until);
  }

  /** Toward how many destinations each source is in cooldown; for a prefix, summed over its addresses. */
  count(now: number): Map<PoolSource, number> {
    const counts = new Map<PoolSource, number>();
    for (const [, { source, until }] of this.#pairs) {
      if (now < until) counts.set(source, (counts.get(source) ?? 0) + 1);
    }
    return counts;
  }
}

function key(address: string, toward: string): string {
  return `${address} ${toward}`;
}

/** As long as the kernel keeps a TIME-WAIT (TCP_TIMEWAIT_LEN): by then something has changed. */
const MAX_COOLDOWN = 60_000;
const MAX_PAIRS = 10_000;
