// What `connect` is asked for beyond net.connect, checked before anything is made.
import { isIP, type TcpNetConnectOpts } from 'node:net';
import {
  boolean,
  integer,
  invalidType,
  invalidValue,
  options as checkOptions,
  outOfRange,
  string,
} from '../../arguments.js';
import type { PortRange } from '../../kernel/sysctl.js';
import { TIME_WAIT_MS } from '../../kernel/time-wait.js';
import { encodeOption } from '../../options/access.js';
import { checkSockopts } from '../../options/sockopts.js';
import type { StreamSocketOptions } from '../../options/table.js';
import { checkRange, contains, isEphemeral, WHOLE_RANGE } from '../../ports/port-range.js';
import { endpointOf } from './descriptor.js';
import type { WaitPolicy } from '../../ports/waiting.js';
import type { Source } from '../../source/source.js';

/**
 * Whether to wait for a local port when all are taken, instead of failing with reason 'portRangeExhausted'. `timeout` is
 * in milliseconds, for each address that is tried; `true` waits 60,000 ms, as long as TIME-WAIT lasts.
 */
export type WaitForLocalPort = boolean | { readonly timeout?: number | undefined };

/** Options of the source, which net.connect does not have. */
export interface SourceOptions {
  /**
   * The local ports to pick from, both ends included, inside net.ipv4.ip_local_port_range (IP_LOCAL_PORT_RANGE).
   * @default [1, 65535], of which the kernel takes those of its sysctl
   */
  readonly localPortRange?: PortRange | undefined;
  /** Let `localAddress` be one that this host does not have (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Send from an address of others (IP_TRANSPARENT, IPV6_TRANSPARENT); CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** The mark of the packets, for routing rules (SO_MARK); CAP_NET_ADMIN or CAP_NET_RAW. */
  readonly mark?: number | undefined;
  /** The interface to leave by (SO_BINDTODEVICE). */
  readonly device?: string | undefined;
  /**
   * Let connections to other destinations have the same local port (IP_BIND_ADDRESS_NO_PORT).
   * @default true, but false with `localPort`
   */
  readonly shareLocalPort?: boolean | undefined;
  /** Any other option by its kernel name, set before bind. Not those of the options above, nor SO_BINDTOIFINDEX. */
  readonly sockopts?: StreamSocketOptions | undefined;
}

/** All that net.connect takes for TCP, and the source. */
export interface ConnectOptions extends TcpNetConnectOpts, SourceOptions {
  /** Wait for a local port when all are taken. @default false: fail at once */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/** The keys that net.connect does not know. */
export function asksForMore(options: object): boolean {
  return OWN.some((name) => (options as Record<string, unknown>)[name] !== undefined);
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function sourceOf(options: ConnectOptions): Source {
  const { localPortRange, freebind = false, transparent = false, mark, device, sockopts } = options;
  const address = addressOf(options.localAddress);
  const port = portOf(options.localPort);
  const { shareLocalPort: share = port === 0 } = options;
  boolean('options.freebind', freebind);
  boolean('options.transparent', transparent);
  boolean('options.shareLocalPort', share);
  if (mark !== undefined) integer('options.mark', mark, 0, 0xffffffff);
  if (device !== undefined && string('options.device', device) === '')
    throw invalidValue('options.device', device, 'it is the name of an interface');
  if (device !== undefined) encodeOption('SO_BINDTODEVICE', device, 'options.device');
  const range = localPortRange === undefined ? undefined : checkRange('options.localPortRange', localPortRange);
  return {
    address,
    // A shared port is picked by connect, so it is a range of one.
    port: share ? 0 : port,
    range: port === 0 ? (range ?? WHOLE_RANGE) : sharedOrAlone(port, range, share),
    rangeWanted: port === 0 ? range !== undefined : share,
    shareLocalPort: share,
    freebind,
    transparent,
    mark,
    device,
    sockopts: checkSockopts(sockopts, OF_THEIR_OWN),
  };
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function waitPolicyOf(wait: WaitForLocalPort | undefined): WaitPolicy | undefined {
  if (wait === undefined || wait === false) return undefined;
  if (wait === true) return { timeout: TIME_WAIT_MS };
  const name = 'options.waitForLocalPort';
  if (typeof wait !== 'object' || wait === null) throw invalidType(name, 'a boolean or { timeout }', wait);
  const { timeout = TIME_WAIT_MS } = checkOptions(name, wait, ['timeout']);
  return { timeout: integer(`${name}.timeout`, timeout, 1, 2 ** 31 - 1) };
}

function sharedOrAlone(port: number, range: PortRange | undefined, share: boolean): PortRange {
  if (range !== undefined && !contains(range, port)) {
    throw outOfRange('options.localPort', `inside options.localPortRange, ${range.join('-')}`, port);
  }
  if (!share) return WHOLE_RANGE;
  if (isEphemeral(port)) return [port, port];
  throw outOfRange(
    'options.localPort',
    'inside net.ipv4.ip_local_port_range to be shared between destinations (shareLocalPort: true)',
    port,
  );
}

/** What is no address, Node refuses by itself. */
function addressOf(address: unknown): string | undefined {
  if (typeof address !== 'string' || isIP(address) === 0) return undefined;
  endpointOf(address, 'options.localAddress'); // a zone that there is not
  return address;
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
  'sockopts',
  'waitForLocalPort',
] as const satisfies readonly (keyof SourceOptions | 'waitForLocalPort')[];

/** What the source depends on: set behind its back, it could not be verified. */
const OF_THEIR_OWN: ReadonlyMap<string, string> = new Map([
  ['IP_BIND_ADDRESS_NO_PORT', 'use `shareLocalPort`'],
  ['IP_LOCAL_PORT_RANGE', 'use `localPortRange`'],
  ['IP_FREEBIND', 'use `freebind`'],
  ['IPV6_FREEBIND', 'use `freebind`'],
  ['IP_TRANSPARENT', 'use `transparent`'],
  ['IPV6_TRANSPARENT', 'use `transparent`'],
  ['SO_MARK', 'use `mark`'],
  ['SO_BINDTODEVICE', 'use `device`'],
  ['SO_BINDTOIFINDEX', "use `device`, with the interface's name"],
]);
