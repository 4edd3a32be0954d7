// How much garbage a stream of datagrams makes: the growth of the heap while nothing was collected.
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as elapsed } from 'node:timers/promises';

/** Milliseconds. */
const WARM_UP = 1000;

/**
 * Node runs with --expose-gc and a young generation that the run cannot fill.
 * @param {number} milliseconds
 * @param {Readonly<import('./clock.mjs').Counters>} counters
 */
export async function garbageFor(milliseconds, counters) {
  await elapsed(WARM_UP);
  globalThis.gc?.();
  await elapsed(100);
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  observer.observe({ type: 'gc' });
  const before = process.memoryUsage();
  const { datagrams } = counters;
  await elapsed(milliseconds);
  const after = process.memoryUsage();
  const received = counters.datagrams - datagrams;
  await elapsed(10); // the observer is notified of a collection later
  if (collections > 0) throw new Error('The garbage was collected before it was counted: run it for a shorter time.');
  return {
    garbage: (after.heapUsed - before.heapUsed) / received,
    external: (after.external - before.external) / received,
    datagrams: received,
  };
}
