// What UdpSocket.create takes: the types, the checks and the defaults.
import {
  boolean,
  integer,
  invalidType,
  invalidValue,
  oneOf,
  options as checkOptions,
  outOfRange,
} from '../arguments.js';
import { applyOptions, encodeOption } from '../options/access.js';
import type { BpfInstruction } from '../options/kinds/filter.js';
import type { TransmitTime } from '../options/kinds/timestamping.js';
import { checkSockopts } from '../options/sockopts.js';
import type { DatagramSocketOptions } from '../options/table.js';
import type { OptionAccess } from '../options/target.js';
import { FAMILIES, type Family } from '../wire/families.js';
import { FLAG_FEATURES, PATH_MTU_DISCOVERY, type Features, type PathMtuDiscovery, type Wanted } from './features.js';
import type { ReceiverOptions } from './receive/receiver.js';
import type { EgressOptions } from './reply/egress.js';
import { checkSenderOptions, SENDER_OPTIONS, type SenderOptions } from './send/options.js';
import { IPPROTO_UDP, IPPROTO_UDPLITE, UDP_GRO } from '../kernel/numbers.js';

/**
 * What a socket is created with. Options that tell more of each datagram take `true` (if the kernel has it: `udp.features`
 * and the 'degraded' event say when it has not), or 'require' (or else `create` throws).
 */
export interface UdpSocketOptions extends SenderOptions, EgressOptions {
  /** 'ipv6' hears IPv4 as well, unless `ipv6Only`: as mapped addresses, which are shown as IPv4 with `mapped: true`. */
  readonly family: Family;

  /** Receive datagrams of one flow merged, up to 64 KiB in one go (UDP_GRO, Linux 5.0). Fixed for the socket's life. @default false */
  readonly gro?: Wanted | undefined;
  /** Tell the address that a datagram was sent to, and its interface (IP_PKTINFO). @default false */
  readonly pktinfo?: Wanted | undefined;
  /** Tell the address and the port that a datagram was sent to, also behind TPROXY and sk_lookup (IP_RECVORIGDSTADDR). @default false */
  readonly originalDestination?: Wanted | undefined;
  /** Tell the ECN bits, and the type of service or traffic class that they are part of. @default false */
  readonly ecn?: Wanted | undefined;
  /** Tell the time to live or hop limit. @default false */
  readonly ttl?: Wanted | undefined;
  /** Tell when the kernel got a datagram, to the nanosecond (SO_TIMESTAMPNS). @default false */
  readonly timestamps?: Wanted | undefined;
  /** Tell with each datagram how many were dropped before it (SO_RXQ_OVFL). `udp.stats` knows the number without it. @default false */
  readonly dropCounter?: Wanted | undefined;
  /**
   * `true` or 'require': tell the mark of each datagram (SO_RCVMARK, Linux 5.19). A number, 0 to 2^32 - 1: the mark of what
   * is sent (SO_MARK), which takes CAP_NET_ADMIN or CAP_NET_RAW. @default false
   */
  readonly mark?: Wanted | number | undefined;
  /**
   * Queue errors with their origin, ICMP messages above all (IP_RECVERR): `udp.errorQueue`. The queue is watched as long as
   * the socket is open, so one that is forgotten is not collected. @default false
   */
  readonly errorQueue?: Wanted | undefined;

  /**
   * 'dont' never sets don't-fragment; 'want' as the route says; 'do' always; 'probe' always, and sends also what is longer
   * than the path MTU that is known; 'interface' and 'omit' trust no ICMP message: ip(7). @default the sysctl's
   */
  readonly pathMtuDiscovery?: PathMtuDiscovery | undefined;
  /**
   * Let datagrams leave at a time of their own, `txTime` of a send (SO_TXTIME). `clock` is CLOCK_MONOTONIC unless you say so;
   * any other takes CAP_NET_ADMIN. Only the queueing disciplines fq and etf look at the times: where no device has one,
   * `features.txTime` is not on ('notHonoured'), and datagrams leave at once. @default none
   */
  readonly txTime?: true | (Partial<Pick<TransmitTime, 'clock'>> & Omit<TransmitTime, 'clock'>) | undefined;
  /** Hear IPv6 only (IPV6_V6ONLY); of IPv6 sockets. @default net.ipv6.bindv6only: false */
  readonly ipv6Only?: boolean | undefined;
  /**
   * SO_REUSEADDR: other UDP sockets with it may bind the same address and port, and the last one to do so gets the
   * datagrams. @default false
   */
  readonly reuseAddress?: boolean | undefined;
  /**
   * SO_REUSEPORT: several sockets of one user, in one process or several, share the datagrams of one address and port. `steer`
   * says which of them gets one, see steerByCpu; their numbers are the order of their binds. The program is the group's, set
   * by bind: give all of them the same. @default false
   */
  readonly reusePort?: boolean | { readonly steer: readonly BpfInstruction[] } | undefined;
  /** Let bind take an address that is not local, or not yet (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Let bind take addresses of others, and receive what is for them (IP_TRANSPARENT); takes CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;

  /** Bytes of receive buffer. Beyond net.core.rmem_max it takes CAP_NET_ADMIN; else the kernel cuts it, and `features` says so. */
  readonly receiveBuffer?: number | undefined;
  /** Bytes of send buffer, as `receiveBuffer`; net.core.wmem_max. */
  readonly sendBuffer?: number | undefined;
  /** Any other options, set right after those above. */
  readonly sockopts?: DatagramSocketOptions | undefined;

  /** Datagrams per system call, 1 to 256. @default 64 */
  readonly slots?: number | undefined;
  /**
   * Bytes of the longest datagram that can be received whole, 1 to 65535; longer ones arrive cut, and `truncated`. The
   * memory is shared by all sockets of the thread, and only what is written to takes any. Not with `gro`, which needs all of
   * it. @default 65535, which is enough for every datagram
   */
  readonly maxDatagram?: number | undefined;
  /**
   * Bytes of room for the control messages of a datagram, 0 to 65536, with `gro` at least 216: what does not fit is cut off,
   * and `controlTruncated`. @default 320, which is enough for all of the above
   */
  readonly controlLength?: number | undefined;
  /** Write over what was received when it is not valid any more, to find whoever keeps a view of it. Slow. @default false */
  readonly debug?: boolean | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; then nothing has been made yet */
export function checkUdpOptions(options: UdpSocketOptions): void {
  checkOptions('options', options, KEYS);
  const family = oneOf('options.family', options.family, FAMILIES);
  for (const name of FLAG_FEATURES) {
    const wanted = options[name];
    if (wanted === undefined || wanted === 'require' || typeof wanted === 'boolean') continue;
    if (name !== 'mark') throw invalidType(`options.${name}`, "true, false or 'require'", wanted);
    integer('options.mark', wanted, 0, 0xffffffff);
  }
  for (const name of ['ipv6Only', 'reuseAddress', 'freebind', 'transparent', 'debug'] as const) {
    if (options[name] !== undefined) boolean(`options.${name}`, options[name]);
  }
  if (options.ipv6Only !== undefined && family === 'ipv4') {
    throw invalidValue('options.ipv6Only', options.ipv6Only, 'it is for IPv6 sockets');
  }
  const { reusePort } = options;
  if (reusePort !== undefined && typeof reusePort !== 'boolean')
    checkOptions('options.reusePort', reusePort, ['steer']);
  if (typeof reusePort === 'object') encodeOption('SO_ATTACH_REUSEPORT_CBPF', reusePort.steer);
  if (options.pathMtuDiscovery !== undefined) {
    oneOf('options.pathMtuDiscovery', options.pathMtuDiscovery, PATH_MTU_DISCOVERY);
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
      'with gro it is 65535, since merged datagrams are longer',
    );
  }
  checkSenderOptions(options);
  if ((options.controlLength ?? DEFAULT_CONTROL) < GRO_CONTROL && options.gro !== undefined && options.gro !== false) {
    throw outOfRange(
      'options.controlLength',
      `>= ${GRO_CONTROL} with gro: the size of the segments comes last, and is not to be cut off`,
      options.controlLength,
    );
  }
  checkSockopts(options.sockopts, REFUSED);
}

/** Is this UDP_GRO? Of IPPROTO_UDPLITE the kernel takes it for the same. */
export function isGro(level: number, name: number): boolean {
  return name === UDP_GRO && (level === IPPROTO_UDP || level === IPPROTO_UDPLITE);
}

/** Sets what must be, in an order in which each finds what it needs. @throws SyscallError */
export function applyUdpOptions(access: OptionAccess, features: Features, options: UdpSocketOptions): void {
  const { family, reusePort, mark, sockopts } = options;
  for (const name of FLAG_FEATURES) {
    const wanted = options[name];
    if (wanted !== undefined && typeof wanted !== 'number') features.flag(name, wanted);
  }
  if (options.pathMtuDiscovery !== undefined) features.pathMtuDiscovery(options.pathMtuDiscovery);
  if (options.txTime !== undefined) {
    features.transmitTime({ clock: 'CLOCK_MONOTONIC', ...(options.txTime !== true && options.txTime) });
  }
  features.segmentation(options.gso ?? 'auto');
  if (options.receiveBuffer !== undefined) features.buffer('receiveBuffer', options.receiveBuffer);
  if (options.sendBuffer !== undefined) features.buffer('sendBuffer', options.sendBuffer);
  applyOptions(access, {
    ...(options.ipv6Only !== undefined && { IPV6_V6ONLY: options.ipv6Only }),
    ...(options.reuseAddress === true && { SO_REUSEADDR: true }),
    ...(reusePort !== undefined && reusePort !== false && { SO_REUSEPORT: true }),
    ...(options.freebind === true && (family === 'ipv4' ? { IP_FREEBIND: true } : { IPV6_FREEBIND: true })),
    ...(options.transparent === true && (family === 'ipv4' ? { IP_TRANSPARENT: true } : { IPV6_TRANSPARENT: true })),
    ...(typeof mark === 'number' && { SO_MARK: mark }),
  });
  applyOptions(access, sockopts);
}

/** What of it is the receiver's. */
export function receiverOptions(options: UdpSocketOptions, features: Features): ReceiverOptions {
  const { slots = DEFAULT_SLOTS, maxDatagram = MOST_DATA, controlLength = DEFAULT_CONTROL, debug = false } = options;
  return {
    slots,
    dataSize: maxDatagram,
    controlSize: (controlLength + 7) & ~7,
    gro: features.found.gro.on,
    dropCounter: features.found.dropCounter.on,
    debug,
  };
}

/** What of it is the sender's, which checks it. */
export function senderOptions(options: UdpSocketOptions): SenderOptions {
  const entries = SENDER_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(entries) as SenderOptions;
}

/** Everything that the typed features can tell takes 272 bytes on an IPv6 socket. */
const DEFAULT_CONTROL = 320;
/** UDP_GRO's own message, and all that SOL_SOCKET's options can put before it: time stamps (32 and 64), drops, mark, priority, Wi-Fi. */
const GRO_CONTROL = 32 + 64 + 5 * 24;
const REFUSED: ReadonlyMap<string, string> = new Map([['UDP_GRO', 'gro: true sets it, and makes room for it']]);
const DEFAULT_SLOTS = 64;
const MOST_DATA = 65535;
/** The kernel doubles a buffer's size, in an int. */
const MOST_BUFFER = 2 ** 30 - 1;

const RANGES = [
  ['receiveBuffer', 0, MOST_BUFFER],
  ['sendBuffer', 0, MOST_BUFFER],
  ['slots', 1, 256],
  ['maxDatagram', 1, MOST_DATA],
  ['controlLength', 0, 65536],
  ['replySockets', 1, 65536],
  ['replySocketTimeout', 1, 2 ** 31 - 1],
] as const;

const KEYS: readonly (keyof UdpSocketOptions)[] = [
  ...([
    'family',
    ...FLAG_FEATURES,
    'pathMtuDiscovery',
    'txTime',
    'ipv6Only',
    'reuseAddress',
    'reusePort',
    'freebind',
  ] as const),
  ...(['transparent', 'receiveBuffer', 'sendBuffer', 'sockopts', 'slots', 'maxDatagram', 'controlLength'] as const),
  ...(['replySockets', 'replySocketTimeout', 'debug'] as const),
  ...SENDER_OPTIONS,
];
