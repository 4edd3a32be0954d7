// When to look for a port again after a search that found none: as long as one can become free, and no longer.
import type { FailedSearch } from './evidence.js';
import { explainExhaustion, type Exhaustion } from './explain.js';

/**
 * How long to wait before the next search, in milliseconds; undefined to give up with the error there is.
 * @param attempt the search that failed
 * @param n how many searches of this attempt have been repeated so far, from 0
 */
export type RetryDelay = (attempt: FailedSearch, n: number) => number | undefined;

export interface RetryOptions {
  /** Give up so many milliseconds after the first search that failed. */
  readonly timeout: number;
  /** For tests. */
  readonly explain?: (search: FailedSearch) => Exhaustion | undefined;
  readonly now?: () => number;
}

/**
 * The waits of one attempt to connect. It waits until a port becomes free by itself, and looks sooner now and then,
 * since a connection of any process may close at any moment: every 20 ms at first, every second in the end, because a
 * search that fails takes 3 to 4 ms of the event loop, and evidence more (it is gathered for the first wait, and again
 * when what it foretold did not come true). It gives up at once when nothing can become free in time.
 */
export function retryWhenExhausted({
  timeout,
  explain = explainExhaustion,
  now = () => performance.now(),
}: RetryOptions): RetryDelay {
  let deadline: number | undefined;
  let expected = Infinity; // when the first port becomes free by itself
  let askAgain = -Infinity;
  return (attempt, n) => {
    const asked = now();
    deadline ??= asked + timeout;
    if (asked >= deadline) return undefined;
    if (asked >= expected) expected = Infinity; // somebody else was faster
    if (expected === Infinity && asked >= askAgain) {
      const found = explain(attempt);
      if (found !== undefined && isHopeless(found, deadline - asked)) return undefined;
      expected = asked + (found?.retryAfterMs ?? Infinity);
      askAgain = now() + Math.max(LEAST_BETWEEN_EVIDENCE_MS, 10 * (now() - asked)); // a tenth of the time at most
    }
    const left = deadline - now();
    if (left <= 0) return undefined;
    const poll = Math.min(MOST_MS, LEAST_MS * 2 ** Math.min(n, 16)) * (1 - Math.random() / 4); // not all at once
    return Math.ceil(Math.min(left, poll, Math.max(LEAST_MS / 4, expected - now())));
  };
}

/** Nobody can close what holds the ports, and it does not end by itself in time. */
function isHopeless({ counts, retryAfterMs }: Exhaustion, leftMs: number): boolean {
  if (counts.established > 0 || counts.bound > 0 || counts.free > 0) return false;
  // A FIN of the other side makes TIME-WAIT of FIN-WAIT-2, which may be reused before it ends.
  if (counts.finWait2 > 0) return false;
  return retryAfterMs === undefined || retryAfterMs > leftMs;
}

const LEAST_MS = 20;
const MOST_MS = 1000;
const LEAST_BETWEEN_EVIDENCE_MS = 1000;
