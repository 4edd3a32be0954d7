// Finds out why a system call failed: the row of the table (src/reasons.ts) that fits what was asked for, its remedy with the
// names and numbers of this case, and for an exhausted range what holds the ports.
import { SocketError, SyscallError, type ExhaustedBy, type SyscallContext } from '../errors.js';
import { EADDRNOTAVAIL, SOCK_DGRAM } from '../kernel/numbers.js';
import { native } from '../binding.js';
import { isLocal } from '../kernel/routes.js';
import { capacity, readSysctl, type PortRange } from '../kernel/sysctl.js';
import { isUnicast } from '../kernel/unicast.js';
import type { EncodedOption } from '../options/access.js';
import { explainSetsockopt } from '../options/set-error.js';
import { effectiveRange, type FailedSearch } from '../ports/evidence.js';
import { WHOLE_RANGE } from '../ports/port-range.js';
import { recentExhaustion } from '../ports/recent.js';
import { findReason, type Condition, type ExplainedCall, type FailureReason } from '../reasons.js';
import { Endpoint } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { isWildcard } from '../wire/wildcard.js';

/** Who asked, for what a remedy advises. */
export type Caller = 'connect' | 'reserve' | 'listen' | 'UdpSocket' | 'NativeSocket';

/** What was asked for when a call failed, as far as it is known. */
export interface Asked {
  readonly by: Caller;
  /** Of the socket. */
  readonly family: Family;
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'mptcp' | 'udp' | undefined;
  /** The local address, with its zone; undefined where the kernel picks it. */
  readonly local?: string | undefined;
  /** The local port, 0 where the kernel picks it. */
  readonly port: number;
  /** The socket had its port before the call that failed, whoever picked it. @default port !== 0 */
  readonly portBound?: boolean | undefined;
  readonly remote?: Endpoint | undefined;
  /** The ports to pick from. @default all */
  readonly range?: PortRange | undefined;
  readonly transparent?: boolean | undefined;
  readonly device?: string | undefined;
  readonly inWorker?: boolean | undefined;
}

/** Why, and what to do. */
export interface Explanation {
  readonly reason?: FailureReason | undefined;
  /** One or more sentences, without the last full stop. */
  readonly remedy?: string | undefined;
  /** With 'portRangeExhausted': the search that found no port. Asking what holds the ports takes time, see `evidenceOf`. */
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
 * The error of a call that failed. Where a range is exhausted it has evidence, which takes up to some 75 ms: it is for an error
 * that somebody is about to get.
 */
export function callError(call: ExplainedCall, errno: number, asked: Asked, more: ErrorDetails = {}): SyscallError {
  return errorOf(call, errno, asked, more, withEvidence(explain(call, errno, asked, more.option)));
}

/**
 * The same for calls that try all ports there are: an exhausted range is ERR_PORT_RANGE_EXHAUSTED, with the kernel's error as
 * its `cause`.
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

/** What an error has beyond its call and what was asked for. */
export interface ErrorDetails {
  /** What `syscall` says, where Node names another call than the one that failed. */
  readonly syscall?: string | undefined;
  /** Of setsockopt. */
  readonly option?: EncodedOption | undefined;
  /** The address and port that the error names, where they are not the call's own. */
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

/** What holds the ports of a search that failed: part of an error's context. */
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
 * What holds the ports of a search that failed, and what to do: one sentence without its full stop. From the kernel's list
 * of sockets, as long as reading it does not take more than its share of the time.
 */
export function evidenceOf(search: FailedSearch): { readonly remedy: string; readonly exhaustedBy?: ExhaustedBy } {
  const found = recentExhaustion(search);
  if (found !== undefined) return { remedy: found.remedy, exhaustedBy: found.by };
  const [lo, hi] = effectiveRange(search.range);
  const count = capacity([lo, hi]);
  const remedy =
    `Of the ${count === 1 ? '1 port' : `${String(count)} ports`} of ${String(lo)}-${String(hi)}, each is taken by a ` +
    'connection or a reservation to that destination, by TIME-WAIT, or by a socket bound to it: use another source ' +
    'address, or a wider range (net.ipv4.ip_local_port_range)';
  return { remedy };
}

/** The command that makes an address that is on no interface one of this host's (AnyIP). */
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

/** A link-local address that does not say on which link. */
function lacksZone(address: string | undefined): boolean {
  return address !== undefined && /^fe[89ab][\da-f]:/i.test(address) && !address.includes('%');
}

/** As an Endpoint shows it: without a zone, and a mapped address as the IPv4 address. */
function plainAddress(address: string): string {
  return Endpoint.from({ address: withoutZone(address), port: 0 }).address;
}

function isRoutedHere(address: string): boolean {
  try {
    return isLocal(address);
  } catch {
    return true; // AF_NETLINK is forbidden, or no descriptor is left: nothing is known
  }
}

/** Does this host have an address to send from? A UDP connect picks one as TCP's does, and sends nothing. */
function hasSource(remote: Endpoint): boolean {
  const family = remote.family === 'ipv6' || remote.mapped ? 'ipv6' : 'ipv4';
  const handle = new (native().Handle)();
  if (handle.socket(familyNumber(family), SOCK_DGRAM, 0) < 0) return true; // nothing is known then
  const connected = handle.connect(remote.transientSockaddr(family));
  handle.close();
  return connected !== EADDRNOTAVAIL;
}

/** What the braces of a remedy stand for. */
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

/** How one binds to an address that is not local. */
const FREEBIND: Readonly<Record<Caller, string>> = {
  connect: 'connect with freebind: true',
  reserve: 'reserve with freebind: true',
  listen: 'listen with freebind: true',
  UdpSocket: 'create the socket with freebind: true',
  NativeSocket: 'set IP_FREEBIND or IPV6_FREEBIND before',
};

/** Nothing is added for listen: everybody knows EADDRINUSE. */
const PORT_IN_USE: Readonly<Record<Caller, string>> = {
  connect: 'Another socket holds the port: let the kernel pick one (no localPort), or share it (localPortRange)',
  reserve: 'Another socket holds the port, and this reservation was to have it alone',
  listen: '',
  UdpSocket: 'Another socket holds the port: reuseAddr or reusePort shares it, if that socket has the same option',
  NativeSocket: 'Another socket holds the port',
};

function searchOf(call: ExplainedCall, { protocol = 'tcp', local, remote, range = WHOLE_RANGE }: Asked): FailedSearch {
  const udp = protocol === 'udp';
  return {
    protocol: udp ? 'udp' : 'tcp',
    // bind(2) looks for a port that is free toward all, and so does UDP always.
    remote: call === 'bind' || call === 'listen' || udp || remote === undefined ? ANYWHERE : remote,
    local: isAny(local) ? undefined : local,
    range,
    search: call === 'bind' || call === 'listen' || udp ? 'bind' : 'connect',
  };
}

/** Which addresses an error names. */
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
