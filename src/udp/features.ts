// The features of a UDP socket as data: which socket options each takes, and what became of those that were wanted. A kernel
// that has not got one does not make the socket fail, unless the feature was required.
import { intOption } from '../kernel/int-option.js';
import { requireIntOption } from '../kernel/int-option.js';
import type { Handle } from '../binding.js';
import { check, errnoName, SyscallError } from '../errors.js';
import { interfaceName } from '../kernel/interfaces.js';
import { honoursTransmitTime, qdiscs } from '../kernel/qdiscs.js';
import { encodeOption } from '../options/access.js';
import type { TransmitTime } from '../options/kinds/timestamping.js';
import type { WritableOptionName } from '../options/table.js';
import type { Family } from '../wire/families.js';
import type { GsoMode } from './send/gso.js';
import { EACCES, EPERM, IPPROTO_UDP, SOL_SOCKET, UDP_SEGMENT } from '../kernel/numbers.js';

/** What became of a feature. */
export interface Feature {
  /** It is wanted, and it works. */
  readonly on: boolean;
  /**
   * Why not, where it was wanted: the kernel does not know it, it takes a privilege, net.core.rmem_max or wmem_max cut the
   * size, no device's queueing discipline looks at transmit times ('notHonoured'), LINUX_SOCKETS_GSO=off in the environment
   * forbids it ('switchedOff', which is no degradation: it is what was asked for). Absent where it was not wanted.
   */
  readonly reason?: 'unsupported' | 'notPermitted' | 'clamped' | 'notHonoured' | 'switchedOff';
  /** The kernel's error, 'ENOPROTOOPT'; absent for 'clamped', 'notHonoured' and 'switchedOff'. */
  readonly code?: string;
  /** Negative. */
  readonly errno?: number;
  /** The option that failed. */
  readonly option?: string;
  /** Of a buffer: the bytes that it has, in the unit in which they were asked for. */
  readonly size?: number;
  /** Of `txTime`: the devices whose queueing discipline is fq or etf when the socket is made. */
  readonly devices?: readonly string[];
}

/** Flags that are on or off. */
export type FlagFeature =
  'gro' | 'pktinfo' | 'originalDestination' | 'ecn' | 'ttl' | 'timestamps' | 'dropCounter' | 'mark' | 'errorQueue';

export type FeatureName = FlagFeature | (typeof OTHERS)[number];

/** What of path MTU discovery: IP_MTU_DISCOVER of ip(7). */
export type PathMtuDiscovery = (typeof PATH_MTU_DISCOVERY)[number];

/** The option's values, 0 to 5: never set don't-fragment; as the route says; always; always, and pass over the known MTU. */
export const PATH_MTU_DISCOVERY = ['dont', 'want', 'do', 'probe', 'interface', 'omit'] as const;

/** `true`: if it can be had. 'require': or else creating the socket fails. */
export type Wanted = boolean | 'require';

/**
 * An IPv6 socket also receives IPv4 datagrams, as mapped ones, and what is to be told of those are options of IPPROTO_IP; but
 * for packet information, which IPV6_RECVPKTINFO gives for both.
 */
const FLAGS: Readonly<Record<FlagFeature, Readonly<Record<Family, readonly WritableOptionName[]>>>> = {
  gro: { ipv4: ['UDP_GRO'], ipv6: ['UDP_GRO'] },
  pktinfo: { ipv4: ['IP_PKTINFO'], ipv6: ['IPV6_RECVPKTINFO'] },
  originalDestination: { ipv4: ['IP_RECVORIGDSTADDR'], ipv6: ['IPV6_RECVORIGDSTADDR', 'IP_RECVORIGDSTADDR'] },
  ecn: { ipv4: ['IP_RECVTOS'], ipv6: ['IPV6_RECVTCLASS', 'IP_RECVTOS'] },
  ttl: { ipv4: ['IP_RECVTTL'], ipv6: ['IPV6_RECVHOPLIMIT', 'IP_RECVTTL'] },
  timestamps: { ipv4: ['SO_TIMESTAMPNS'], ipv6: ['SO_TIMESTAMPNS'] },
  dropCounter: { ipv4: ['SO_RXQ_OVFL'], ipv6: ['SO_RXQ_OVFL'] },
  mark: { ipv4: ['SO_RCVMARK'], ipv6: ['SO_RCVMARK'] },
  errorQueue: { ipv4: ['IP_RECVERR'], ipv6: ['IPV6_RECVERR', 'IP_RECVERR'] },
};

export const FLAG_FEATURES = Object.keys(FLAGS) as readonly FlagFeature[];

const OTHERS = ['gso', 'pathMtuDiscovery', 'txTime', 'receiveBuffer', 'sendBuffer'] as const;

/** The features of one socket: turned on one after the other, and kept to be read. */
export class Features {
  readonly #handle: Handle;
  readonly #family: Family;
  readonly #found: Record<FeatureName, Feature>;

  constructor(handle: Handle, family: Family) {
    this.#handle = handle;
    this.#family = family;
    this.#found = Object.fromEntries([...FLAG_FEATURES, ...OTHERS].map((name) => [name, OFF])) as Record<
      FeatureName,
      Feature
    >;
  }

  /** What became of each, by name. */
  get found(): Readonly<Record<FeatureName, Feature>> {
    return this.#found;
  }

  /** Those that were wanted and are not on. */
  get degraded(): [FeatureName, Feature][] {
    const found = Object.entries(this.#found) as [FeatureName, Feature][];
    return found.filter(([, { reason }]) => reason !== undefined && reason !== 'switchedOff');
  }

  /** @throws SyscallError when it was required and cannot be had */
  flag(name: FlagFeature, wanted: Wanted): void {
    if (wanted !== false) this.#set(name, FLAGS[name][this.#family], true, wanted === 'require');
  }

  /** @throws SyscallError as `flag`: it changes what leaves this host, and is not passed over */
  pathMtuDiscovery(mode: PathMtuDiscovery): void {
    const names =
      this.#family === 'ipv4' ? (['IP_MTU_DISCOVER'] as const) : (['IPV6_MTU_DISCOVER', 'IP_MTU_DISCOVER'] as const);
    this.#set('pathMtuDiscovery', names, PATH_MTU_DISCOVERY.indexOf(mode), true);
  }

  /** Whether the kernel has UDP_SEGMENT; nothing is set, since each send says how it is to be cut. */
  segmentation(mode: GsoMode): void {
    if (mode === 'off') return;
    if (process.env['LINUX_SOCKETS_GSO'] === 'off') {
      this.#found.gso = { on: false, reason: 'switchedOff' };
      return;
    }
    const result = this.#handle.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch);
    this.#found.gso = result >= 0 ? { on: true } : failed(result, 'UDP_SEGMENT');
  }

  /**
   * SO_TXTIME: the kernel takes the times, and whether anybody looks at them is up to the queueing discipline of the device.
   * @throws SyscallError: EPERM for other clocks than CLOCK_MONOTONIC without CAP_NET_ADMIN
   */
  transmitTime(wanted: TransmitTime): void {
    this.#set('txTime', ['SO_TXTIME'], wanted, true);
    const devices = honoursTransmitTime(qdiscs()).map((index) => interfaceName(index) ?? `${index}`);
    this.#found.txTime = devices.length > 0 ? { on: true, devices } : { on: false, reason: 'notHonoured', devices };
  }

  /** Sets the size of a buffer, beyond the sysctl's limit where that is permitted, and reads what it has become. */
  buffer(name: 'receiveBuffer' | 'sendBuffer', bytes: number): void {
    const { force, plain } = BUFFERS[name];
    if (this.#handle.setsockopt(SOL_SOCKET, force, bytes) < 0) {
      check('setsockopt', this.#handle.setsockopt(SOL_SOCKET, plain, bytes), { option: BUFFERS[name].option });
    }
    const doubled = requireIntOption(this.#handle, SOL_SOCKET, plain, BUFFERS[name].option);
    const size = Math.floor(doubled / 2); // the kernel doubles what it is given
    this.#found[name] = size >= bytes ? { on: true, size } : { on: false, reason: 'clamped', size };
  }

  #set(name: FeatureName, options: readonly WritableOptionName[], value: unknown, required: boolean): void {
    for (const option of options) {
      const encoded = encodeOption(option, value as never);
      const result = this.#handle.setsockopt(encoded.level, encoded.name, encoded.value);
      if (result >= 0) continue;
      if (required) throw new SyscallError('setsockopt', result, { option });
      this.#found[name] = failed(result, option);
      return;
    }
    this.#found[name] = { on: true };
  }
}

/** Remembers the flags of a socket. What it returns sets them so again: what was to be made of it has failed. */
export function keepFlags(handle: Handle, family: Family): () => void {
  const options = Object.values(FLAGS).flatMap((names) => names[family].map((option) => encodeOption(option, true)));
  const before = options.map(({ level, name }) => intOption(handle, level, name));
  return () => {
    for (const [i, { level, name }] of options.entries()) {
      // Undefined for what this kernel lacks or cannot read: UDP_GRO before 5.12 (98184612aca0).
      handle.setsockopt(level, name, before[i] ?? 0);
    }
  };
}

function failed(errno: number, option: WritableOptionName): Feature {
  const reason = errno === EPERM || errno === EACCES ? 'notPermitted' : 'unsupported';
  return { on: false, reason, code: errnoName(errno), errno, option };
}

const OFF: Feature = { on: false };

const BUFFERS = {
  receiveBuffer: { option: 'SO_RCVBUF', plain: 8, force: 33 },
  sendBuffer: { option: 'SO_SNDBUF', plain: 7, force: 32 },
} as const;
const scratch = new Uint8Array(4);
