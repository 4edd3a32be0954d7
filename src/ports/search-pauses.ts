// When to search for a port again after a search that found none, for as long as one can become free.
import type { FailedSearch } from './evidence.js';
import { explainExhaustion, type Exhaustion } from './explain.js';

/**
 * How long to wait before the next search, in milliseconds; undefined to give up with the current error.
 * @param search the failed search
 * @param n how many searches in a row failed before it, from 0
 * @param leftMs the remaining time of the caller that waits longest
 */
export type SearchPause = (search: FailedSearch, n: number, leftMs: number) => number | undefined;

/** For tests. */
export interface RetryWorld {
  readonly explain?: (search: FailedSearch) => Exhaustion | undefined;
  readonly now?: () => number;
}

/**
 * The pauses between searches for the same ports. Each lasts until a port becomes free by itself, or is shorter, since a
 * connection of any process may close at any moment: from 20 ms at first up to a second, because a failed search blocks the
 * event loop for 3 to 4 ms, and gathering evidence takes longer (it is gathered before the first pause, and again if its
 * prediction was wrong). Undefined if nothing can become free in time.
 */
export function searchPauses({
  explain = explainExhaustion,
  now = () => performance.now(),
}: RetryWorld = {}): SearchPause {
  let expected = Infinity; // when the first port becomes free by itself
  let askAgain = -Infinity;
  let first = 0; // the search from which the pauses grow
  return (search, n, leftMs) => {
    const asked = now();
    if (leftMs <= 0) return undefined;
    if (n < first) first = n;
    if (asked >= expected) {
      // Another socket took the port, or the kernel's timer is late: search more often for a while.
      expected = Infinity;
      first = Math.max(first, n - 3);
    }
    if (expected === Infinity && asked >= askAgain) {
      const found = explain(search);
      if (found !== undefined && isHopeless(found, leftMs)) return undefined;
      expected = now() + (found?.retryAfterMs ?? Infinity);
      askAgain = now() + Math.max(MIN_BETWEEN_EVIDENCE_MS, 10 * (now() - asked)); // a tenth of the time at most
    }
    const pause = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(n - first, 16)) * (1 - Math.random() / 4); // not all at once
    return Math.min(pause, Math.max(MIN_PAUSE_MS / 4, expected - now()));
  };
}

/** Whether the ports are held by something that cannot be closed and does not end in time. */
function isHopeless({ counts, retryAfterMs }: Exhaustion, leftMs: number): boolean {
  if (counts.established > 0 || counts.bound > 0 || counts.free > 0) return false;
  // A FIN of the other side turns FIN-WAIT-2 into TIME-WAIT, which may be reused before it ends.
  if (counts.finWait2 > 0) return false;
  return retryAfterMs === undefined || retryAfterMs > leftMs;
}

const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1000;
const MIN_BETWEEN_EVIDENCE_MS = 1000;
