// Which sources have no port left toward which destination, so that they are passed over without another search by the
// kernel: a search of a full range costs milliseconds of the event loop. Nobody tells when a port is free again, so each
// pair is tried again after a while, which doubles when there is still none; or as soon as one of our own closes.
import type { PoolSource } from './pool-source.js';

interface Pair {
  readonly source: PoolSource;
  readonly error: Error;
  /** In milliseconds of performance.now(). */
  until: number;
  /** Milliseconds that it was set aside for. */
  readonly pause: number;
}

export class Aside {
  /** In the order of their exhaustion: the first is forgotten first. */
  readonly #pairs = new Map<string, Pair>();
  readonly #firstPause: number;
  readonly #most: number;

  constructor(firstPause: number, most: number = MOST_PAIRS) {
    this.#firstPause = firstPause;
    this.#most = most;
  }

  /** The kernel's error when the address is set aside toward the destination, and until when. */
  find(address: string, remote: string, now: number): { readonly error: Error; readonly until: number } | undefined {
    if (this.#pairs.size === 0) return undefined;
    const pair = this.#pairs.get(key(address, remote));
    return pair !== undefined && now < pair.until ? pair : undefined;
  }

  /** No port was free. Returns for how many milliseconds it is not tried again. */
  add(source: PoolSource, address: string, remote: string, error: Error, now: number): number {
    const id = key(address, remote);
    const before = this.#pairs.get(id);
    const again = before !== undefined && now < before.until + LONGEST_PAUSE;
    const pause = again ? Math.max(before.pause, Math.min(2 * before.pause, LONGEST_PAUSE)) : this.#firstPause;
    if (pause <= 0) return 0;
    this.#pairs.delete(id); // so that it becomes the last one
    this.#pairs.set(id, { source, error, until: now + pause, pause });
    if (this.#pairs.size > this.#most) this.#pairs.delete(this.#pairs.keys().next().value ?? '');
    return pause;
  }

  /** A port was free: the next exhaustion is a first one again. */
  clear(address: string, remote: string): void {
    if (this.#pairs.size > 0) this.#pairs.delete(key(address, remote));
  }

  /** A port will be free at a time, because a connection of ours has closed. */
  shorten(address: string, remote: string, until: number): void {
    if (this.#pairs.size === 0) return;
    const pair = this.#pairs.get(key(address, remote));
    if (pair !== undefined) pair.until = Math.min(pair.until, until);
  }

  /** How many pairs of each source are set aside. */
  count(now: number): Map<PoolSource, number> {
    const counts = new Map<PoolSource, number>();
    for (const { source, until } of this.#pairs.values()) {
      if (now < until) counts.set(source, (counts.get(source) ?? 0) + 1);
    }
    return counts;
  }
}

function key(address: string, remote: string): string {
  return `${address} ${remote}`;
}

/** As long as the kernel keeps a TIME-WAIT (TCP_TIMEWAIT_LEN): by then something has changed. */
const LONGEST_PAUSE = 60_000;
const MOST_PAIRS = 10_000;
