// `npm run docs`: writes what follows from the option table, docs/options.md for people and src/options/values.ts for
// editors. `npm run check:docs` (--check) fails when one of them is not current.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { withLayers } from './docs/layers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const check = process.argv.includes('--check');

build(); // may fail where src uses a row that values.ts does not have yet; lib is written all the same
const { OPTIONS } = await load('options/table.js');
const { OMITTED } = await load('options/omitted.js');
const { LEVELS, socketsOf } = await load('options/row.js');
const { socketsText, valueOf } = await load('cli/option-page.js');

/** @type {string[]} */
const stale = [];
await produce('src/options/values.ts', values());
await produce('docs/options.md', guide());
await produce('CONTRIBUTING.md', withLayers(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')));
if (stale.length > 0) {
  console.error(`${stale.join(' and ')} not current: run \`npm run docs\``);
  process.exitCode = 1;
} else {
  if (!check) build();
  console.log(`docs: ${Object.keys(OPTIONS).length} options`);
}

function values() {
  const lines = Object.entries(OPTIONS).map(([name, row]) => {
    const kind = `KindValues['${row.kind}']`;
    const type = row.access === undefined ? kind : row.access === 'get' ? `GetOnly<${kind}>` : `SetOnly<${kind}>`;
    return `  /** ${row.doc} ${row.source} */\n  readonly ${name}: ${type};`;
  });
  return [
    "// What each option's value is, with its doc line for editors to show. `npm run docs` writes this file from the rows.",
    "import type { KindValues } from './kinds.js';",
    '',
    'interface GetOnly<V extends { get: unknown }> {\n  get: V["get"];\n  set: never;\n}',
    '',
    'interface SetOnly<V extends { set: unknown }> {\n  get: never;\n  set: V["set"];\n}',
    '',
    '/** What each option is when read (`get`) and when set (`set`); `never` where it cannot be. */',
    `export interface OptionValues {\n${lines.join('\n')}\n}\n`,
  ].join('\n');
}

function guide() {
  const levels = Object.keys(LEVELS).map((level) => {
    const rows = Object.entries(OPTIONS).filter(([, row]) => row.level === level);
    const lines = rows.map(([name, row]) => {
      const cells = [`\`${name}\``, `${row.doc} ${notesOf(row)}`, valueOf(row), sockets(row), row.source];
      return `| ${cells.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`;
    });
    const head = '| option | what it does | value | sockets | source |\n| --- | --- | --- | --- | --- |';
    return `## ${level}\n\n${head}\n${lines.join('\n')}\n`;
  });
  const omitted = Object.entries(OMITTED).map(([name, why]) => `| \`${name}\` | ${why} |`);
  return [
    '# Socket options',
    '',
    '<!-- Written by `npm run docs` from src/options. -->',
    '',
    `${Object.keys(OPTIONS).length} options by their kernel names, for \`setOption\`, \`getOption\` and every \`sockopts\`. The`,
    'same from the command line: `npx linux-sockets options IP_FREEBIND`. An option that is not here is set by its',
    'numbers: `setOption(socket, { level: 6, name: 99 }, bytes)`.',
    '',
    '"Inherited": sockets that a listener accepts have it too. "Too late": from then on the kernel would accept the',
    'option and pass over it, and `setOption` throws `ERR_OPTION_TOO_LATE`. Options without a version are as old as',
    'Linux 4.18, or older.',
    '',
    ...levels,
    '## Left out',
    '',
    "The kernel's headers have these too.",
    '',
    '| option | why it is not in the table |\n| --- | --- |',
    ...omitted,
    '',
  ].join('\n');
}

/** @param {import('../src/options/row.js').OptionRow} row */
function notesOf(row) {
  return [
    row.privilege && `Needs ${row.privilege}.`,
    row.since && `Since Linux ${row.since.join('.')}.`,
    row.inherited && 'Inherited.',
    row.late && (row.late === 'connected' ? 'Too late once connected.' : 'Too late once a local port is assigned.'),
    row.readBack && (row.readBack === 'doubled' ? 'Reads back doubled.' : 'Reads back adjusted.'),
  ]
    .filter(Boolean)
    .join(' ');
}

/** @param {import('../src/options/row.js').OptionRow} row */
function sockets(row) {
  return socketsOf(row).length >= 5 ? 'all' : socketsText(row).replace(/\.$/, '');
}

/** @param {string} path @param {string} text */
async function produce(path, text) {
  const file = join(root, path);
  const wanted = await format(text, { ...(await resolveConfig(file)), filepath: file });
  const present = readFileSync(file, 'utf8');
  if (present === wanted) return;
  if (check) stale.push(path);
  else writeFileSync(file, wanted);
}

function build() {
  spawnSync(process.execPath, [join(root, 'scripts/build-ts.mjs')], { stdio: check ? 'inherit' : 'ignore' });
}

/** @param {string} path */
async function load(path) {
  return await import(pathToFileURL(join(root, 'lib', path)).href);
}
