// `npm run bench -- reserve`: brings the build up to date, enters its own network namespace, runs the trials of a
// suite against their references, and reports which gates hold. Exit code: 0 all hold, 1 a gate is missed, 2 it could not run.
import { spawnSync } from 'node:child_process';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { bringUpToDate } from '../scripts/bring-up-to-date.mjs';
import { commandInside, namespaces } from '../scripts/namespaces.mjs';
import { BUN, fetchProgram } from '../scripts/fetch-program.mjs';
import { measure } from './support/measure.mjs';
import { programsOf } from './support/reference.mjs';
import { save, summary, table } from './support/report.mjs';
import { CONNECT } from './connect/trials.mjs';
import { RESERVE } from './reserve/trials.mjs';
import { UDP } from './udp/trials.mjs';

/** @typedef {import('./support/trial.mjs').Trial} Trial */
/** @typedef {import('./support/trial.mjs').Result} Result */

/** @type {Readonly<Record<string, readonly Trial[]>>} */
const SUITES = { connect: CONNECT, reserve: RESERVE, udp: UDP };
const ACCEPTANCE_PAIRS = 8;
const INSIDE = 'LINUX_SOCKETS_BENCH_INSIDE';

await new Command('npm run bench --')
  .description(
    'Measures this library against C reference programs and other runtimes, in pairs of processes, in a network namespace.',
  )
  .addArgument(new Argument('<suite>', 'the suite to run').choices(Object.keys(SUITES)))
  .addOption(new Option('--only <trial...>', 'run only these trials; the committed results are not updated'))
  .addOption(new Option('--pairs <number>', 'pairs of processes per trial').default(ACCEPTANCE_PAIRS).argParser(count))
  .addOption(new Option('--json', 'print the results as JSON, and nothing else'))
  .addHelpText('after', () => `\nTrials:\n${listOfTrials()}\n\nSee bench/README.md.`)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action(main)
  .parseAsync();

/**
 * @param {string} suite
 * @param {{ only?: string[], pairs: number, json?: boolean }} options
 */
async function main(suite, { only, pairs, json = false }) {
  const all = SUITES[suite] ?? [];
  const unknown = only?.find((id) => !all.some((trial) => trial.id === id));
  if (unknown !== undefined) fail(`Unknown trial '${unknown}' in ${suite}; expected one of:\n${listOfTrials()}`);
  const trials = all.filter(({ id }) => only === undefined || only.includes(id));

  if (process.env[INSIDE] === undefined) {
    const unbuilt = process.env['LINUX_SOCKETS_BUILT'] ? undefined : bringUpToDate();
    if (unbuilt !== undefined) fail(`scripts/${unbuilt} failed.`);
    const bun = trials.some(({ reference }) => reference?.[0] === 'bun') ? fetchProgram(BUN) : {};
    if ('reason' in bun) console.error(`bench: ${bun.reason}. Its trials are skipped.`);
    process.exit(enterNamespace());
  }

  /** @type {Result[]} */
  let results;
  try {
    results = await measure(trials, pairs, programsOf(suite), json ? () => undefined : progress);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  const report = summary(suite, pairs, results);
  if (json) console.log(JSON.stringify(report, undefined, 2));
  else {
    console.log(`\n${await table(report)}`);
    if (pairs < ACCEPTANCE_PAIRS) console.log(`Fewer than ${ACCEPTANCE_PAIRS} pairs: not enough to judge the gates.`);
  }
  if (only === undefined && pairs >= ACCEPTANCE_PAIRS) {
    const files = await save(report);
    if (!json) console.log(`Written: ${files.join(', ')}`);
  }
  process.exitCode = results.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

/** Runs this command again, inside the namespace. */
function enterNamespace() {
  const found = namespaces();
  if ('reason' in found) {
    return fail(
      `The trials use up ports and set sysctls, so they need a network namespace, which this machine does not permit.\n${found.reason}`,
    );
  }
  const [program, ...args] = commandInside(found.enter, [process.execPath, ...process.argv.slice(1)]);
  const { status } = spawnSync(program, args, {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, [INSIDE]: '1' },
  });
  return status ?? 2;
}

/** One line that is overwritten on a terminal; elsewhere, one line per trial. */
function progress(/** @type {string} */ text, /** @type {boolean} */ first) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (first) process.stderr.write(`${text}\n`);
}

function count(/** @type {string} */ text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1000)
    throw new InvalidArgumentError('Expected an integer from 1 to 1000.');
  return value;
}

function listOfTrials() {
  const width = Math.max(...Object.values(SUITES).flatMap((trials) => trials.map(({ id }) => id.length)));
  return Object.entries(SUITES)
    .flatMap(([suite, trials]) => trials.map(({ id, title }) => `  ${suite}  ${id.padEnd(width)}  ${title}`))
    .join('\n');
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}
