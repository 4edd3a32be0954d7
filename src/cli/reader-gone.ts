// Whether someone still reads the standard output: `linux-sockets reserve … | head -1` ends with its reader, although nothing
// more is written.
import { fstatSync } from 'node:fs';
import { canWait, native } from '../binding.js';
import { READABLE, Readiness } from '../socket/readiness.js';

/** Resolves when the reader of a pipe has gone, or at the abort; never for a file or a terminal. */
export async function readerGone(signal: AbortSignal): Promise<void> {
  const handle = new (native().Handle)();
  const output = fstatSync(STDOUT);
  if (!canWait || (!output.isFIFO() && !output.isSocket()) || handle.duplicate(STDOUT) < 0) {
    await never();
    return;
  }
  const readiness = new Readiness(handle);
  try {
    // The end of a pipe that is written to has nothing to read: what comes is the hang-up.
    await readiness.wait(READABLE, signal);
  } catch {
    // Aborted, or reported as an error, as libuv does for a pipe.
  } finally {
    readiness.close();
    handle.close();
  }
}

async function never(): Promise<void> {
  await new Promise(() => undefined);
}

const STDOUT = 1;
