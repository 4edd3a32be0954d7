// Waiting for a local port. A search that fails costs 3-4 ms of the event loop (it looks at every port of the range), so
// those that need the same ports stand in one line, the first of it searches, and the pauses between searches grow.

/** How long to wait for a free port. */
export interface RetryPolicy {
  /** Milliseconds, then the attempt fails for what it waited for. */
  readonly timeout: number;
}

/** Who waits. */
export interface Waiter {
  /** Waiting keeps the process alive. */
  readonly hasRef: boolean;
  /** Tries to connect. False: still no port. True: it has one, or has failed for another reason; it waits no more. */
  search(): boolean;
  /** The time is over. */
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
export function waitForPort(key: unknown, { timeout }: RetryPolicy, waiter: Waiter): Wait {
  let line = lines.get(key);
  if (line === undefined) lines.set(key, (line = new Line(key)));
  return line.join(waiter, timeout);
}

class Line {
  readonly #key: unknown;
  /** In the order in which they came, with the timer that ends the wait. */
  readonly #waiting = new Map<Waiter, NodeJS.Timeout>();
  #pause = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout;

  constructor(key: unknown) {
    this.#key = key;
    this.#timer = this.#after(this.#pause);
  }

  join(waiter: Waiter, timeout: number): Wait {
    const deadline = setTimeout(() => {
      this.#leave(waiter);
      waiter.expire();
    }, timeout);
    if (!waiter.hasRef) deadline.unref();
    this.#waiting.set(waiter, deadline);
    return {
      end: () => {
        this.#leave(waiter);
      },
      ref: () => void deadline.ref(),
      unref: () => void deadline.unref(),
    };
  }

  #leave(waiter: Waiter): void {
    clearTimeout(this.#waiting.get(waiter));
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
    this.#pause = served ? NEXT_PAUSE_MS : Math.min(Math.max(2 * this.#pause, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    if (this.#waiting.size > 0) this.#timer = this.#after(this.#pause);
  }

  /** The deadlines keep the process alive, where it is to be kept alive; this timer never does. */
  #after(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#turn();
    }, milliseconds).unref();
  }
}

const lines = new Map<unknown, Line>();
const FIRST_PAUSE_MS = 20;
const NEXT_PAUSE_MS = 1;
/** tcp_tw_reuse lets a port of TIME-WAIT be used again after a second. */
const LONGEST_PAUSE_MS = 1000;
