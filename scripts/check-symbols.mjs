// `npm run check:symbols [-- file.node …]`: checks that one binary works with glibc, musl and every Node. It must need no library and
// no symbol version, leave undefined only the symbols that allowed-symbols.txt lists, and export only what Node looks up.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const listed = readFileSync(join(root, 'scripts/allowed-symbols.txt'), 'utf8').split('\n');
const allowed = new Set(listed.filter((line) => line !== '' && !line.startsWith('#')));
const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const files = process.argv.length > 2 ? process.argv.slice(2) : builtFiles();
if (files.length === 0) {
  console.error('No binary found. Run `npm run build:native` first.');
  process.exit(1);
}
let failed = 0;
for (const file of files) failed += check(file);
process.exitCode = failed === 0 ? 0 : 1;

/** @param {string} file */
function check(file) {
  const symbols = dynamicSymbols(file);
  const undefinedNames = symbols.filter(({ section }) => section === 'UND').map(({ name }) => name);
  const complaints = [
    ...readelf('-d', file)
      .filter((line) => /\((NEEDED|RPATH|RUNPATH|TEXTREL|VERNEED)\)/.test(line))
      .map((line) => `dynamic section: ${line.trim()}`),
    ...undefinedNames.filter((name) => name.includes('@')).map((name) => `versioned symbol ${name}`),
    ...undefinedNames
      .filter((name) => !allowed.has(name))
      .map((name) => `undefined symbol ${name} is not in allowed-symbols.txt`),
    ...symbols
      .filter(({ section, name }) => section !== 'UND' && !exported.includes(name))
      .map(({ name }) => `exports ${name}`),
    // Calls are bound lazily (JUMP_SLOT); any other reference is bound when the addon is loaded.
    ...readelf('-r', file)
      .filter((line) => /\buv_/.test(line) && !/JUMP_SLO/.test(line))
      .map((line) => `the address of a libuv function is taken: ${line.trim()}`),
    ...readelf('-l', file)
      .filter((line) => /GNU_STACK\b.*\bRWE\b/.test(line))
      .map(() => 'the stack is executable'),
  ];
  for (const complaint of complaints) console.error(`${relative(root, file)}: ${complaint}`);
  const unused = [...allowed].filter((name) => !undefinedNames.includes(name));
  if (unused.length > 0)
    console.log(`${relative(root, file)}: in allowed-symbols.txt but not used: ${unused.join(', ')}`);
  const kilobytes = (statSync(file).size / 1000).toFixed(1);
  console.log(
    `${relative(root, file)}: ${complaints.length === 0 ? 'ok' : 'FAILED'}, ${undefinedNames.length} undefined symbols, ${kilobytes} kB`,
  );
  return complaints.length;
}

/** @param {string} file */
function dynamicSymbols(file) {
  // Num: Value Size Type Bind Vis Ndx Name
  const rows = readelf('--dyn-syms', file).map((line) => line.trim().split(/\s+/));
  return rows
    .filter((row) => /^\d+:$/.test(row[0] ?? '') && row[3] !== 'SECTION' && row[7] !== undefined)
    .map((row) => ({ section: row[6] ?? '', name: row[7] ?? '' }));
}

/** @param {string} option @param {string} file */
function readelf(option, file) {
  const { status, stdout, stderr, error } = spawnSync('readelf', ['-W', option, file], { encoding: 'utf8' });
  if (error)
    throw new Error('readelf not found. On Debian and Ubuntu: sudo apt-get install binutils', { cause: error });
  if (status !== 0) throw new Error(stderr);
  return stdout.split('\n');
}

function builtFiles() {
  const prebuilds = join(root, 'prebuilds');
  const names = existsSync(prebuilds) ? readdirSync(prebuilds, { recursive: true, encoding: 'utf8' }) : [];
  const built = join(root, 'build/Release/linux_sockets.node');
  return [
    ...(existsSync(built) ? [built] : []),
    ...names.filter((name) => name.endsWith('.node')).map((name) => join(prebuilds, name)),
  ];
}
