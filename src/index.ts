// The public surface. Everything here has a docstring where it is defined; nothing is defined here.
export { type WaitForLocalPort } from './ports/wait-policy.js';
export { isSupported } from './binding.js';
export {
  AbortError,
  SocketError,
  SyscallError,
  type ExhaustedBy,
  type FailureReason,
  type SocketErrorCode,
} from './errors.js';

export { connector, type Connector, type CreateConnection } from './egress/connector.js';
export type { DialOptions, DialTlsOptions, UnconnectedOptions } from './egress/dialer.js';
export type { EgressKey } from './egress/egress-key.js';
export type { EgressHttpAgentOptions, EgressHttpsAgentOptions } from './egress/agents.js';
export type {
  EgressClosedEvent,
  EgressConnectEvent,
  EgressEvent,
  EgressExhaustedEvent,
  EgressFailedEvent,
} from './egress/events.js';
export { EgressPool } from './egress/pool.js';
export type { EgressConnectOptions, EgressPoolOptions, EgressPoolStats, RemovedSource } from './egress/pool-options.js';
export type { SourceStats } from './egress/pool-source.js';
export type { Strategy, StrategyFunction, StrategyRequest } from './egress/strategy.js';
export type { UndiciCallback, UndiciConnector, UndiciConnectorOptions, UndiciConnectRequest } from './egress/undici.js';
export { isLocal } from './kernel/routes.js';
export { getOption, setOption, type RawOption } from './options/access.js';
export type { MemoryInfo } from './options/kinds/bytes.js';
export type { BpfInstruction } from './options/kinds/filter.js';
export type { GroupFilter, GroupMembership, GroupSource, IPv6Membership } from './options/kinds/groups.js';
export type { Interface } from './options/kinds/interface.js';
export type { FlowLabel, FlowLabelRequest } from './options/kinds/ipv6.js';
export type {
  IPv4Membership,
  IPv4MulticastInterface,
  IPv4SourceFilter,
  IPv4SourceMembership,
} from './options/kinds/multicast.js';
export type {
  AoCounters,
  AoInfo,
  AoKey,
  AoKeyRemoval,
  AoRepair,
  AoSettings,
  Md5Key,
  Md5PrefixKey,
} from './options/kinds/tcp-keys.js';
export type { RepairOptions, RepairQueue, RepairWindow } from './options/kinds/tcp-repair.js';
export type { Timestamping, TimestampingFlag, TransmitTime } from './options/kinds/timestamping.js';
export type { ReusePort } from './options/reuse-port.js';
export type { OptionRow, SocketType } from './options/row.js';
export { steerByCpu, steerByHash, steerRandomly } from './options/steering.js';
export type { TcpState } from './kernel/tcp-states.js';
export type { TcpInfo } from './options/tcp-info.js';
export {
  OPTIONS,
  type DatagramSocketOptions,
  type OptionName,
  type ReadableOptionName,
  type SocketOptions,
  type SocketOptionsOf,
  type StreamSocketOptions,
  type WritableOptionName,
} from './options/table.js';
export type { OptionTarget, SocketTypeOf } from './options/target.js';
export type { OptionValues } from './options/values.js';
export {
  NativeSocket,
  type Accepted,
  type NativeSocketOptions,
  type NativeSocketState,
  type ReceivedMessage,
  type ReceiveOptions,
  type SendMessage,
  type WaitOptions,
} from './socket/native-socket.js';
export { listen } from './tcp/listen/listen.js';
export type { ListenOptions } from './tcp/listen/options.js';
export { originalDestination, type OriginalDestination } from './tcp/original-destination.js';
export { connect, type PathConnectOptions } from './tcp/connect/connect.js';
export type { ConnectOptions, SourceOptions } from './tcp/connect/options.js';
export type { LocalOptions, LocalOptionsWithDevice } from './source/local-options.js';
export {
  PortReservation,
  type ActivateOptions,
  type ReservationMessage,
  type ReservationState,
} from './reserve/port-reservation.js';
export { reserve, reserveMany, type ReserveOptions } from './reserve/reserve.js';
export { reserveAsync, type ReserveAsyncOptions } from './reserve/reserve-async.js';
export { adoptDgram, toDgram } from './udp/dgram.js';
export type { ErrorQueue, ErrorQueueStats, NetworkError } from './udp/error-queue.js';
export type { UdpSocketEvents } from './udp/emitter.js';
export type { Feature, FeatureName, PathMtuDiscovery, Wanted } from './udp/features.js';
export type { UdpSocketOptions } from './udp/options.js';
export type { ReceivedBatch } from './udp/receive/batch.js';
export type { Message, MessageInfo } from './udp/receive/messages.js';
export type { ReceiveStats } from './udp/receive/receiver.js';
export type { EgressOptions } from './udp/reply/egress.js';
export type { ReplyEvents, ReplyInfo, ReplyStats } from './udp/reply/replier.js';
export { reserveUdp, type ReserveUdpOptions } from './reserve/reserve-udp.js';
export { UdpReservation, type ReservedSocketOptions, type UdpReservationState } from './reserve/udp-reservation.js';
export type { DetachedReservation } from './reserve/moved.js';
export type { UdpStats } from './udp/core.js';
export type { UdpAdoptOptions } from './udp/descriptor.js';
export { UdpSocket } from './udp/socket.js';
export type { SendBatch } from './udp/send/batch.js';
export type { SendBatchOptions } from './udp/send/batch-contents.js';
export type { ReplyOptions, SendOptions, SendSource } from './udp/send/envelope.js';
export type { EqualTail, GsoDisabled, GsoDisabledReason, GsoMode, GsoOptions } from './udp/send/gso.js';
export type { SendData } from './udp/send/data.js';
export type { SenderOptions } from './udp/send/options.js';
export type { SendEvents } from './udp/send/sender.js';
export type { SendStats } from './udp/send/transmit.js';
export type { ControlMessage, RawControlMessage, ReceivedControlMessage } from './wire/control.js';
export type {
  ReceivedControlName,
  ReceivedControlValues,
  SentControlName,
  SentControlValues,
} from './wire/control-messages.js';
export type { ErrorOrigin, ExtendedError, IcmpExtensions } from './wire/messages/extended-error.js';
export type { PacketInfo } from './wire/messages/packet-info.js';
export type { PathMtu } from './wire/messages/path-mtu.js';
export type { Timestamps } from './wire/messages/timestamps.js';
export { Endpoint, type EndpointLike, type LocalEndpointLike } from './wire/endpoint.js';
export type { Family } from './wire/families.js';
export type { PortRange } from './kernel/sysctl.js';
