// Explains why a system call failed: finds the matching row of the table (src/reasons.ts), fills in its remedy, and for an
// exhausted range finds out what holds the ports.
import { SocketError, SyscallError, type ExhaustedBy, type SyscallContext } from '../errors.js';
import { EADDRNOTAVAIL, SOCK_DGRAM } from '../kernel/numbers.js';
import { native } from '../binding.js';
import { isLocal, routeTo } from '../kernel/routes.js';
import { capacity, readSysctl, type PortRange } from '../kernel/sysctl.js';
import { isUnicast } from '../kernel/unicast.js';
import type { EncodedOption } from '../options/access.js';
import { explainSetsockopt } from '../options/set-error.js';
import { effectiveRange, type FailedSearch } from '../ports/evidence.js';
import { WHOLE_RANGE } from '../ports/port-range.js';
import { recentExhaustion } from '../ports/recent.js';
import { findReason, type Condition, type ExplainedCall, type FailureReason } from '../reasons.js';
import type { Step } from './recipe.js';
import { Endpoint } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { isWildcard } from '../wire/wildcard.js';

/** The calling API, which the remedy depends on. */
export type Caller = 'connect' | 'reserve' | 'listen' | 'UdpSocket' | 'NativeSocket';

/** The context of a failed call, as far as known. */
export interface Asked {
  readonly by: Caller;
  /** The family of the socket. */
  readonly family: Family;
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'mptcp' | 'udp' | undefined;
  /** The local address, with its zone; undefined if the kernel picks it. */
  readonly local?: string | undefined;
  /** The local port; 0 if the kernel picks it. */
  readonly port: number;
  /** Whether the socket had a port before the failed call. @default port !== 0 */
  readonly portBound?: boolean | undefined;
  readonly remote?: Endpoint | undefined;
  /** The ports to pick from. @default all */
  readonly range?: PortRange | undefined;
  readonly transparent?: boolean | undefined;
  readonly device?: string | undefined;
  readonly inWorker?: boolean | undefined;
}

/** The reason and the remedy of a failure. */
export interface Explanation {
  readonly reason?: FailureReason | undefined;
  /** One or more sentences, without the last full stop. */
  readonly remedy?: string | undefined;
  /** With 'portRangeExhausted': the failed search. Finding out what holds the ports takes time, see `evidenceOf`. */
  readonly search?: FailedSearch | undefined;
}

/** @param option the option that setsockopt refused */
export function explain(call: ExplainedCall, errno: number, asked: Asked, option?: EncodedOption): Explanation {
  if (option !== undefined) return explainSetsockopt(option.option, errno, option.privilege);
  const row = findReason(call, errno, undefined, (condition) => TESTS[condition](asked, call));
  if (row === undefined) return {};
  const { reason } = row;
  const remedy = row.remedy === undefined ? '' : fill(row.remedy, asked);
  return {
    reason,
    remedy: remedy === '' ? undefined : remedy,
    search: reason === 'portRangeExhausted' ? searchOf(call, asked) : undefined,
  };
}

/**
 * The error of a failed call. For an exhausted range it includes evidence, which takes up to 75 ms to gather, so call this
 * only for errors that are returned to the user.
 */
export function callError(call: ExplainedCall, errno: number, asked: Asked, more: ErrorDetails = {}): SyscallError {
  return errorOf(call, errno, asked, more, withEvidence(explain(call, errno, asked, more.option)));
}

/**
 * As callError, for calls that try all ports: an exhausted range is ERR_PORT_RANGE_EXHAUSTED, with the kernel's error as
 * `cause`.
 */
export function outerError(call: ExplainedCall, errno: number, asked: Asked, more: ErrorDetails = {}): Error {
  const explanation = explain(call, errno, asked, more.option);
  const { reason, search } = explanation;
  if (search === undefined) return errorOf(call, errno, asked, more, explanation);
  const { remedy, exhaustedBy } = evidenceOf(search);
  const to = asked.remote === undefined ? '' : ` to ${asked.remote.toString()}`;
  return new SocketError(
    'ERR_PORT_RANGE_EXHAUSTED',
    `No local port is free from ${localOrAny(asked)}${to}. ${remedy}.`,
    { cause: errorOf(call, errno, asked, more, { reason, exhaustedBy }), reason, exhaustedBy },
  );
}

/** The call of the step that failed in a recipe, as the table has it, and the option that it set. */
export function failedCall(step: Step | undefined): { readonly call: ExplainedCall; readonly option?: EncodedOption } {
  switch (step?.call) {
    case 'setsockopt':
      return { call: 'setsockopt', option: step.option };
    case 'bind':
    case 'connect':
    case 'listen':
      return { call: step.call };
    default:
      return { call: 'socket' };
  }
}

/** Further properties of an error. */
export interface ErrorDetails {
  /** The `syscall` of the error, if Node reports another call than the failed one. */
  readonly syscall?: string | undefined;
  /** The option of setsockopt. */
  readonly option?: EncodedOption | undefined;
  /** The address and port of the error, if they are not those of the call. */
  readonly ends?: { readonly address: string; readonly port: number } | undefined;
}

export function errorOf(
  call: ExplainedCall,
  errno: number,
  asked: Asked,
  { syscall = call, option, ends }: ErrorDetails,
  { reason, remedy, exhaustedBy }: Pick<SyscallContext, 'reason' | 'remedy' | 'exhaustedBy'>,
): SyscallError {
  return new SyscallError(syscall, errno, {
    ...(ends === undefined ? endsOf(call, asked) : { address: ends.address, port: ends.port }),
    option: option?.option,
    ...{ reason, remedy, exhaustedBy },
  });
}

/** What holds the ports of a failed search, for an error's context. */
export function withEvidence({
  reason,
  remedy,
  search,
}: Explanation): Pick<SyscallContext, 'reason' | 'remedy' | 'exhaustedBy'> {
  if (search === undefined) return { reason, remedy };
  const taken = evidenceOf(search);
  return { reason, remedy: `${remedy ?? ''}. ${taken.remedy}`, exhaustedBy: taken.exhaustedBy };
}

/**
 * What holds the ports of a failed search, and what to do: one sentence without the full stop. Reads the kernel's list of
 * sockets, within a time budget.
 */
export function evidenceOf(search: FailedSearch): {
  readonly remedy: string;
  readonly exhaustedBy?: ExhaustedBy | undefined;
} {
  const found = recentExhaustion(search);
  if (found !== undefined) return { remedy: found.remedy, exhaustedBy: found.by };
  const [lo, hi] = effectiveRange(search.range);
  const count = capacity([lo, hi]);
  if (search.protocol === 'udp') {
    const each = 'each is held by another socket, and a UDP port of an address has one socket: close some, use another';
    return { remedy: `Of the ${counted(count)} of ${String(lo)}-${String(hi)}, ${each} address, or a wider range` };
  }
  const remedy =
    `Of the ${counted(count)} of ${String(lo)}-${String(hi)}, each is taken by a ` +
    'connection or a reservation to that destination, by TIME-WAIT, or by a socket bound to it: use another source ' +
    'address, or a wider range (net.ipv4.ip_local_port_range)';
  return { remedy };
}

function counted(ports: number): string {
  return ports === 1 ? '1 port' : `${String(ports)} ports`;
}

/** The command that routes an address to this host (AnyIP). */
export function localRoute(address: string): string {
  const bare = withoutZone(address);
  return bare.includes(':') ? `ip -6 route add local ${bare}/128 dev lo` : `ip route add local ${bare}/32 dev lo`;
}

type Test = (asked: Asked, call: ExplainedCall) => boolean;

const TESTS: Readonly<Record<Condition, Test>> = {
  anyPort: (asked, call) => !portGiven(asked, call),
  portGiven,
  notUnicast: ({ local, device }) => local !== undefined && !isUnicast(plainAddress(local), device),
  noZone: ({ local, remote }, call) => lacksZone(call === 'bind' ? local : remote?.address),
  noSourceAddress: ({ local, remote }) => isAny(local) && remote !== undefined && !hasSource(remote),
  loopbackSource: ({ local, remote }) => isLoopback(local) && remote !== undefined && !isLoopback(remote.address),
  remoteNotUnicast: ({ protocol, remote }) =>
    protocol !== 'udp' && remote !== undefined && !isUnicast(withoutZone(remote.address)),
  broadcast: ({ protocol, remote }) =>
    protocol === 'udp' && remote !== undefined && !isUnicast(withoutZone(remote.address)),
  mappedRouted: ({ family, remote }) => family === 'ipv6' && remote?.family === 'ipv4' && isRouted(remote.address),
  sourceNotLocal: ({ local, transparent }) =>
    !isAny(local) && local?.includes(':') === false && transparent !== true && !isRoutedHere(local),
  inWorker: ({ inWorker }) => inWorker === true,
  privileged: () => false, // of options alone: see explainSetsockopt
  mptcp: ({ protocol }) => protocol === 'mptcp',
};

function portGiven({ port, portBound = port !== 0 }: Asked, call: ExplainedCall): boolean {
  return call === 'bind' || call === 'listen' ? port !== 0 : portBound;
}

function isAny(local: string | undefined): boolean {
  return local === undefined || isWildcard({ address: local });
}

/** Whether this is a link-local address without a zone. */
function lacksZone(address: string | undefined): boolean {
  return address !== undefined && /^(fe[89ab][\da-f]|ff[\da-f]2):/i.test(address) && !address.includes('%');
}

/** The address as in Endpoint, but without a zone; a mapped address as IPv4. */
function plainAddress(address: string): string {
  return Endpoint.from({ address: withoutZone(address), port: 0 }).address;
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address.startsWith('127.') || address === '::1');
}

function isRouted(address: string): boolean {
  try {
    return routeTo(address).errno === 0;
  } catch {
    return false; // AF_NETLINK is forbidden, or no descriptor is left: nothing is known
  }
}

function isRoutedHere(address: string): boolean {
  try {
    return isLocal(address);
  } catch {
    return true; // unknown: AF_NETLINK is forbidden, or no descriptor is left
  }
}

/** Whether this host has a source address for the destination. A UDP connect picks one as TCP does, and sends nothing. */
function hasSource(remote: Endpoint): boolean {
  const family = remote.family === 'ipv6' || remote.mapped ? 'ipv6' : 'ipv4';
  const handle = new (native().Handle)();
  if (handle.socket(familyNumber(family), SOCK_DGRAM, 0) < 0) return true; // unknown
  const connected = handle.connect(remote.transientSockaddr(family));
  handle.close();
  return connected !== EADDRNOTAVAIL;
}

/** The values of the placeholders in a remedy. */
function fill(remedy: string, asked: Asked): string {
  return remedy.replace(/\{(\w+)\}/g, (whole, name: string) => PLACES[name]?.(asked) ?? whole);
}

const PLACES: Readonly<Record<string, (asked: Asked) => string>> = {
  local: ({ local = '' }) => local,
  localOrAny,
  localRoute: ({ local = '' }) => localRoute(local),
  remote: ({ remote }) => remote?.address ?? 'the destination',
  freebind: ({ by }) => FREEBIND[by],
  portInUse: ({ by }) => PORT_IN_USE[by],
  lowestPort: () => readSysctl('net.ipv4.ip_unprivileged_port_start') ?? '1024',
};

function localOrAny({ local }: Asked): string {
  return local === undefined || isWildcard({ address: local }) ? 'any address' : local;
}

/** How to bind to an address that is not local, for each caller. */
const FREEBIND: Readonly<Record<Caller, string>> = {
  connect: 'connect with freebind: true',
  reserve: 'reserve with freebind: true',
  listen: 'listen with freebind: true',
  UdpSocket: 'create the socket with freebind: true',
  NativeSocket: 'set IP_FREEBIND or IPV6_FREEBIND before',
};

/** Nothing is added for listen, where EADDRINUSE is well known. */
const PORT_IN_USE: Readonly<Record<Caller, string>> = {
  connect: 'Another socket holds the port: let the kernel pick one (no localPort), or share it (localPortRange)',
  reserve: 'Another socket holds the port, and shareLocalPort is false',
  listen: 'Another socket holds the port; sockets of one user that all have reusePort: true share it',
  UdpSocket: 'Another socket holds the port: reuseAddr or reusePort shares it, if that socket has the same option',
  NativeSocket: 'Another socket holds the port',
};

function searchOf(call: ExplainedCall, { protocol = 'tcp', local, remote, range = WHOLE_RANGE }: Asked): FailedSearch {
  const udp = protocol === 'udp';
  return {
    protocol: udp ? 'udp' : 'tcp',
    // bind(2), and UDP in general, needs a port that is free toward all destinations.
    remote: call === 'bind' || call === 'listen' || udp || remote === undefined ? ANYWHERE : remote,
    local: isAny(local) ? undefined : local,
    range,
    search: call === 'bind' || call === 'listen' || udp ? 'bind' : 'connect',
  };
}

/** The addresses of an error. */
function endsOf(call: ExplainedCall, { local, port, remote }: Asked): SyscallContext {
  const localPort = port === 0 ? undefined : port;
  switch (call) {
    case 'bind':
    case 'listen':
      return { address: local, port: localPort };
    case 'connect':
    case 'sendmsg':
      return {
        address: remote?.address,
        port: remote?.port,
        localAddress: local,
        localPort: local === undefined ? localPort : port,
      };
    default:
      return {};
  }
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address;
}

const ANYWHERE = { address: '', port: 0 };
