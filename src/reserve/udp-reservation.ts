// UdpReservation: a reserved local UDP port toward one destination, held by a connected socket.
import { inspect, type InspectOptions } from 'node:util';
import { invalidValue, object } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check } from '../errors.js';
import { intOption } from '../kernel/int-option.js';
import { AF_INET6, IPPROTO_UDP, SO_DOMAIN, SO_PROTOCOL, SOL_SOCKET } from '../kernel/numbers.js';
import { localEndpoint } from '../options/local-endpoint.js';
import {
  accessOf,
  optionAccess,
  refusedOptions,
  refuseOption,
  socketType,
  type OptionAccess,
  type OwnSocket,
} from '../options/target.js';
import { offloadOption, type OffloadOption, type UdpSocketOptions } from '../udp/options.js';
import { fromReservation } from '../udp/from-reservation.js';
import type { UdpSocket } from '../udp/socket.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { losesGuarantee, SET_BY_RESERVE_UDP, type UnsafeOption } from './guarantee.js';
import { fromHandle } from './internal.js';
import { checkMoved, leadsTo, noLongerHeld, notHeld, type DetachedReservation } from './moved.js';

/** The two ends of a reservation. */
export interface HeldEnds {
  readonly family: Family;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/**
 * 'held': the port is reserved. 'released': the port was released. 'converted': a UdpSocket owns it. 'detached': moved
 * elsewhere.
 */
export type UdpReservationState = 'held' | 'released' | 'converted' | 'detached';

/** The options of `toUdpSocket`: those that are not fixed when the port is reserved. */
export type ReservedSocketOptions = Omit<UdpSocketOptions, (typeof DECIDED)[number]>;

/** A local UDP port toward one destination. It lasts until `release` or the end of the process. Created by `reserveUdp`. */
export class UdpReservation implements OwnSocket<'dgram'>, Disposable {
  declare readonly [socketType]: 'dgram';
  declare readonly [refusedOptions]: UnsafeOption | OffloadOption;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #handle: Handle;
  readonly #family: Family;
  #state: UdpReservationState = 'held';

  private constructor(handle: Handle, { family, local, remote }: HeldEnds) {
    this.#handle = handle;
    this.#family = family;
    this.local = local;
    this.remote = remote;
  }

  /** Takes over the handle of a connected socket. @internal */
  static [fromHandle](handle: Handle, ends: HeldEnds): UdpReservation {
    return new UdpReservation(handle, ends);
  }

  /**
   * Takes over a reservation from another thread: the return value of `detach`. If this throws, the caller still owns the
   * descriptor.
   * @throws ERR_INVALID_STATE if the descriptor does not hold that reservation; ERR_INVALID_ARG_TYPE
   */
  static adopt(moved: DetachedReservation): UdpReservation {
    const { fd, local, remote } = checkMoved(moved);
    const access = accessOf(fd);
    const domain = intOption(access, SOL_SOCKET, SO_DOMAIN);
    const isUdp = intOption(access, SOL_SOCKET, SO_PROTOCOL) === IPPROTO_UDP;
    const handle = new (native().Handle)();
    if (!isUdp || !localEndpoint(access).equals(local) || !leadsTo(fd, remote)) throw notHeld(fd, local);
    check('fcntl', handle.adopt(fd));
    return new UdpReservation(handle, { family: domain === AF_INET6 ? 'ipv6' : 'ipv4', local, remote });
  }

  /** The descriptor; -1 when this object no longer owns it. */
  get fd(): number {
    return this.#state === 'held' ? this.#handle.fd() : -1;
  }

  get state(): UdpReservationState {
    return this.#state;
  }

  /**
   * Returns the connected socket, which then owns the port; datagrams that arrived in the meantime can be read from it. If
   * this throws, the port is still reserved.
   * @throws ERR_INVALID_STATE if it is not held; as UdpSocket.create
   */
  toUdpSocket(options: ReservedSocketOptions = {}): UdpSocket {
    object('options', options);
    for (const name of DECIDED) {
      const value = (options as Partial<UdpSocketOptions>)[name];
      if (value !== undefined) throw invalidValue(`options.${name}`, value, 'it is fixed when the port is reserved');
    }
    this.#requireHeld();
    const socket = fromReservation(this.#handle, { ...options, family: this.#family }, this.remote);
    this.#state = 'converted';
    return socket;
  }

  /**
   * Returns the reservation as data, for `adopt` in another thread. The port stays reserved. @throws ERR_INVALID_STATE if
   * it is not held
   */
  detach(): DetachedReservation {
    this.#requireHeld();
    const fd = check('detach', this.#handle.detach());
    this.#state = 'detached';
    return { fd, local: this.local, remote: this.remote };
  }

  /** Releases the port. Does nothing if this object no longer owns it. */
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
    const offload = offloadOption(level, name);
    return offload === undefined ? losesGuarantee(level, name) : SET_BY_RESERVE_UDP.get(offload);
  }

  /** Both ends: '192.0.2.1:40000 -> 198.51.100.7:443'. */
  toString(): string {
    return `${this.local.toString()} -> ${this.remote.toString()}`;
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { state, local, remote, fd } = this;
    return `UdpReservation ${inspectValue({ state, local, remote, fd }, options)}`;
  }

  #requireHeld(): void {
    if (this.#state !== 'held') throw noLongerHeld(this.local, this.#state);
  }
}

const DECIDED = ['family', 'ipv6Only', 'reuseAddr', 'reusePort', 'freebind', 'transparent', 'device'] as const;
