// reserveAsync: as reserve, but waits for a local port if all are taken.
import { abortSignal, object } from '../arguments.js';
import { AbortError } from '../errors.js';
import type { FailedSearch } from '../ports/evidence.js';
import { waitPolicyOf, type WaitForLocalPort, type WaitPolicy } from '../ports/wait-policy.js';
import { isAwaited, waitForPort } from '../ports/waiting.js';
import { explain } from '../source/explain.js';
import { askedFor, searchesAtBind } from '../source/source.js';
import { PortReservation } from './port-reservation.js';
import { attempt, failureOf, planOf, type RefusedStep, type ReserveOptions, type ReservePlan } from './reserve.js';

export interface ReserveAsyncOptions extends ReserveOptions {
  /** Whether to wait for a local port if all are taken, and how long. @default true: 60,000 ms */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  /** Aborts the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * As `reserve`, but waits for a local port if all are taken, until one is released or its TIME-WAIT is over. It waits at
 * most for `waitForLocalPort`, and not at all if no port can become free in that time.
 * @throws (rejects) as reserve: ERR_PORT_RANGE_EXHAUSTED after the timeout; AbortError
 */
export async function reserveAsync(options: ReserveAsyncOptions): Promise<PortReservation> {
  object('options', options);
  const { waitForLocalPort = true, signal: given, ...forReserve } = options;
  const plan = planOf(forReserve);
  const policy = waitPolicyOf(waitForLocalPort);
  const signal = abortSignal('options.signal', given);
  if (signal?.aborted === true) throw new AbortError(signal);
  const key = keyOf(plan);
  if (policy !== undefined && isAwaited(key)) return await waitInLine(plan, { key, policy, signal, last: undefined });
  const first = attempt(plan);
  if (first instanceof PortReservation) return first;
  if (policy === undefined || searchBehind(first, plan) === undefined) throw failureOf(first, plan);
  return await waitInLine(plan, { key, policy, signal, last: first });
}

interface Waiting {
  readonly key: string;
  readonly policy: WaitPolicy;
  readonly signal: AbortSignal | undefined;
  /** The error of the last attempt; undefined if there was none because others already wait. */
  readonly last: RefusedStep | undefined;
}

/** Callers that need the same ports share one search; those that came first are served first. */
async function waitInLine(plan: ReservePlan, { key, policy, signal, last: first }: Waiting): Promise<PortReservation> {
  let abort: (() => void) | undefined;
  try {
    return await new Promise<PortReservation>((resolve, reject) => {
      let last = first;
      /** Returns false if still no port is free. */
      const settle = (): boolean => {
        try {
          const outcome = attempt(plan);
          if (outcome instanceof PortReservation) {
            resolve(outcome);
            return true;
          }
          last = outcome;
          if (searchBehind(outcome, plan) !== undefined) return false;
          reject(failureOf(outcome, plan));
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          reject(error);
        }
        return true;
      };
      const wait = waitForPort(key, policy, {
        hasRef: true,
        failed: last === undefined ? undefined : searchBehind(last, plan),
        search: settle,
        expire: () => {
          if (last === undefined && settle()) return; // it waited in the queue and never searched
          if (last !== undefined) reject(failureOf(last, plan));
        },
      });
      abort = () => {
        wait.end();
        if (signal !== undefined) reject(new AbortError(signal));
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  } finally {
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
  }
}

/** The failed search; undefined if the failure had another cause. */
function searchBehind({ errno, step }: RefusedStep, { source, family, remote }: ReservePlan): FailedSearch | undefined {
  if (step?.call !== 'bind' && step?.call !== 'connect') return undefined;
  return explain(step.call, errno, askedFor(source, 'reserve', family, remote)).search;
}

/** Reservations with the same key need the same ports. */
function keyOf({ source, family, remote }: ReservePlan): string {
  const { sockopts: _, ...local } = source;
  const toward = searchesAtBind(source, family) ? [] : [remote.address, remote.port];
  return JSON.stringify(['reserve', family, local, toward]);
}
