// Finds the C headers of the running Node. As a program, it prints the include directory, or exits with status 1.
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The directory for node-gyp's `--nodedir`, which has include/node/node_api.h and uv.h: that of the running Node (official archives,
 * distribution packages), else the one that npm is configured with, else what node-gyp downloaded before.
 * @returns {string | undefined} undefined when node-gyp must download the headers
 */
export function nodeDir() {
  const beside = dirname(dirname(realpathSync(process.execPath)));
  const fetched = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'node-gyp', process.versions.node);
  return [beside, configuredNodeDir(), fetched].find((dir) => dir !== undefined && hasHeaders(dir));
}

/** @param {string} dir */
function hasHeaders(dir) {
  const include = join(dir, 'include');
  const hasUv = existsSync(join(include, 'node/uv.h')) || existsSync(join(include, 'uv.h')); // Debian has it in libuv1-dev
  return hasUv && ['node_api.h', 'common.gypi'].every((file) => existsSync(join(include, 'node', file)));
}

/** npm passes its configuration to scripts as environment variables; outside of a script, `npm config` prints it. */
function configuredNodeDir() {
  const fromNpm = process.env['npm_config_nodedir'];
  if (fromNpm) return fromNpm;
  if (process.env['npm_execpath']) return undefined;
  try {
    const answer = execFileSync('npm', ['config', 'get', 'nodedir'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return answer === 'undefined' || answer === 'null' || answer === '' ? undefined : answer;
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = nodeDir();
  if (dir === undefined) process.exit(1);
  console.log(join(dir, 'include/node'));
}
