// Errors that this kernel does not produce: strace(1) makes a system call of a child fail, or return a number, without
// executing it (`inject`). For all other calls the child runs the real addon on the real kernel.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nodeEnvironment } from './child.js';

/** The result of a run. */
export interface Injected {
  /** What the script printed, as JSON. */
  readonly output: unknown;
  /** How many calls were injected. */
  readonly injected: number;
}

/**
 * Runs an ES module with faults. It prints one line of JSON at its end; each line `sync` before that is answered, by a line
 * on its standard input, when `onSync` has returned.
 * @param faults as strace takes them: 'sendmmsg:error=EIO:when=3', 'sendmsg,sendmmsg:retval=2:when=2+3'
 */
export async function runWithFaults(
  script: string,
  faults: string,
  args: readonly string[],
  onSync: () => void,
): Promise<Injected> {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-strace-'));
  const log = join(directory, 'log');
  const { LD_PRELOAD, ...env } = nodeEnvironment();
  const calls = faults.slice(0, faults.indexOf(':'));
  try {
    const child = spawn(
      'strace',
      [
        ...['-f', '-qq', '-o', log, '-e', `trace=${calls}`, '-e', `inject=${faults}`],
        ...(LD_PRELOAD === undefined ? [] : ['-E', `LD_PRELOAD=${LD_PRELOAD}`]),
        ...['--', process.execPath, '--input-type=module', '--eval', script, '--', ...args],
      ],
      { env, stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const closed = once(child, 'close');
    child.stdin.on('error', () => undefined); // it has ended: its exit code says why
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== 'sync') last = line;
      else {
        onSync();
        child.stdin.write('\n');
      }
    }
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error(`the child ended with exit code ${code}: ${last}`);
    return { output: JSON.parse(last), injected: readFileSync(log, 'latin1').split('(INJECTED)').length - 1 };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
