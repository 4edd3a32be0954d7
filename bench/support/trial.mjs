// What a trial is: a row of data. The suites are arrays of them, and nothing else.

/**
 * One side: a program and its arguments, which print a line of JSON. 'ours' is the suite's ours.mjs, 'reference' its C
 * program, 'node26' is ours.mjs on Node 26.
 * @typedef {readonly ['ours' | 'reference' | 'node26', ...(string | number)[]]} Side
 */

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
 */

/** @typedef {'pass' | 'fail' | 'info'} Verdict */

/**
 * @typedef {object} Result
 * @property {Trial} trial
 * @property {readonly number[]} ours one a pair
 * @property {readonly number[]} reference one a pair; empty without a reference
 * @property {readonly number[]} figures one a pair
 * @property {Verdict} verdict
 */

export const EPHEMERAL = /** @type {const} */ ([32768, 60999]);
