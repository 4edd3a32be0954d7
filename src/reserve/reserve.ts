// reserve and reserveMany: a local port toward a destination, kept by the kernel, with nothing sent. The recipe of the
// talk "What makes the panda sad?" (Linux Plumbers 2024): a TCP Fast Open connect that waits for its first data.
import { boolean, integer, options as checkOptions, outOfRange } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError } from '../errors.js';
import type { PortRange } from '../kernel/sysctl.js';
import { applyOptions, encodeList, encodeOption, type EncodedOption } from '../options/access.js';
import { isDeferred } from '../options/deferred.js';
import { checkSockopts } from '../options/sockopts.js';
import type { SocketOptions, StreamSocketOptions } from '../options/table.js';
import { Endpoint, SOCKADDR_SIZE, type EndpointLike } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { sameAddress } from '../wire/same-address.js';
import { isWildcard, WILDCARD } from '../wire/wildcard.js';
import { endsOf } from '../source/ends.js';
import { LOSES_GUARANTEE, SET_BY_RESERVE } from './guarantee.js';
import { checkRange, contains, isEphemeral, passedOver, refuseOutside, WHOLE_RANGE } from '../ports/port-range.js';
import { explainOption } from '../source/remedies.js';
import { explainBind, explainConnect, explainSocket, notUnicast } from './errors.js';
import { PortReservation } from './port-reservation.js';
import { EADDRINUSE, EINPROGRESS, ENOPROTOOPT, SOCK_STREAM } from '../kernel/numbers.js';

export interface ReserveOptions {
  /** The destination. Its port is not 0. An IPv4-mapped address makes an IPv6 socket. */
  readonly remote: EndpointLike;
  /**
   * The own address; without it the kernel picks one by route. A `port` that lies in net.ipv4.ip_local_port_range is
   * taken as the range [port, port] and shared between destinations; any other needs `shareLocalPort: false`.
   */
  readonly local?: EndpointLike | { readonly address: string; readonly port?: number | undefined } | undefined;
  /** The ports to pick from, both ends included, inside net.ipv4.ip_local_port_range. @default all of those */
  readonly localPortRange?: PortRange | undefined;
  /**
   * Let reservations and connections to other destinations have the same local port (IP_BIND_ADDRESS_NO_PORT). False: the
   * port is for this destination alone, and bind(2) takes it. @default true
   */
  readonly shareLocalPort?: boolean | undefined;
  /** Let `local` be an address that this host does not have (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Send from an address of others (IP_TRANSPARENT, IPV6_TRANSPARENT); CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** Set before bind. Not those that would take the guarantee away: SO_REUSEADDR, SO_REUSEPORT, SO_BINDTODEVICE. */
  readonly sockopts?: StreamSocketOptions | undefined;
}

/**
 * Reserves a local port toward `remote`: no other socket of this network namespace gets the same 4-tuple, or binds the
 * port on this address, and no packet is sent. Verified: SYN_SENT with tcpi_segs_out 0, and the port in the range.
 * @throws ERR_PORT_RANGE_EXHAUSTED when no port is free, with the kernel's error as `cause`, and `exhaustedBy`: what has the
 * ports, where that is known; SyscallError: ENOTSUP (bit 1 of net.ipv4.tcp_fastopen is off), EADDRNOTAVAIL of bind (not an
 * address of this host, or a broadcast or multicast one), EADDRINUSE, ENETUNREACH, EHOSTUNREACH, EACCES (no route), EPERM
 * (transparent), EMFILE; ERR_NOT_DEFERRED when the kernel sent a SYN after all; ERR_INVALID_ARG_TYPE,
 * ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function reserve(options: ReserveOptions): PortReservation {
  return reserveOne(planOf(options));
}

/**
 * Reserves `count` ports toward one destination, all or none.
 * @param count 1 to 65535. Each takes a descriptor: see `ulimit -n`.
 * @throws as reserve
 */
export function reserveMany(count: number, options: ReserveOptions): PortReservation[] {
  integer('count', count, 1, 65535);
  const plan = planOf(options);
  const reservations: PortReservation[] = [];
  try {
    while (reservations.length < count) reservations.push(reserveOne(plan));
  } catch (error) {
    for (const reservation of reservations) reservation.release();
    throw error;
  }
  return reservations;
}

/** The options that make a reservation, one by one and as a list for one call. */
interface Recipe {
  readonly options: readonly EncodedOption[];
  readonly list: Uint8Array;
}

/** What was asked for, checked and encoded: once, for however many reservations. */
export interface Plan {
  readonly remote: Endpoint;
  readonly family: Family;
  /** What bind(2) is given; undefined to leave the address to the kernel. */
  readonly bind: Endpoint | undefined;
  readonly range: PortRange;
  /** The caller asked for this range: the port that the kernel picks is held against it. */
  readonly rangeWanted: boolean;
  readonly shareLocalPort: boolean;
  readonly freebind: boolean;
  readonly transparent: boolean;
  readonly recipe: Recipe;
  readonly sockopts: SocketOptions | undefined;
}

function planOf(options: ReserveOptions): Plan {
  checkOptions('options', options, KNOWN);
  const { remote, local, family } = endsOf(options);
  const { shareLocalPort = true, freebind = false, transparent = false } = options;
  boolean('options.shareLocalPort', shareLocalPort);
  boolean('options.freebind', freebind);
  boolean('options.transparent', transparent);
  const { range, rangeWanted } = rangeOf(options.localPortRange, local?.port ?? 0, shareLocalPort);
  const ordinary = shareLocalPort && !rangeWanted && !freebind && !transparent;
  return {
    remote,
    family,
    bind: bindOf(local, family, shareLocalPort),
    range,
    rangeWanted,
    shareLocalPort,
    freebind,
    transparent,
    recipe: ordinary ? ORDINARY : recipeOf(family, range, shareLocalPort, freebind, transparent),
    sockopts: checkSockopts(options.sockopts, REFUSED),
  };
}

function reserveOne(plan: Plan): PortReservation {
  const handle = new (native().Handle)();
  try {
    const local = hold(handle, plan);
    return PortReservation.of(handle, local, plan.remote);
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** socket, options, bind, connect, and the proof. Returns the local endpoint. */
function hold(handle: Handle, plan: Plan): Endpoint {
  const { remote, family, bind } = plan;
  const made = handle.socket(familyNumber(family), SOCK_STREAM, 0);
  if (made < 0) throw explainSocket(made);
  if (handle.setsockopts(plan.recipe.list) < 0) setOneByOne(handle, plan);
  applyOptions(handle, plan.sockopts);
  if (bind !== undefined) {
    let bound = handle.bind(bind.transientSockaddr(family));
    if (bound === EADDRINUSE && bind.port === 0) bound = bindLast(handle, bind, plan);
    if (bound < 0) throw explainBind(bound, bind, plan);
  }
  const connected = handle.connect(remote.transientSockaddr(family));
  if (connected < 0 && connected !== EINPROGRESS) throw explainConnect(connected, plan);
  if (connected !== 0 || !isDeferred(handle)) {
    throw new SocketError(
      'ERR_NOT_DEFERRED',
      `The kernel did not defer the connect to ${remote.toString()}, so a SYN may have been sent; the socket is closed. ` +
        'TCP Fast Open is perhaps paused after a black hole (net.ipv4.tcp_fastopen_blackhole_timeout_sec).',
    );
  }
  return verifiedLocal(handle, plan);
}

/** bind(2) to port 0 has said that none is free, and may have passed one over. */
function bindLast(handle: Handle, bind: Endpoint, plan: Plan): number {
  const last = passedOver(plan.rangeWanted ? plan.range : undefined);
  return last === undefined ? EADDRINUSE : handle.bind(bind.withPort(last).transientSockaddr(plan.family));
}

/** The port that the kernel picked, held against the range before anybody sees the socket. */
function verifiedLocal(handle: Handle, plan: Plan): Endpoint {
  const length = check('getsockname', handle.getsockname(scratchAddress));
  const { bind, family } = plan;
  const bound = bind === undefined || isWildcard(bind) ? undefined : bind;
  if (bound !== undefined && !sameAddress(scratchAddress, sockaddrOf(bound, family), family)) throw notUnicast(bound);
  const picked = ((scratchAddress[2] ?? 0) << 8) | (scratchAddress[3] ?? 0);
  if (plan.rangeWanted && !contains(plan.range, picked)) {
    refuseOutside('options.localPortRange', plan.range);
    throw new SocketError(
      'ERR_UNSUPPORTED',
      `The kernel picked port ${String(picked)}, outside the range ${plan.range.join('-')}; the socket is closed.`,
    );
  }
  const local = bound === undefined ? Endpoint.decode(scratchAddress, length) : bound.withPort(picked);
  if (local === undefined) throw new SocketError('ERR_UNSUPPORTED', 'The socket has no IP address.');
  return local;
}

/** Its address, with whatever port: reservations come in a row from the same one, and writing it costs time. */
function sockaddrOf(bound: Endpoint, family: Family): Uint8Array {
  if (latest?.address !== bound.address || latest.family !== family) {
    latest = { address: bound.address, family, bytes: bound.sockaddr(family) };
  }
  return latest.bytes;
}

/** One of the list has failed: which, and can it be done without? Setting an option once more changes nothing. */
function setOneByOne(handle: Handle, plan: Plan): void {
  for (const { option, level, name, value } of plan.recipe.options) {
    const set = handle.setsockopt(level, name, value);
    if (set < 0) refuseUnlessOptional(option, set, plan);
  }
}

/** A kernel without the port range serves those who asked for none: only its search is slower. */
function refuseUnlessOptional(option: string, errno: number, plan: Plan): void {
  if (option === 'IP_LOCAL_PORT_RANGE' && errno === ENOPROTOOPT && !plan.rangeWanted) return;
  throw explainOption(option, errno);
}

function recipeOf(
  family: Family,
  range: PortRange,
  shareLocalPort: boolean,
  freebind: boolean,
  transparent: boolean,
): Recipe {
  const options = [
    ...(shareLocalPort ? [encodeOption('IP_BIND_ADDRESS_NO_PORT', true)] : []),
    encodeOption('IP_LOCAL_PORT_RANGE', range),
    encodeOption('TCP_FASTOPEN_CONNECT', true),
    encodeOption('TCP_FASTOPEN_NO_COOKIE', true),
    ...(freebind ? [encodeOption(family === 'ipv6' ? 'IPV6_FREEBIND' : 'IP_FREEBIND', true)] : []),
    ...(transparent ? [encodeOption(family === 'ipv6' ? 'IPV6_TRANSPARENT' : 'IP_TRANSPARENT', true)] : []),
  ];
  return { options, list: encodeList(options) };
}

function rangeOf(wanted: unknown, port: number, shareLocalPort: boolean): { range: PortRange; rangeWanted: boolean } {
  const range = wanted === undefined ? undefined : checkRange('options.localPortRange', wanted);
  if (port === 0) return { range: range ?? WHOLE_RANGE, rangeWanted: range !== undefined };
  if (range !== undefined && !contains(range, port)) {
    throw outOfRange('options.local.port', `inside options.localPortRange, ${range.join('-')}`, port);
  }
  if (!shareLocalPort) return { range: WHOLE_RANGE, rangeWanted: false };
  if (!isEphemeral(port)) {
    throw outOfRange(
      'options.local.port',
      'inside net.ipv4.ip_local_port_range, or reserved with shareLocalPort: false (a port outside it can be bound, but not shared between destinations)',
      port,
    );
  }
  return { range: [port, port], rangeWanted: true };
}

/** A shared port is picked by connect, so bind gets none; one that is not shared is what bind takes, and needs an address. */
function bindOf(local: Endpoint | undefined, family: Family, shareLocalPort: boolean): Endpoint | undefined {
  if (shareLocalPort) return local?.withPort(0);
  return local ?? Endpoint.from({ address: WILDCARD[family], port: 0 });
}

const KNOWN = ['remote', 'local', 'localPortRange', 'shareLocalPort', 'freebind', 'transparent', 'sockopts'] as const;
const REFUSED: ReadonlyMap<string, string> = new Map([...LOSES_GUARANTEE, ...SET_BY_RESERVE]);
const ORDINARY = recipeOf('ipv4', WHOLE_RANGE, false, false, false);
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
let latest: { readonly address: string; readonly family: Family; readonly bytes: Uint8Array } | undefined;
