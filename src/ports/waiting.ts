// Waiting for a local port. A failed search blocks the event loop for 3-4 ms (it tries every port of the range), so callers
// that need the same ports share one queue, and only the first in it searches.
import { afterPoll, type TimeLimit } from '../node/after-poll.js';
import type { FailedSearch } from './evidence.js';
import { recentExhaustion } from './recent.js';
import { searchPauses, type SearchPause } from './search-pauses.js';
import type { WaitPolicy } from './wait-policy.js';

/** A caller that waits. */
export interface Waiter {
  /** Whether waiting keeps the process alive. */
  readonly hasRef: boolean;
  /**
   * The searches that failed last: several for a pool, where the wait ends when none of them can succeed in time. Undefined
   * if not known, or if something else than a port is waited for as well.
   */
  readonly failed: FailedSearch | readonly FailedSearch[] | undefined;
  /**
   * Tries to connect. Returns false if there is still no port; true if it has one or failed for another reason, which ends
   * the wait.
   */
  search(): boolean;
  /** Called when the time is over, or if no port can become free in time. */
  expire(): void;
}

export interface Wait {
  /** Ends the wait without calling anything. */
  end(): void;
  ref(): void;
  unref(): void;
}

/** Whether another caller waits for the same ports. */
export function isAwaited(key: unknown): boolean {
  return lines.has(key);
}

/** Waits in the queue of this key. */
export function waitForPort(key: unknown, { timeout }: WaitPolicy, waiter: Waiter): Wait {
  let line = lines.get(key);
  if (line === undefined) lines.set(key, (line = new Line(key)));
  return line.join(waiter, timeout);
}

class Line {
  readonly #key: unknown;
  /** The waiting callers in order of arrival, with their deadlines. */
  readonly #waiting = new Map<Waiter, { readonly limit: TimeLimit; readonly until: number }>();
  readonly #pause = searchPauses({ explain: recentExhaustion });
  /** For a pool, by source address. */
  readonly #pauses = new Map<string | undefined, SearchPause>();
  /** The number of searches that failed in a row. */
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(key: unknown) {
    this.#key = key;
  }

  join(waiter: Waiter, timeout: number): Wait {
    const limit = afterPoll(timeout, () => {
      this.#leave(waiter);
      waiter.expire();
    });
    if (!waiter.hasRef) limit.unref();
    this.#waiting.set(waiter, { limit, until: performance.now() + timeout });
    if (this.#waiting.size === 1) this.#next(waiter);
    return {
      end: () => {
        this.#leave(waiter);
      },
      ref: () => limit.ref(),
      unref: () => limit.unref(),
    };
  }

  #leave(waiter: Waiter): void {
    this.#waiting.get(waiter)?.limit.clear();
    this.#waiting.delete(waiter);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    // Another queue may have taken its place in the meantime.
    if (lines.get(this.#key) === this) lines.delete(this.#key);
  }

  /** One search per turn: if it succeeds, there may be more ports, so the next caller searches soon. */
  #turn(): void {
    const [first] = this.#waiting.keys();
    if (first === undefined) return;
    const served = first.search();
    if (served) this.#leave(first);
    this.#failures = served ? 0 : this.#failures + 1;
    const [next] = this.#waiting.keys();
    if (next === undefined) return;
    if (served) this.#after(NEXT_PAUSE_MS);
    else this.#next(next);
  }

  #next(first: Waiter): void {
    const { failed } = first;
    const pause =
      failed === undefined
        ? Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 16), MAX_PAUSE_MS)
        : isList(failed)
          ? this.#pauseOfPool(failed)
          : this.#pause(failed, this.#failures, this.#left());
    if (pause === undefined) this.#giveUp();
    else this.#after(pause);
  }

  /** The shortest pause of the sources; undefined if none of them can have a free port in time. */
  #pauseOfPool(failed: readonly FailedSearch[]): number | undefined {
    let least: number | undefined;
    for (const search of failed) {
      let pauseOf = this.#pauses.get(search.local);
      if (pauseOf === undefined) {
        this.#pauses.set(search.local, (pauseOf = searchPauses({ explain: recentExhaustion })));
      }
      const pause = pauseOf(search, this.#failures, this.#left());
      if (pause !== undefined) least = Math.min(least ?? Infinity, pause);
    }
    return least;
  }

  /** No port can become free in time: gives up for all callers. In a separate turn, since `join` has not returned yet. */
  #giveUp(): void {
    this.#timer = setTimeout(() => {
      for (const waiter of [...this.#waiting.keys()]) {
        this.#leave(waiter);
        waiter.expire();
      }
    }, 0).unref();
  }

  /** The remaining milliseconds of the caller that waits longest. */
  #left(): number {
    return Math.max(...Array.from(this.#waiting.values(), ({ until }) => until)) - performance.now();
  }

  /** Only the timers of the deadlines keep the process alive; this one never does. */
  #after(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#turn();
    }, milliseconds).unref();
  }
}

function isList(failed: FailedSearch | readonly FailedSearch[]): failed is readonly FailedSearch[] {
  return Array.isArray(failed);
}

const lines = new Map<unknown, Line>();
/** For a pool, which tracks its exhausted sources itself. */
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1000;
const NEXT_PAUSE_MS = 1;
