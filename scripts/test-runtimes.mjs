// `npm run test:runtimes [-- --update]`: every public function once on Node, Bun and Deno (test/runtimes), which come from npm.
// It fails when one crashes or hangs, when a call that is not supported throws anything but ERR_UNSUPPORTED, and when the
// table in docs/runtimes.md is not current; --update writes it.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { BUN, DENO, requireProgram } from './fetch-program.mjs';
import { commandInside, namespaces } from './namespaces.mjs';

/** @typedef {Map<string, { result: string, message?: string }>} Results by the name of the call */

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, 'test/runtimes/run.mjs');
const guide = join(root, 'docs/runtimes.md');
const TIME_LIMIT = 120_000;

if (bringUpToDate() !== undefined) process.exit(1);
const space = namespaces();
if ('reason' in space) {
  console.error(`The calls need a network namespace, which this machine does not allow.\n  ${space.reason}`);
  process.exit(1);
}
const { enter } = space;

/** @type {Readonly<Record<string, readonly string[]>>} */
const runtimes = {
  'Node.js': [process.execPath],
  [`Bun ${BUN.version}`]: [requireProgram(BUN)],
  [`Deno ${DENO.version}`]: [requireProgram(DENO), 'run', '--allow-all', '--node-modules-dir=manual', '--no-check'],
};
let failed = 0;
const results = Object.entries(runtimes).map(([runtime, command]) => {
  const found = run(runtime, command);
  for (const [name, { result, message = '' }] of found) {
    if (result === 'works' || (result === 'ERR_UNSUPPORTED' && runtime !== 'Node.js')) continue;
    failed++;
    console.error(`${runtime}: ${name}: ${result} ${message}`);
  }
  console.log(
    `${runtime}: ${[...found.values()].filter(({ result }) => result === 'works').length} of ${found.size} calls work`,
  );
  return found;
});
if (failed === 0) await compareTable(results);
process.exitCode = failed === 0 ? 0 : 1;

/** @param {string} runtime @param {readonly string[]} command @returns {Results} */
function run(runtime, command) {
  const [sh = '', ...args] = commandInside(enter, [...command, program]);
  const { stdout, stderr, signal, status } = spawnSync(sh, args, { encoding: 'utf8', timeout: TIME_LIMIT });
  /** @type {Results} */
  const found = new Map();
  for (const line of stdout.split('\n').filter((text) => text.startsWith('{'))) {
    const { name, result = 'crashes', message } = JSON.parse(line);
    found.set(name, { result, message });
  }
  if (status !== 0) {
    failed++;
    console.error(`${runtime} ended with ${signal ?? `exit code ${status}`}: ${stderr}`);
  }
  return found;
}

/** @param {readonly Results[]} all */
async function compareTable(all) {
  const text = readFileSync(guide, 'utf8');
  const table = [
    ['call', ...Object.keys(runtimes)],
    Array.from({ length: all.length + 1 }, () => '---'),
    ...[...(all[0]?.keys() ?? [])].map((name) => [
      `\`${name}\``,
      ...all.map((found) => (found.get(name)?.result === 'works' ? 'yes' : '–')),
    ]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  const begin = '<!-- table: npm run test:runtimes -- --update -->';
  const written = `${text.slice(0, text.indexOf(begin))}${begin}\n\n${table.join('\n')}\n`;
  const current = await format(written, { ...(await resolveConfig(guide)), parser: 'markdown' });
  if (current === text) return;
  if (values.update) {
    writeFileSync(guide, current);
    return;
  }
  failed++;
  console.error('docs/runtimes.md is not current: run `npm run test:runtimes -- --update`');
}
