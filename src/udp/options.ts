// The options of UdpSocket.create: types, checks, defaults, and the socket options that follow from them.
import {
  boolean,
  integer,
  invalidType,
  invalidValue,
  oneOf,
  options as checkOptions,
  outOfRange,
  readOnce,
} from '../arguments.js';
import { applyOptions, encodeOption, type EncodedOption } from '../options/access.js';
import type { TransmitTime } from '../options/kinds/timestamping.js';
import { requireAccepted, steeringOf, type ReusePort } from '../options/reuse-port.js';
import { checkLocalOptions, encodeLocalOptions, type LocalOptions } from '../source/local-options.js';
import { PATH_MTU_DISCOVERY } from '../options/path-mtu-discovery.js';
import { encodeSockopts } from '../options/sockopts.js';
import type { SocketOptionsOf } from '../options/table.js';
import type { OptionAccess } from '../options/target.js';
import { FAMILIES, type Family } from '../wire/families.js';
import {
  BUFFER_FEATURES,
  bufferOptions,
  Features,
  FLAG_FEATURES,
  flagOptions,
  pathMtuOptions,
  transmitTimeOption,
  type FeatureOption,
  type PathMtuDiscovery,
  type Wanted,
} from './features.js';
import type { ReceiverOptions } from './receive/receiver.js';
import type { EgressOptions } from './reply/egress.js';
import { requireSegmentation } from './send/gso.js';
import { checkSenderOptions, SENDER_OPTIONS, type SenderOptions } from './send/options.js';
import { IPPROTO_UDP, IPPROTO_UDPLITE, UDP_GRO, UDP_SEGMENT } from '../kernel/numbers.js';

/**
 * The options of `UdpSocket.create`. Options that report metadata of datagrams accept `true` (on if the kernel supports it;
 * otherwise `udp.features` and the 'degraded' event report that it is not on) or 'require' (`create` throws if it is not
 * supported).
 */
export interface UdpSocketOptions<F extends Family = Family> extends SenderOptions, EgressOptions, LocalOptions {
  /** 'ipv6' also receives IPv4 unless `ipv6Only` is set. Mapped addresses are shown as IPv4 with `mapped: true`. */
  readonly family: F;

  /** Receive datagrams of one flow merged, up to 64 KiB at once (UDP_GRO, Linux 5.0). Fixed when the socket is created. @default false */
  readonly gro?: Wanted | undefined;
  /** Report the address that a datagram was sent to, and its interface (IP_PKTINFO). @default false */
  readonly pktinfo?: Wanted | undefined;
  /** Report the address and the port that a datagram was sent to, also behind TPROXY and sk_lookup (IP_RECVORIGDSTADDR). @default false */
  readonly originalDestination?: Wanted | undefined;
  /** Report the ECN bits, and the type of service or traffic class that they are part of. @default false */
  readonly ecn?: Wanted | undefined;
  /** Report the time to live or hop limit. @default false */
  readonly ttl?: Wanted | undefined;
  /** Report when the kernel received the datagram, in nanoseconds (SO_TIMESTAMPNS). @default false */
  readonly timestamps?: Wanted | undefined;
  /**
   * Report with each datagram how many were dropped before it (SO_RXQ_OVFL). `udp.stats` has the total without this option.
   * @default false
   */
  readonly dropCounter?: Wanted | undefined;
  /** Report the mark that the packet filter has set on each datagram (SO_RCVMARK, Linux 5.19). @default false */
  readonly receiveMark?: Wanted | undefined;
  /**
   * Queue errors with their origin, mostly ICMP messages (IP_RECVERR): `udp.errorQueue`. The queue is watched as long as
   * the socket is open, so an unreferenced socket is not garbage-collected. @default false
   */
  readonly errorQueue?: Wanted | undefined;

  /**
   * 'dont' never sets don't-fragment; 'want' follows the route; 'do' always sets it; 'probe' always sets it and also sends
   * datagrams longer than the known path MTU; 'interface' and 'omit' ignore ICMP messages: ip(7). @default the sysctl's
   */
  readonly pathMtuDiscovery?: PathMtuDiscovery | undefined;
  /**
   * Allow the `txTime` option of sends, the time at which a datagram is transmitted (SO_TXTIME). `clock` is CLOCK_MONOTONIC
   * by default; any other needs CAP_NET_ADMIN. Only the queueing disciplines fq and etf use the times: if no device has
   * one, `features.txTime` is not on ('notHonoured') and datagrams are sent at once. @default none
   */
  readonly txTime?: true | (Partial<Pick<TransmitTime, 'clock'>> & Omit<TransmitTime, 'clock'>) | undefined;
  /** Receive IPv6 only (IPV6_V6ONLY); for IPv6 sockets. @default net.ipv6.bindv6only: false */
  readonly ipv6Only?: boolean | undefined;
  /**
   * SO_REUSEADDR: other UDP sockets with it may bind the same address and port, and the last one to do so receives the
   * datagrams. @default false
   */
  readonly reuseAddr?: boolean | undefined;
  /**
   * Share the address and the port with other sockets of the same user, in one process or several (SO_REUSEPORT). The
   * kernel distributes datagrams by a hash of the flow, or by `steering`. The steering program is attached by bind and
   * applies to the whole group: use the same one for all of its sockets. @default false
   */
  readonly reusePort?: boolean | ReusePort | undefined;
  /** The interface to receive and send by (SO_BINDTODEVICE). @default any */
  readonly device?: string | undefined;
  /**
   * Allow bind to addresses of other hosts, and receive datagrams sent to them (IP_TRANSPARENT); needs CAP_NET_ADMIN or
   * CAP_NET_RAW. @default false
   */
  readonly transparent?: boolean | undefined;

  /**
   * The size of the receive buffer in bytes. More than net.core.rmem_max needs CAP_NET_ADMIN; without it the kernel limits
   * the size, which `features` reports.
   */
  readonly recvBufferSize?: number | undefined;
  /** The size of the send buffer in bytes, as `recvBufferSize`; the limit is net.core.wmem_max. */
  readonly sendBufferSize?: number | undefined;
  /** Any other socket options, set after those above, except UDP_GRO (use `gro`) and UDP_SEGMENT (use `segmentSize`). */
  readonly sockopts?: Omit<SocketOptionsOf<'dgram', F>, OffloadOption> | undefined;

  /** Datagrams per system call, 1 to 256. @default 64 */
  readonly slots?: number | undefined;
  /**
   * The longest datagram that can be received whole, in bytes, 1 to 65535; longer ones are truncated (`truncated`). The
   * memory is shared by all sockets of the thread, and only pages that are written to take physical memory. Not with `gro`,
   * which needs the full size. @default 65535, which is enough for every datagram
   */
  readonly maxDatagram?: number | undefined;
  /**
   * Bytes for the control messages of a datagram, 0 to 65536, with `gro` at least 216: those that do not fit are lost
   * (`controlTruncated`). @default 320, which is enough for all options above
   */
  readonly controlLength?: number | undefined;
  /** Overwrites received data when it becomes invalid, so that code which still uses it is found. Slow. @default false */
  readonly debug?: boolean | undefined;
}

/**
 * Copies the options, so that each, and each of `sockopts`, is read once: a getter cannot return one value to a check and
 * another one later.
 */
export function readOptions<T extends Pick<UdpSocketOptions, 'sockopts'>>(given: T): T {
  const options = readOnce(given);
  return typeof options === 'object' && options?.sockopts !== undefined
    ? { ...options, sockopts: readOnce(options.sockopts) }
    : options;
}

/** Checks the options before anything is created. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkUdpOptions(options: UdpSocketOptions): void {
  checkOptions('options', options, KEYS);
  const family = oneOf('options.family', options.family, FAMILIES);
  for (const name of FLAG_FEATURES) {
    const wanted = options[name];
    if (wanted === undefined || wanted === 'require' || typeof wanted === 'boolean') continue;
    throw invalidType(`options.${name}`, "true, false or 'require'", wanted);
  }
  for (const name of ['ipv6Only', 'reuseAddr', 'debug'] as const) {
    if (options[name] !== undefined) boolean(`options.${name}`, options[name]);
  }
  if (options.ipv6Only !== undefined && family === 'ipv4') {
    throw invalidValue('options.ipv6Only', options.ipv6Only, 'it is for IPv6 sockets only');
  }
  requireAccepted(steeringOf(options.reusePort)); // a check
  if (options.pathMtuDiscovery !== undefined) {
    oneOf('options.pathMtuDiscovery', options.pathMtuDiscovery, Object.keys(PATH_MTU_DISCOVERY));
  }
  if (options.txTime !== undefined && options.txTime !== true) {
    checkOptions('options.txTime', options.txTime, ['clock', 'deadline', 'reportErrors']);
  }
  for (const [name, low, high] of RANGES) {
    if (options[name] !== undefined) integer(`options.${name}`, options[name], low, high);
  }
  if (options.maxDatagram !== undefined && options.gro !== undefined && options.gro !== false) {
    throw invalidValue(
      'options.maxDatagram',
      options.maxDatagram,
      'it cannot be set with gro: merged datagrams have up to 65535 bytes',
    );
  }
  checkSenderOptions(options);
  if ((options.controlLength ?? DEFAULT_CONTROL) < GRO_CONTROL && options.gro !== undefined && options.gro !== false) {
    throw outOfRange(
      'options.controlLength',
      `>= ${GRO_CONTROL} with gro: the segment size is the last control message and must not be truncated`,
      options.controlLength,
    );
  }
  checkLocalOptions(options);
  encodeSockopts(options.sockopts, REFUSED);
}

/** Options that change what a UdpSocket must do with each datagram, so that they are not set behind its back. */
export type OffloadOption = 'UDP_GRO' | 'UDP_SEGMENT';

/** The name of such an option. The kernel treats IPPROTO_UDPLITE as the same level. */
export function offloadOption(level: number, name: number): OffloadOption | undefined {
  if (level !== IPPROTO_UDP && level !== IPPROTO_UDPLITE) return undefined;
  return name === UDP_GRO ? 'UDP_GRO' : name === UDP_SEGMENT ? 'UDP_SEGMENT' : undefined;
}

/** Why an option cannot be set on a UdpSocket; undefined if it can. */
export function refusalOf(level: number, name: number): string | undefined {
  const option = offloadOption(level, name);
  if (option !== 'UDP_GRO') return option && SEGMENT_REFUSED;
  return 'it can only be set when the socket is created (gro: true): merged datagrams in the receive buffer could not be split';
}

/**
 * The options that are set before bind, ordered by dependency; `sockopts` are set after them, so that they take precedence.
 */
export function featureOptions(options: UdpSocketOptions): FeatureOption[] {
  const { family, reusePort, txTime, pathMtuDiscovery } = options;
  return [
    ...FLAG_FEATURES.flatMap((name) => flagOptions(name, family, options[name])),
    ...(pathMtuDiscovery === undefined ? [] : pathMtuOptions(pathMtuDiscovery, family)),
    ...(txTime === undefined ? [] : [transmitTimeOption({ clock: 'CLOCK_MONOTONIC', ...(txTime !== true && txTime) })]),
    ...BUFFER_FEATURES.flatMap((name) => (options[name] === undefined ? [] : bufferOptions(name, options[name]))),
    ...required(options.ipv6Only === undefined ? undefined : encodeOption('IPV6_V6ONLY', options.ipv6Only)),
    ...required(options.reuseAddr === true && encodeOption('SO_REUSEADDR', true)),
    ...required(reusePort !== undefined && reusePort !== false && encodeOption('SO_REUSEPORT', true)),
    ...encodeLocalOptions(options, family).flatMap(required),
  ];
}

function required(option: EncodedOption | false | undefined): FeatureOption[] {
  return option === false || option === undefined ? [] : [{ ...option, required: true }];
}

/**
 * Sets all options on an existing socket, and reads back values that the kernel may have changed. @throws SyscallError of
 * setsockopt; ERR_UNSUPPORTED for gso: 'require' if the kernel does not support it
 */
export function configure(access: OptionAccess, options: UdpSocketOptions): Features {
  const features = new Features(access);
  features.set(featureOptions(options), options.family);
  applyOptions(access, options.sockopts);
  readBack(access, features, options);
  return features;
}

/**
 * Reads back values that the kernel may have changed. @throws SyscallError of getsockopt; ERR_UNSUPPORTED for gso:
 * 'require' if the kernel does not support it
 */
export function readBack(access: OptionAccess, features: Features, options: UdpSocketOptions): void {
  const { gso = 'auto', txTime } = options;
  requireSegmentation(access, gso);
  features.readSegmentation(gso);
  if (txTime !== undefined) features.readTransmitTime();
  for (const name of BUFFER_FEATURES) if (options[name] !== undefined) features.readBuffer(name, options[name]);
}

/** The options of the receiver. */
export function receiverOptions(options: UdpSocketOptions, features: Features): ReceiverOptions {
  const { slots = DEFAULT_SLOTS, maxDatagram = MAX_DATA, controlLength = DEFAULT_CONTROL, debug = false } = options;
  return {
    slots,
    dataSize: maxDatagram,
    controlSize: (controlLength + 7) & ~7,
    gro: features.found.gro.on,
    dropCounter: features.found.dropCounter.on,
    debug,
  };
}

/** The control messages of all typed features take 272 bytes on an IPv6 socket. */
const DEFAULT_CONTROL = 320;
/**
 * The message of UDP_GRO, and all that options of SOL_SOCKET can put before it: timestamps (32 and 64), drops, mark,
 * priority, Wi-Fi.
 */
const GRO_CONTROL = 32 + 64 + 5 * 24;
const SEGMENT_REFUSED =
  'use the segmentSize option of sends or of UdpSocket.create, which falls back if the kernel refuses it';
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ['UDP_GRO', 'use gro: true, which also makes room for merged datagrams'],
  ['UDP_SEGMENT', SEGMENT_REFUSED],
]);
const DEFAULT_SLOTS = 64;
const MAX_DATA = 65535;
/** The kernel stores twice the size of a buffer, in an int. */
const MAX_BUFFER = 2 ** 30 - 1;

const RANGES = [
  ['recvBufferSize', 0, MAX_BUFFER],
  ['sendBufferSize', 0, MAX_BUFFER],
  ['slots', 1, 256],
  ['maxDatagram', 1, MAX_DATA],
  ['controlLength', 0, 65536],
  ['replySockets', 1, 65536],
  ['replySocketTimeout', 1, 2 ** 31 - 1],
] as const;

const KEYS: readonly (keyof UdpSocketOptions)[] = [
  'family',
  ...FLAG_FEATURES,
  'mark',
  'device',
  'pathMtuDiscovery',
  'txTime',
  'ipv6Only',
  'reuseAddr',
  'reusePort',
  'freebind',
  'transparent',
  'recvBufferSize',
  'sendBufferSize',
  'sockopts',
  'slots',
  'maxDatagram',
  'controlLength',
  'replySockets',
  'replySocketTimeout',
  'debug',
  ...SENDER_OPTIONS,
];
