// reserve and reserveMany: reserve a local port toward a destination in the kernel, without sending anything. Uses the
// method of the talk "What makes the panda sad?" (Linux Plumbers 2024): a TCP Fast Open connect that waits for its first
// data.
import { boolean, integer, object, options as checkOptions } from '../arguments.js';
import { SocketError } from '../errors.js';
import { EADDRNOTAVAIL, EINPROGRESS } from '../kernel/numbers.js';
import { isUnicast } from '../kernel/unicast.js';
import { encodeOption } from '../options/access.js';
import { saysDeferred } from '../options/deferred.js';
import { encodeSockopts } from '../options/sockopts.js';
import type { StreamSocketOptions } from '../options/table.js';
import { choosePort, contains } from '../ports/port-range.js';
import { failedCall, outerError } from '../source/explain.js';
import { giveBack, takeHandle } from '../source/handles.js';
import { checkLocalOptions } from '../source/local-options.js';
import { isToItself } from '../source/itself.js';
import { localSteps, optionSteps, streamSocket } from '../source/local-steps.js';
import type { Recipe, Step } from '../source/recipe.js';
import { Recipes, type Shape } from '../source/recipes.js';
import { askedFor, boundAddress, requestedRange, runBound, type Source } from '../source/source.js';
import { Endpoint, type LocalEndpointLike } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { isWildcard } from '../wire/address-kinds.js';
import { endsOf, outsideRange, refuseDevice, RESERVATION_OPTIONS, type ReservationOptions } from './ends.js';
import { LOSES_GUARANTEE, SET_BY_RESERVE, type NotOfReservations } from './guarantee.js';
import { fromHandle } from './internal.js';
import { PortReservation } from './port-reservation.js';

export interface ReserveOptions extends ReservationOptions {
  /**
   * The local address; by default the kernel picks one by route. A `port` inside net.ipv4.ip_local_port_range is treated as
   * the range [port, port] and shared between destinations; any other port needs `shareLocalPort: false`.
   */
  readonly local?: LocalEndpointLike | undefined;
  /**
   * Whether reservations and connections to other destinations may use the same local port (IP_BIND_ADDRESS_NO_PORT).
   * `false`: the port is exclusive to this destination, and assigned by bind(2). @default true
   */
  readonly shareLocalPort?: boolean | undefined;
  /** Set before bind. Not SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE, which would break the guarantee. */
  readonly sockopts?: Omit<StreamSocketOptions, NotOfReservations> | undefined;
}

/**
 * Reserves a local port toward `remote`: no other socket of this network namespace can get the same 4-tuple, or bind the
 * port on this address, and no packet is sent. This is verified: SYN_SENT with tcpi_segs_out 0, and the port in the range.
 * @throws ERR_PORT_RANGE_EXHAUSTED if no port is free, with the kernel's error as `cause`, and `exhaustedBy`, what holds
 * the ports, if known; SyscallError: ENOTSUP (bit 1 of net.ipv4.tcp_fastopen is off), EADDRNOTAVAIL of bind (not an address
 * of this host, or a broadcast or multicast one), EADDRINUSE, ENETUNREACH, EHOSTUNREACH, EACCES (no route), EPERM
 * (transparent), EMFILE; ERR_NOT_DEFERRED if the kernel sent a SYN after all; ERR_INVALID_ARG_TYPE,
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

/** The checked and encoded options, shared by any number of reservations. */
export interface ReservePlan {
  readonly remote: Endpoint;
  readonly family: Family;
  readonly source: Source;
  /** The address for bind(2); undefined if the socket is not bound. */
  readonly bind: Endpoint | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function planOf(options: ReserveOptions): ReservePlan {
  refuseDevice(object('options', options));
  checkOptions('options', options, RESERVATION_OPTIONS);
  const { remote, local, family } = endsOf(options);
  const { shareLocalPort = true } = options;
  boolean('options.shareLocalPort', shareLocalPort);
  const source: Source = {
    address: local?.address,
    ...choosePort(local?.port ?? 0, options.localPortRange, shareLocalPort, 'options.local.port'),
    ...checkLocalOptions(options),
    ...{ shareLocalPort, protocol: 'tcp' },
    sockopts: encodeSockopts(options.sockopts, REFUSED),
  };
  return { remote, family, source, bind: bindOf(local, source, family) };
}

function bindOf(local: Endpoint | undefined, source: Source, family: Family): Endpoint | undefined {
  if (local !== undefined) return local.withPort(source.port);
  const address = boundAddress(source, family);
  return address === undefined ? undefined : Endpoint.from({ address, port: source.port });
}

/** @throws as reserve */
function reserveOne(plan: ReservePlan): PortReservation {
  const reservation = attempt(plan);
  if (reservation instanceof PortReservation) return reservation;
  throw failureOf(reservation, plan);
}

/** A step that the kernel refused. */
export interface RefusedStep {
  readonly errno: number;
  readonly step: Step | undefined;
}

/** @throws if the result is not what was requested; the socket is then closed */
export function attempt(plan: ReservePlan): PortReservation | RefusedStep {
  const made = once(plan);
  if (!(made instanceof PortReservation) || !isToItself(made.local, made.remote) || plan.source.port !== 0) return made;
  // A connection to itself is of no use. While the 4-tuple is held, the kernel picks another port, if there is one.
  const other = once(plan);
  if (!(other instanceof PortReservation)) return made;
  made.release();
  return other;
}

/** Runs the recipe once. */
function once(plan: ReservePlan): PortReservation | RefusedStep {
  const { family, source, bind, remote } = plan;
  const recipe = RECIPES.of(source, family);
  recipe.connectTo(remote, family);
  const handle = takeHandle();
  const errno =
    bind === undefined ? recipe.run(handle) : runBound(recipe, handle, { bind, family, range: requestedRange(source) });
  if (errno !== 0) {
    giveBack(handle);
    return { errno, step: recipe.failed };
  }
  try {
    return PortReservation[fromHandle](handle, verified(recipe, plan), remote);
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** The steps: socket, options, bind, connect, and reading back the result. */
function stepsOf({ source, family, binds }: Shape): Step[] {
  const { range, rangeWanted, shareLocalPort, freebind, transparent, mark, protocol, sockopts } = source;
  return [
    streamSocket(family, protocol),
    ...localSteps({ portAtConnect: shareLocalPort, range, rangeWanted, freebind, transparent, mark }, family),
    ...optionSteps([encodeOption('TCP_FASTOPEN_CONNECT', true), encodeOption('TCP_FASTOPEN_NO_COOKIE', true)]),
    ...optionSteps(sockopts),
    ...(binds ? [{ call: 'bind' } as const] : []),
    { call: 'connect' },
    { call: 'getsockopt', option: 'TCP_INFO' },
    { call: 'getsockname' },
  ];
}

/** The error of a run, with evidence if no port was free. */
export function failureOf({ errno, step }: RefusedStep, { source, family, bind, remote }: ReservePlan): Error {
  const asked = askedFor(source, 'reserve', family, remote);
  const { call, ...details } = failedCall(step);
  if (call === 'connect' && errno === EINPROGRESS) return notDeferred(remote);
  // For an IPv6 multicast address the kernel fails with EINVAL, for an IPv4 one it does not: the reason is the same.
  const notUnicast = call === 'bind' && bind !== undefined && !isUnicast(bind.address);
  return outerError(call, notUnicast ? EADDRNOTAVAIL : errno, asked, details);
}

/** Checks the result against what was requested, before the socket is exposed. Returns the local end. */
function verified(recipe: Recipe, { source, family, bind, remote }: ReservePlan): Endpoint {
  if (!saysDeferred(recipe.info, recipe.infoLength)) throw notDeferred(remote);
  const bound = bind === undefined || isWildcard(bind) ? undefined : bind;
  // The kernel accepted the address, but would send from another one.
  if (bound !== undefined && !recipe.keptAddress()) {
    throw outerError('bind', EADDRNOTAVAIL, askedFor(source, 'reserve', family, remote));
  }
  const picked = recipe.port;
  const local = bound === undefined ? Endpoint.decode(recipe.name, recipe.nameLength) : bound.withPort(picked);
  if (local === undefined) throw new SocketError('ERR_UNSUPPORTED', 'The socket has no IP address.');
  if (source.rangeWanted && !contains(source.range, picked)) {
    throw outsideRange(askedFor(source, 'reserve', family, remote), source.range, local);
  }
  return local;
}

function notDeferred(remote: Endpoint): SocketError {
  return new SocketError(
    'ERR_NOT_DEFERRED',
    `The kernel did not defer the connect to ${remote.toString()}, so a SYN may have been sent; the socket is closed. ` +
      'TCP Fast Open may be paused after a black hole (net.ipv4.tcp_fastopen_blackhole_timeout_sec).',
  );
}

const REFUSED: ReadonlyMap<string, string> = new Map([...LOSES_GUARANTEE, ...SET_BY_RESERVE]);
const RECIPES = new Recipes(stepsOf);
