// A program from npm, downloaded once into node_modules/.cache: another Node, Bun, Deno.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @typedef {object} Program
 * @property {string} name of the npm package
 * @property {string} version or a release line, as in `22`
 * @property {string} path inside the package
 * @property {string} [cpu] for another architecture than this one
 */

/** The packages with the programs themselves: those of `bun` and `deno` only have install scripts. */
export const BUN = {
  name: `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`,
  version: '1.4.5',
  path: 'bin/bun',
};
export const DENO = { name: `@deno/linux-${process.arch}-glibc`, version: '2.9.6', path: 'deno' };

/** @param {string} line as in `22` or `22.12.0` @param {string} [cpu] @returns {Program} */
export function nodeOf(line, cpu = process.arch) {
  return { name: `node-linux-${cpu}`, version: line, path: 'bin/node', cpu };
}

/** Where the program is, or will be. @param {Program} program */
export function pathOf(program) {
  return join(directoryOf(program), 'node_modules', program.name, program.path);
}

/**
 * Downloads it, unless that was done before. Needs a network, so it must be called outside the namespace.
 * @param {Program} program
 * @returns {{ path: string } | { reason: string }}
 */
export function fetchProgram(program) {
  const path = pathOf(program);
  if (existsSync(path)) return { path };
  const directory = directoryOf(program);
  mkdirSync(directory, { recursive: true });
  // A separate project, so that npm does not change this one.
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
  const wanted = `${program.name}@${program.version}`;
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  if (program.cpu !== undefined && program.cpu !== process.arch) options.push('--force'); // npm refuses it otherwise
  const { status, stderr } = spawnSync('npm', ['install', ...options, wanted], { cwd: directory, encoding: 'utf8' });
  if (status === 0 && existsSync(path)) return { path };
  return { reason: `${wanted} could not be downloaded (npm install ${wanted}): ${stderr?.trim() ?? 'npm not found'}` };
}

/** As `fetchProgram`, but the process ends with status 1 when it cannot be downloaded. @param {Program} program */
export function requireProgram(program) {
  const fetched = fetchProgram(program);
  if ('path' in fetched) return fetched.path;
  console.error(fetched.reason);
  process.exit(1);
}

/** The path, if it has been downloaded and runs here. @param {Program} program */
export function installed(program) {
  const path = pathOf(program);
  return spawnSync(path, ['--version']).status === 0 ? path : undefined;
}

/** @param {Program} program */
function directoryOf({ name, version }) {
  return join(root, 'node_modules/.cache/programs', name, version);
}
