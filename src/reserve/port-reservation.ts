// PortReservation: a local port that the kernel reserves toward one destination, without sending anything.
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { inspect, type InspectOptions } from 'node:util';
import { abortSignal, integer, invalidType, object, options as checkOptions } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { descriptorOf } from '../node/descriptor.js';
import { isDeferred } from '../options/deferred.js';
import {
  accessOf,
  optionAccess,
  refusedOptions,
  refuseOption,
  socketType,
  type OptionAccess,
  type OwnSocket,
} from '../options/target.js';
import { Readiness } from '../socket/readiness.js';
import { emptyHandle, giveBack } from '../source/handles.js';
import { Endpoint, SOCKADDR_SIZE, type EndpointLike } from '../wire/endpoint.js';
import { losesGuarantee, type UnsafeOption } from './guarantee.js';
import { resetOnClose } from '../kernel/reset.js';
import { refusalError } from '../source/explain.js';
import { isToItself } from '../source/itself.js';
import { fromHandle } from './internal.js';
import { handshake } from './handshake.js';
import { noLongerHeld, notHeld, type DetachedReservation } from './moved.js';
import { requireNode } from '../node/runtime.js';
import { ignoreEmptyWrites, toStream } from '../node/stream.js';

/**
 * 'held': the port is reserved. 'activating': the handshake is in progress. 'activated': a net.Socket owns the port.
 * 'released': the port was released. 'detached': moved elsewhere. 'lost': the kernel closed the socket (`ss -K`, a
 * simultaneous open).
 */
export type ReservationState = 'held' | 'activating' | 'activated' | 'released' | 'detached' | 'lost';

export interface ActivateOptions {
  /** Aborts the handshake and releases the port. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until it fails with ETIMEDOUT; 0 uses the kernel's timeout (TCP_SYNCNT). @default 0 */
  readonly timeout?: number | undefined;
}

/** The message of `sendTo`; the descriptor is sent with it as the handle. */
export interface ReservationMessage {
  readonly type: 'linux-sockets:reservation';
  readonly local: EndpointLike;
  readonly remote: EndpointLike;
}

/**
 * An exclusive local port toward one destination, for which no packet has been sent. Other destinations may share the port,
 * unless it was reserved with `shareLocalPort: false`. It lasts until `release` or the end of the process; there is no
 * timeout. Created by `reserve`.
 */
export class PortReservation implements OwnSocket<'stream'>, Disposable {
  declare readonly [socketType]: 'stream';
  declare readonly [refusedOptions]: UnsafeOption;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  #handle: Handle;
  #state: ReservationState = 'held';
  /** Used while activating: must be closed before the descriptor. */
  #readiness: Readiness | undefined;
  #polled = false;

  private constructor(handle: Handle, local: Endpoint, remote: Endpoint) {
    this.#handle = handle;
    this.local = local;
    this.remote = remote;
  }

  /** Takes over the handle of a socket whose connect was deferred. @internal */
  static [fromHandle](handle: Handle, local: Endpoint, remote: Endpoint): PortReservation {
    return new PortReservation(handle, local, remote);
  }

  /**
   * Takes over a reservation from another thread (the return value of `detach`) or another process (the message and the
   * handle of `sendTo`). If this throws, the caller still owns the descriptor.
   * @throws ERR_INVALID_STATE if the descriptor does not hold that reservation; ERR_INVALID_ARG_TYPE
   */
  static adopt(moved: DetachedReservation): PortReservation;
  static adopt(message: ReservationMessage, handle: unknown): PortReservation;
  static adopt(moved: DetachedReservation | ReservationMessage, sent?: unknown): PortReservation {
    object('reservation', moved);
    const local = Endpoint.from(moved.local, 'reservation.local');
    const remote = Endpoint.from(moved.remote, 'reservation.remote');
    const fd = integer('reservation.fd', 'fd' in moved ? moved.fd : sentDescriptor(sent), 0, 2 ** 31 - 1);
    requireHeld(fd, local);
    const handle = new (native().Handle)();
    if ('fd' in moved) check('fcntl', handle.adopt(fd));
    else {
      check('fcntl', handle.duplicate(fd));
      (sent as Socket).destroy(); // closes without a shutdown: the duplicate holds the port
    }
    return new PortReservation(handle, local, remote);
  }

  /** The descriptor; -1 when this object no longer owns it. */
  get fd(): number {
    return this.#handle.fd();
  }

  /** The current state. While it is held, the kernel is queried. */
  get state(): ReservationState {
    this.verify();
    return this.#state;
  }

  /** Checks with the kernel that it is still held (SYN_SENT), with no packet sent (tcpi_segs_out 0). */
  verify(): boolean {
    if (this.#state !== 'held') return false;
    if (isDeferred(this.#handle)) return true;
    this.#state = 'lost';
    return false;
  }

  /**
   * Connects with the normal handshake, and resolves with the connected socket, which then owns the port. Use it for
   * protocols in which the server sends first, and if connection errors must be distinguishable from stream errors.
   * @throws as a failed net.connect: ECONNREFUSED, ETIMEDOUT, … with `syscall` 'connect', `address`, `port`,
   * `localAddress`, `localPort`; AbortError. In each case the port is released. ERR_INVALID_STATE if it is not held.
   */
  async activate(options: ActivateOptions = {}): Promise<Socket> {
    checkOptions('options', options, ['signal', 'timeout']);
    const signal = abortSignal('options.signal', options.signal);
    const { timeout = 0 } = options;
    integer('options.timeout', timeout, 0, 2 ** 31 - 1);
    requireNode();
    this.#requireHeld();
    this.#refuseItself();
    this.#polled = true;
    const readiness = (this.#readiness = new Readiness(this.#handle));
    this.#state = 'activating';
    try {
      const errno = await handshake(this.#handle, readiness, signal, timeout);
      if (errno !== 0) throw this.#connectError(errno);
      readiness.close();
      const socket = toStream(this.#handle);
      this.#state = 'activated';
      return socket;
    } catch (error) {
      const released = this.#hasState('released'); // by `release`, which has ended the wait
      this.release();
      throw released
        ? new SocketError('ERR_INVALID_STATE', 'The reservation was released while it was being activated.')
        : error;
    } finally {
      this.#readiness = undefined;
    }
  }

  /**
   * Returns a net.Socket whose handshake starts with its first write: the SYN carries the data. It counts as connected at
   * once, so there is no 'connect' event, and a refused connection is an ECONNREFUSED of 'read' or 'write'. Nothing is sent
   * until the first write, and `end()` before any write is an ECONNRESET of 'read'. If the server sends first, it waits
   * indefinitely; use `activate` instead.
   * @throws ERR_INVALID_STATE if it is not held; ECONNREFUSED if both ends are the same, and then the port is released
   */
  toSocket(): Socket {
    requireNode();
    this.#requireHeld();
    this.#refuseItself();
    const socket = ignoreEmptyWrites(toStream(this.#handle));
    this.#state = 'activated';
    return socket;
  }

  /** Releases the port without sending anything. Does nothing if this object no longer owns the port. */
  release(): void {
    if (this.#state === 'released' || this.#state === 'activated' || this.#state === 'detached') return;
    // The handshake may just have succeeded: a reset avoids TIME-WAIT, which would hold the port.
    if (this.#state === 'activating') resetOnClose(this.#handle);
    this.#state = 'released';
    this.#readiness?.close();
    this.#handle.close();
    // Not given back if a poll has watched it.
    if (!this.#polled) giveBack(this.#handle);
    this.#handle = emptyHandle();
  }

  [Symbol.dispose](): void {
    this.release();
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

  /**
   * Moves the reservation to a child process created by fork. In the child, call
   * `process.on('message', (message, handle) => PortReservation.adopt(message, handle))`. Resolves when the message has
   * been written; if sending fails, the reservation is still held here.
   * @throws ERR_INVALID_STATE if it is not held; the error of `child.send`
   */
  async sendTo(child: ChildProcess): Promise<void> {
    if (typeof child !== 'object' || child === null || typeof child.send !== 'function') {
      throw invalidType('child', 'a ChildProcess with an IPC channel (child_process.fork)', child);
    }
    requireNode();
    this.#requireHeld();
    const copy = new (native().Handle)();
    check('fcntl', copy.duplicate(this.#handle.fd()));
    const carrier = toStream(copy);
    const message: ReservationMessage = { type: 'linux-sockets:reservation', local: this.local, remote: this.remote };
    this.#state = 'detached';
    try {
      await sendHandle(child, message, carrier);
    } catch (error) {
      this.#state = 'held';
      throw error;
    } finally {
      carrier.destroy(); // closes without a shutdown: the child, or this object, holds the port
    }
    this.#handle.close();
  }

  /** @throws SyscallError (ECONNREFUSED), after releasing the port: nobody can listen there */
  #refuseItself(): void {
    if (!isToItself(this.local, this.remote)) return;
    this.release();
    const { local, remote } = this;
    const family = local.family === 'ipv6' || local.mapped ? 'ipv6' : 'ipv4';
    throw refusalError('selfConnected', { by: 'reserve', family, local: local.address, port: local.port, remote });
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    return this.#handle;
  }

  /** @internal */
  [refuseOption](level: number, name: number): string | undefined {
    return losesGuarantee(level, name);
  }

  /** Both ends: '192.0.2.1:40000 -> 198.51.100.7:443'. */
  toString(): string {
    return `${this.local.toString()} -> ${this.remote.toString()}`;
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { state, local, remote, fd } = this;
    return `PortReservation ${inspectValue({ state, local, remote, fd }, options)}`;
  }

  /** For use after an await, since TypeScript assumes that the state has not changed. */
  #hasState(state: ReservationState): boolean {
    return this.#state === state;
  }

  #connectError(errno: number): SyscallError {
    const { local, remote } = this;
    return new SyscallError('connect', errno, {
      address: remote.address,
      port: remote.port,
      localAddress: local.address,
      localPort: local.port,
    });
  }

  #requireHeld(): void {
    if (!this.verify()) {
      throw noLongerHeld(this.local, this.#state);
    }
  }
}

/** Resolves when the message has been written; rejects if it never will be. */
async function sendHandle(child: ChildProcess, message: ReservationMessage, carrier: Socket): Promise<void> {
  let gone: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      child.send(message, carrier, { keepOpen: true }, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
      // Node sends one handle at a time, and silently drops those that are queued when the child exits.
      if (!child.connected) return;
      gone = () => reject(new SocketError('ERR_INVALID_STATE', 'The child ended before the reservation was sent.'));
      child.once('disconnect', gone).once('exit', gone);
    });
  } finally {
    if (gone !== undefined) child.off('disconnect', gone).off('exit', gone);
  }
}

/** Checks that an adopted descriptor holds the reservation. */
function requireHeld(fd: number, local: Endpoint): void {
  const access = accessOf(fd);
  const actual = Endpoint.decode(scratchAddress, access.getsockname(scratchAddress));
  if (isDeferred(access) && actual?.equals(local) === true) return;
  throw notHeld(fd, local);
}

/** The descriptor received with a message: the net.Socket owns it, so it is duplicated. */
function sentDescriptor(sent: unknown): number {
  const fd = sent instanceof Socket ? descriptorOf(sent) : undefined;
  if (fd === undefined) throw invalidType('handle', 'the net.Socket that came with the message', sent);
  return fd;
}

const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
