// A TCP socket as the kernel lists it, and what to ask for.
import type { PortRange } from './sysctl.js';
import { TCP_STATES, type TcpState } from './tcp-states.js';

/** But for 'BOUND': CLOSE and BOUND_INACTIVE, a socket that has a port and nothing else. It is shown since Linux 6.8, and not in /proc. */
export type SocketState = Exclude<TcpState, 'CLOSE'> | 'BOUND';

/** By number, as the kernel has them. */
export const SOCKET_STATES: readonly SocketState[] = [
  ...TCP_STATES.map((state) => (state === 'CLOSE' ? 'BOUND' : state)),
  'BOUND', // BOUND_INACTIVE
];

export interface SocketName {
  /** A literal without a zone; an IPv4-mapped address is shown as the IPv4 address. */
  readonly address: string;
  readonly port: number;
}

/** What the kernel reports about one TCP socket. */
export interface SocketRow {
  readonly state: SocketState;
  /** It has been closed and only waits: nobody has a descriptor of it, and it goes when `timerMs` has passed. */
  readonly timeWait: boolean;
  readonly local: SocketName;
  readonly remote: SocketName;
  /** SO_BINDTODEVICE, 0 for none. Not known from /proc. */
  readonly interface: number;
  /** Until its timer goes off; 0 without one. For `timeWait` what is left of it, to the kernel's tick (1 to 10 ms). */
  readonly timerMs: number;
  /** As in `socket:[inode]` of /proc/PID/fd; 0 when no process has it any more. */
  readonly inode: number;
  /** Who made it. */
  readonly uid: number;
}

export interface SocketFilter {
  /** Sockets of which protocol. @default 'tcp' */
  readonly protocol?: 'tcp' | 'udp' | undefined;
  /** @default all */
  readonly states?: readonly SocketState[];
  /** The local port lies in it. */
  readonly localPorts?: PortRange;
  /** The local address; a socket bound to the wildcard address has none. */
  readonly local?: string;
  /** The other side. */
  readonly remote?: SocketName;
}
