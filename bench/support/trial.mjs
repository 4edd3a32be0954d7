// What a trial is: a row of data. The suites are arrays of them, and nothing else.

/**
 * One side: a program and its arguments, which print a line of JSON. 'ours' is the suite's ours.mjs, 'reference' its C
 * program, 'node26' is ours.mjs on Node 26, 'dgram' and 'bun' its dgram.mjs and bun.mjs.
 * @typedef {readonly [Program, ...(string | number)[]]} Side
 */
/** @typedef {'ours' | 'reference' | 'node26' | 'dgram' | 'bun'} Program */
/** @typedef {Readonly<Partial<Record<Program, readonly string[]>>>} Programs how they are started; those that are there */

/**
 * What is judged. 'ratio': reference / ours, where 1.0 is as good as the reference and more is better. 'times': ours /
 * reference, where less is better. 'value': ours alone, where less is better.
 * @typedef {'ratio' | 'times' | 'value'} Figure
 */

/**
 * @typedef {object} Trial
 * @property {string} id
 * @property {string} title
 * @property {string} metric the key, in what a side prints, of the number that is compared
 * @property {string} unit of that number
 * @property {Side} ours
 * @property {Side} [reference]
 * @property {Figure} figure
 * @property {number} [target] what we go for
 * @property {number} [gate] what must hold; without one the trial only informs
 * @property {readonly [lo: number, hi: number]} [ports] net.ipv4.ip_local_port_range while it runs
 * @property {Side} [peer] the other end of the traffic, a process that stands while both sides run; prints a line when it is ready
 * @property {'software'} [veth] the peer is behind a veth pair, at 10.99.0.2, where the kernel has to cut large messages
 */

/** 'skipped': a program is not there. @typedef {'pass' | 'fail' | 'info' | 'skipped'} Verdict */

/**
 * @typedef {object} Result
 * @property {Trial} trial
 * @property {readonly number[]} ours one a pair
 * @property {readonly number[]} reference one a pair; empty without a reference
 * @property {readonly number[]} figures one a pair
 * @property {Verdict} verdict
 */

export const EPHEMERAL = /** @type {const} */ ([32768, 60999]);

/** The programs of a trial that this machine does not have. */
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
  if (command === undefined) throw new Error(`There is no '${program}' here.`);
  return [command, [...before, ...args.map(String)]];
}
