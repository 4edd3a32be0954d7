// TIME-WAIT: how long a closed connection keeps its port toward a destination, and when connect(2) may reuse it.
import { isLoopback } from '../wire/address-kinds.js';
import { LOOPBACK_IFINDEX } from './interfaces.js';
import { readSysctl } from './sysctl.js';

export interface TimeWaitSettings {
  /** net.ipv4.tcp_tw_reuse: 0 never, 1 always, 2 between loopback addresses. Applies to IPv6 as well. */
  readonly reuse: 0 | 1 | 2;
  /** net.ipv4.tcp_tw_reuse_delay, milliseconds. Fixed at one second before Linux 6.14. */
  readonly reuseDelayMs: number;
  /** Whether the kernel has tcp_tw_reuse_delay. */
  readonly delayIsSettable: boolean;
  /** net.ipv4.tcp_fin_timeout: how long FIN-WAIT-2 lasts after the socket was closed. */
  readonly finTimeoutMs: number;
  /** net.ipv4.tcp_timestamps: without timestamps the kernel reuses no port. */
  readonly timestamps: boolean;
}

/** The two ends of a closed connection. */
export interface ClosedConnection {
  readonly local: { readonly address: string };
  readonly remote: { readonly address: string };
  /** SO_BINDTODEVICE, 0 for none. */
  readonly interface?: number;
}

/** TIME-WAIT lasts a minute, TCP_TIMEWAIT_LEN; no sysctl changes it. */
export const TIME_WAIT_MS = 60_000;

/** The settings of this namespace, read from /proc; the kernel's defaults if it cannot be read. */
export function timeWaitSettings(read: (name: string) => string | undefined = readSysctl): TimeWaitSettings {
  const number = (name: string, otherwise: number): number => {
    const text = read(`net.ipv4.${name}`);
    return text === undefined || !/^\d+$/.test(text) ? otherwise : Number(text);
  };
  const reuse = number('tcp_tw_reuse', 2);
  return {
    reuse: reuse === 0 || reuse === 1 ? reuse : 2,
    reuseDelayMs: number('tcp_tw_reuse_delay', 1000),
    delayIsSettable: read('net.ipv4.tcp_tw_reuse_delay') !== undefined,
    finTimeoutMs: number('tcp_fin_timeout', 60) * 1000,
    timestamps: number('tcp_timestamps', 1) !== 0,
  };
}

/**
 * The milliseconds of TIME-WAIT after which connect(2) may reuse the port for the same destination; Infinity if not before
 * TIME-WAIT is over. This applies to ports picked by connect: one that was bound by number with SO_REUSEADDR is reused at
 * once whatever these settings are, if timestamps are on. A connection whose other side has not closed (FIN-WAIT-2) is
 * never reused (tcp_twsk_unique).
 */
export function timeWaitReusable(
  connection: ClosedConnection,
  settings: TimeWaitSettings = timeWaitSettings(),
): number {
  if (!settings.timestamps || settings.reuse === 0) return Infinity;
  return settings.reuse === 2 && !countsAsLoopback(connection) ? Infinity : settings.reuseDelayMs;
}

/** Loopback as defined by tcp_tw_reuse=2: one of the addresses is in 127.0.0.0/8 or is ::1. AnyIP addresses on lo do not count. */
function countsAsLoopback({ local, remote, interface: device }: ClosedConnection): boolean {
  return isLoopback(local.address) || isLoopback(remote.address) || device === LOOPBACK_IFINDEX;
}
