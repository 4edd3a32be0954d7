// `npm run test:runtimes [-- --update]`: every public function once on Node, Bun and Deno (test/runtimes), which come from npm.
// It fails when one crashes or hangs, when a call that is not supported throws anything but ERR_UNSUPPORTED, and when the
// table in docs/runtimes.md is not current; --update writes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { BUN, DENO, requireProgram } from './fetch-program.mjs';
import { countWorking, runCalls } from './runtime-calls.mjs';

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const guide = join(root, 'docs/runtimes.md');

if (bringUpToDate() !== undefined) process.exit(1);

/** @type {Readonly<Record<string, readonly string[]>>} */
const runtimes = {
  'Node.js': [process.execPath],
  [`Bun ${BUN.version}`]: [requireProgram(BUN)],
  [`Deno ${DENO.version}`]: [requireProgram(DENO), 'run', '--allow-all', '--node-modules-dir=manual', '--no-check'],
};
let failed = 0;
const all = Object.entries(runtimes).map(([runtime, command]) => {
  const { results, failure } = runCalls(command);
  const wrong = [...results].filter(
    ([, { result }]) => result !== 'works' && (result !== 'ERR_UNSUPPORTED' || runtime === 'Node.js'),
  );
  for (const [name, { result, message }] of wrong) console.error(`${runtime}: ${name}: ${result} ${message}`);
  if (failure !== undefined) console.error(`${runtime} ${failure}`);
  if (wrong.length > 0 || failure !== undefined) failed++;
  console.log(`${runtime}: ${countWorking(results)}`);
  return results;
});
if (failed === 0) await compareTable(all);
process.exitCode = failed === 0 ? 0 : 1;

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
  if (current === text) return;
  if (values.update) {
    writeFileSync(guide, current);
    return;
  }
  failed++;
  console.error('docs/runtimes.md is not current: run `npm run test:runtimes -- --update`');
}
