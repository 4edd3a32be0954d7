// Waiting for a local port. A search that fails costs 3-4 ms of the event loop (it looks at every port of the range), so
// those that need the same ports stand in one line, and the first of it searches, when there is reason to.
import type { FailedSearch } from './evidence.js';
import { recentExhaustion } from './recent.js';
import { searchPauses } from './search-pauses.js';
import type { WaitPolicy } from './wait-policy.js';

/** Who waits. */
export interface Waiter {
  /** Waiting keeps the process alive. */
  readonly hasRef: boolean;
  /** The search that has failed; undefined where there are several, as in a pool. */
  readonly failed: FailedSearch | undefined;
  /** Tries to connect. False: still no port. True: it has one, or has failed for another reason; it waits no more. */
  search(): boolean;
  /** The time is over, or no port can become free in it. */
  expire(): void;
}

export interface Wait {
  /** Waits no more; nobody is called. */
  end(): void;
  ref(): void;
  unref(): void;
}

/** Does somebody wait for the same ports? */
export function isAwaited(key: unknown): boolean {
  return lines.has(key);
}

/** Waits in the line of this key. */
export function waitForPort(key: unknown, { timeout }: WaitPolicy, waiter: Waiter): Wait {
  let line = lines.get(key);
  if (line === undefined) lines.set(key, (line = new Line(key)));
  return line.join(waiter, timeout);
}

class Line {
  readonly #key: unknown;
  /** In the order in which they came, with when their time is over. */
  readonly #waiting = new Map<Waiter, { readonly timer: NodeJS.Timeout; readonly until: number }>();
  readonly #pause = searchPauses({ explain: recentExhaustion });
  /** Searches that have failed in a row. */
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(key: unknown) {
    this.#key = key;
  }

  join(waiter: Waiter, timeout: number): Wait {
    const timer = setTimeout(() => {
      this.#leave(waiter);
      waiter.expire();
    }, timeout);
    if (!waiter.hasRef) timer.unref();
    this.#waiting.set(waiter, { timer, until: performance.now() + timeout });
    if (this.#waiting.size === 1) this.#next(waiter);
    return {
      end: () => {
        this.#leave(waiter);
      },
      ref: () => void timer.ref(),
      unref: () => void timer.unref(),
    };
  }

  #leave(waiter: Waiter): void {
    clearTimeout(this.#waiting.get(waiter)?.timer);
    this.#waiting.delete(waiter);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    // Another line may have taken its place meanwhile.
    if (lines.get(this.#key) === this) lines.delete(this.#key);
  }

  /** One search a turn: when it succeeds, there may be more ports, and the next one looks soon. */
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
    const pause =
      first.failed === undefined
        ? Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 16), LONGEST_PAUSE_MS)
        : this.#pause(first.failed, this.#failures, this.#left());
    if (pause === undefined) this.#giveUp();
    else this.#after(pause);
  }

  /** No port can become free in time: all are told now. In a turn of its own, as `join` has not returned yet. */
  #giveUp(): void {
    this.#timer = setTimeout(() => {
      for (const waiter of [...this.#waiting.keys()]) {
        this.#leave(waiter);
        waiter.expire();
      }
    }, 0).unref();
  }

  /** Milliseconds of the one that waits longest. */
  #left(): number {
    return Math.max(...Array.from(this.#waiting.values(), ({ until }) => until)) - performance.now();
  }

  /** The deadlines keep the process alive, where it is to be kept alive; this timer never does. */
  #after(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#turn();
    }, milliseconds).unref();
  }
}

const lines = new Map<unknown, Line>();
/** For a pool, which knows by itself which of its sources are used up. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;
const NEXT_PAUSE_MS = 1;
