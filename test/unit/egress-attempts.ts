// Shared by the egress unit tests: attempts without a kernel. The candidates of a pool are pulled as connect pulls them, and
// each gets the answer that a test gives instead of the kernel.
import { SyscallError } from '../../src/errors.js';
import { PoolDialer } from '../../src/egress/pool-dialer.js';
import type { EgressPoolOptions } from '../../src/egress/pool-options.js';
import type { Source } from '../../src/source/source.js';
import { Endpoint } from '../../src/wire/endpoint.js';

export const REMOTE = '198.51.100.1:443';
export const REMOTE6 = '[2001:db8:ffff::1]:443';

/** The kernel's answer to each source that is tried. */
export type Kernel = (source: Source) => 'taken' | 'exhausted' | NodeJS.ErrnoException;

export interface Attempt {
  /** The addresses that were tried, in order; if one was taken, it is the last. */
  readonly tried: string[];
  readonly source: Source | undefined;
  readonly close: (error?: Error) => void;
}

export interface AttemptOptions {
  readonly egressKey?: string;
  readonly remote?: string;
  readonly kernel?: Kernel;
  readonly leftNoTimeWait?: boolean;
}

/** One attempt of a pool. Throws the error that it would fail with. */
export function attempt(pool: PoolDialer, options: AttemptOptions = {}): Attempt {
  const { egressKey, remote = REMOTE, kernel = () => 'taken', leftNoTimeWait = false } = options;
  const connection = { egressKey, sockopts: [], leftNoTimeWait: () => leftNoTimeWait, socket: () => undefined };
  const tried: string[] = [];
  for (const candidate of pool.candidates(connection)(Endpoint.from(remote))) {
    const { source } = candidate;
    tried.push(source.address ?? '');
    const answer = kernel(source);
    if (answer === 'taken') return { tried, source, close: candidate.taken() };
    if (answer === 'exhausted') candidate.exhausted(NO_PORT);
    else if (!candidate.failed(answer)) throw answer;
  }
  throw new Error('the pool should have thrown: it has nothing left');
}

/** The error that an attempt fails with. */
export function failure(pool: PoolDialer, options: AttemptOptions = {}): NodeJS.ErrnoException {
  try {
    attempt(pool, options).close();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('a source was taken');
}

/** The addresses that n attempts leave from. */
export function addresses(pool: PoolDialer, n: number, options: AttemptOptions = {}): string[] {
  return Array.from({ length: n }, () => attempt(pool, options).source?.address ?? '');
}

export function poolOf(sources: readonly string[], options: Omit<EgressPoolOptions, 'sources'> = {}): PoolDialer {
  return new PoolDialer({ sources, ...options });
}

/** The number of occurrences of each value. */
export function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

export const NO_PORT = new SyscallError('connect', -99, { reason: 'portRangeExhausted' });
