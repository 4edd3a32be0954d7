// The features of a UDP socket as data: which socket options each takes, and whether those that were wanted are on. A kernel
// that lacks one does not make the socket fail, unless the feature was required.
import { callError } from '../source/explain.js';
import { errnoName } from '../errors.js';
import { interfaceName } from '../kernel/interfaces.js';
import { requireIntOption } from '../kernel/int-option.js';
import { EACCES, EPERM, IPPROTO_UDP, UDP_SEGMENT } from '../kernel/numbers.js';
import { honoursTransmitTime, qdiscs } from '../kernel/qdiscs.js';
import { encodeOption, type EncodedOption } from '../options/access.js';
import type { TransmitTime } from '../options/kinds/timestamping.js';
import { type WritableOptionName } from '../options/table.js';
import type { OptionAccess } from '../options/target.js';
import type { Family } from '../wire/families.js';
import type { GsoMode } from './send/gso.js';

/** Whether a feature is on, and why not. */
export interface Feature {
  /** It is wanted, and it works. */
  readonly on: boolean;
  /**
   * Why not, where it was wanted: the kernel does not know it ('unsupported'), it needs a privilege ('notPermitted'),
   * net.core.rmem_max or wmem_max limits the size ('clamped'), no device's queueing discipline uses transmit times
   * ('notHonoured'), LINUX_SOCKETS_GSO=off in the environment forbids it ('switchedOff', which is no degradation: it is what
   * was asked for). Absent where it was not wanted.
   */
  readonly reason?: 'unsupported' | 'notPermitted' | 'clamped' | 'notHonoured' | 'switchedOff';
  /** The kernel's error, 'ENOPROTOOPT'; absent for 'clamped', 'notHonoured' and 'switchedOff'. */
  readonly code?: string;
  /** Negative. */
  readonly errno?: number;
  /** The option that failed. */
  readonly option?: string;
  /** Of a buffer: its size in bytes, in the unit in which it was asked for. */
  readonly size?: number;
  /** Of `txTime`: the devices whose queueing discipline was fq or etf when the socket was created. */
  readonly devices?: readonly string[];
}

/** Flags that are on or off. */
export type FlagFeature =
  | 'gro'
  | 'pktinfo'
  | 'originalDestination'
  | 'ecn'
  | 'ttl'
  | 'timestamps'
  | 'dropCounter'
  | 'receiveMark'
  | 'errorQueue';

export type BufferFeature = 'recvBufferSize' | 'sendBufferSize';

export type FeatureName = FlagFeature | BufferFeature | 'gso' | 'pathMtuDiscovery' | 'txTime';

/** Modes of path MTU discovery: IP_MTU_DISCOVER of ip(7). */
export type PathMtuDiscovery = (typeof PATH_MTU_DISCOVERY)[number];

/** The option's values, 0 to 5: never set don't-fragment; as the route says; always; always, and ignore the known MTU. */
export const PATH_MTU_DISCOVERY = ['dont', 'want', 'do', 'probe', 'interface', 'omit'] as const;

/** `true`: if the kernel has it. 'require': creating the socket fails where it has not. */
export type Wanted = boolean | 'require';

/** An option to set, and the feature that it is a part of. */
export interface OptionStep extends EncodedOption {
  readonly feature?: FeatureName;
  /** Whether a failure makes the socket fail; otherwise it is noted in `features`, or ignored without a feature. */
  readonly required: boolean;
}

/**
 * An IPv6 socket also receives IPv4 datagrams, as mapped ones, and what is reported of those are options of IPPROTO_IP; except
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
  receiveMark: { ipv4: ['SO_RCVMARK'], ipv6: ['SO_RCVMARK'] },
  errorQueue: { ipv4: ['IP_RECVERR'], ipv6: ['IPV6_RECVERR', 'IP_RECVERR'] },
};

export const FLAG_FEATURES = Object.keys(FLAGS) as readonly FlagFeature[];

const BUFFERS = {
  recvBufferSize: ['SO_RCVBUF', 'SO_RCVBUFFORCE'],
  sendBufferSize: ['SO_SNDBUF', 'SO_SNDBUFFORCE'],
} as const;

export const BUFFER_FEATURES = Object.keys(BUFFERS) as readonly BufferFeature[];

const OTHERS = ['gso', 'pathMtuDiscovery', 'txTime'] as const;

/** What a flag sets. */
export function flagSteps(feature: FlagFeature, family: Family, wanted: Wanted | undefined): OptionStep[] {
  if (wanted === undefined || wanted === false) return [];
  return FLAGS[feature][family].map((name) => ({
    ...encodeOption(name, true),
    ...{ feature, required: wanted === 'require' },
  }));
}

/** Required, since it changes what leaves this host. */
export function pathMtuSteps(mode: PathMtuDiscovery, family: Family): OptionStep[] {
  const value = PATH_MTU_DISCOVERY.indexOf(mode);
  const names =
    family === 'ipv4' ? (['IP_MTU_DISCOVER'] as const) : (['IPV6_MTU_DISCOVER', 'IP_MTU_DISCOVER'] as const);
  return names.map((name) => ({ ...encodeOption(name, value as never), feature: 'pathMtuDiscovery', required: true }));
}

/** SO_TXTIME: EPERM for other clocks than CLOCK_MONOTONIC without CAP_NET_ADMIN. */
export function transmitTimeStep(wanted: TransmitTime): OptionStep {
  return { ...encodeOption('SO_TXTIME', wanted), feature: 'txTime', required: true };
}

/** The size up to the sysctl's limit, and then beyond it where that is permitted. */
export function bufferSteps(feature: BufferFeature, bytes: number): OptionStep[] {
  const [plain, force] = BUFFERS[feature];
  return [
    { ...encodeOption(plain, bytes), feature, required: true },
    { ...encodeOption(force, bytes), required: false },
  ];
}

/** The features of one socket: turned on one after the other, and kept to be read. */
export class Features {
  readonly #access: OptionAccess;
  readonly #found: Record<FeatureName, Feature>;

  constructor(access: OptionAccess) {
    this.#access = access;
    const names = [...FLAG_FEATURES, ...OTHERS, ...BUFFER_FEATURES];
    this.#found = Object.fromEntries(names.map((name) => [name, OFF])) as Record<FeatureName, Feature>;
  }

  /** Each feature by its name. */
  get found(): Readonly<Record<FeatureName, Feature>> {
    return this.#found;
  }

  /** Those that were wanted and are not on. */
  get degraded(): [FeatureName, Feature][] {
    const found = Object.entries(this.#found) as [FeatureName, Feature][];
    return found.filter(([, { reason }]) => reason !== undefined && reason !== 'switchedOff');
  }

  /**
   * Sets options in their order, on a socket that exists already. Where one of a feature fails, the feature's others are left
   * out. @throws SyscallError
   */
  set(steps: readonly OptionStep[], family: Family): void {
    for (const step of steps) {
      const { feature, required, level, name, value } = step;
      if (feature !== undefined && this.#found[feature].reason !== undefined) continue;
      const result = this.#access.setsockopt(level, name, value);
      if (result < 0 && required) {
        throw callError('setsockopt', result, { by: 'UdpSocket', family, protocol: 'udp', port: 0 }, { option: step });
      }
      if (result < 0) this.lacks(step, result);
      else this.has([step]);
    }
  }

  /** These options are set. */
  has(steps: readonly OptionStep[]): void {
    for (const { feature } of steps) if (feature !== undefined) this.#found[feature] = { on: true };
  }

  /** The kernel has refused an option. */
  lacks({ feature, option }: OptionStep, errno: number): void {
    if (feature !== undefined) this.#found[feature] = failed(errno, option);
  }

  /** Whether the kernel has UDP_SEGMENT; nothing is set, since each send says how it is cut. */
  readSegmentation(mode: GsoMode): void {
    if (mode === 'off') return;
    if (process.env['LINUX_SOCKETS_GSO'] === 'off') {
      this.#found.gso = { on: false, reason: 'switchedOff' };
      return;
    }
    const result = this.#access.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch);
    this.#found.gso = result >= 0 ? { on: true } : failed(result, 'UDP_SEGMENT');
  }

  /** The kernel accepts transmit times, but whether they are used is up to the queueing discipline of the device. */
  readTransmitTime(): void {
    const devices = honoursTransmitTime(qdiscs()).map((index) => interfaceName(index) ?? `${index}`);
    this.#found.txTime = devices.length > 0 ? { on: true, devices } : { on: false, reason: 'notHonoured', devices };
  }

  /** What size a buffer has been given. @throws SyscallError */
  readBuffer(feature: BufferFeature, wanted: number): void {
    const [option] = BUFFERS[feature];
    const { level, name } = encodeOption(option, wanted);
    const size = Math.floor(requireIntOption(this.#access, level, name, option) / 2); // the kernel doubles what it is given
    this.#found[feature] = size >= wanted ? { on: true, size } : { on: false, reason: 'clamped', size };
  }
}

function failed(errno: number, option: WritableOptionName): Feature {
  const reason = errno === EPERM || errno === EACCES ? 'notPermitted' : 'unsupported';
  return { on: false, reason, code: errnoName(errno), errno, option };
}

const OFF: Feature = { on: false };
const scratch = new Uint8Array(4);
