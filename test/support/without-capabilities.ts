// A script in a process without any capability, whichever user runs the tests.
import { execFileSync } from 'node:child_process';
import { nodeEnvironment } from './child.js';

/** Runs an ES module, given as source, and returns its output. Needs the tool `setpriv`. */
export function withoutCapabilities(script: string): string {
  const node = [process.execPath, '--input-type=module', '--eval', script];
  return execFileSync('setpriv', ['--bounding-set=-all', '--inh-caps=-all', '--', ...node], {
    encoding: 'utf8',
    env: nodeEnvironment(),
  });
}
