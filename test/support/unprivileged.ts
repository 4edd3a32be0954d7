// A script in a process without network capabilities, as most processes are; in its own user namespace a test has all.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { nodeEnvironment } from './child.js';

/** Runs an ES module with `given` as JSON in its last argument, and returns the JSON that it prints. Needs setpriv(1). */
export async function runUnprivileged(script: string, given: unknown): Promise<unknown> {
  const without = '-net_admin,-net_raw,-net_bind_service';
  const node = [process.execPath, '--input-type=module', '--eval', script, '--', JSON.stringify(given)];
  const { stdout } = await promisify(execFile)(
    'setpriv',
    [`--bounding-set=${without}`, `--inh-caps=${without}`, '--', ...node],
    { env: nodeEnvironment() },
  );
  return JSON.parse(stdout);
}
