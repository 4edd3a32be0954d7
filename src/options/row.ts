// A row of the option table: all that is known of one socket option, as data.
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
  /** One line. */
  readonly doc: string;
  /** Where that line is from. */
  readonly source: string;
  /** The first kernel that has it, [major, minor]; absent for those as old as this package's oldest, 4.18, or older. */
  readonly since?: readonly [major: number, minor: number];
  /** @default both */
  readonly access?: 'get' | 'set';
  /** Families of socket that take it. @default both */
  readonly families?: readonly Family[];
  /** Types of socket that take it; some make no use of it. @default all */
  readonly types?: readonly SocketType[];
  /** The level for an IPv6 group, where the value has a group. */
  readonly groupLevel?: Level;
  /** The capability without which setting it is EPERM (SO_DEBUG: EACCES). */
  readonly privilege?: string;
  /** Sockets that a listener with it accepts have it too. */
  readonly inherited?: boolean;
  /** Values of a text that are known, for editors to offer. Any other is taken as well. */
  readonly known?: readonly string[];
  /** How a value that was set reads back. @default as it was set */
  readonly readBack?: 'doubled' | 'adjusted';
  /**
   * What a Multipath TCP socket does with it, as of Linux 6.18: 'refused' fails with EOPNOTSUPP or, where MPTCP does not
   * know the option at all, ENOPROTOOPT; 'ignored' reports success and has no effect. Of options that can be set, this is
   * about setting. @default it takes the option
   */
  readonly mptcp?: 'refused' | 'ignored';
  /** From when on the kernel accepts it and passes over it: a local port is assigned; the connection is there. */
  readonly late?: 'portAssigned' | 'connected';
}

/** The sockets that take an option. A raw IPv6 socket has no options of IPPROTO_IP. */
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
