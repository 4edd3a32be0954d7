// The features of a UDP socket as data: the socket options that each sets, and whether the requested ones are on. A feature
// that the kernel lacks is an error only if it was required.
import { callError, type Asked } from '../source/explain.js';
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
import { isSwitchedOff, type GsoMode } from './send/gso.js';

/** Whether a feature is on, and why not. */
export interface Feature {
  /** It was requested, and it works. */
  readonly on: boolean;
  /**
   * Why it is not on although it was requested: the kernel does not support it ('unsupported'), it needs a privilege
   * ('notPermitted'), net.core.rmem_max or wmem_max limits the size ('clamped'), no device's queueing discipline uses
   * transmit times ('notHonoured'), or LINUX_SOCKETS_GSO=off in the environment turns it off ('switchedOff', which is not
   * reported as 'degraded'). Absent if it was not requested.
   */
  readonly reason?: 'unsupported' | 'notPermitted' | 'clamped' | 'notHonoured' | 'switchedOff';
  /** The kernel's error, 'ENOPROTOOPT'; absent for 'clamped', 'notHonoured' and 'switchedOff'. */
  readonly code?: string;
  /** Negative. */
  readonly errno?: number;
  /** The option that failed. */
  readonly option?: string;
  /** For buffers: the size in bytes, in the same unit as it was requested. */
  readonly size?: number;
  /** For `txTime`: the devices whose queueing discipline was fq or etf when the socket was created. */
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

/** All features of a UdpSocket. */
export type FeatureName = FlagFeature | BufferFeature | 'gso' | 'pathMtuDiscovery' | 'txTime';

/** Modes of path MTU discovery: IP_MTU_DISCOVER of ip(7). */
export type PathMtuDiscovery = (typeof PATH_MTU_DISCOVERY)[number];

/**
 * The option's values, 0 to 5. The first four: never set don't-fragment; follow the route; always; always, and ignore the
 * known MTU.
 */
export const PATH_MTU_DISCOVERY = ['dont', 'want', 'do', 'probe', 'interface', 'omit'] as const;

/** `true`: on if the kernel supports it. 'require': creating the socket fails if it does not. */
export type Wanted = boolean | 'require';

/** An option to set, and the feature that it belongs to. */
export interface FeatureOption extends EncodedOption {
  readonly feature?: FeatureName;
  /** Whether a failure is an error; otherwise it is recorded in `features`, or ignored if there is no feature. */
  readonly required: boolean;
}

/**
 * An IPv6 socket also receives IPv4 datagrams, with mapped addresses. Their metadata is enabled by options of IPPROTO_IP,
 * except for packet information, which IPV6_RECVPKTINFO enables for both.
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

/** The options that a flag sets. */
export function flagOptions(feature: FlagFeature, family: Family, wanted: Wanted | undefined): FeatureOption[] {
  if (wanted === undefined || wanted === false) return [];
  return FLAGS[feature][family].map((name) => ({
    ...encodeOption(name, true),
    feature,
    required: wanted === 'require',
  }));
}

/** Required, since it changes what is sent. */
export function pathMtuOptions(mode: PathMtuDiscovery, family: Family): FeatureOption[] {
  const value = PATH_MTU_DISCOVERY.indexOf(mode);
  const names =
    family === 'ipv4' ? (['IP_MTU_DISCOVER'] as const) : (['IPV6_MTU_DISCOVER', 'IP_MTU_DISCOVER'] as const);
  return names.map((name) => ({ ...encodeOption(name, value as never), feature: 'pathMtuDiscovery', required: true }));
}

/** SO_TXTIME: clocks other than CLOCK_MONOTONIC fail with EPERM without CAP_NET_ADMIN. */
export function transmitTimeOption(wanted: TransmitTime): FeatureOption {
  return { ...encodeOption('SO_TXTIME', wanted), feature: 'txTime', required: true };
}

/** Sets the size up to the sysctl's limit, then beyond it if that is permitted. */
export function bufferOptions(feature: BufferFeature, bytes: number): FeatureOption[] {
  const [plain, force] = BUFFERS[feature];
  return [
    { ...encodeOption(plain, bytes), feature, required: true },
    { ...encodeOption(force, bytes), required: false },
  ];
}

/** The features of one socket: turned on one by one, and recorded. */
export class Features {
  readonly #access: OptionAccess;
  readonly #found: Record<FeatureName, Feature>;
  /** Made when all options are set. */
  #shown: Readonly<Record<FeatureName, Feature>> | undefined;

  constructor(access: OptionAccess) {
    this.#access = access;
    const names = [...FLAG_FEATURES, ...OTHERS, ...BUFFER_FEATURES];
    this.#found = Object.fromEntries(names.map((name) => [name, OFF])) as Record<FeatureName, Feature>;
  }

  /** All features, by name. They are frozen: callers see them, too. */
  get found(): Readonly<Record<FeatureName, Feature>> {
    return (this.#shown ??= Object.freeze(
      Object.fromEntries(Object.entries(this.#found).map(([name, feature]) => [name, Object.freeze(feature)])),
    ) as Readonly<Record<FeatureName, Feature>>);
  }

  /** The features that were requested and are not on. */
  get degraded(): [FeatureName, Feature][] {
    const found = Object.entries(this.#found) as [FeatureName, Feature][];
    return found.filter(([, { reason }]) => reason !== undefined && reason !== 'switchedOff');
  }

  /**
   * Sets the options in order, on an existing socket. If one option of a feature fails, its remaining options are skipped.
   * @throws SyscallError
   */
  set(steps: readonly FeatureOption[], family: Family): void {
    for (const step of steps) {
      const { feature, required, level, name, value } = step;
      if (feature !== undefined && this.#found[feature].reason !== undefined) continue;
      const result = this.#access.setsockopt(level, name, value);
      if (result < 0 && required) {
        throw callError('setsockopt', result, udpAsked(family), { option: step });
      }
      if (result < 0) this.lacks(step, result);
      else this.has([step]);
    }
  }

  /** Records that these options are set. */
  has(steps: readonly FeatureOption[]): void {
    for (const { feature } of steps) if (feature !== undefined) this.#found[feature] = { on: true };
  }

  /** Records that the kernel has refused an option. */
  lacks({ feature, option }: FeatureOption, errno: number): void {
    if (feature !== undefined) this.#found[feature] = failed(errno, option);
  }

  /** Records whether the kernel has UDP_SEGMENT. Nothing is set, since each send has its own segment size. */
  readSegmentation(mode: GsoMode): void {
    if (mode === 'off') return;
    if (isSwitchedOff()) {
      this.#found.gso = { on: false, reason: 'switchedOff' };
      return;
    }
    const result = this.#access.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch);
    this.#found.gso = result >= 0 ? { on: true } : failed(result, 'UDP_SEGMENT');
  }

  /** Records whether any device uses transmit times: the kernel accepts them, but only some queueing disciplines use them. */
  readTransmitTime(): void {
    const devices = honoursTransmitTime(qdiscs()).map((index) => interfaceName(index) ?? `${index}`);
    this.#found.txTime = devices.length > 0 ? { on: true, devices } : { on: false, reason: 'notHonoured', devices };
  }

  /** Records the size of a buffer. @throws SyscallError */
  readBuffer(feature: BufferFeature, wanted: number): void {
    const [option] = BUFFERS[feature];
    const { level, name } = encodeOption(option, wanted);
    const size = Math.floor(requireIntOption(this.#access, level, name, option) / 2); // the kernel doubles what it is given
    this.#found[feature] = size >= wanted ? { on: true, size } : { on: false, reason: 'clamped', size };
  }
}

/** The context of a failed call of a UdpSocket. */
export function udpAsked(family: Family): Asked {
  return { by: 'UdpSocket', family, protocol: 'udp', port: 0 };
}

function failed(errno: number, option: WritableOptionName): Feature {
  const reason = errno === EPERM || errno === EACCES ? 'notPermitted' : 'unsupported';
  return { on: false, reason, code: errnoName(errno), errno, option };
}

const OFF: Feature = Object.freeze({ on: false });
const scratch = new Uint8Array(4);
