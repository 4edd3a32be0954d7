// Runs test/runtimes in another runtime, and returns what became of each call.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandInside, namespaces } from './namespaces.mjs';

/** @typedef {Map<string, { result: string, message: string }>} Results by the name of the call */

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'test/runtimes/run.mjs');
const TIME_LIMIT = 120_000;

/**
 * @param {readonly string[]} command that runs a program
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ results: Results, failure?: string }} `failure` if the process crashed or did not end
 */
export function runCalls(command, env = {}) {
  const space = namespaces();
  if ('reason' in space) return { results: new Map(), failure: `no network namespace: ${space.reason}` };
  const [sh = '', ...args] = commandInside(space.enter, [...command, program]);
  const { stdout, stderr, signal, status, error } = spawnSync(sh, args, {
    encoding: 'utf8',
    timeout: TIME_LIMIT,
    env: { ...process.env, ...env },
  });
  /** @type {Results} */
  const results = new Map();
  for (const line of (stdout ?? '').split('\n').filter((text) => text.startsWith('{'))) {
    const { name, result = 'crashes', message = '' } = JSON.parse(line);
    results.set(name, { result, message });
  }
  if (status === 0) return { results };
  return { results, failure: `ended with ${error?.message ?? signal ?? `exit code ${status}`}: ${stderr}` };
}

/** @param {Results} results */
export function countWorking(results) {
  const working = [...results.values()].filter(({ result }) => result === 'works').length;
  return `${working} of ${results.size} calls work`;
}
