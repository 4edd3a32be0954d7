// How long TIME-WAIT keeps the port of a connection that this side has closed: what tcp_tw_reuse and its delay say.
import { readSysctl } from '../kernel/sysctl.js';

/** Milliseconds from the close until the same 4-tuple may be used again, if both sides have closed. */
export function freeAgainAfter(remoteAddress: string): number {
  const now = performance.now();
  if (now - readAt > MOST_AGE_MS) {
    reuse = Number(readSysctl('net.ipv4.tcp_tw_reuse') ?? 2);
    delay = Number(readSysctl('net.ipv4.tcp_tw_reuse_delay') ?? 1000); // since 6.14; a second before
    readAt = now;
  }
  const reused = reuse === 1 || (reuse === 2 && (remoteAddress.startsWith('127.') || remoteAddress === '::1'));
  return reused ? delay + 1 : TIME_WAIT_MS;
}

/** TCP_TIMEWAIT_LEN */
const TIME_WAIT_MS = 60_000;
// Reading /proc costs more than a connection does.
const MOST_AGE_MS = 1000;
let readAt = -Infinity;
let reuse = 2;
let delay = 1000;
