// Types of a TCP socket as listed by the kernel, and of a filter.
import type { PortRange } from './sysctl.js';
import { TCP_STATES, type TcpState } from './tcp-states.js';

/**
 * TCP states; 'BOUND' stands for CLOSE and BOUND_INACTIVE, a socket that is only bound. It is listed since Linux 6.8, but
 * not in /proc.
 */
export type SocketState = Exclude<TcpState, 'CLOSE'> | 'BOUND';

/** By number, as the kernel has them. */
export const SOCKET_STATES: readonly SocketState[] = [
  ...TCP_STATES.map((state) => (state === 'CLOSE' ? 'BOUND' : state)),
  'BOUND', // BOUND_INACTIVE
];

export interface SocketName {
  /** An IP address without a zone; an IPv4-mapped address is shown as the IPv4 address. */
  readonly address: string;
  readonly port: number;
}

/** What the kernel reports about one TCP socket. */
export interface SocketRow {
  readonly state: SocketState;
  /** Whether it has been closed and only waits: it has no descriptor, and ends when `timerMs` has passed. */
  readonly timeWait: boolean;
  readonly local: SocketName;
  readonly remote: SocketName;
  /** SO_BINDTODEVICE, 0 for none. Not known from /proc. */
  readonly interface: number;
  /**
   * Milliseconds until its timer expires; 0 without one. For `timeWait` the remaining time, in units of the kernel's tick
   * (1 to 10 ms).
   */
  readonly timerMs: number;
  /** As in `socket:[inode]` of /proc/PID/fd; 0 if no process has it open. */
  readonly inode: number;
  /** The user that created it. */
  readonly uid: number;
}

export interface SocketFilter {
  /** The protocol. @default 'tcp' */
  readonly protocol?: 'tcp' | 'udp' | undefined;
  /** @default all */
  readonly states?: readonly SocketState[];
  /** The range of local ports. */
  readonly localPorts?: PortRange;
  /** The local address; a socket bound to the wildcard address has none. */
  readonly local?: string;
  /** The other side. */
  readonly remote?: SocketName;
}
