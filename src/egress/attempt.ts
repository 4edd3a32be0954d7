// One attempt toward one destination: pulls candidates from the strategy, passes over those that are full or set aside,
// and counts how each one went. Who gives up says why.
import { SocketError } from '../errors.js';
import type { EncodedOption } from '../options/access.js';
import type { Candidate, Source } from '../source/source.js';
import type { Aside } from './aside.js';
import { CLOSED, CONNECT, EXHAUSTED, FAILED, type EgressEvent } from './events.js';
import type { PoolSource } from './pool-source.js';
import { freeAgainAfter } from './reuse.js';
import type { Choice, StrategyRequest } from './strategy.js';

/** What the attempts of a pool share. */
export interface Shared {
  /** The pool's name. */
  readonly name: string;
  readonly aside: Aside;
  /** Connections per source. */
  readonly limit: number;
  /** Connections per address. */
  readonly limitPerAddress: number;
  /** The local side with this address. */
  local(source: PoolSource, address: string, sockopts: readonly EncodedOption[]): Source;
}

/** What the pool knows of the connection that the attempt is for. */
export interface Connection {
  readonly key: string | undefined;
  readonly sockopts: readonly EncodedOption[];
  /** Has the peer closed first, or the connection broken, so that no TIME-WAIT keeps our port? Asked after the close. */
  leftNoTimeWait(): boolean;
}

/** Why none of the sources did. */
class Outcome {
  exhausted: Error | undefined;
  failed: Error | undefined;
  exhaustedCount = 0;
  failedCount = 0;
  limitedCount = 0;
}

/**
 * @throws ERR_PORT_RANGE_EXHAUSTED, ERR_EGRESS_LIMIT, or the error of the first source that failed, when all were tried;
 * what a strategy function throws
 */
export function* candidates(
  shared: Shared,
  connection: Connection,
  request: StrategyRequest,
  choices: Iterable<Choice>,
): Generator<Candidate> {
  const outcome = new Outcome();
  const remote = request.remote.toString();
  for (const [source, addresses] of choices) {
    if (source.held >= shared.limit) {
      outcome.limitedCount++;
      continue;
    }
    let failures = 0;
    for (const address of addresses) {
      if (source.heldBy(address) >= shared.limitPerAddress) {
        outcome.limitedCount++;
        continue;
      }
      const aside = shared.aside.find(address, remote, performance.now());
      if (aside !== undefined) {
        outcome.exhausted = aside.error;
        outcome.exhaustedCount++;
        continue;
      }
      const before = outcome.failedCount;
      const pulled = candidate(shared, connection, request, source, address, outcome);
      try {
        yield pulled;
      } finally {
        pulled.forget();
      }
      if (outcome.failedCount > before && ++failures === MOST_FAILURES) break;
    }
  }
  throw nothingLeft(shared, remote, outcome);
}

function candidate(
  shared: Shared,
  connection: Connection,
  request: StrategyRequest,
  source: PoolSource,
  address: string,
  outcome: Outcome,
): Candidate & { forget(): void } {
  const remote = request.remote.toString();
  const event = (): EgressEvent => ({
    pool: shared.name,
    source: source.text,
    address,
    remoteAddress: request.remote.address,
    remotePort: request.remote.port,
    key: request.key,
  });
  // Counted from here on, so that no limit is passed by attempts that have not been decided yet.
  source.hold(address);
  let open = true;
  const release = (): void => {
    open = false;
    source.release(address);
  };
  return {
    /** Nobody will hear how it went: the socket was destroyed before the kernel had it. */
    forget: () => {
      if (open) release();
    },
    source: shared.local(source, address, connection.sockopts),
    taken: () => {
      open = false;
      const since = performance.now();
      source.total++;
      shared.aside.clear(address, remote);
      if (CONNECT.hasSubscribers) CONNECT.publish(event());
      let closed = false;
      return (error, reset) => {
        if (closed) return;
        closed = true;
        source.release(address);
        if (error !== undefined) source.failed++;
        const now = performance.now();
        const wait =
          error !== undefined || reset === true || connection.leftNoTimeWait()
            ? 0
            : freeAgainAfter(address, request.remote.address);
        shared.aside.shorten(address, remote, now + wait);
        if (CLOSED.hasSubscribers) CLOSED.publish({ ...event(), error, duration: now - since });
      };
    },
    exhausted: (error) => {
      release();
      source.exhausted++;
      outcome.exhausted = error;
      outcome.exhaustedCount++;
      const aside = shared.aside.add(source, address, remote, error, performance.now());
      if (EXHAUSTED.hasSubscribers) EXHAUSTED.publish({ ...event(), error, aside });
    },
    failed: (error) => {
      release();
      source.failed++;
      outcome.failed ??= error;
      outcome.failedCount++;
      if (FAILED.hasSubscribers) FAILED.publish({ ...event(), error });
      return isOfTheSource(error);
    },
  };
}

/**
 * May another source do better? Not when the process has no descriptor left, or lacks a privilege. ENODEV of bind is the
 * source's zone; of setsockopt it is `device`, which all sources have.
 */
function isOfTheSource(error: Error): boolean {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  return OF_THE_SOURCE.has(code) || (code === 'ENODEV' && syscall === 'bind');
}

function nothingLeft(shared: Shared, remote: string, outcome: Outcome): Error {
  const { exhausted, failed, exhaustedCount, failedCount, limitedCount } = outcome;
  const why = [
    [exhaustedCount, 'without a free port toward it'],
    [limitedCount, 'at the limit of connections'],
    [failedCount, 'failed'],
  ] as const;
  const counts = why.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const text = `${shared.name} has no source left toward ${remote} (${counts.join(', ')}).`;
  if (exhausted !== undefined) {
    const remedy = 'Add sources, widen the port range, or wait: `waitForLocalPort` does.';
    return new SocketError('ERR_PORT_RANGE_EXHAUSTED', `${text} ${remedy}`, { cause: exhausted });
  }
  return failed ?? new SocketError('ERR_EGRESS_LIMIT', `${text} Raise the limit, or close connections.`);
}

/** The address cannot be bound; no route from it; the source is of no use there (EINVAL); a rule prohibits it. */
const OF_THE_SOURCE: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EINVAL',
  'EACCES',
]);

/** A prefix of which so many addresses failed is passed over: it is probably not routed here. */
const MOST_FAILURES = 2;
