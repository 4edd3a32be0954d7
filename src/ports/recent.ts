// Evidence for errors that may occur frequently: gathered within a time budget, and cached per search.
import { BoundedMap } from '../bounded-map.js';
import { TimeBudget } from './budget.js';
import { effectiveRange, type FailedSearch } from './evidence.js';
import { explainExhaustion, type Exhaustion } from './explain.js';

/** For tests. */
export interface EvidenceWorld {
  readonly explain?: (search: FailedSearch) => Exhaustion | undefined;
  readonly now?: () => number;
}

/**
 * explainExhaustion, limited to a tenth of the time for all searches together, plus an allowance that suffices for dozens
 * of small ranges in a row, or one and a half of 28,000 ports. A recent result for the same search is returned again, with
 * `retryAfterMs` reduced by its age. Undefined if the budget is used up.
 */
export function recentExhaustions({
  explain = explainExhaustion,
  now = () => performance.now(),
}: EvidenceWorld = {}): typeof explainExhaustion {
  const recent = new BoundedMap<string, Found>(MAX_RECENT);
  const budget = new TimeBudget(SHARE, ALLOWANCE_MS);
  return (search) => {
    const { protocol = 'tcp', remote, local = '', range, search: kind = 'connect' } = search;
    const key = [protocol, kind, local, remote.address, remote.port, ...effectiveRange(range)].join(' ');
    const asked = now();
    const known = recent.get(key);
    if (known !== undefined && asked < known.until) return aged(known, asked);
    if (!budget.has(asked)) return undefined;
    const found = explain(search);
    const at = now();
    budget.spend(at - asked);
    recent.set(key, { found, at, until: at + (at - asked) / SHARE });
    return found;
  };
}

interface Found {
  readonly found: Exhaustion | undefined;
  readonly at: number;
  readonly until: number;
}

function aged({ found, at }: Found, now: number): Exhaustion | undefined {
  if (found?.retryAfterMs === undefined) return found;
  return { ...found, retryAfterMs: Math.max(0, found.retryAfterMs - Math.floor(now - at)) };
}

const SHARE = 0.1;
const ALLOWANCE_MS = 100;
const MAX_RECENT = 64;

/** Shared by all callers in this process. */
export const recentExhaustion = recentExhaustions();
