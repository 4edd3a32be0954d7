// Evidence for errors that may come in numbers: it is gathered within a budget, and found again for the same search.
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
 * explainExhaustion, a tenth of the time at most, of all searches together, beyond an allowance: dozens of small ranges
 * in a row, or one and a half of 28,000 ports. What was found for the same search a moment ago is found again, with
 * `retryAfterMs` as what is left of it. Undefined when the time is used up.
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

/** Of this process, whoever asks. */
export const recentExhaustion = recentExhaustions();
