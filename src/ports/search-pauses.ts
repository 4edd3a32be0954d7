// When to look for a port again after a search that found none: as long as one can become free, and no longer.
import type { FailedSearch } from './evidence.js';
import { explainExhaustion, type Exhaustion } from './explain.js';

/**
 * How long to wait before the next search, in milliseconds; undefined to give up with the error there is.
 * @param search the one that failed
 * @param n how many have failed in a row before it, from 0
 * @param leftMs the time of the one that waits longest
 */
export type SearchPause = (search: FailedSearch, n: number, leftMs: number) => number | undefined;

/** For tests. */
export interface RetryWorld {
  readonly explain?: (search: FailedSearch) => Exhaustion | undefined;
  readonly now?: () => number;
}

/**
 * The pauses between searches for the same ports. Each lasts until a port becomes free by itself, or is shorter, since a
 * connection of any process may close at any moment: 20 ms at first, a second in the end, because a search that fails
 * takes 3 to 4 ms of the event loop, and evidence more (it is gathered before the first pause, and again when what it
 * foretold did not come true). Undefined when nothing can become free in time.
 */
export function searchPauses({
  explain = explainExhaustion,
  now = () => performance.now(),
}: RetryWorld = {}): SearchPause {
  let expected = Infinity; // when the first port becomes free by itself
  let askAgain = -Infinity;
  let first = 0; // since which search the pauses grow
  return (search, n, leftMs) => {
    const asked = now();
    if (leftMs <= 0) return undefined;
    if (n < first) first = n;
    if (asked >= expected) {
      // Somebody else was faster, or the kernel's timer is late: look more often for a while.
      expected = Infinity;
      first = Math.max(first, n - 3);
    }
    if (expected === Infinity && asked >= askAgain) {
      const found = explain(search);
      if (found !== undefined && isHopeless(found, leftMs)) return undefined;
      expected = now() + (found?.retryAfterMs ?? Infinity);
      askAgain = now() + Math.max(LEAST_BETWEEN_EVIDENCE_MS, 10 * (now() - asked)); // a tenth of the time at most
    }
    const pause = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** Math.min(n - first, 16)) * (1 - Math.random() / 4); // not all at once
    return Math.min(pause, Math.max(SHORTEST_MS / 4, expected - now()));
  };
}

/** Nobody can close what holds the ports, and it does not end by itself in time. */
function isHopeless({ counts, retryAfterMs }: Exhaustion, leftMs: number): boolean {
  if (counts.established > 0 || counts.bound > 0 || counts.free > 0) return false;
  // A FIN of the other side makes TIME-WAIT of FIN-WAIT-2, which may be reused before it ends.
  if (counts.finWait2 > 0) return false;
  return retryAfterMs === undefined || retryAfterMs > leftMs;
}

const SHORTEST_MS = 20;
const LONGEST_MS = 1000;
const LEAST_BETWEEN_EVIDENCE_MS = 1000;
