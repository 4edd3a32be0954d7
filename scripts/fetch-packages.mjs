// Packages from npm that are not development dependencies: downloaded once, into a project of their own in node_modules/.cache.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules/.cache/packages');

/** The node_modules that has, or will have, these packages. @param {readonly string[]} wanted as in `typescript@5.4` */
export function modulesOf(wanted) {
  return join(cache, wanted.join('+').replaceAll('/', '-'), 'node_modules');
}

/**
 * Downloads them, unless that was done before. Needs a network, so it must be called outside the namespace.
 * @param {readonly string[]} wanted as in `typescript@5.4`
 * @param {{ readonly force?: boolean }} [options] `force`: also a package for another architecture
 * @returns {{ modules: string } | { reason: string }}
 */
export function fetchPackages(wanted, { force = false } = {}) {
  const modules = modulesOf(wanted);
  const names = wanted.map((spec) => spec.slice(0, spec.lastIndexOf('@')));
  const isComplete = () => names.every((name) => existsSync(join(modules, name, 'package.json')));
  if (isComplete()) return { modules };
  const directory = dirname(modules);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n'); // so that npm does not change this project
  const options = [
    '--ignore-scripts',
    '--no-engine-strict',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
  ];
  const { status, stderr } = spawnSync('npm', ['install', ...options, ...(force ? ['--force'] : []), ...wanted], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (status === 0 && isComplete()) return { modules };
  const command = `npm install ${wanted.join(' ')}`;
  return { reason: `could not be downloaded (${command}): ${stderr?.trim() || 'npm not found'}` };
}

/** As `fetchPackages`, but the process ends with status 1 when they cannot be downloaded. @param {readonly string[]} wanted */
export function requirePackages(...wanted) {
  const fetched = fetchPackages(wanted);
  if ('modules' in fetched) return fetched.modules;
  console.error(`${wanted.join(', ')} ${fetched.reason}`);
  process.exit(1);
}
