// The option table: every option that is known by name, and the types of its values.
import type { KindValues } from './kinds.js';
import type { OptionRow } from './row.js';
import { IP_OPTIONS } from './ip-options.js';
import { IPV6_OPTIONS } from './ipv6-options.js';
import { SOCKET_OPTIONS } from './socket-options.js';
import { TCP_OPTIONS } from './tcp-options.js';
import { UDP_OPTIONS } from './udp-options.js';

/** Every option by its kernel name: level, number, kind of value, and what is known of it. */
export const OPTIONS = {
  ...SOCKET_OPTIONS,
  ...IP_OPTIONS,
  ...IPV6_OPTIONS,
  ...TCP_OPTIONS,
  ...UDP_OPTIONS,
};

export type OptionName = keyof typeof OPTIONS;

type Rows = typeof OPTIONS;
type Readable<R> = R extends { readonly access: 'set' }
  ? never
  : R extends { readonly kind: infer K extends keyof KindValues }
    ? KindValues[K]['get']
    : never;
type Writable<R> = R extends { readonly access: 'get' }
  ? never
  : R extends { readonly kind: infer K extends keyof KindValues }
    ? KindValues[K]['set']
    : never;

/** What each option is when read (`get`) and when set (`set`); `never` where it cannot be. */
export type OptionValues = { readonly [N in OptionName]: { get: Readable<Rows[N]>; set: Writable<Rows[N]> } };

/** Options that can be set. */
export type WritableOptionName = {
  [N in OptionName]: [OptionValues[N]['set']] extends [never] ? never : N;
}[OptionName];
/** Options that can be read. */
export type ReadableOptionName = {
  [N in OptionName]: [OptionValues[N]['get']] extends [never] ? never : N;
}[OptionName];

/** Options to set before bind: `{ IP_FREEBIND: true, TCP_USER_TIMEOUT: 3000 }`. */
export type SocketOptions = { readonly [N in WritableOptionName]?: OptionValues[N]['set'] };

/** The row of a name, undefined for a name that is not known. */
export function findOption(name: string): OptionRow | undefined {
  return Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined;
}
