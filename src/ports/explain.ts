// explainExhaustion: which sockets hold the ports of a range in which none was free, until when, and what to do.
import type { ExhaustedBy } from '../errors.js';
import { timeWaitSettings, type TimeWaitSettings } from '../kernel/time-wait.js';
import { gatherEvidence, type Evidence, type FailedSearch, type PortCounts } from './evidence.js';

export interface Exhaustion {
  readonly reason: 'portRangeExhausted';
  /** Undefined where most ports are free by now. */
  readonly by: ExhaustedBy | undefined;
  readonly counts: PortCounts;
  /**
   * Milliseconds until the first port becomes free by itself; 0 if one has become free in the meantime, undefined if none
   * will until a socket is closed. A socket may be closed at any time, so this is an upper bound.
   */
  readonly retryAfterMs: number | undefined;
  /** What to do: one sentence without the full stop. */
  readonly remedy: string;
}

/**
 * Why `connect` or `bind` found no port, from the kernel's list of the sockets in this network namespace. It blocks the
 * event loop, for a full range of 28,000 ports twenty times as long as the search itself, so use it for errors only.
 * Undefined if the sockets cannot be listed (AF_NETLINK and /proc forbidden, no descriptor left), so that explaining an
 * error cannot fail.
 */
export function explainExhaustion(search: FailedSearch): Exhaustion | undefined {
  const settings = timeWaitSettings();
  let evidence: Evidence;
  try {
    evidence = gatherEvidence(search, settings);
  } catch {
    return undefined;
  }
  const by = mainCause(evidence.counts);
  const { counts, retryAfterMs } = evidence;
  return { reason: 'portRangeExhausted', by, counts, retryAfterMs, remedy: remedyFor(by, evidence, search, settings) };
}

function mainCause({
  ports,
  established,
  timeWait,
  finWait2,
  bound,
  reserved,
  free,
}: PortCounts): ExhaustedBy | undefined {
  const enough = ports * MAIN_SHARE;
  if (ports - free < enough) return undefined; // most are free by now: what holds the others does not explain it
  if (established >= enough && established > 0) return 'connections';
  if (timeWait + finWait2 >= enough && timeWait + finWait2 > 0) return 'timeWait';
  if (bound >= enough && bound > 0) return 'boundPorts';
  if (reserved >= enough && reserved > 0) return 'reservedPorts';
  return 'mixed';
}

function remedyFor(
  by: ExhaustedBy | undefined,
  evidence: Evidence,
  search: FailedSearch,
  settings: TimeWaitSettings,
): string {
  const { counts } = evidence;
  const [lo, hi] = evidence.range;
  const ofAll = `Of the ${counted(counts.ports, 'port')} of ${String(lo)}-${String(hi)}, `;
  const elsewhere = 'use another source address, or a wider range (net.ipv4.ip_local_port_range)';
  if (search.protocol === 'udp' && by !== 'reservedPorts') {
    const held = are(counts.established + counts.bound);
    return `${ofAll}${held} held by other sockets, and a UDP port of an address has one socket: close some, ${elsewhere}`;
  }
  switch (by) {
    case 'connections':
      return `${ofAll}${are(counts.established)} taken by connections ${where(search)}: ${elsewhere}`;
    case 'timeWait':
      return `${ofAll}${waiting(counts)}: ${timeWaitRemedy(evidence, search, settings)}`;
    case 'boundPorts':
      return (
        `${ofAll}${are(counts.bound)} bound by other sockets, which keeps them from every connect, at whatever ` +
        'address: let servers listen outside the range, and bind outgoing sockets without a port (shareLocalPort)'
      );
    case 'reservedPorts':
      return `${ofAll}${are(counts.reserved)} in net.ipv4.ip_local_reserved_ports: take some out of it, or ${elsewhere}`;
    case 'mixed':
    case undefined:
      return `${ofAll}${summary(counts)}: ${elsewhere}`;
  }
}

function timeWaitRemedy({ counts, reusable }: Evidence, search: FailedSearch, settings: TimeWaitSettings): string {
  if (counts.finWait2 > counts.timeWait) {
    return (
      `the other side has not closed, and such a port is free after net.ipv4.tcp_fin_timeout ` +
      `(${String(settings.finTimeoutMs / 1000)} s) and never sooner; read to the end before closing, or use another source address`
    );
  }
  const minute = 'so each port is free a minute after its close; use another source address, or';
  if (search.search === 'bind') {
    return `bind takes no port in TIME-WAIT, ${minute} bind without a port (shareLocalPort)`;
  }
  if (!settings.timestamps) return `nothing is reused without timestamps, ${minute} set net.ipv4.tcp_timestamps=1`;
  if (settings.reuse === 0) return `net.ipv4.tcp_tw_reuse is 0, ${minute} set it to 1`;
  if (reusable === 0) return `net.ipv4.tcp_tw_reuse is 2, which is for 127.0.0.0/8 and ::1 only, ${minute} set it to 1`;
  const delay = `${String(settings.reuseDelayMs)} ms`;
  return settings.delayIsSettable
    ? `connect reuses a port ${delay} after its close; lower net.ipv4.tcp_tw_reuse_delay, retry after that time, or use another source address`
    : `connect reuses a port a second after its close; retry after that time, or use another source address`;
}

function where({ remote, local, search }: FailedSearch): string {
  const to =
    search === 'bind'
      ? ''
      : ` to ${remote.address.includes(':') ? `[${remote.address}]` : remote.address}:${String(remote.port)}`;
  return local === undefined ? to.trimStart() : `from ${local}${to}`;
}

function waiting({ timeWait, finWait2 }: PortCounts): string {
  const minisockets = timeWait + finWait2;
  const states = [
    timeWait > 0 ? `${String(timeWait)} in TIME-WAIT` : '',
    finWait2 > 0 ? `${String(finWait2)} in FIN-WAIT-2` : '',
  ];
  const state = finWait2 === 0 ? 'TIME-WAIT' : states.filter((text) => text !== '').join(', ');
  return `${String(minisockets)} ${minisockets === 1 ? 'waits' : 'wait'} after a close (${state})`;
}

function summary({ established, timeWait, finWait2, bound, reserved, free }: PortCounts): string {
  const parts: readonly (readonly [number, string])[] = [
    [established, 'taken by connections'],
    [timeWait, 'in TIME-WAIT'],
    [finWait2, 'in FIN-WAIT-2'],
    [bound, 'bound by other sockets'],
    [reserved, 'in net.ipv4.ip_local_reserved_ports'],
    [free, 'free again'],
  ];
  const shown = parts.filter(([count]) => count > 0).map(([count, what]) => `${are(count)} ${what}`);
  return shown.join(', ');
}

function are(count: number): string {
  return `${String(count)} ${count === 1 ? 'is' : 'are'}`;
}

function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}

const MAIN_SHARE = 0.75;
