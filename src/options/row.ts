// A row of the option table: everything known about one socket option, as data.
import { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET } from '../kernel/numbers.js';
import { FAMILIES, type Family } from '../wire/families.js';
import type { Kind } from './kinds.js';
import type { Bounds } from './kinds/codec.js';

/** Option levels with the kernel's numbers. */
export const LEVELS = { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP } as const;

export type Level = keyof typeof LEVELS;

export type SocketType = 'stream' | 'dgram' | 'raw';

export interface OptionRow extends Bounds {
  readonly level: Level;
  /** The option's number within its level; the same on x86-64 and arm64. */
  readonly name: number;
  readonly kind: Kind;
  /** One line of documentation. */
  readonly doc: string;
  /** Source of that line. */
  readonly source: string;
  /** First kernel version with the option, [major, minor]; absent if Linux 4.18, the oldest that is supported, has it. */
  readonly since?: readonly [major: number, minor: number];
  /** @default both */
  readonly access?: 'get' | 'set';
  /** Address families of sockets that support it. @default both */
  readonly families?: readonly Family[];
  /** Types of sockets that accept it, although it may have no effect. @default all */
  readonly types?: readonly SocketType[];
  /** Level for IPv6 groups, if the value has a group. */
  readonly groupLevel?: Level;
  /** Capability required to set it, otherwise EPERM (SO_DEBUG: EACCES). */
  readonly privilege?: string;
  /** Whether accepted sockets inherit it from the listener. */
  readonly inherited?: boolean;
  /** Known values of a text option, for completion; other values are accepted as well. */
  readonly known?: readonly string[];
  /** How a value reads back after it was set. @default unchanged */
  readonly readBack?: 'doubled' | 'adjusted';
  /**
   * Support by Multipath TCP sockets, as of Linux 6.18: 'refused' fails with EOPNOTSUPP or, for options unknown to MPTCP,
   * ENOPROTOOPT; 'ignored' succeeds without effect. It describes setting the option if it can be set, otherwise reading.
   * @default supported
   */
  readonly mptcp?: 'refused' | 'ignored';
  /** The state from which on the kernel accepts the option and silently ignores it. */
  readonly late?: 'portAssigned' | 'connected';
}

/** The sockets that support an option. Raw IPv6 sockets have no IPPROTO_IP options. */
export function socketsOf(row: OptionRow): [family: Family, type: SocketType][] {
  const types = row.types ?? SOCKET_TYPES;
  return (row.families ?? FAMILIES)
    .flatMap((family) => types.map((type): [Family, SocketType] => [family, type]))
    .filter(([family, type]) => levelOn(row, family) !== 'IPPROTO_IP' || family === 'ipv4' || type !== 'raw');
}

function levelOn(row: OptionRow, family: Family): Level {
  return family === 'ipv6' ? (row.groupLevel ?? row.level) : row.level;
}

export const SOCKET_TYPES: readonly SocketType[] = ['stream', 'dgram', 'raw'];
