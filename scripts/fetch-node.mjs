// The binary of another release line of Node, downloaded once from npm (from the packages behind the `node` package).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @param {string} line as in `22` or `22.12.0`
 * @returns {string} its path; exits with status 1 when it cannot be downloaded
 */
export function fetchNode(line) {
  const name = `node-linux-${process.arch}`;
  const directory = join(root, 'node_modules/.cache/nodes', line);
  const node = join(directory, 'node_modules', name, 'bin/node');
  if (existsSync(node)) return node;
  mkdirSync(directory, { recursive: true });
  // A separate project, so that npm does not change this one.
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const { status } = spawnSync('npm', ['install', ...options, `${name}@${line}`], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0 || !existsSync(node)) {
    console.error(`Node ${line} could not be downloaded (npm install ${name}@${line}).`);
    process.exit(1);
  }
  return node;
}
