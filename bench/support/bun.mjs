// Bun, which some trials are compared with: downloaded from npm once, as scripts/fetch-node.mjs downloads Node. Optional: where
// it cannot be downloaded, its trials are skipped.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BUN_VERSION = '1.4.5';

const name = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const directory = join(root, 'node_modules/.cache/bun', BUN_VERSION);
const program = join(directory, 'node_modules', name, 'bin/bun');

/** The path of the program; undefined when it was not downloaded or does not run here. */
export function bun() {
  return spawnSync(program, ['--version']).status === 0 ? program : undefined;
}

/** Downloads it; returns why that failed, if it did. Needs a network, so it is called outside the namespace. */
export function fetchBun() {
  if (bun() !== undefined) return undefined;
  mkdirSync(directory, { recursive: true });
  // A separate project, so that npm does not change this one.
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const wanted = `${name}@${BUN_VERSION}`;
  const { status, stderr } = spawnSync('npm', ['install', ...options, wanted], { cwd: directory, encoding: 'utf8' });
  if (status === 0 && bun() !== undefined) return undefined;
  return `Bun could not be downloaded (npm install ${wanted}): ${stderr?.trim() || 'it does not run here'}`;
}
