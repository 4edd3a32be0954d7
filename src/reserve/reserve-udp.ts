// reserveUdp: a local UDP port toward one destination, held by a socket that is connected there. Nothing is sent: connect(2) of
// a datagram socket only says whom it is for.
import { inspect, type InspectOptions } from 'node:util';
import { boolean, invalidType, invalidValue, options as checkOptions, outOfRange } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import type { PortRange } from '../kernel/sysctl.js';
import { isUnicast } from '../kernel/unicast.js';
import { applyOptions, encodeOption } from '../options/access.js';
import { localEndpoint } from '../options/local-endpoint.js';
import { checkSockopts } from '../options/sockopts.js';
import type { SocketOptions } from '../options/table.js';
import { optionAccess, refuseOption, type OptionAccess, type OwnSocket } from '../options/target.js';
import { endsOf } from '../source/ends.js';
import { LOSES_GUARANTEE, losesGuarantee } from './guarantee.js';
import { checkRange, contains, refuseOutside } from '../ports/port-range.js';
import { NOT_UNICAST } from '../source/remedies.js';
import { type Endpoint, type EndpointLike } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { isGro, type UdpSocketOptions } from '../udp/options.js';
import { fromReservation } from '../udp/from-reservation.js';
import type { UdpSocket } from '../udp/socket.js';
import { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ENETUNREACH, SOCK_DGRAM } from '../kernel/numbers.js';

export interface ReserveUdpOptions {
  /** The destination. Its port is not 0. An IPv4-mapped address makes an IPv6 socket. */
  readonly remote: EndpointLike;
  /** The own address, and perhaps the port; without it the kernel picks the address by route, and a port. */
  readonly local?: EndpointLike | { readonly address: string; readonly port?: number | undefined } | undefined;
  /** The ports to pick from, both ends included, inside net.ipv4.ip_local_port_range. @default all of those */
  readonly localPortRange?: PortRange | undefined;
  /** True is refused: Linux cannot reserve one UDP port toward several destinations. @default false */
  readonly shareLocalPort?: boolean | undefined;
  /** Let `local` be an address that this host does not have (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Send from an address of others (IP_TRANSPARENT, IPV6_TRANSPARENT); CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** Set before bind. Not those that would take the guarantee away: SO_REUSEADDR, SO_REUSEPORT, SO_BINDTODEVICE; nor UDP_GRO. */
  readonly sockopts?: SocketOptions | undefined;
}

/** 'held': the port is kept. 'released': given back. 'converted': a UdpSocket has it. */
export type UdpReservationState = 'held' | 'released' | 'converted';

/** What `toUdpSocket` takes: what is not decided when the port is reserved. */
export type ReservedSocketOptions = Omit<UdpSocketOptions, (typeof DECIDED)[number]>;

/**
 * Reserves a local UDP port toward `remote`, with nothing sent: no other socket gets the port on this address, or on all
 * addresses, whatever options it has, and from now on datagrams from `remote` wait for `toUdpSocket`, while those of others
 * are refused. Unlike TCP's `reserve` a port is not shared: UDP has one destination for each, and as many reservations as
 * there are ports on an address.
 * @throws ERR_PORT_RANGE_EXHAUSTED when no port is free, with the kernel's error (EAGAIN of connect) as `cause`; SyscallError:
 * EADDRINUSE (the port of `local` is taken), EADDRNOTAVAIL (not an address of this host, or a broadcast or multicast one),
 * ENETUNREACH, EHOSTUNREACH, EACCES, EPERM (transparent), EMFILE; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function reserveUdp(options: ReserveUdpOptions): UdpReservation {
  const plan = planOf(options);
  const handle = new (native().Handle)();
  check('socket', handle.socket(familyNumber(plan.family), SOCK_DGRAM, 0));
  try {
    return new UdpReservation(handle, plan.family, hold(handle, plan), plan.remote);
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** A local UDP port toward one destination. It lasts until `release`, or the end of the process. Made by `reserveUdp`. */
export class UdpReservation implements OwnSocket, Disposable {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #handle: Handle;
  readonly #family: Family;
  #state: UdpReservationState = 'held';

  /** @internal Takes over the handle of a connected socket. */
  constructor(handle: Handle, family: Family, local: Endpoint, remote: Endpoint) {
    this.#handle = handle;
    this.#family = family;
    this.local = local;
    this.remote = remote;
  }

  /** The descriptor; -1 once it has left this object. */
  get fd(): number {
    return this.#state === 'held' ? this.#handle.fd() : -1;
  }

  get state(): UdpReservationState {
    return this.#state;
  }

  /**
   * The connected socket, which owns the port from now on; what has come meanwhile is there to be read. When this throws the
   * port is still held.
   * @throws ERR_INVALID_STATE when it is not held; as UdpSocket.create
   */
  toUdpSocket(options: ReservedSocketOptions = {}): UdpSocket {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
    for (const name of DECIDED) {
      const value = (options as Partial<UdpSocketOptions>)[name];
      if (value !== undefined) throw invalidValue(`options.${name}`, value, 'it is decided when the port is reserved');
    }
    if (this.#state !== 'held') {
      throw new SocketError(
        'ERR_INVALID_STATE',
        `The reservation of ${this.local.toString()} is not held any more: ${this.#state}.`,
      );
    }
    const socket = fromReservation(this.#handle, { ...options, family: this.#family }, this.remote);
    this.#state = 'converted';
    return socket;
  }

  /** Gives the port back. Without effect once a UdpSocket has it. */
  release(): void {
    if (this.#state !== 'held') return;
    this.#state = 'released';
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    return this.#handle;
  }

  /** @internal */
  [refuseOption](level: number, name: number): string | undefined {
    if (this.#state !== 'held') return `the reservation is ${this.#state}`;
    return isGro(level, name) ? GRO : losesGuarantee(level, name);
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { state, local, remote, fd } = this;
    return `UdpReservation ${inspectValue({ state, local, remote, fd }, options)}`;
  }
}

interface Plan {
  readonly family: Family;
  readonly remote: Endpoint;
  readonly local: Endpoint | undefined;
  readonly range: PortRange | undefined;
  readonly sockopts: SocketOptions | undefined;
  readonly own: SocketOptions;
}

function planOf(options: ReserveUdpOptions): Plan {
  checkOptions('options', options, KNOWN);
  const { family, remote, local } = endsOf(options);
  const { shareLocalPort = false, freebind = false, transparent = false, localPortRange } = options;
  if (boolean('options.shareLocalPort', shareLocalPort)) {
    throw invalidValue(
      'options.shareLocalPort',
      shareLocalPort,
      'a UDP port has one destination: Linux cannot reserve it for several',
    );
  }
  boolean('options.freebind', freebind);
  boolean('options.transparent', transparent);
  const sockopts = checkSockopts(options.sockopts, REFUSED);
  const range = localPortRange === undefined ? undefined : checkRange('options.localPortRange', localPortRange);
  if (range !== undefined && local !== undefined && local.port !== 0 && !contains(range, local.port)) {
    throw outOfRange('options.local.port', `inside options.localPortRange, ${range.join('-')}`, local.port);
  }
  return {
    ...{ family, remote, local, range, sockopts },
    own: {
      ...(freebind && (family === 'ipv6' ? { IPV6_FREEBIND: true } : { IP_FREEBIND: true })),
      ...(transparent && (family === 'ipv6' ? { IPV6_TRANSPARENT: true } : { IP_TRANSPARENT: true })),
    },
  };
}

/** Options, bind, connect, and a look at the port. Returns the local endpoint. */
function hold(handle: Handle, plan: Plan): Endpoint {
  const { family, remote, local, range, own, sockopts } = plan;
  // So that the port is picked when the destination is known. An older kernel picks it in bind, with the same result.
  const late = encodeOption('IP_BIND_ADDRESS_NO_PORT', true);
  handle.setsockopt(late.level, late.name, late.value);
  applyOptions(handle, { ...own, ...(range !== undefined && { IP_LOCAL_PORT_RANGE: range }) });
  applyOptions(handle, sockopts);
  if (local !== undefined) {
    if (!isUnicast(local.address)) {
      const { address, port } = local;
      throw new SyscallError('bind', EADDRNOTAVAIL, { address, port, ...NOT_UNICAST });
    }
    const bound = handle.bind(local.transientSockaddr(family));
    const error = (): SyscallError => bindError(bound, local);
    if (bound === EADDRINUSE && local.port === 0) throw exhausted(plan, error());
    if (bound < 0) throw error();
  }
  const connected = handle.connect(remote.transientSockaddr(family));
  if (connected < 0) {
    const error = new SyscallError('connect', connected, {
      ...{ address: remote.address, port: remote.port, localAddress: local?.address, localPort: local?.port },
      reason: connected === EAGAIN ? 'portRangeExhausted' : undefined,
      remedy: connected === ENETUNREACH ? `There is no route: see \`ip route get ${remote.address}\`` : undefined,
    });
    throw connected === EAGAIN ? exhausted(plan, error) : error;
  }
  const held = localEndpoint(handle);
  if (range !== undefined && !contains(range, held.port)) {
    refuseOutside('options.localPortRange', range);
    throw new SocketError(
      'ERR_UNSUPPORTED',
      `The kernel picked port ${held.port}, outside the range ${range.join('-')}; the socket is closed.`,
    );
  }
  return held;
}

function bindError(errno: number, { address, port }: Endpoint): SyscallError {
  const [reason, remedy] =
    errno === EADDRNOTAVAIL
      ? ['addressNotLocal', 'The address is not one of this host: freebind: true binds to it all the same']
      : errno === EADDRINUSE
        ? ['portInUse', 'Another socket holds the port']
        : [];
  return new SyscallError('bind', errno, { address, port, reason, remedy });
}

function exhausted({ range, local }: Plan, cause: SyscallError): SocketError {
  const where = range === undefined ? 'net.ipv4.ip_local_port_range' : `the range ${range.join('-')}`;
  return new SocketError(
    'ERR_PORT_RANGE_EXHAUSTED',
    `No UDP port of ${where} is free${local === undefined ? '' : ` on ${local.address}`}: each serves one socket. ` +
      'Release some, widen the range, or reserve on another local address.',
    { cause },
  );
}

const KNOWN = ['remote', 'local', 'localPortRange', 'shareLocalPort', 'freebind', 'transparent', 'sockopts'] as const;
const DECIDED = ['family', 'ipv6Only', 'reuseAddr', 'reusePort', 'freebind', 'transparent'] as const;
const GRO = 'toUdpSocket({ gro: true }) sets it, and makes room for it';
const REFUSED: ReadonlyMap<string, string> = new Map([
  ...LOSES_GUARANTEE,
  ['UDP_GRO', GRO],
  ['IP_BIND_ADDRESS_NO_PORT', 'reserveUdp sets it itself'],
  ['IP_LOCAL_PORT_RANGE', 'use `localPortRange`'],
  ['IP_FREEBIND', 'use `freebind`'],
  ['IPV6_FREEBIND', 'use `freebind`'],
  ['IP_TRANSPARENT', 'use `transparent`'],
  ['IPV6_TRANSPARENT', 'use `transparent`'],
]);
