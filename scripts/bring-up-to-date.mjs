// Builds the addon and lib/ where they are older than their sources, for the scripts that run what was built.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The name of the script that failed, undefined when all is up to date. Its errors are on standard error already.
 * @param {{ native?: boolean }} [parts] `native: false`: lib/ alone
 * @returns {string | undefined}
 */
export function bringUpToDate({ native = true } = {}) {
  const scripts = [...(native ? ['build-native.mjs'] : []), 'build-ts.mjs'];
  return scripts.find((script) => {
    const path = join(dirname(fileURLToPath(import.meta.url)), script);
    return spawnSync(process.execPath, [path], { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0;
  });
}
