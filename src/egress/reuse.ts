// How long TIME-WAIT keeps the port of a connection that this side has closed.
import { TIME_WAIT_MS, timeWaitReusable, timeWaitSettings, type TimeWaitSettings } from '../kernel/time-wait.js';

/** Milliseconds from the close until the kernel may use the same 4-tuple again, if the other side closes as well. */
export function freeAgainAfter(local: string, remote: string): number {
  const now = performance.now();
  if (settings === undefined || now - readAt > MOST_AGE_MS) {
    settings = timeWaitSettings();
    readAt = now;
  }
  const delay = timeWaitReusable({ local: { address: local }, remote: { address: remote } }, settings);
  // It has to be over, not just reached.
  return delay === Infinity ? TIME_WAIT_MS : delay + 1;
}

// Reading /proc costs more than making a connection does.
const MOST_AGE_MS = 1000;
let settings: TimeWaitSettings | undefined;
let readAt = -Infinity;
