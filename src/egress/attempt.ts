// One attempt toward one destination: pulls candidates from the strategy, skips those that are at their limit or in
// cooldown, and counts the results. When none is left, it fails with the reason.
import type { Socket } from 'node:net';
import { SocketError } from '../errors.js';
import type { EncodedOption } from '../options/access.js';
import { rangeExhausted, refusalError } from '../source/explain.js';
import type { Candidate, Source } from '../source/source.js';
import { rememberSearches } from '../tcp/connect/failure.js';
import { isWildcard } from '../wire/address-kinds.js';
import type { Cooldowns } from './cooldowns.js';
import { CLOSED, CONNECT, EXHAUSTED, FAILED, type EgressEvent } from './events.js';
import type { PoolSource } from './pool-source.js';
import { Held } from './held.js';
import { freeAgainAfter } from './reuse.js';
import type { Choice, StrategyRequest } from './strategy.js';

/** What the attempts of a pool share. */
export interface Shared {
  /** The pool's name. */
  readonly name: string;
  readonly cooldowns: Cooldowns;
  /** Connections per source. */
  readonly limit: number;
  /** Connections per address. */
  readonly limitPerAddress: number;
  /** A free port is free toward one destination; otherwise toward all of them. */
  readonly shareLocalPort: boolean;
  /** The local side with this address, and the socket options of the connection. */
  local(source: PoolSource, address: string, sockopts: readonly EncodedOption[]): Source;
}

/** What the pool knows about the connection that the attempt is for. */
export interface Connection {
  readonly egressKey: string | undefined;
  readonly sockopts: readonly EncodedOption[];
  /** Whether the peer closed first or the connection broke, so that no TIME-WAIT holds our port. Called after the close. */
  readonly leftNoTimeWait: () => boolean;
  /** Its socket, once it has been made. */
  readonly socket: () => Socket | undefined;
}

export interface Attempt {
  readonly shared: Shared;
  readonly connection: Connection;
  readonly request: StrategyRequest;
  /** The sources to try, best first. */
  readonly choices: Iterable<Choice>;
}

/**
 * @throws ERR_PORT_RANGE_EXHAUSTED, ERR_EGRESS_LIMIT, ERR_EGRESS_NO_SOURCE (all were removed meanwhile), or the error of the
 * first source that failed, when all were tried; what a strategy function throws
 */
export function* candidates({ shared, connection, request, choices }: Attempt): Generator<Candidate> {
  const outcome = new Outcome();
  const remote = request.remote.toString();
  const toward = shared.shareLocalPort ? remote : ANY;
  for (const [source, addresses] of choices) {
    if (source.isDraining) {
      outcome.removedCount++; // during this attempt
      continue;
    }
    if (!source.hasRoom(shared.limit)) {
      outcome.limitedCount++;
      continue;
    }
    let failures = 0;
    for (const address of addresses) {
      if (source.isDraining) {
        outcome.removedCount++;
        break;
      }
      if (isWildcard({ address })) {
        const asked = { by: 'connect', family: request.remote.family, local: address, port: 0 } as const;
        outcome.failed ??= refusalError('sourceUnspecified', asked);
        outcome.failedCount++;
        continue;
      }
      if (!source.hasRoomAt(address, shared.limitPerAddress)) {
        outcome.limitedCount++;
        continue;
      }
      const cooldown = shared.cooldowns.find(address, toward, performance.now());
      if (cooldown !== undefined) {
        outcome.exhausted = cooldown.error;
        outcome.searches.push(cooldown.error);
        outcome.exhaustedCount++;
        continue;
      }
      const before = outcome.failedCount;
      const candidate = new PoolCandidate({ shared, connection, request, source, address, toward, outcome });
      try {
        yield candidate;
      } finally {
        candidate.forget();
      }
      if (outcome.failedCount > before && ++failures === MAX_FAILURES) break;
    }
  }
  throw nothingLeft(shared, remote, outcome);
}

/** Why none of the sources was taken. */
class Outcome {
  exhausted: Error | undefined;
  failed: Error | undefined;
  /** The errors of all sources without a port. */
  readonly searches: Error[] = [];
  exhaustedCount = 0;
  failedCount = 0;
  limitedCount = 0;
  removedCount = 0;
}

interface Trial extends Omit<Attempt, 'choices'> {
  readonly source: PoolSource;
  /** One of the source's. */
  readonly address: string;
  /** The destination, address and port, of its cooldown. */
  readonly toward: string;
  readonly outcome: Outcome;
}

/** One address toward one destination. It counts as held from here on, so that undecided attempts do not exceed a limit. */
class PoolCandidate implements Candidate {
  readonly source: Source;
  readonly #trial: Trial;
  #isHeld = true;
  #held: Held | undefined;

  constructor(trial: Trial) {
    const { shared, connection, source, address } = trial;
    source.hold(address);
    this.#trial = trial;
    this.source = shared.local(source, address, connection.sockopts);
  }

  /** Releases it if nothing has been reported: the socket was destroyed before the kernel got to it. */
  forget(): void {
    if (this.#isHeld) this.#release();
  }

  taken(): (error?: Error, reset?: boolean) => void {
    const { shared, connection, request, source, address, toward } = this.#trial;
    this.#isHeld = false; // the returned function releases it
    const since = performance.now();
    const held = new Held(address, connection.socket());
    this.#held = held;
    source.total++;
    source.began(held);
    shared.cooldowns.clear(address, toward);
    if (CONNECT.hasSubscribers) CONNECT.publish(this.#event());
    let closed = false;
    return (error, reset) => {
      if (closed) return;
      closed = true;
      source.ended(held);
      if (error !== undefined) source.failed++;
      const now = performance.now();
      const hasNoTimeWait = error !== undefined || reset === true || connection.leftNoTimeWait();
      const delay = hasNoTimeWait ? 0 : freeAgainAfter(address, request.remote.address);
      shared.cooldowns.shorten(address, toward, now + delay);
      if (CLOSED.hasSubscribers) CLOSED.publish({ ...this.#event(), error, duration: now - since });
    };
  }

  referenced(isReferenced: boolean): void {
    if (this.#held !== undefined) this.#trial.source.referenced(this.#held, isReferenced);
  }

  exhausted(error: Error): void {
    const { shared, source, address, toward, outcome } = this.#trial;
    this.#release();
    source.exhausted++;
    outcome.exhausted = error;
    outcome.searches.push(error);
    outcome.exhaustedCount++;
    const cooldown = shared.cooldowns.add({ source, address, toward, error }, performance.now());
    if (EXHAUSTED.hasSubscribers) EXHAUSTED.publish({ ...this.#event(), error, cooldown });
  }

  failed(error: Error): boolean {
    const { source, outcome } = this.#trial;
    this.#release();
    source.failed++;
    outcome.failed ??= error;
    outcome.failedCount++;
    if (FAILED.hasSubscribers) FAILED.publish({ ...this.#event(), error });
    return isOfTheSource(error);
  }

  #release(): void {
    this.#isHeld = false;
    this.#trial.source.release(this.#trial.address);
  }

  #event(): EgressEvent {
    const { shared, request, source, address } = this.#trial;
    return {
      pool: shared.name,
      source: source.text,
      address,
      remoteAddress: request.remote.address,
      remotePort: request.remote.port,
      egressKey: request.egressKey,
    };
  }
}

/**
 * Whether another source may succeed: not if the process has no descriptor left, or lacks a privilege. ENODEV of bind is
 * about the source's zone; of setsockopt it is about `device`, which is the same for all sources.
 */
function isOfTheSource(error: Error): boolean {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  return OF_THE_SOURCE.has(code) || (code === 'ENODEV' && syscall === 'bind');
}

function nothingLeft(shared: Shared, remote: string, outcome: Outcome): Error {
  const { exhausted, failed, exhaustedCount, failedCount, limitedCount, removedCount } = outcome;
  const why = [
    [exhaustedCount, 'without a free port toward it'],
    [limitedCount, 'at the limit of connections'],
    [failedCount, 'failed'],
    [removedCount, 'removed'],
  ] as const;
  const counts = why.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const text = `${shared.name} has no source left toward ${remote} (${counts.join(', ')}).`;
  if (exhausted !== undefined) {
    const remedy = 'Add sources, widen the port range, or wait for a port: `waitForLocalPort: true`.';
    const error = rangeExhausted(`${text} ${remedy}`, exhausted);
    // At a limit, the end of any connection helps.
    if (limitedCount === 0) rememberSearches(error, outcome.searches);
    return error;
  }
  if (failed !== undefined) return failed;
  if (limitedCount === 0) return new SocketError('ERR_EGRESS_NO_SOURCE', `${text} Add one.`);
  return new SocketError('ERR_EGRESS_LIMIT', `${text} Raise the limit, or close connections.`);
}

/** The address cannot be bound; there is no route from it; it cannot be used there (EINVAL); a rule prohibits it. */
const OF_THE_SOURCE: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EINVAL',
  'EACCES',
]);

/** The destination of a cooldown that is for all of them. */
const ANY = '';

/** A prefix of which so many addresses have failed is skipped: it is probably not routed here. */
const MAX_FAILURES = 2;
