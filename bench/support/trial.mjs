// A trial is a row of data, and a suite is an array of trials.

/**
 * One side: a program and its arguments. It prints a line of JSON. 'ours' is the suite's ours.mjs, 'reference' its C
 * program, 'node26' is ours.mjs on Node 26, 'dgram' and 'bun' its dgram.mjs and bun.mjs.
 * @typedef {readonly [Program, ...(string | number)[]]} Side
 */
/** @typedef {'ours' | 'reference' | 'node26' | 'dgram' | 'bun'} Program */
/** @typedef {Readonly<Partial<Record<Program, readonly string[]>>>} Programs command lines of the programs that this machine has */

/**
 * The figure that is judged. 'ratio': reference / ours; 1.0 equals the reference, and more is better. 'times': ours /
 * reference; less is better. 'value': ours alone; less is better.
 * @typedef {'ratio' | 'times' | 'value'} Figure
 */

/**
 * @typedef {object} Trial
 * @property {string} id
 * @property {string} title
 * @property {string} metric the key of the number to compare, in the JSON that a side prints
 * @property {string} unit of that number
 * @property {Side} ours
 * @property {Side} [reference]
 * @property {Figure} figure
 * @property {number} [target] the goal
 * @property {number} [gate] the limit that must hold; without one the trial only informs
 * @property {readonly [lo: number, hi: number]} [ports] net.ipv4.ip_local_port_range while it runs
 * @property {Side} [peer] the other end of the traffic, a process that runs while both sides run in turn; prints a line when it is ready
 * @property {'software'} [veth] the peer is behind a veth pair, at 10.99.0.2, where the kernel must segment large messages in software
 */

/** 'skipped': a program is missing. @typedef {'pass' | 'fail' | 'info' | 'skipped'} Verdict */

/**
 * @typedef {object} Result
 * @property {Trial} trial
 * @property {readonly number[]} ours one per pair
 * @property {readonly number[]} reference one per pair; empty without a reference
 * @property {readonly number[]} figures one per pair
 * @property {Verdict} verdict
 */

export const EPHEMERAL = /** @type {const} */ ([32768, 60999]);

/** The programs of a trial that this machine lacks. */
export function missing(/** @type {Trial} */ trial, /** @type {Programs} */ programs) {
  return [trial.ours, trial.reference, trial.peer].flatMap((side) => (side && !programs[side[0]] ? [side[0]] : []));
}

/**
 * @param {Side} side
 * @param {Programs} programs
 * @returns {[command: string, args: string[]]}
 */
export function commandOf([program, ...args], programs) {
  const [command, ...before] = programs[program] ?? [];
  if (command === undefined) throw new Error(`The program '${program}' is missing.`);
  return [command, [...before, ...args.map(String)]];
}
