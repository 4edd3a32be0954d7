// Compiles the C reference program of a suite that has one, and says how the sides of its trials are started.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(dirname(bench), 'node_modules/.cache/bench');

/**
 * @param {string} suite
 * @returns {import('./measure.mjs').Programs}
 */
export function compileReference(suite) {
  const source = join(bench, 'reference', `${suite}.c`);
  const program = join(cache, suite);
  const ours = join(bench, suite, 'ours.mjs');
  const newer = node26();
  /** @type {import('./measure.mjs').Programs} */
  const programs = {
    ours: [process.execPath, '--expose-gc', ours],
    ...(newer !== undefined && { node26: [newer, '--expose-gc', ours] }),
  };
  if (!existsSync(source)) return programs;
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(cache, { recursive: true });
    const compiler = process.env['CC'] ?? 'gcc';
    const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
    const { status, error } = spawnSync(compiler, [...flags, '-o', program, source], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`${source} could not be compiled: ${error?.message ?? `${compiler} failed`}`);
  }
  return { ...programs, reference: [program] };
}

/** Node 26 as scripts/test-nodes.mjs fetches it, if it has. */
export function node26() {
  const path = join(dirname(bench), `node_modules/.cache/nodes/26/node_modules/node-linux-${process.arch}/bin/node`);
  return existsSync(path) ? path : undefined;
}
