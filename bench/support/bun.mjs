// Bun, which some trials are compared with: fetched from npm once, as scripts/test-nodes.mjs fetches Nodes. Nothing
// depends on it: where it cannot be had, its trials are skipped.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BUN_VERSION = '1.4.5';

const name = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const directory = join(root, 'node_modules/.cache/bun', BUN_VERSION);
const program = join(directory, 'node_modules', name, 'bin/bun');

/** The program, if it was fetched and runs here. */
export function bun() {
  return spawnSync(program, ['--version']).status === 0 ? program : undefined;
}

/** Fetches it; why that failed, if it did. Wants a network, so it is called outside the namespace. */
export function fetchBun() {
  if (bun() !== undefined) return undefined;
  mkdirSync(directory, { recursive: true });
  // A project of its own, so that npm leaves ours alone.
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const wanted = `${name}@${BUN_VERSION}`;
  const { status, stderr } = spawnSync('npm', ['install', ...options, wanted], { cwd: directory, encoding: 'utf8' });
  if (status === 0 && bun() !== undefined) return undefined;
  return `Bun could not be had (npm install ${wanted}): ${stderr?.trim() || 'it does not run here'}`;
}
