// Every kind of option value: what it is in JavaScript, and its codec. A file in kinds/ has the codecs of one family.
import type { PortRange } from '../kernel/sysctl.js';
import type { ReceivedControlMessage } from '../wire/control.js';
import type { PathMtu } from '../wire/messages/path-mtu.js';
import { bytes, memoryInfo, messages, program, text, type MemoryInfo } from './kinds/bytes.js';
import { unwritable, type Codec } from './kinds/codec.js';
import { filter, type BpfInstruction } from './kinds/filter.js';
import {
  groupFilter,
  groupMembership,
  groupSource,
  ipv6Membership,
  type GroupFilter,
  type GroupMembership,
  type GroupSource,
  type IPv6Membership,
} from './kinds/groups.js';
import type { Interface } from './kinds/interface.js';
import { flowLabel, pathMtu, stickyInterface, type FlowLabel, type FlowLabelRequest } from './kinds/ipv6.js';
import {
  ipv4Membership,
  ipv4MulticastInterface,
  ipv4SourceFilter,
  ipv4SourceMembership,
  type IPv4Membership,
  type IPv4MulticastInterface,
  type IPv4SourceFilter,
  type IPv4SourceMembership,
} from './kinds/multicast.js';
import { action, flag, int, interfaceIndex, portRange, rate, uint, uint64, unicastInterface } from './kinds/numbers.js';
import {
  aoInfo,
  aoKey,
  aoKeyRemoval,
  aoRepair,
  md5Key,
  md5PrefixKey,
  type AoInfo,
  type AoKey,
  type AoKeyRemoval,
  type AoRepair,
  type AoSettings,
  type Md5Key,
  type Md5PrefixKey,
} from './kinds/tcp-keys.js';
import {
  repairMode,
  repairOptions,
  repairQueue,
  repairWindow,
  type RepairOptions,
  type RepairQueue,
  type RepairWindow,
} from './kinds/tcp-repair.js';
import { linger, timeout } from './kinds/times.js';
import { timestamping, transmitTime, type Timestamping, type TransmitTime } from './kinds/timestamping.js';
import { decodeTcpInfo, TCP_INFO_SIZE, type TcpInfo } from './tcp-info.js';

/** What a kind of value is in JavaScript, when read and when written; `never` where it cannot be. */
export interface KindValues {
  /** An int of 0 or 1. */
  flag: { get: boolean; set: boolean };
  /** Something that happens when it is set: true. */
  action: { get: never; set: true };
  /** An int; a row may have words for some of its values, see `Words`. */
  int: { get: number; set: number };
  /** An unsigned int. */
  uint: { get: number; set: number };
  /** A 64-bit number that the kernel made. */
  uint64: { get: bigint; set: never };
  /** Bytes per second, Infinity for no limit. */
  rate: { get: number; set: number };
  /** Two 16-bit ports in one u32, 0 for a bound that is not set. */
  portRange: { get: PortRange; set: PortRange };
  /** struct linger: the seconds that close(2) waits, 0 to reset the connection, false for off. */
  linger: { get: number | false; set: number | false };
  /** struct timeval: milliseconds, 0 for no limit. */
  timeout: { get: number; set: number };
  /** Text. '' for none. */
  text: { get: string; set: string };
  /** Raw bytes. */
  bytes: { get: Uint8Array; set: Uint8Array };
  /** Control messages, decoded. */
  messages: { get: readonly ReceivedControlMessage[]; set: never };
  /** An array of uint32: the socket's memory. */
  memoryInfo: { get: MemoryInfo; set: never };
  /** struct tcp_info. */
  tcpInfo: { get: TcpInfo; set: never };
  /** The name or the index of a network interface; its index when read, 0 for none. */
  interface: { get: number; set: Interface };
  /** As interface, in network byte order. */
  unicastInterface: { get: number; set: Interface };
  /** struct ip_mreqn. */
  ipv4Membership: { get: never; set: IPv4Membership };
  /** struct ip_mreq_source. */
  ipv4SourceMembership: { get: never; set: IPv4SourceMembership };
  /** struct ip_msfilter. */
  ipv4SourceFilter: { get: never; set: IPv4SourceFilter };
  /** struct ip_mreqn; struct in_addr when read. */
  ipv4MulticastInterface: { get: string; set: IPv4MulticastInterface };
  /** struct ipv6_mreq. */
  ipv6Membership: { get: never; set: IPv6Membership };
  /** struct group_req. */
  groupMembership: { get: never; set: GroupMembership };
  /** struct group_source_req. */
  groupSource: { get: never; set: GroupSource };
  /** struct group_filter. */
  groupFilter: { get: never; set: GroupFilter };
  /** As interface, in a struct in6_pktinfo. */
  stickyInterface: { get: never; set: Interface };
  /** struct ip6_mtuinfo. */
  pathMtu: { get: PathMtu; set: never };
  /** struct in6_flowlabel_req. */
  flowLabel: { get: FlowLabel; set: FlowLabelRequest };
  /** struct so_timestamping. */
  timestamping: { get: Timestamping; set: Timestamping };
  /** struct sock_txtime. */
  transmitTime: { get: TransmitTime; set: TransmitTime };
  /** A classic BPF program: struct sock_fprog. */
  filter: { get: readonly BpfInstruction[]; set: readonly BpfInstruction[] };
  /** The descriptor of an eBPF program. */
  program: { get: never; set: number };
  /** struct tcp_md5sig. */
  md5Key: { get: never; set: Md5Key };
  /** struct tcp_md5sig, with flags. */
  md5PrefixKey: { get: never; set: Md5PrefixKey };
  /** struct tcp_ao_add. */
  aoKey: { get: never; set: AoKey };
  /** struct tcp_ao_del. */
  aoKeyRemoval: { get: never; set: AoKeyRemoval };
  /** struct tcp_ao_info_opt. */
  aoInfo: { get: AoInfo; set: AoSettings };
  /** struct tcp_ao_repair. */
  aoRepair: { get: AoRepair; set: AoRepair };
  /** TCP_REPAIR_ON, TCP_REPAIR_OFF, or 'off-without-probe' for TCP_REPAIR_OFF_NO_WP. */
  repairMode: { get: boolean; set: boolean | 'off-without-probe' };
  /** TCP_NO_QUEUE, TCP_RECV_QUEUE, TCP_SEND_QUEUE. */
  repairQueue: { get: RepairQueue; set: RepairQueue };
  /** A list of struct tcp_repair_opt. */
  repairOptions: { get: never; set: RepairOptions };
  /** struct tcp_repair_window. */
  repairWindow: { get: RepairWindow; set: RepairWindow };
}

/** A number of which some values have names. It is set by either, and read as the name where there is one. */
export interface Words<W extends string> {
  get: W | number;
  set: W | number;
}

/** Text of which some values are known, for editors to offer; any other is taken as well. */
export interface KnownText<W extends string> {
  get: W | (string & {});
  set: W | (string & {});
}

export type Kind = keyof KindValues;

/** What a codec takes and gives: with a row's words an int is text as well. */
type CodecOf<K extends Kind> = K extends 'int'
  ? Codec<number | string, number | string>
  : Codec<KindValues[K]['get'], KindValues[K]['set']>;

export const KINDS: { readonly [K in Kind]: CodecOf<K> } = {
  flag,
  action,
  int,
  uint,
  uint64,
  rate,
  portRange,
  linger,
  timeout,
  text,
  bytes,
  messages,
  memoryInfo,
  tcpInfo: { size: TCP_INFO_SIZE, decode: decodeTcpInfo, encode: unwritable },
  interface: interfaceIndex,
  unicastInterface,
  ipv4Membership,
  ipv4SourceMembership,
  ipv4SourceFilter,
  ipv4MulticastInterface,
  ipv6Membership,
  groupMembership,
  groupSource,
  groupFilter,
  stickyInterface,
  pathMtu,
  flowLabel,
  timestamping,
  transmitTime,
  filter,
  program,
  md5Key,
  md5PrefixKey,
  aoKey,
  aoKeyRemoval,
  aoInfo,
  aoRepair,
  repairMode,
  repairQueue,
  repairOptions,
  repairWindow,
};
