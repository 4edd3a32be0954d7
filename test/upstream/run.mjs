// `npm run test:suites [-- net http https http2 cluster undici ws] [--node 20] [--json]`: upstream test suites, once unchanged and once
// with every TCP connection made by `connect()`. README.md explains the output.
import { spawnSync } from 'node:child_process';
import { availableParallelism, setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { bringUpToDate } from '../../scripts/bring-up-to-date.mjs';
import { nodeOf, requireProgram } from '../../scripts/fetch-program.mjs';
import { namespaces } from '../../scripts/namespaces.mjs';
import { compare, flaky, passes, runSuite } from './compare.mjs';
import { faults, print, table } from './report.mjs';
import { endAll } from './run-file.mjs';
import { ROUTES, USUAL } from './routes.mjs';
import { SUITES } from './suites.mjs';

const HELP = `npm run test:suites [-- SUITE …] [options]

Runs upstream test suites, once unchanged and once with every TCP connection made by connect().
SUITE: ${Object.keys(SUITES).join(', ')}; default: all.

  --node LINE      run on another release line of Node: 20, 22, 24, 26
  --only REGEXP    run only test files whose name matches
  --route ROUTE    ${ROUTES.join(', ')}; may be repeated; default: ${USUAL.join(' and ')}
  --json           print the results as JSON on standard output`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string' },
    only: { type: 'string' },
    route: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const routes = ROUTES.filter((route) => (values.route ?? USUAL).includes(route));
const unknown = [
  ...positionals.filter((name) => !(name in SUITES)),
  ...(values.route ?? []).filter((route) => !ROUTES.some((known) => known === route)),
];
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`Unknown suite or route: ${unknown.join(', ')}\n`);
  console.log(HELP);
  process.exit(unknown.length > 0 ? 2 : 0);
}

setPriority(10); // other work on this machine has priority
const found = namespaces();
if ('reason' in found) fail(`The tests need network namespaces, which this machine does not permit: ${found.reason}`);
if (!process.env['LINUX_SOCKETS_BUILT'] && bringUpToDate() !== undefined) process.exit(1);

process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

const node = values.node === undefined ? process.execPath : requireProgram(nodeOf(values.node));
const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
// Most tests spend most of their time waiting.
const machine = {
  node,
  major: Number.parseInt(version.slice(1)),
  enter: found.enter,
  workers: 2 * availableParallelism(),
};
const only = new RegExp(values.only ?? '');

/** @type {import('./report.mjs').Row[]} */
const rows = [];
/** @type {import('./report.mjs').NotRun[]} */
const notRun = [];
for (const [suite, { share, prepare }] of Object.entries(SUITES)) {
  if (positionals.length > 0 && !positionals.includes(suite)) continue;
  const prepared = prepare(machine.major);
  if ('reason' in prepared) {
    notRun.push({ suite, reason: prepared.reason });
    continue;
  }
  const files = prepared.files.filter(({ name }) => only.test(name));
  say(`${suite} ${prepared.version}, ${files.length} files, Node ${version}: without a route`);
  const without = await runSuite(files, undefined, machine);
  const comparisons = [];
  for (const route of routes) {
    say(`${suite}: ${route}`);
    comparisons.push(await compare(suite, files, route, without, machine));
  }
  const row = {
    suite,
    version: prepared.version,
    files: files.length,
    share: values.only === undefined ? share : 0,
    passed: passes(without.outcomes),
    failed: [...without.outcomes].filter(([, { passed }]) => !passed).map(([test]) => test),
    flaky: flaky(without.outcomes),
    routes: comparisons,
  };
  rows.push(row);
  if (!values.json) print(row);
}

const wrong = rows.flatMap(faults);
// A suite that is named on the command line must run.
wrong.push(...notRun.filter(({ suite }) => positionals.includes(suite)).map(({ suite }) => `${suite} did not run`));
if (rows.length === 0) wrong.push('no suite ran');
if (values.json) console.log(JSON.stringify({ node: version, rows, notRun, wrong }, null, 2));
else {
  console.log(`\nNode ${version}`);
  table(rows, notRun);
}
for (const fault of wrong) console.error(fault);
process.exitCode = wrong.length === 0 ? 0 : 1;

/** @param {string} text */
function say(text) {
  console.error(`${new Date().toTimeString().slice(0, 8)} ${text}`);
}

/** @param {string} text @returns {never} */
function fail(text) {
  console.error(text);
  process.exit(1);
}
