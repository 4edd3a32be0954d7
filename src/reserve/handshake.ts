// Performs the handshake of a deferred connect without data: an empty send starts it, writability ends it, and SO_ERROR has
// its result.
import type { Handle } from '../binding.js';
import { AbortError } from '../errors.js';
import { WRITABLE, type Readiness } from '../socket/readiness.js';
import { afterPoll } from '../node/after-poll.js';
import { takeError } from '../kernel/int-option.js';
import { EINPROGRESS, ETIMEDOUT } from '../kernel/numbers.js';

/** Resolves with 0, or the negative errno of connect(2): ETIMEDOUT also after `timeout` milliseconds. */
export async function handshake(
  handle: Handle,
  readiness: Readiness,
  signal: AbortSignal | undefined,
  timeout: number,
): Promise<number> {
  if (signal?.aborted === true) throw new AbortError(signal);
  const sent = handle.sendmsg([NOTHING], NOTHING, NOTHING, 0);
  if (sent < 0 && sent !== EINPROGRESS) return sent;
  const deadline = new AbortController();
  const limit = timeout === 0 ? undefined : afterPoll(timeout, () => deadline.abort(TIMED_OUT));
  // Not AbortSignal.any: what it makes is kept by a long-lived signal until the next garbage collection, or longer.
  const abort = (): void => deadline.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await readiness.wait(WRITABLE, deadline.signal);
  } catch (error) {
    // Whichever came first: `signal` was checked before the wait, so an abort is reported by `error`.
    if (error instanceof AbortError && error.cause === TIMED_OUT) return ETIMEDOUT;
    throw error;
  } finally {
    limit?.clear();
    signal?.removeEventListener('abort', abort);
  }
  return takeError(handle);
}

const TIMED_OUT = Symbol('timed out');
const NOTHING = new Uint8Array(0);
