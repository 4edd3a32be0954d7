// The option table: every option that is known by name.
import { IP_MULTICAST_OPTIONS } from './ip-multicast-options.js';
import { IP_OPTIONS } from './ip-options.js';
import { IPV6_EXTENSION_OPTIONS } from './ipv6-extension-options.js';
import { IPV6_OPTIONS } from './ipv6-options.js';
import type { OptionRow } from './row.js';
import { SOCKET_OPTIONS } from './socket-options.js';
import { SOCKET_PACKET_OPTIONS } from './socket-packet-options.js';
import { TCP_OPTIONS } from './tcp-options.js';
import { TCP_REPAIR_OPTIONS } from './tcp-repair-options.js';
import { UDP_OPTIONS } from './udp-options.js';
import type { OptionValues } from './values.js';

/** Every option by its kernel name: level, number, kind of value, and what is known of it. */
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

export type OptionName = keyof typeof OPTIONS;

/** Options that can be set. */
export type WritableOptionName = keyof SocketOptions;
/** Options that can be read. */
export type ReadableOptionName = keyof {
  [N in keyof OptionValues as [OptionValues[N]['get']] extends [never] ? never : N]: true;
};

/** Options to set before bind: `{ IP_FREEBIND: true, TCP_USER_TIMEOUT: 3000 }`. */
export type SocketOptions = {
  readonly [N in keyof OptionValues as [OptionValues[N]['set']] extends [never] ? never : N]?:
    OptionValues[N]['set'] | undefined;
};

/** The row of a name, undefined for a name that is not known. */
export function findOption(name: string): OptionRow | undefined {
  return Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined;
}
