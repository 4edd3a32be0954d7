// `npm run test:runtimes [-- --update]`: every public function once on Node, Bun and Deno (test/runtimes), which come from npm.
// It fails when one crashes or hangs, when a call that is not supported throws anything but ERR_UNSUPPORTED, and when the
// table in docs/runtimes.md is not current; --update writes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';
import { BUN, DENO, requireProgram } from './fetch-program.mjs';
import { countWorking, runCalls } from './runtime-calls.mjs';

const options = parse(
  commandLine('test:runtimes', 'Makes every public call once on Node.js, Bun and Deno.').option(
    '--update',
    'write the table in docs/runtimes.md',
    false,
  ),
);
const report = new Report('runtimes', options);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const guide = join(root, 'docs/runtimes.md');

if (bringUpToDate() !== undefined) process.exit(1);

/** @type {Readonly<Record<string, readonly string[]>>} */
const runtimes = {
  'Node.js': [process.execPath],
  [`Bun ${BUN.version}`]: [requireProgram(BUN)],
  [`Deno ${DENO.version}`]: [requireProgram(DENO), 'run', '--allow-all', '--node-modules-dir=manual', '--no-check'],
};
const all = Object.entries(runtimes).map(([runtime, command]) => {
  const { results, failure } = runCalls(command);
  const wrong = [...results].filter(
    ([, { result }]) => result !== 'works' && (result !== 'ERR_UNSUPPORTED' || runtime === 'Node.js'),
  );
  const errors = wrong.map(([name, { result, message }]) => `${name}: ${result} ${message}`);
  if (failure !== undefined) errors.push(failure);
  if (errors.length > 0) report.failed(runtime, errors.join('\n'));
  else report.passed(runtime, countWorking(results));
  return results;
});
if (report.isGood) await compareTable(all);
report.end();

/** @param {readonly import('./runtime-calls.mjs').Results[]} all */
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
  const name = 'the table in docs/runtimes.md';
  if (current !== text && options['update'] !== true)
    return report.failed(name, 'run `npm run test:runtimes -- --update`');
  if (current !== text) writeFileSync(guide, current);
  report.passed(name);
}
