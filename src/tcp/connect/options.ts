// The options of `connect` in addition to those of net.connect: types and checks.
import { isIP, type TcpNetConnectOpts } from 'node:net';
import { boolean, integer, invalidType, invalidValue, oneOf } from '../../arguments.js';
import { BoundedMap } from '../../bounded-map.js';
import type { PortRange } from '../../kernel/sysctl.js';
import { forIsIP } from '../../node/zones.js';
import { encodeSockopts, STREAM_PROTOCOLS, type StreamProtocol } from '../../options/sockopts.js';
import type { StreamSocketOptions } from '../../options/table.js';
import { choosePort } from '../../ports/port-range.js';
import { sourceEndpoint } from './descriptor.js';
import type { WaitForLocalPort } from '../../ports/wait-policy.js';
import {
  checkLocalOptions,
  LOCAL_OPTION_NAMES,
  type LocalOptionName,
  type LocalOptionsWithDevice,
} from '../../source/local-options.js';
import type { Source } from '../../source/source.js';

/** Socket options that do not determine the source. */
export type SourceSocketOptions = Omit<StreamSocketOptions, LocalOptionName | 'SO_BINDTODEVICE' | 'SO_BINDTOIFINDEX'>;

/** Options of the source, which net.connect does not have. */
export interface SourceOptions extends LocalOptionsWithDevice {
  /**
   * The local ports to pick from, both ends included, inside net.ipv4.ip_local_port_range (IP_LOCAL_PORT_RANGE).
   * @default [1, 65535], limited by the kernel to its sysctl's range
   */
  readonly localPortRange?: PortRange | undefined;
  /**
   * Whether connections to other destinations may use the same local port (IP_BIND_ADDRESS_NO_PORT).
   * @default true, but false with `localPort`
   */
  readonly shareLocalPort?: boolean | undefined;
  /**
   * 'mptcp' connects with Multipath TCP, and falls back to TCP if the other side does not support it; it needs
   * net.mptcp.enabled, and refuses some options in `sockopts`. @default 'tcp'
   */
  readonly protocol?: StreamProtocol | undefined;
  /** Any other socket options by kernel name, set before bind, except those of the options above and SO_BINDTOIFINDEX. */
  readonly sockopts?: SourceSocketOptions | undefined;
}

/** The TCP options of net.connect, and those of the source. */
export interface ConnectOptions extends TcpNetConnectOpts, SourceOptions {
  /** Whether to wait for a local port if all are taken. @default false: fail at once */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/** Why a path is refused. */
export const UNIX_SOCKET = "a Unix socket has no local address: only net.connect's own options can be used with it";

/** The options of an HTTP request have `protocol: 'https:'`, which is not the transport protocol. */
export function withoutUrlProtocol<O extends object>(options: O): O {
  const { protocol } = options as { readonly protocol?: unknown };
  return typeof protocol === 'string' && protocol.endsWith(':') ? { ...options, protocol: undefined } : options;
}

/** Whether there are options of the source, which net.connect does not have. */
export function asksForMore(options: object): boolean {
  return OWN.some((name) => (options as Record<string, unknown>)[name] !== undefined);
}

/**
 * Refuses misspelt options of the source: net.connect would ignore them, and with them the requested range or address.
 * @throws ERR_INVALID_ARG_VALUE for a key that looks like one of ours
 */
export function refuseMisspelt(options: object): void {
  for (const key in options) {
    if (known.has(key)) continue;
    const meant = similarName(key);
    if (meant !== undefined) {
      throw invalidValue(
        `options.${key}`,
        (options as Record<string, unknown>)[key],
        `unknown option, probably a misspelling of "${meant}"`,
      );
    }
    known.set(key, true); // compared once, not at each connect
  }
}

/** The option that a key is likely to mean. Shorter names are too similar to unrelated words. */
function similarName(key: string): string | undefined {
  const plain = key.replaceAll('_', '').toLowerCase(); // local_port_range, LOCALPORTRANGE
  return NAMES.find(
    (name) =>
      name.length >= 8 &&
      Math.abs(plain.length - name.length) <= MAX_EDITS &&
      edits(plain, name.toLowerCase()) <= MAX_EDITS,
  );
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split('').entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Whether the first write starts the handshake. */
export function isDeferredConnect({ sockopts }: Source): boolean {
  return sockopts.some(({ option, value }) => option === 'TCP_FASTOPEN_CONNECT' && value === 1);
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function sourceOf(options: SourceOptions & Pick<ConnectOptions, 'localAddress' | 'localPort'>): Source {
  const { localPortRange, protocol = 'tcp', sockopts } = options;
  const address = addressOf(options.localAddress);
  const port = portOf(options.localPort);
  const { shareLocalPort = port === 0 } = options;
  boolean('options.shareLocalPort', shareLocalPort);
  oneOf('options.protocol', protocol, STREAM_PROTOCOLS);
  return {
    address,
    ...choosePort(port, localPortRange, shareLocalPort, 'options.localPort'),
    ...checkLocalOptions(options),
    ...{ shareLocalPort, protocol },
    sockopts: encodeSockopts(sockopts, OF_THEIR_OWN, protocol),
  };
}

/** Node itself refuses anything but an address. */
function addressOf(address: unknown): string | undefined {
  if (typeof address === 'object' || typeof address === 'symbol' || typeof address === 'function') {
    if (address === null) return undefined;
    throw invalidType('options.localAddress', 'of type string', address); // Node would fail to print it
  }
  const known = forIsIP(address, 'options.localAddress');
  if (typeof known !== 'string' || isIP(known) === 0) return undefined;
  sourceEndpoint(known, 'options.localAddress'); // throws for a zone that does not exist
  return known;
}

function portOf(port: unknown): number {
  if (port === undefined || port === null) return 0;
  return integer('options.localPort', port, 0, 65535);
}

const OWN = [
  'localPortRange',
  'freebind',
  'transparent',
  'mark',
  'device',
  'shareLocalPort',
  'protocol',
  'sockopts',
  'waitForLocalPort',
] as const satisfies readonly (keyof SourceOptions | 'waitForLocalPort')[];

const MAX_EDITS = 2;
/** Of the local end, net's among them. */
const NAMES = [...OWN, 'localAddress', 'localPort'] as const;
/** Keys that are not misspelt. `protocols`, a list in http and ws, only looks like one of ours. */
const known = new BoundedMap<string, true>(256);
for (const name of [...NAMES, 'protocols']) known.set(name, true);

/** Options that determine the source: if set through `sockopts`, the source could not be verified. */
const OF_THEIR_OWN: ReadonlyMap<string, string> = new Map<string, string>([
  ...LOCAL_OPTION_NAMES.map(([name, option]) => [name, `use \`${option}\``] as const),
  ['SO_BINDTODEVICE', 'use `device`'],
  ['SO_BINDTOIFINDEX', "use `device`, with the interface's name"],
]);
