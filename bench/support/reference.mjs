// Compiles the C reference program of a suite that has one, and returns the command lines of its trials' programs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUN, installed, nodeOf } from '../../scripts/fetch-program.mjs';

const bench = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(dirname(bench), 'node_modules/.cache/bench');

/**
 * @param {string} suite
 * @returns {import('./trial.mjs').Programs}
 */
export function programsOf(suite) {
  const script = (/** @type {string} */ name) => join(bench, suite, `${name}.mjs`);
  const reference = compiled(suite);
  const newer = node26();
  const bun = installed(BUN);
  return {
    ours: [process.execPath, '--expose-gc', script('ours')],
    ...(newer !== undefined && { node26: [newer, '--expose-gc', script('ours')] }),
    ...(reference !== undefined && { reference: [reference] }),
    dgram: [process.execPath, script('dgram')],
    ...(bun !== undefined && { bun: [bun, script('bun')] }),
  };
}

/** Node 26, if `npm run test:nodes` has downloaded it. */
export function node26() {
  return installed(nodeOf('26'));
}

/** SUITE.c and SUITE-*.c, if there are any, are one program. Its name is a hash of its sources and flags. */
function compiled(/** @type {string} */ suite) {
  const directory = join(bench, 'reference');
  const sources = readdirSync(directory)
    .filter((file) => file.endsWith('.c') && (file === `${suite}.c` || file.startsWith(`${suite}-`)))
    .map((file) => join(directory, file));
  if (sources.length === 0) return undefined;
  const headers = [join(directory, `${suite}.h`)].filter((file) => existsSync(file));
  const compiler = process.env['CC'] ?? 'gcc';
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
  const hash = createHash('sha256').update([compiler, ...flags].join(' '));
  for (const file of [...sources, ...headers]) hash.update(readFileSync(file));
  const program = join(cache, `${suite}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const { status, error } = spawnSync(compiler, [...flags, '-o', unfinished, ...sources], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${suite}.c could not be compiled: ${error?.message ?? `${compiler} failed`}`);
  renameSync(unfinished, program);
  return program;
}
