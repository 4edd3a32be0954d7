// The option table: every option known by name.
import { IP_MULTICAST_OPTIONS } from './ip-multicast-options.js';
import { IP_OPTIONS } from './ip-options.js';
import { IPV6_EXTENSION_OPTIONS } from './ipv6-extension-options.js';
import { IPV6_OPTIONS } from './ipv6-options.js';
import type { Family } from '../wire/families.js';
import type { OptionRow, SocketType } from './row.js';
import { SOCKET_OPTIONS } from './socket-options.js';
import { SOCKET_PACKET_OPTIONS } from './socket-packet-options.js';
import { TCP_OPTIONS } from './tcp-options.js';
import { TCP_REPAIR_OPTIONS } from './tcp-repair-options.js';
import { UDP_OPTIONS } from './udp-options.js';
import type { OptionValues } from './values.js';

/** Every option by its kernel name: level, number, kind of value, and properties. */
export const OPTIONS = {
  ...SOCKET_OPTIONS,
  ...SOCKET_PACKET_OPTIONS,
  ...IP_OPTIONS,
  ...IP_MULTICAST_OPTIONS,
  ...IPV6_OPTIONS,
  ...IPV6_EXTENSION_OPTIONS,
  ...TCP_OPTIONS,
  ...TCP_REPAIR_OPTIONS,
  ...UDP_OPTIONS,
};

// It is exported: a changed row would change the options of every socket in the process.
freeze(OPTIONS);

export type OptionName = keyof typeof OPTIONS;

/** The types of socket that take an option: its row's `types`. */
type TypesOf<N extends OptionName> = (typeof OPTIONS)[N] extends { readonly types: readonly (infer T)[] }
  ? T
  : SocketType;

/** The families of socket that take an option: its row's `families`. */
type FamiliesOf<N extends OptionName> = (typeof OPTIONS)[N] extends { readonly families: readonly (infer F)[] }
  ? F
  : Family;

/** Those of some options that sockets of one type and family take. */
type Taken<N extends OptionName, T extends SocketType, F extends Family> = {
  [M in N]: T extends TypesOf<M> ? (F extends FamiliesOf<M> ? M : never) : never;
}[N];

/** The same of all types and families: a lookup table, because evaluating it for type parameters would take the compiler minutes. */
type TakenBy<N extends OptionName> = {
  readonly [T in SocketType]: { readonly [F in Family]: Taken<N, T, F> };
};
type Settable = TakenBy<keyof SocketOptions>;
type Readable = TakenBy<
  keyof { [N in keyof OptionValues as [OptionValues[N]['get']] extends [never] ? never : N]: true }
>;

/** Options to set before bind, in their order: `{ IP_FREEBIND: true, SO_RCVBUF: 65536 }`. */
export type SocketOptions = {
  readonly [N in keyof OptionValues as [OptionValues[N]['set']] extends [never] ? never : N]?:
    OptionValues[N]['set'] | undefined;
};

/** Options that sockets of a type and a family take: `SocketOptionsOf<'dgram', 'ipv4'>` has neither TCP_NODELAY nor IPV6_V6ONLY. */
export type SocketOptionsOf<T extends SocketType = SocketType, F extends Family = Family> = Pick<
  SocketOptions,
  WritableOptionName<T, F>
>;

/** Options that stream sockets (TCP) take. */
export type StreamSocketOptions = SocketOptionsOf<'stream'>;

/** Options that datagram sockets (UDP) take. */
export type DatagramSocketOptions = SocketOptionsOf<'dgram'>;

/** Options that can be set, on sockets of a type and a family. */
export type WritableOptionName<T extends SocketType = SocketType, F extends Family = Family> = Settable[T][F];

/** Options that can be read, of sockets of a type and a family. */
export type ReadableOptionName<T extends SocketType = SocketType, F extends Family = Family> = Readable[T][F];

/** The row of a name; undefined for unknown names. */
export function findOption(name: string): OptionRow | undefined {
  return Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined;
}

function freeze(value: object): void {
  Object.freeze(value);
  for (const inner of Object.values(value) as unknown[]) {
    if (typeof inner === 'object' && inner !== null && !Object.isFrozen(inner)) freeze(inner);
  }
}
