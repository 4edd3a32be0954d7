// UdpSocket: a datagram socket of its own, beside Node's dgram: control messages, batches, segmentation offload.
import { inspect, type InspectOptions } from 'node:util';
import { invalidType, options as checkOptions } from '../arguments.js';
import { canWait, native, type Handle } from '../binding.js';
import { check, SocketError } from '../errors.js';
import { applyOptions } from '../options/access.js';
import type { BpfInstruction } from '../options/kinds/filter.js';
import { localEndpoint, portAssigned } from '../options/local-endpoint.js';
import { optionAccess, refuseOption, socketType, type OptionAccess, type OwnSocket } from '../options/target.js';
import { READABLE, WRITABLE } from '../socket/readiness.js';
import type { WaitOptions } from '../socket/native-socket.js';
import { notAborted } from '../socket/waiters.js';
import { Endpoint, SOCKADDR_SIZE, UNSPECIFIED, type EndpointLike } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { WILDCARD } from '../wire/wildcard.js';
import { UdpEmitter, type UdpSocketEvents } from './emitter.js';
import { ErrorQueue, type ErrorQueueStats } from './error-queue.js';
import { SocketEvents } from './events.js';
import { Features, keepFlags, type Feature, type FeatureName } from './features.js';
import {
  applyUdpOptions,
  checkUdpOptions,
  isGro,
  receiverOptions,
  senderOptions,
  type UdpSocketOptions,
} from './options.js';
import { pathMtu } from './path-mtu.js';
import { ReceivedBatch } from './receive/batch.js';
import { addStats } from './reply/egress.js';
import { Replier, type ReplyInfo, type ReplyStats } from './reply/replier.js';
import type { Message } from './receive/messages.js';
import { Receiver, type ReceiveStats } from './receive/receiver.js';
import type { SendBatch, SendBatchOptions } from './send/batch.js';
import type { ReplyOptions, SendOptions } from './send/envelope.js';
import type { SendData } from './send/data.js';
import { Sender } from './send/sender.js';
import type { SendStats } from './send/transmit.js';
import { EADDRNOTAVAIL, SOCK_DGRAM } from '../kernel/numbers.js';

/**
 * A socket with the handle of one that is connected already, which it takes over unless this throws. It is no public member
 * of the class. @internal
 */
export let fromReservation: (handle: Handle, options: UdpSocketOptions, remote: Endpoint) => UdpSocket;

/**
 * Closes a socket, but for its descriptor, which `take` detaches. @throws ERR_INVALID_STATE; what `take` throws, and then the
 * descriptor is closed as well. @internal
 */
export let handOver: <T>(socket: UdpSocket, take: (handle: Handle) => T) => T;

/** What a socket has done, counted since it was made. */
export interface UdpStats {
  readonly received: ReceiveStats;
  /** With what was sent from other ports, by `reply`. */
  readonly sent: SendStats;
  readonly replies: ReplyStats;
  /** With `errorQueue`. */
  readonly errorQueue: ErrorQueueStats;
}

/**
 * A UDP socket. It receives from when somebody wants what arrives: a listener of 'batch' or of 'message', `for await`, or
 * `recvBatch`; one of these at a time. Until then, and while paused, datagrams wait in the kernel's receive buffer, and are
 * dropped when it is full. Listening keeps the event loop alive, unless `unref()`. One that is forgotten is closed by the
 * garbage collector, with a process warning, though never while it listens.
 */
export class UdpSocket extends UdpEmitter implements OwnSocket<'dgram'>, AsyncDisposable {
  declare readonly [socketType]: 'dgram';
  readonly family: Family;
  readonly #handle: Handle;
  readonly #features: Features;
  readonly #events: SocketEvents;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #replier: Replier;
  readonly #errorQueue: ErrorQueue | undefined;
  readonly #steer: readonly BpfInstruction[] | undefined;
  #bound = false;
  #remote: Endpoint | undefined;
  #closed: Promise<void> | undefined;

  /** @param options checked */
  private constructor(handle: Handle, options: UdpSocketOptions) {
    super();
    const { family } = options;
    const features = new Features(handle, family);
    applyUdpOptions(handle, features, options);
    this.family = family;
    this.#handle = handle;
    this.#features = features;
    this.#events = new SocketEvents(handle, {
      onReadable: () => this.#receiver.onReadable(),
      onError: () => this.#receiver.onError(),
    });
    if (features.found.errorQueue.on) {
      this.#errorQueue = new ErrorQueue({ handle, wanted: (wanted) => this.#events.watchErrors(wanted) });
    }
    this.#receiver = new Receiver(
      {
        handle,
        events: this.#events,
        onBatch: (batch) => this.emit('batch', batch),
        onMessage: (data, info) => this.emit('message', data, info),
        onPendingError: (error) => this.#tell('pendingError', error),
        drainErrors: this.#errorQueue && (() => this.#errorQueue?.drain()),
      },
      receiverOptions(options, features),
    );
    const sendOptions = senderOptions(options);
    this.#sender = new Sender(
      {
        handle,
        family,
        connectedTo: () => this.#remote,
        writable: () => this.#events.wait(WRITABLE),
        emit: (event, ...args) => this.#tell(event, ...(args as never)),
      },
      sendOptions,
    );
    const { pktinfo, originalDestination } = features.found;
    this.#replier = new Replier(
      {
        ...{ handle, family, sender: this.#sender, senderOptions: sendOptions },
        tellsDestination: pktinfo.on || originalDestination.on,
        emit: (event, ...args) => this.#tell(event, ...(args as never)),
        onError: (error, info) => {
          // In a turn of its own, so that what a listener throws does not look like a reply that was not sent.
          if (this.listenerCount('sendError') > 0) setImmediate(() => this.#tell('sendError', error, info));
        },
      },
      options,
    );
    this.#steer = typeof options.reusePort === 'object' ? options.reusePort.steer : undefined;
    this.#sender.replies = this.#replier;
    this.watchListeners(this.#receiver);
    // The last that may fail: a poll keeps what it polls for alive.
    if (this.#errorQueue !== undefined && canWait) this.#events.watchErrors(false);
    const { degraded } = features;
    if (degraded.length > 0) process.nextTick(() => degraded.forEach((entry) => this.emit('degraded', ...entry)));
  }

  /**
   * Makes a socket, non-blocking and close-on-exec, and sets its options. A failure leaves no descriptor behind.
   * @throws SyscallError of socket or setsockopt; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
   */
  static create(options: UdpSocketOptions): UdpSocket {
    checkUdpOptions(options);
    const handle = new (native().Handle)();
    check('socket', handle.socket(familyNumber(options.family), SOCK_DGRAM, 0));
    try {
      return new UdpSocket(handle, options);
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  static {
    fromReservation = (handle, options, remote) => {
      checkUdpOptions(options);
      const restore = keepFlags(handle, options.family);
      try {
        const socket = new UdpSocket(handle, options);
        socket.#bound = true; // disconnect keeps the port
        socket.#remote = remote;
        return socket;
      } catch (error) {
        restore();
        throw error;
      }
    };
    handOver = (socket, take) => {
      if (socket.#receiver.holdsMessages) {
        throw new SocketError(
          'ERR_INVALID_STATE',
          'Messages that were read have not been delivered: resume, or iterate on, until they are.',
        );
      }
      socket.#events.close();
      try {
        return take(socket.#handle);
      } finally {
        void socket.close(); // without the descriptor, unless it was not taken
      }
    };
  }

  /** The descriptor; -1 after close. It still belongs to this socket. */
  get fd(): number {
    return this.#handle.fd();
  }

  /** The own address, getsockname(2); port 0 while none is assigned. @throws SyscallError (EBADF) */
  get local(): Endpoint {
    return localEndpoint(this.#handle);
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
    return {
      received: this.#receiver.stats,
      sent: addStats({ ...this.#sender.stats }, this.#replier.sent),
      replies: this.#replier.stats,
      errorQueue: this.#errorQueue?.stats ?? { entries: 0, dropped: 0 },
    };
  }

  /**
   * What went wrong with datagrams that were sent, one entry each, with who said so; created with `errorQueue: true`.
   * @throws ERR_INVALID_STATE without it, or where the kernel has none (`features.errorQueue`)
   */
  get errorQueue(): ErrorQueue {
    if (this.#errorQueue !== undefined) return this.#errorQueue;
    throw new SocketError('ERR_INVALID_STATE', 'The socket has no error queue: create it with errorQueue: true.');
  }

  /**
   * The path MTU toward where it is connected to, as far as the kernel knows it: bytes of an IP packet, headers included.
   * Undefined when it is not connected. It changes as ICMP messages come in, unless `pathMtuDiscovery` says otherwise.
   */
  get pathMtu(): number | undefined {
    const remote = this.#remote;
    return remote === undefined ? undefined : pathMtu(this.#handle, remote.family === 'ipv4');
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    this.#sender.sticky.forget(); // UDP_SEGMENT may be set
    return this.#handle;
  }

  /** @internal */
  [refuseOption](level: number, name: number): string | undefined {
    return isGro(level, name)
      ? 'it is fixed when the socket is created (gro: true): merged datagrams that wait already would lose their borders'
      : undefined;
  }

  /**
   * bind(2). Without an address, to all of this host's, on a port that the kernel picks.
   * @throws SyscallError with `address` and `port`; EADDRNOTAVAIL for an address that is not local, unless `freebind`; of
   *   setsockopt when the program of `reusePort` is none that the kernel takes
   */
  bind(endpoint: EndpointLike = { address: WILDCARD[this.family], port: 0 }): void {
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
    this.#bound = true;
    this.#replier.moved();
    // A socket that has a program already cannot join a group that has one.
    if (this.#steer !== undefined) applyOptions(this.#handle, { SO_ATTACH_REUSEPORT_CBPF: this.#steer });
  }

  /**
   * connect(2): the destination of what is sent without `to`; only datagrams from there are received from now on. Those that
   * wait already still come. May be called again.
   * @throws SyscallError in Node's shape of connect; EAGAIN when no local port is free
   */
  connect(endpoint: EndpointLike): void {
    const remote = Endpoint.from(endpoint);
    const { address, port } = remote;
    const sockaddr = remote.transientSockaddr(this.family);
    // A send may have picked a port, to which its answers come. One that connect picks goes with the connection.
    const bound = this.#bound || (this.#remote === undefined && portAssigned(this.#handle));
    check('connect', this.#handle.connect(sockaddr), { address, port });
    this.#bound = bound;
    this.#remote = remote;
    this.#replier.moved();
  }

  /**
   * Dissolves the connection, connect(2) with AF_UNSPEC: a socket that had a port before `connect`, by bind or by a send,
   * hears everybody again, on the same port; one whose port connect has picked gives it back.
   * @throws SyscallError; EADDRINUSE when somebody else has taken the port just then
   */
  disconnect(): void {
    const port = this.#bound ? this.local.port : 0;
    check('connect', this.#handle.connect(UNSPECIFIED));
    this.#remote = undefined;
    this.#replier.moved();
    // The kernel takes the port away, unless it was named: a socket that was bound to port 0 would hear nobody at all.
    if (port !== 0 && this.local.port === 0) this.bind(this.local.withPort(port));
  }

  /**
   * Sends as much as the kernel takes at once, and returns how many bytes that is: all, or a multiple of `segmentSize`, or 0
   * when it would block (wait for `writable()`). An empty datagram counts as 1 when it was sent. While sends of `send` wait,
   * nothing overtakes them, and this is 0 too.
   *
   * With `segmentSize` and up to 128 segments of together at most 65,507 bytes (IPv6: 65,527) it is one system call; more
   * are cut into several messages before. When an error comes after a part was sent, the part is returned, and the next call
   * meets the error.
   * @throws SyscallError of sendmsg: docs/udp-sending.md has a table; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   *   ERR_OUT_OF_RANGE, ERR_UNSUPPORTED
   */
  trySend(data: SendData, options?: SendOptions): number {
    return this.#sender.trySend(data, options);
  }

  /**
   * Sends all of it, at once or when the kernel has room again: sends leave in the order of their calls. The data must not be
   * changed until the promise resolves, when the kernel has taken all of it.
   *
   * What waits is bounded: beyond `sendHighWaterMark` bytes `writableNeedDrain` is true until 'drain', and beyond
   * `maxQueueBytes` a send is rejected with ERR_SEND_QUEUE_FULL, with nothing of it sent or queued, unless it is the only
   * one. A rejection is never an "unhandled" one, unless it is for a mistake of the caller's.
   * @throws (rejects) as `trySend`; `bytesSent` says what of the data had been sent. EBADF when closed before
   */
  send(data: SendData, options?: SendOptions): Promise<void> {
    return this.#sender.send(data, options);
  }

  /** Memory for datagrams that are sent together. @throws ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  createSendBatch(options?: SendBatchOptions): SendBatch {
    return this.#sender.createSendBatch(options);
  }

  /**
   * Sends what a batch holds from its place on, and returns how many messages that completes. 0: it would block, or nothing
   * is left. The batch keeps its place: `await udp.writable()` and call again while `batch.remaining > 0`.
   *
   * When a message fails, the ones before it are returned first, and the next call throws its error: `batch.position` is the
   * message, and `batch.skip()` passes over it.
   * @throws as `trySend`; ERR_INVALID_ARG_VALUE for a batch of another socket
   */
  sendBatch(batch: SendBatch): number {
    return this.#sender.sendBatch(batch);
  }

  /**
   * Answers a datagram from the address, and the port, that it was sent to: `info` is that of a 'message'; of a received batch
   * give the batch and the index. True: the kernel has taken it. False: it would have blocked, or could not be sent: whatever
   * a peer can cause is counted (`stats.replies`) and a 'sendError', and never thrown.
   *
   * A socket that is bound to one address needs nothing for it; one that is bound to all has to be created with `pktinfo`, or
   * with `originalDestination` where the port can be another one (TPROXY, sk_lookup). docs/udp-replies.md
   * @throws ERR_INVALID_STATE when the socket was not created to know the address; as `trySend` for data and options; EBADF
   */
  reply(info: ReplyInfo, data: SendData, options?: ReplyOptions): boolean;
  reply(received: ReceivedBatch, i: number, data: SendData, options?: ReplyOptions): boolean;
  reply(
    what: ReplyInfo | ReceivedBatch,
    iOrData: number | SendData,
    dataOrOptions?: SendData | ReplyOptions,
    options?: ReplyOptions,
  ): boolean {
    return what instanceof ReceivedBatch
      ? this.#replier.replyTo(what, iOrData as number, dataOrOptions as SendData, options)
      : this.#replier.reply(what, iOrData as SendData, dataOrOptions as ReplyOptions | undefined);
  }

  /** Bytes that wait in the queue of `send`; each send counts 256 beyond its data. */
  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  /** The queue of `send` was filled beyond `sendHighWaterMark`: 'drain' comes when it is empty. */
  get writableNeedDrain(): boolean {
    return this.#sender.writableNeedDrain;
  }

  /**
   * Resolves when there may be room for another send: what waits in the queue of `send` is gone, and the socket is writable,
   * or has an error. @throws AbortError; EBADF when closed meanwhile
   */
  async writable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    do await this.#events.wait(WRITABLE, options.signal);
    while (this.#sender.queuedBytes > 0);
  }

  /** A batch of one's own for `recvBatch`, to be used again and again. */
  createReceiveBatch(): ReceivedBatch {
    return this.#receiver.createBatch();
  }

  /**
   * The pull form: fills the batch with the datagrams that are there, and says how many; 0 when there are none, then wait for
   * `readable()`. What was in it before is gone. An error that a peer has caused is a 'pendingError', and nothing is thrown.
   * @throws ERR_INVALID_STATE while there is a listener of 'batch' or 'message', or an iterator; EBADF
   */
  recvBatch(batch: ReceivedBatch): number {
    if (!(batch instanceof ReceivedBatch)) throw invalidType('batch', 'a batch of createReceiveBatch', batch);
    return this.#receiver.pull(batch);
  }

  /**
   * Resolves when there is something to read, or an error is; at once when a consumer that has gone left messages that were
   * read. @throws AbortError; EBADF when closed, also meanwhile
   */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    notAborted(options.signal);
    if (this.#receiver.holdsMessages) return; // the kernel does not know of them
    await this.#events.wait(READABLE, options.signal);
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

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { family, fd, remote } = this;
    // Nothing throws here, also not for a descriptor that was closed behind its back.
    const open = this.#handle.getsockname(scratchAddress) >= 0;
    return `UdpSocket ${inspectValue(open ? { family, fd, local: this.local, remote } : { family, closed: true }, options)}`;
  }

  /** An event that was due in a later turn: 'close' is the last. */
  #tell<E extends keyof UdpSocketEvents>(event: E, ...args: UdpSocketEvents[E]): void {
    if (this.#closed === undefined) this.emit(event, ...(args as never));
  }

  #close(): Promise<void> {
    this.#sender.close();
    this.#replier.close();
    this.#errorQueue?.close();
    this.#events.close();
    this.#receiver.close();
    this.#handle.close(); // an error of close(2) still frees the descriptor
    this.#remote = undefined;
    this.#bound = false;
    return new Promise((resolve) => {
      process.nextTick(() => {
        resolve();
        this.emit('close');
      });
    });
  }
}

// What a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
