// `npm run test:matrix`: runs every script that tries the package as its users do, and prints one table: a row for each consumer.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { packed } from './consumers/packed.mjs';
import { commandLine, parse } from './consumers/report.mjs';

/** @typedef {import('./consumers/report.mjs').Row} Row */
/** @typedef {Row & { group: string, seconds: number }} Cell */

const scripts = dirname(fileURLToPath(import.meta.url));
const GROUPS = {
  'package manager': 'test-installers.mjs',
  'first example': 'test-installed.mjs',
  loader: 'test-loaders.mjs',
  bundler: 'test-bundlers.mjs',
  types: 'test-types.mjs',
  'every call': 'test-runtimes.mjs',
};

const { json, short } = parse(
  commandLine(
    'test:matrix',
    'Tries the packed package in all its consumers, and prints a table of them. Exit code 1 if one has failed.',
  ),
);

if (bringUpToDate() !== undefined) process.exit(1);
progress('npm pack');
const LINUX_SOCKETS_TARBALL = packed();
/** @type {Cell[]} */
const cells = [];
for (const [group, script] of Object.entries(GROUPS)) await run(group, script);
progress('');
const failed = cells.filter(({ result }) => result === 'failed');
if (!json) await print();
process.exitCode = failed.length === 0 ? 0 : 1;

/** @param {string} group @param {string} script */
async function run(group, script) {
  progress(group);
  let last = performance.now();
  const child = spawn(process.execPath, [join(scripts, script), '--json', ...(short ? ['--short'] : [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LINUX_SOCKETS_TARBALL },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  /** @type {Promise<number | null>} */
  const closed = new Promise((resolve) => child.on('close', resolve));
  for await (const line of createInterface(child.stdout)) {
    const now = performance.now();
    const row = /** @type {Row} */ (JSON.parse(line));
    add({ group, ...row, seconds: Math.round((now - last) / 100) / 10 });
    last = now;
    progress(`${group}: ${row.consumer}`);
  }
  const status = await closed;
  const hasSaidWhy = cells.some((cell) => cell.group === group && cell.result === 'failed');
  if (status !== 0 && !hasSaidWhy)
    add({ group, consumer: script, result: 'failed', detail: errors.trim(), seconds: 0 });
}

/** @param {Cell} cell */
function add(cell) {
  cells.push(cell);
  if (json) console.log(JSON.stringify(cell));
}

async function print() {
  const rows = cells.map(({ group, consumer, result, detail = '', seconds }) => [
    group,
    consumer,
    result === 'failed' || detail === '' ? result : `${result}: ${detail}`,
    result === 'not run' ? '' : seconds.toFixed(1),
  ]);
  const lines = [['', 'consumer', 'result', 'seconds'], ['---', '---', '---', '--:'], ...rows];
  console.log(await format(lines.map((line) => `| ${line.join(' | ')} |`).join('\n'), { parser: 'markdown' }));
  for (const { group, consumer, detail } of failed) console.error(`✗ ${group}: ${consumer}\n${detail}\n`);
  const count = (/** @type {Row['result']} */ wanted) => cells.filter(({ result }) => result === wanted).length;
  console.log(`matrix: ${count('passed')} passed, ${count('failed')} failed, ${count('not run')} not run`);
}

/** One line that is overwritten, on a terminal only. @param {string} text */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
