// Why a system call failed, and what to do about it: one table for every error of this package. The kernel's errno alone
// does not tell; what was asked for decides. Rows are data: src/source/explain.ts finds the row for a failure.
import type { FailureReason } from '../errors.js';
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EHOSTUNREACH,
  EINVAL,
  EIO,
  EMFILE,
  EMSGSIZE,
  ENETUNREACH,
  ENFILE,
  ENOBUFS,
  ENODEV,
  ENOPROTOOPT,
  ENOTSUP,
  EPERM,
  EPROTONOSUPPORT,
} from '../kernel/numbers.js';

/** System calls whose failures the table explains. */
export type ExplainedCall = 'socket' | 'setsockopt' | 'bind' | 'listen' | 'connect' | 'sendmsg';

/** What a row may depend on beyond the call and its errno, and how the documentation says it. */
export const CONDITIONS = {
  anyPort: 'the kernel picks the port',
  portGiven: 'a port was given, or the socket has one already',
  notUnicast: 'the local address is a broadcast or multicast address',
  noZone: 'a link-local address has no zone: the local one of bind, the remote one of connect and send',
  sourceHasNoZone: 'the local address is a link-local address without a zone',
  noSourceAddress: 'nothing was bound, and the host has no address to send from',
  loopbackSource: 'the local address is a loopback address, and the remote one is not',
  remoteNotUnicast: 'the destination is a broadcast or multicast address, and the socket is TCP',
  broadcast: 'the destination is a broadcast address, and the socket is UDP',
  mappedRouted: 'an IPv6 socket has an IPv4 destination, toward which there is a route',
  sourceNotLocal: 'the local address is an IPv4 address that is not routed to this host, without `transparent`',
  inWorker: 'a worker of a cluster listens',
  privileged: 'the option needs a capability',
  alreadyBound: 'the socket has a local port already',
  unrouted: 'there is no route to the destination, or one that is a black hole',
  hasFrom: 'the send has a `from`',
  hasTransmitTime: 'the send has a `txTime`',
  gsoRequired: "with `gso: 'require'`",
  mptcp: "with `protocol: 'mptcp'`",
} as const;

export type Condition = keyof typeof CONDITIONS;

export interface ReasonRow {
  readonly call: ExplainedCall | readonly ExplainedCall[];
  /** Negative, any of them. */
  readonly errno: number | readonly number[];
  /** Of setsockopt: the option. */
  readonly option?: string;
  /** All of them hold. */
  readonly when?: readonly Condition[];
  /** Absent where the code is enough, and only the remedy is added. */
  readonly reason?: FailureReason;
  /**
   * What to do: one or more sentences, without the last full stop. In braces what differs from case to case, which
   * src/source/explain.ts fills in. Absent where the code is enough.
   */
  readonly remedy?: string;
}

/** The first matching row applies. */
export const REASONS: readonly ReasonRow[] = [
  {
    call: 'socket',
    errno: EMFILE,
    reason: 'descriptorLimit',
    remedy: 'Each socket takes a file descriptor, and this process has none left: raise `ulimit -n`, or close some',
  },
  {
    call: 'socket',
    errno: ENFILE,
    reason: 'descriptorLimit',
    remedy: 'This host has no file descriptor left: raise fs.file-max, or close some',
  },
  {
    call: 'socket',
    errno: [EPROTONOSUPPORT, ENOPROTOOPT, EINVAL],
    when: ['mptcp'],
    reason: 'unsupported',
    remedy: "MPTCP is not available here: the kernel lacks it, or net.mptcp.enabled is 0. Use protocol: 'tcp'",
  },
  {
    call: 'socket',
    errno: [EAFNOSUPPORT, EPROTONOSUPPORT],
    reason: 'unsupported',
    remedy: 'This kernel does not have the address family or the protocol',
  },
  {
    call: 'socket',
    errno: [EPERM, EACCES],
    reason: 'notPermitted',
    remedy: 'A raw socket needs CAP_NET_RAW; a sandbox may forbid other sockets',
  },
  {
    call: 'setsockopt',
    errno: ENOTSUP,
    option: 'TCP_FASTOPEN_CONNECT',
    reason: 'fastopenClientOff',
    remedy:
      'Bit 1 of net.ipv4.tcp_fastopen, TCP Fast Open for clients, is off (it is {fastOpen}): ' +
      'sysctl -w net.ipv4.tcp_fastopen={fastOpenOn}',
  },
  {
    call: 'setsockopt',
    errno: ENOPROTOOPT,
    option: 'IP_LOCAL_PORT_RANGE',
    reason: 'unsupported',
    remedy: 'This kernel does not support port ranges per socket, which need Linux 6.3',
  },
  {
    call: 'setsockopt',
    errno: ENODEV,
    option: 'SO_BINDTODEVICE',
    reason: 'noDevice',
    remedy: 'This network namespace has no interface of that name: see `ip link`',
  },
  {
    call: 'setsockopt',
    errno: [EPERM, EACCES],
    when: ['privileged'],
    reason: 'notPermitted',
    remedy: 'Setting this option needs {privilege}',
  },
  {
    call: 'bind',
    errno: ENODEV,
    reason: 'noDevice',
    remedy: "This network namespace has no interface with the zone's name: see `ip link`",
  },
  {
    call: 'bind',
    errno: [EADDRNOTAVAIL, EINVAL],
    when: ['notUnicast'],
    reason: 'notUnicast',
    remedy:
      'It is a broadcast or multicast address: the kernel may bind to it, but sends from another one. Use an address of ' +
      'this host',
  },
  {
    call: 'bind',
    errno: EINVAL,
    when: ['noZone'],
    reason: 'noZone',
    remedy: 'A link-local address needs its interface as zone: {local}%eth0',
  },
  {
    call: 'bind',
    errno: EINVAL,
    when: ['alreadyBound'],
    reason: 'alreadyBound',
    remedy:
      'The socket is bound already, by an earlier bind, connect or send, and cannot be bound again: create another one',
  },
  {
    call: ['bind', 'listen'],
    errno: EADDRINUSE,
    when: ['anyPort'],
    reason: 'portRangeExhausted',
    remedy: 'No local port is free on {localOrAny}',
  },
  {
    call: ['bind', 'listen'],
    errno: EADDRINUSE,
    when: ['portGiven', 'inWorker'],
    reason: 'portInUse',
    remedy: 'Each cluster worker has its own listening socket here: share the port with reusePort: true',
  },
  { call: ['bind', 'listen'], errno: EADDRINUSE, when: ['portGiven'], reason: 'portInUse', remedy: '{portInUse}' },
  {
    call: 'bind',
    errno: EADDRNOTAVAIL,
    reason: 'addressNotLocal',
    remedy:
      'The address is not assigned to this host. Assign it; or {freebind}, and route the address here ' +
      '(`{localRoute}`, or its whole prefix), otherwise nothing reaches it',
  },
  {
    call: 'bind',
    errno: EACCES,
    reason: 'notPermitted',
    remedy: 'A port below net.ipv4.ip_unprivileged_port_start ({lowestPort}) needs CAP_NET_BIND_SERVICE',
  },
  {
    call: 'connect',
    errno: [ENETUNREACH, EACCES, EINVAL],
    when: ['remoteNotUnicast'],
    reason: 'notUnicast',
    remedy: 'TCP cannot connect to a broadcast or multicast address',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EACCES,
    when: ['broadcast'],
    reason: 'notPermitted',
    remedy: 'Sending to a broadcast address needs the option SO_BROADCAST',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: ENETUNREACH,
    when: ['mappedRouted'],
    reason: 'familyMismatch',
    remedy: 'The socket is IPv6 only (IPV6_V6ONLY), or bound to an IPv6 address, and cannot reach an IPv4 destination',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EINVAL,
    when: ['loopbackSource'],
    reason: 'loopbackSource',
    remedy: 'The source {local} is a loopback address, which only reaches this host: use an address of an interface',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EADDRNOTAVAIL,
    when: ['noSourceAddress'],
    reason: 'noSourceAddress',
    remedy: 'This host has no address from which to reach the destination',
  },
  {
    call: 'connect',
    errno: EADDRNOTAVAIL,
    when: ['portGiven'],
    reason: 'portInUse',
    remedy:
      'Another connection to that destination has this port, or TIME-WAIT holds it: let the kernel pick the port, or wait',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: [EADDRNOTAVAIL, EAGAIN],
    when: ['anyPort'],
    reason: 'portRangeExhausted',
    remedy: 'No local port is free from {localOrAny}',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: [EINVAL, ENETUNREACH],
    when: ['noZone'],
    reason: 'noZone',
    remedy: 'A link-local address needs its interface as zone: {remote}%eth0',
  },
  {
    call: 'sendmsg',
    errno: [EINVAL, ENETUNREACH],
    when: ['hasFrom', 'notUnicast'],
    reason: 'notUnicast',
    remedy: 'The source {local} is a broadcast or multicast address: use an address of this host',
  },
  {
    call: 'sendmsg',
    errno: [EINVAL, ENETUNREACH],
    when: ['hasFrom', 'sourceHasNoZone'],
    reason: 'noZone',
    remedy: 'A link-local source needs its interface: from: {local}%eth0',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: ENETUNREACH,
    when: ['sourceNotLocal'],
    reason: 'sourceNotLocal',
    remedy:
      'The source {local} is not routed to this host: IPv4 sends from such an address only with transparent: true ' +
      '(CAP_NET_ADMIN or CAP_NET_RAW), or when it is routed here (`{localRoute}`)',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: ENETUNREACH,
    reason: 'noRoute',
    remedy: 'There is no route to {remote}: see `ip route get {remote}`',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EHOSTUNREACH,
    reason: 'noRoute',
    remedy: 'The route to {remote} is unreachable: see `ip route get {remote}`',
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EACCES,
    reason: 'noRoute',
    remedy: 'A route prohibits {remote}, or {remote} is a broadcast address: see `ip route get {remote}`',
  },
  {
    call: 'sendmsg',
    errno: [EIO, EINVAL],
    when: ['gsoRequired'],
    reason: 'gsoRefused',
    remedy:
      "The path does not support segmentation offload, and gso is 'require': use 'auto' to fall back to single datagrams",
  },
  {
    call: ['connect', 'sendmsg'],
    errno: EINVAL,
    when: ['unrouted'],
    reason: 'noRoute',
    remedy: 'The route to {remote} is a black hole: see `ip route get {remote}`',
  },
  {
    call: 'sendmsg',
    errno: EINVAL,
    when: ['hasTransmitTime'],
    reason: 'optionOff',
    remedy: 'A transmit time needs SO_TXTIME: create the socket with the `txTime` option',
  },
  {
    call: 'sendmsg',
    errno: EINVAL,
    when: ['hasFrom'],
    reason: 'addressNotLocal',
    remedy: 'The source {local} is not an address of this host: {freebind} to send from any address',
  },
  {
    call: 'connect',
    errno: EINVAL,
    reason: 'noRoute',
    remedy: 'The source cannot be used for the route to {remote}: see `ip route get {remote}`',
  },
  { call: 'sendmsg', errno: EMSGSIZE, reason: 'tooLong', remedy: '{tooLong}' },
  { call: 'sendmsg', errno: EDESTADDRREQ, remedy: 'Set the `to` option, or connect the socket' },
  {
    call: 'sendmsg',
    errno: EPERM,
    reason: 'notPermitted',
    remedy: 'A firewall or a BPF program dropped it, or the `mark` needs CAP_NET_ADMIN or CAP_NET_RAW',
  },
  {
    call: 'sendmsg',
    errno: ENOBUFS,
    remedy: 'A queue of the device is full, and some data was dropped. Send less at a time',
  },
];

/** The first matching row. @param holds whether a condition holds; only called if a row depends on it */
export function findReason(
  call: ExplainedCall,
  errno: number,
  option: string | undefined,
  holds: (condition: Condition) => boolean,
): ReasonRow | undefined {
  return REASONS.find(
    (row) =>
      includes(row.call, call) &&
      includes(row.errno, errno) &&
      (row.option === undefined || row.option === option) &&
      (row.when ?? []).every(holds),
  );
}

function includes<T>(list: T | readonly T[], value: T): boolean {
  return Array.isArray(list) ? list.includes(value) : list === value;
}
