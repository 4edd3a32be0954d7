// A row of the option table: all that is known of one socket option, as data.
import type { Family } from '../wire/families.js';
import type { Bounds, Kind } from './kinds.js';

/** Option levels with the kernel's numbers. */
export const LEVELS = {
  SOL_SOCKET: 1,
  IPPROTO_IP: 0,
  IPPROTO_IPV6: 41,
  IPPROTO_TCP: 6,
  IPPROTO_UDP: 17,
} as const;

export type Level = keyof typeof LEVELS;

export type SocketType = 'stream' | 'dgram';

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
  /** Types of socket that take it. @default both */
  readonly types?: readonly SocketType[];
  /** The capability without which setting it is EPERM. */
  readonly privilege?: string;
  /** Sockets that a listener with it accepts have it too. */
  readonly inherited?: boolean;
  /** How a value that was set reads back. @default as it was set */
  readonly readBack?: 'doubled' | 'adjusted';
  /** Set once a local port is assigned, the kernel accepts it and then passes over it. */
  readonly late?: 'portAssigned';
}
