// How long TIME-WAIT keeps the port of a connection that this side closed first.
import { TIME_WAIT_MS, timeWaitReusable, timeWaitSettings, type TimeWaitSettings } from '../kernel/time-wait.js';

/** Milliseconds from the close until the kernel may use the same 4-tuple again, provided that the peer closes as well. */
export function freeAgainAfter(local: string, remote: string): number {
  const now = performance.now();
  if (settings === undefined || now - readAt > MAX_AGE_MS) {
    settings = timeWaitSettings();
    readAt = now;
  }
  const delay = timeWaitReusable({ local: { address: local }, remote: { address: remote } }, settings);
  // The delay must be over, not just reached.
  return delay === Infinity ? TIME_WAIT_MS : delay + 1;
}

// Reading /proc costs more than making a connection.
const MAX_AGE_MS = 1000;
let settings: TimeWaitSettings | undefined;
let readAt = -Infinity;
