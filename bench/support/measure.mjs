// Runs trials: one process per side, in turn (A B, B A, …), so that a disturbance of the machine affects both.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { median } from 'simple-statistics';
import { startPeer } from './peer.mjs';
import { commandOf, EPHEMERAL, missing } from './trial.mjs';

/** @typedef {import('./trial.mjs').Trial} Trial */
/** @typedef {import('./trial.mjs').Result} Result */
/** @typedef {import('./trial.mjs').Side} Side */
/** @typedef {import('./trial.mjs').Programs} Programs */

/**
 * @param {readonly Trial[]} trials
 * @param {number} pairs
 * @param {Programs} programs
 * @param {(text: string, first: boolean) => void} progress
 * @returns {Promise<Result[]>}
 */
export async function measure(trials, pairs, programs, progress) {
  const results = [];
  for (const [index, trial] of trials.entries()) {
    writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', (trial.ports ?? EPHEMERAL).join(' '));
    if (missing(trial, programs).length > 0) {
      results.push(skipped(trial));
      continue;
    }
    const peer = await startPeer(trial, programs);
    try {
      /** @type {number[]} */ const ours = [];
      /** @type {number[]} */ const reference = [];
      for (let pair = 0; pair < pairs; pair++) {
        progress(`[${index + 1}/${trials.length}] ${trial.title}: pair ${pair + 1} of ${pairs}`, pair === 0);
        const sides = [
          () => ours.push(run(trial.ours, programs, trial.metric)),
          () => trial.reference && reference.push(run(trial.reference, programs, trial.metric)),
        ];
        for (const side of pair % 2 === 0 ? sides : sides.reverse()) side();
      }
      results.push(judge(trial, ours, reference));
    } finally {
      await peer[Symbol.asyncDispose]();
    }
  }
  progress('', false);
  return results;
}

/**
 * @param {Side} side
 * @param {Programs} programs
 * @param {string} metric
 * @returns {number}
 */
function run(side, programs, metric) {
  const { status, stdout, stderr, error } = spawnSync(...commandOf(side, programs), { encoding: 'utf8' });
  const value = status === 0 ? /** @type {Record<string, unknown>} */ (JSON.parse(stdout))[metric] : undefined;
  if (typeof value === 'number') return value;
  throw new Error(`${side.join(' ')} printed no '${metric}': ${error?.message ?? (stderr || stdout)}`);
}

/**
 * @param {Trial} trial
 * @param {readonly number[]} ours
 * @param {readonly number[]} reference
 * @returns {Result}
 */
function judge(trial, ours, reference) {
  const figures = ours.map((value, pair) => {
    const other = reference[pair] ?? NaN;
    return { ratio: other / value, times: value / other, value }[trial.figure];
  });
  const reached = median(figures);
  const { gate } = trial;
  const holds = gate === undefined || (trial.figure === 'ratio' ? reached >= gate : reached <= gate);
  return { trial, ours, reference, figures, verdict: gate === undefined ? 'info' : holds ? 'pass' : 'fail' };
}

/** @returns {Result} */
function skipped(/** @type {Trial} */ trial) {
  return { trial, ours: [], reference: [], figures: [], verdict: 'skipped' };
}
