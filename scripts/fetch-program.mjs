// A program from npm: another Node, Bun, Deno.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fetchPackages, modulesOf } from './fetch-packages.mjs';

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

/**
 * Downloads it, unless that was done before. Needs a network, so it must be called outside the namespace.
 * @param {Program} program
 * @returns {{ path: string } | { reason: string }}
 */
export function fetchProgram(program) {
  const isForeign = program.cpu !== undefined && program.cpu !== process.arch; // npm refuses it otherwise
  const fetched = fetchPackages([`${program.name}@${program.version}`], { force: isForeign });
  return 'modules' in fetched ? { path: pathOf(program) } : { reason: `${program.name} ${fetched.reason}` };
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
function pathOf({ name, version, path }) {
  return join(modulesOf([`${name}@${version}`]), name, path);
}
