// UdpSocket: a datagram socket of its own, beside Node's dgram: control messages, batches, segmentation offload.
import { EventEmitter } from 'node:events';
import { inspect, type InspectOptions } from 'node:util';
import { invalidType, options as checkOptions } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { optionAccess, refuseOption, type OptionAccess, type OwnSocket } from '../options/target.js';
import { READABLE, WRITABLE } from '../readiness.js';
import type { WaitOptions } from '../socket.js';
import { Endpoint, SOCKADDR_SIZE, UNSPECIFIED, type EndpointLike } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { SocketEvents } from './events.js';
import { Features, type Feature, type FeatureName } from './features.js';
import { applyUdpOptions, checkUdpOptions, receiverOptions, type UdpSocketOptions } from './options.js';
import { ReceivedBatch } from './receive/batch.js';
import type { Message, MessageInfo } from './receive/messages.js';
import { Receiver, type ReceiverOptions, type ReceiveStats } from './receive/receiver.js';

/** What a UdpSocket emits. There is no 'error': nothing that a peer can cause ends a process that does not listen for it. */
export interface UdpSocketEvents {
  /** Datagrams, read in place: valid until the callback returns. Kept and refilled, so that there is no garbage. */
  batch: [received: ReceivedBatch];
  /** A datagram as a copy, in dgram's shape. */
  message: [data: Buffer, info: MessageInfo];
  /** An error was pending on the socket, such as ECONNREFUSED from an ICMP message. It goes on; `stats` counts them. */
  receiveError: [error: SyscallError];
  /** A feature that was wanted is not on; once for each, in the turn after `create`. */
  degraded: [name: FeatureName, feature: Feature];
  /** After `close()`. */
  close: [];
}

/** What a socket has done, counted since it was made. */
export interface UdpStats {
  readonly received: ReceiveStats;
}

/**
 * A UDP socket. It receives from when somebody wants what arrives: a listener of 'batch' or of 'message', `for await`, or
 * `recvBatch`; one of these at a time. Until then, and while paused, datagrams wait in the kernel's receive buffer, and are
 * dropped when it is full. Listening keeps the event loop alive, unless `unref()`. One that is forgotten is closed by the
 * garbage collector, with a process warning, though never while it listens.
 */
export class UdpSocket extends EventEmitter<UdpSocketEvents> implements OwnSocket, AsyncDisposable {
  readonly family: Family;
  readonly #handle: Handle;
  readonly #features: Features;
  readonly #events: SocketEvents;
  readonly #receiver: Receiver;
  #remote: Endpoint | undefined;
  #closed: Promise<void> | undefined;

  private constructor(handle: Handle, family: Family, features: Features, receiver: ReceiverOptions) {
    super();
    this.family = family;
    this.#handle = handle;
    this.#features = features;
    this.#events = new SocketEvents(handle, {
      onReadable: () => this.#receiver.onReadable(),
      onError: () => this.#receiver.onError(),
    });
    this.#receiver = new Receiver(
      {
        handle,
        events: this.#events,
        onBatch: (batch) => this.emit('batch', batch),
        onMessage: (data, info) => this.emit('message', data, info),
        onReceiveError: (error) => this.emit('receiveError', error),
      },
      receiver,
    );
    const { degraded } = features;
    if (degraded.length > 0) process.nextTick(() => degraded.forEach((entry) => this.emit('degraded', ...entry)));
  }

  /**
   * Makes a socket, non-blocking and close-on-exec, and sets its options. A failure leaves no descriptor behind.
   * @throws SyscallError of socket or setsockopt; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
   */
  static create(options: UdpSocketOptions): UdpSocket {
    checkUdpOptions(options);
    const { family } = options;
    const handle = new (native().Handle)();
    check('socket', handle.socket(familyNumber(family), SOCK_DGRAM, 0));
    try {
      const features = new Features(handle, family);
      applyUdpOptions(handle, features, options);
      return new UdpSocket(handle, family, features, receiverOptions(options, features));
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  /** The descriptor; -1 after close. It still belongs to this socket. */
  get fd(): number {
    return this.#handle.fd();
  }

  /** The own address, getsockname(2); port 0 while none is assigned. @throws SyscallError (EBADF) */
  get local(): Endpoint {
    const length = check('getsockname', this.#handle.getsockname(scratchAddress));
    const endpoint = Endpoint.decode(scratchAddress, length);
    if (endpoint === undefined) throw new SocketError('ERR_UNSUPPORTED', 'The socket has no IP address.');
    return endpoint;
  }

  /** Whom it is connected to; undefined when it is not. */
  get remote(): Endpoint | undefined {
    return this.#remote;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Which of the wanted features are really on, and why not. Those that were not wanted are there, and not on. */
  get features(): Readonly<Record<FeatureName, Feature>> {
    return this.#features.found;
  }

  /** A copy of the counters. */
  get stats(): UdpStats {
    return { received: this.#receiver.stats };
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    return this.#handle;
  }

  /** @internal */
  [refuseOption](name: string): string | undefined {
    return name === 'UDP_GRO'
      ? 'it is fixed when the socket is created (gro: true): merged datagrams that wait already would lose their borders'
      : undefined;
  }

  /**
   * bind(2). Without an address, to all of this host's, on a port that the kernel picks.
   * @throws SyscallError with `address` and `port`; EADDRNOTAVAIL for an address that is not local, unless `freebind`
   */
  bind(endpoint: EndpointLike = { address: this.family === 'ipv4' ? '0.0.0.0' : '::', port: 0 }): void {
    const local = Endpoint.from(endpoint);
    const { address, port } = local;
    const result = this.#handle.bind(local.transientSockaddr(this.family));
    check('bind', result, {
      ...{ address, port },
      ...(result === EADDRNOTAVAIL && {
        reason: 'addressNotLocal',
        remedy: 'The address is not one of this host: freebind: true binds to it all the same.',
      }),
    });
  }

  /**
   * connect(2): the destination of what is sent without `to`; only datagrams from there are received from now on. Those that
   * wait already still come. May be called again.
   * @throws SyscallError in Node's shape of connect; EAGAIN when no local port is free
   */
  connect(endpoint: EndpointLike): void {
    const remote = Endpoint.from(endpoint);
    const { address, port } = remote;
    check('connect', this.#handle.connect(remote.transientSockaddr(this.family)), { address, port });
    this.#remote = remote;
  }

  /** Dissolves the connection, connect(2) with AF_UNSPEC: the socket hears everybody again. @throws SyscallError */
  disconnect(): void {
    check('connect', this.#handle.connect(UNSPECIFIED));
    this.#remote = undefined;
  }

  /** A batch of one's own for `recvBatch`, to be used again and again. */
  createReceiveBatch(): ReceivedBatch {
    return this.#receiver.createBatch();
  }

  /**
   * The pull form: fills the batch with the datagrams that are there, and says how many; 0 when there are none, then wait for
   * `readable()`. What was in it before is gone. An error that a peer has caused is a 'receiveError', and nothing is thrown.
   * @throws ERR_INVALID_STATE while there is a listener of 'batch' or 'message', or an iterator; EBADF
   */
  recvBatch(batch: ReceivedBatch): number {
    if (!(batch instanceof ReceivedBatch)) throw invalidType('batch', 'a batch of createReceiveBatch', batch);
    return this.#receiver.pull(batch);
  }

  /** Resolves when there is something to read, or an error is. @throws AbortError; EBADF when closed meanwhile */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#events.wait(READABLE, options.signal);
  }

  /** Resolves when there is room to write, or an error is. @throws AbortError; EBADF when closed meanwhile */
  async writable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#events.wait(WRITABLE, options.signal);
  }

  /**
   * `for await (const { data, info } of udp)`: messages until the socket closes. What is not asked for yet waits in the
   * kernel. The iterator is the consumer from when it is made until it is done: a `break` ends it.
   * @throws ERR_INVALID_STATE when somebody else receives already; ERR_UNSUPPORTED where the runtime cannot wait
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.#receiver.iterate();
  }

  /** Stops reading, until `resume()`: the datagrams wait in the kernel. A batch that is being delivered is delivered. */
  pause(): this {
    this.#receiver.pause();
    return this;
  }

  resume(): this {
    this.#receiver.resume();
    return this;
  }

  get isPaused(): boolean {
    return this.#receiver.paused;
  }

  /** Listening keeps the event loop alive: the default. */
  ref(): this {
    this.#events.keepAlive(true);
    return this;
  }

  /** The process may end while the socket listens. What is waited for still keeps it alive. */
  unref(): this {
    this.#events.keepAlive(false);
    return this;
  }

  get hasRef(): boolean {
    return this.#events.hasRef;
  }

  /**
   * Closes the socket, now; the promise resolves once 'close' has been emitted. Iterators end, pending waits reject with
   * EBADF. May be called in any callback of the socket's own, and again.
   */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // What follows watches who listens: datagrams are read from the first listener on, until the last has gone.

  override on<E extends keyof UdpSocketEvents>(event: E, listener: (...args: UdpSocketEvents[E]) => void): this {
    return this.#listen(event, () => super.on(event, listener as never));
  }

  override addListener<E extends keyof UdpSocketEvents>(
    event: E,
    listener: (...args: UdpSocketEvents[E]) => void,
  ): this {
    return this.on(event, listener);
  }

  override prependListener<E extends keyof UdpSocketEvents>(
    event: E,
    listener: (...args: UdpSocketEvents[E]) => void,
  ): this {
    return this.#listen(event, () => super.prependListener(event, listener as never));
  }

  override removeListener<E extends keyof UdpSocketEvents>(
    event: E,
    listener: (...args: UdpSocketEvents[E]) => void,
  ): this {
    super.removeListener(event, listener as never);
    this.#stopListening();
    return this;
  }

  override off<E extends keyof UdpSocketEvents>(event: E, listener: (...args: UdpSocketEvents[E]) => void): this {
    return this.removeListener(event, listener);
  }

  override removeAllListeners(event?: keyof UdpSocketEvents): this {
    if (event === undefined) super.removeAllListeners();
    else super.removeAllListeners(event);
    this.#stopListening();
    return this;
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { family, fd, remote } = this;
    // Nothing throws here, also not for a descriptor that was closed behind its back.
    const open = this.#handle.getsockname(scratchAddress) >= 0;
    return `UdpSocket ${inspectValue(open ? { family, fd, local: this.local, remote } : { family, closed: true }, options)}`;
  }

  #listen(event: keyof UdpSocketEvents, add: () => unknown): this {
    if (event !== 'batch' && event !== 'message') add();
    else {
      this.#receiver.attach(event);
      try {
        add();
      } finally {
        this.#stopListening(); // it was no function
      }
    }
    return this;
  }

  #stopListening(): void {
    for (const event of ['batch', 'message'] as const) {
      if (this.listenerCount(event) === 0) this.#receiver.detach(event);
    }
  }

  #close(): Promise<void> {
    this.#events.close();
    this.#receiver.close();
    this.#handle.close(); // an error of close(2) still frees the descriptor
    this.#remote = undefined;
    return new Promise((resolve) => {
      process.nextTick(() => {
        resolve();
        this.emit('close');
      });
    });
  }
}

const SOCK_DGRAM = 2;
const EADDRNOTAVAIL = -99;
// What a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
