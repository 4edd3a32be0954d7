// Runs the files of a suite without a route and with one, and compares the results.
import { EXPECTED_LOSSES } from './expected-losses.mjs';
import { controlOf } from './routes.mjs';
import { runFile } from './run-file.mjs';

/** @typedef {import('./routes.mjs').Route} Route */
/** @typedef {import('./suites.mjs').TestFile} TestFile */
/** @typedef {{ node: string, major: number, enter: readonly string[], workers: number }} Machine */
/** @typedef {{ passed: boolean, skipped: boolean, flaky: boolean, output: string, file: TestFile }} Outcome */
/** @typedef {{ outcomes: ReadonlyMap<string, Outcome>, used: readonly string[], connections: number, astray: number }} Results */
/**
 * @typedef {object} Lost a test that passes without the route and fails with it
 * @property {string} test
 * @property {string | undefined} expected why it cannot pass, from expected-losses.mjs
 * @property {boolean} withNodes also lost with Node's own net.connect in the same places
 * @property {string} output
 */
/**
 * @typedef {object} Comparison
 * @property {Route} route
 * @property {number} passed
 * @property {readonly string[]} flaky passed on the second attempt
 * @property {readonly Lost[]} lost
 * @property {readonly string[]} kept tests that are listed as expected losses and pass
 * @property {number} used files that made a connection over the route
 * @property {number} connections
 * @property {number} astray SYNs that left from the source, but from a port outside the range
 */

/**
 * @param {readonly TestFile[]} files
 * @param {Route | undefined} route
 * @param {Machine} machine
 * @returns {Promise<Results>}
 */
export async function runSuite(files, route, machine) {
  const ran = await pool(files, machine.workers, (file) => runFile(file, route, machine));
  /** @type {Map<string, Outcome>} */
  const outcomes = new Map();
  for (const { file, tests, skipped, output } of ran)
    for (const [test, passed] of Object.entries(tests))
      outcomes.set(test, { passed, skipped, flaky: false, output, file });

  // What failed gets a second attempt, alone on the machine.
  const failed = new Set([...outcomes.values()].filter(({ passed }) => !passed).map(({ file }) => file));
  for (const file of failed) {
    const again = await runFile(file, route, machine);
    if (file.verdict === 'mocha' && Object.keys(again.tests).length > 1) outcomes.delete(file.name);
    for (const [test, passed] of Object.entries(again.tests)) {
      const first = outcomes.get(test);
      if (first?.passed) continue;
      outcomes.set(test, { passed, skipped: again.skipped, flaky: passed, output: again.output, file });
    }
    ran.push(again);
  }
  const used = [...new Set(ran.filter(({ used: connections }) => connections > 0).map(({ file }) => file.name))];
  return {
    outcomes,
    used,
    connections: sum(ran.map((one) => one.used)),
    astray: sum(ran.map((one) => one.astray)),
  };
}

/**
 * @param {string} suite
 * @param {readonly TestFile[]} files
 * @param {Route} route
 * @param {Results} without
 * @param {Machine} machine
 * @returns {Promise<Comparison>}
 */
export async function compare(suite, files, route, without, machine) {
  const { outcomes, used, connections, astray } = await runSuite(files, route, machine);
  const lost = [...without.outcomes].filter(([test, before]) => {
    const after = outcomes.get(test);
    return before.passed && !(after?.passed && after.skipped === before.skipped);
  });
  // Node's own net.connect in the same places: is the route itself the cause, or only that connections are intercepted?
  const control = await runSuite([...new Set(lost.map(([, { file }]) => file))], controlOf(route), machine);
  const losses = EXPECTED_LOSSES.filter(
    ({ suite: its, lines = [machine.major], routes = [route] }) =>
      its === suite && lines.includes(machine.major) && routes.includes(route),
  );
  return {
    route,
    passed: passes(outcomes),
    flaky: flaky(outcomes),
    lost: lost.map(([test]) => ({
      test,
      expected: losses.find((loss) => loss.test === test)?.reason,
      withNodes: !control.outcomes.get(test)?.passed,
      output: outcomes.get(test)?.output ?? 'not run',
    })),
    kept: losses.map((loss) => loss.test).filter((test) => outcomes.get(test)?.passed),
    used: used.length,
    connections,
    astray,
  };
}

/** @param {ReadonlyMap<string, Outcome>} outcomes */
export function passes(outcomes) {
  return [...outcomes.values()].filter(({ passed }) => passed).length;
}

/** @param {ReadonlyMap<string, Outcome>} outcomes */
export function flaky(outcomes) {
  return [...outcomes].filter(([, outcome]) => outcome.flaky).map(([test]) => test);
}

/**
 * @template T, R
 * @param {readonly T[]} items
 * @param {number} workers
 * @param {(item: T) => Promise<R>} work
 * @returns {Promise<R[]>} in the items' order
 */
async function pool(items, workers, work) {
  /** @type {R[]} */
  const results = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
