// A script in a process without any capability, whoever runs the tests.
import { execFileSync } from 'node:child_process';
import { nodeEnvironment } from './child.js';

/** Runs an ES module, given as its source, to its end; what it printed. Needs the tool `setpriv`. */
export function withoutCapabilities(script: string): string {
  const node = [process.execPath, '--input-type=module', '--eval', script];
  return execFileSync('setpriv', ['--bounding-set=-all', '--inh-caps=-all', '--', ...node], {
    encoding: 'utf8',
    env: nodeEnvironment(),
  });
}
