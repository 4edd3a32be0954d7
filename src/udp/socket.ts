// UdpSocket: a UDP socket with control messages, batches and segmentation offload, as an alternative to Node's dgram.
import { createSocket } from './create.js';
import { inspect, type InspectOptions } from 'node:util';
import { integer, invalidType, options as checkOptions } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError } from '../errors.js';
import {
  accessOf,
  optionAccess,
  refusedOptions,
  refuseOption,
  socketType,
  type OptionAccess,
  type OwnSocket,
} from '../options/target.js';
import type { WaitOptions } from '../socket/native-socket.js';
import { Endpoint, SOCKADDR_SIZE, type EndpointLike, type LocalEndpointLike } from '../wire/endpoint.js';
import { type Family } from '../wire/families.js';
import { WILDCARD } from '../wire/address-kinds.js';
import { UdpCore, type UdpStats } from './core.js';
import { optionsFor, remember, stateOf, takeSegmentSize, type UdpAdoptOptions } from './descriptor.js';
import { UdpEmitter } from './emitter.js';
import type { ErrorQueue } from './error-queue.js';
import type { Feature, FeatureName } from './features.js';
import { fromHandle, handOver } from './internal.js';
import type { AsyncItems } from './items.js';
import {
  checkUdpOptions,
  configure,
  readOptions,
  refusalOf,
  type OffloadOption,
  type UdpSocketOptions,
} from './options.js';
import { pathMtu } from './path-mtu.js';
import { ReceivedBatch } from './receive/batch.js';
import type { Message } from './receive/messages.js';
import type { ReplyInfo } from './reply/replier.js';
import type { SendBatch } from './send/batch.js';
import type { SendBatchOptions } from './send/batch-contents.js';
import type { SendData } from './send/data.js';
import type { ReplyOptions, SendOptions } from './send/envelope.js';

/**
 * A UDP socket. It receives while it has a consumer: a listener of 'batch' or 'message', `for await`, or `receiveBatch`;
 * one of these at a time. Until then, and while paused, datagrams wait in the kernel's receive buffer, and are dropped when
 * it is full. Listening keeps the event loop alive, unless `unref()` was called. An unreferenced socket is closed by the
 * garbage collector, with a process warning, but never while it listens.
 */
export class UdpSocket extends UdpEmitter implements OwnSocket<'dgram'>, AsyncDisposable {
  declare readonly [socketType]: 'dgram';
  declare readonly [refusedOptions]: OffloadOption;
  readonly family: Family;
  readonly #core: UdpCore;

  private constructor(core: UdpCore) {
    super(core.receiver);
    this.family = core.family;
    this.#core = core;
    core.start(this);
  }

  /**
   * Creates a socket, non-blocking and close-on-exec, and sets its options. A failure leaves no descriptor behind.
   * @throws SyscallError of socket or setsockopt; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
   *   ERR_UNSUPPORTED (gso: 'require')
   */
  static create<F extends Family>(given: UdpSocketOptions<F>): UdpSocket {
    const options = readOptions(given);
    checkUdpOptions(options);
    const { handle, features } = createSocket(options);
    try {
      return new UdpSocket(new UdpCore(handle, features, options));
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  /**
   * Takes over a UDP descriptor that is new, bound or connected, makes it non-blocking and close-on-exec, and sets
   * `options` on it. If UDP_SEGMENT is on, its value becomes the socket's `segmentSize`. If this throws, the caller still
   * owns the descriptor, and its options are restored.
   * @throws SyscallError (EBADF, ENOTSOCK; of setsockopt); ERR_UNSUPPORTED for a socket that is not UDP; ERR_INVALID_STATE
   * if UDP_GRO is on without `gro`; ERR_INVALID_ARG_VALUE for a different `family`, and for options that come too late for
   * a bound socket; as `create`
   */
  static adopt(fd: number, options: UdpAdoptOptions = {}): UdpSocket {
    integer('fd', fd, 0, 2 ** 31 - 1);
    const access = accessOf(fd);
    const wanted = optionsFor(fd, access, readOptions(options));
    checkUdpOptions(wanted);
    const handle = new (native().Handle)();
    const restore = remember(access, wanted);
    try {
      // Everything that may fail is done before the descriptor is taken over, except for the poll of an error queue.
      const features = configure(access, wanted);
      const used = takeSegmentSize(access, wanted);
      check('fcntl', handle.adopt(fd));
      return new UdpSocket(new UdpCore(handle, features, used, stateOf(handle)));
    } catch (error) {
      restore();
      if (handle.fd() >= 0) handle.detach();
      throw error;
    }
  }

  /**
   * Makes a UdpSocket from the handle of a connected socket. If this throws, the caller still owns the handle. @throws as
   * `create` @internal
   */
  static [fromHandle](handle: Handle, options: UdpSocketOptions, remote: Endpoint): UdpSocket {
    checkUdpOptions(options);
    const restore = remember(handle, options);
    try {
      const features = configure(handle, options);
      const used = takeSegmentSize(handle, options);
      return new UdpSocket(new UdpCore(handle, features, used, { bound: true, remote }));
    } catch (error) {
      restore();
      throw error;
    }
  }

  /**
   * Closes the socket except for its descriptor, which `take` detaches. @throws ERR_INVALID_STATE, EBADF; what `take`
   * throws, in which case the descriptor is closed as well. @internal
   */
  [handOver]<T>(take: (handle: Handle) => T): T {
    return this.#core.handOver(take);
  }

  /** The descriptor; -1 after close. It still belongs to this socket. */
  get fd(): number {
    return this.#core.handle.fd();
  }

  /** The local address, getsockname(2); the port is 0 until one is assigned. @throws SyscallError (EBADF) */
  get local(): Endpoint {
    return this.#core.local;
  }

  /** The address that the socket is connected to; undefined if it is not connected. */
  get remote(): Endpoint | undefined {
    return this.#core.remote;
  }

  /** Whether the socket is closed, or its descriptor was detached. */
  get closed(): boolean {
    return this.#core.closed;
  }

  /** Whether each feature is on and, if it was requested and is not, why. Features that were not requested are listed as not on. */
  get features(): Readonly<Record<FeatureName, Feature>> {
    return this.#core.features.found;
  }

  /** A snapshot of the counters. */
  get stats(): UdpStats {
    return this.#core.stats;
  }

  /**
   * The errors reported for datagrams that were sent, with their origin; needs `errorQueue: true`.
   * @throws ERR_INVALID_STATE without it, or if the kernel does not support it (`features.errorQueue`)
   */
  get errorQueue(): ErrorQueue {
    if (this.#core.errorQueue !== undefined) return this.#core.errorQueue;
    throw new SocketError('ERR_INVALID_STATE', 'The socket has no error queue: create it with errorQueue: true.');
  }

  /**
   * The path MTU to the connected peer, as far as the kernel knows it: bytes of an IP packet, headers included. Undefined
   * if the socket is not connected. It changes as ICMP messages arrive, unless `pathMtuDiscovery` ignores them.
   */
  get pathMtu(): number | undefined {
    const { remote, handle } = this.#core;
    return remote === undefined ? undefined : pathMtu(handle, remote.family === 'ipv4');
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    return this.#core.handle;
  }

  /** @internal */
  [refuseOption](level: number, name: number): string | undefined {
    return refusalOf(level, name);
  }

  /**
   * bind(2). Without an argument, binds to all addresses of this host and a port that the kernel picks.
   * @throws SyscallError with `address` and `port`; EADDRNOTAVAIL for an address that is not local, unless `freebind`; of
   *   setsockopt when the kernel rejects the program of `reusePort`
   */
  bind(endpoint: LocalEndpointLike = { address: WILDCARD[this.family], port: 0 }): void {
    this.#core.bind(Endpoint.fromLocal(endpoint));
  }

  /**
   * connect(2): sets the destination of sends without `to`; from now on, only datagrams from it are received. Datagrams
   * already in the receive buffer are still delivered. May be called again.
   * @throws SyscallError in Node's shape of connect; EAGAIN when no local port is free
   */
  connect(endpoint: EndpointLike): void {
    this.#core.connect(Endpoint.from(endpoint));
  }

  /**
   * Ends the association with the peer, connect(2) with AF_UNSPEC. A socket that had a port before `connect`, from bind or
   * a send, receives from all peers again on the same port; a port assigned by connect is released.
   * @throws SyscallError; EADDRINUSE if another socket has taken the port in the meantime
   */
  disconnect(): void {
    this.#core.disconnect();
  }

  /**
   * Sends as much as the kernel takes at once, and returns the number of bytes: all of them, a multiple of `segmentSize`,
   * or 0 if it would block (wait for `writable()`). An empty datagram counts as 1. While calls of `send` are queued, this
   * also returns 0, so that the order is kept.
   *
   * With `segmentSize`, up to 128 segments of together at most 65,507 bytes (IPv6: 65,527) take one system call; more are
   * cut into several messages first. If an error occurs after a part was sent, the size of that part is returned, and the
   * next call reports the error.
   * @throws SyscallError of sendmsg: docs/udp-sending.md has a table; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   *   ERR_OUT_OF_RANGE, ERR_UNSUPPORTED
   */
  trySend(data: SendData, options?: SendOptions): number {
    return this.#core.sender.trySend(data, options);
  }

  /**
   * Sends all of the data, at once or when the kernel has room again, in the order of the calls. The promise resolves when
   * the kernel has taken all of the data; do not change the data before that.
   *
   * The queue is bounded: beyond `sendHighWaterMark` bytes `writableNeedDrain` is true until 'drain', and beyond
   * `maxQueueBytes` a send is rejected with ERR_SEND_QUEUE_FULL, with none of it sent or queued, unless it is the only one.
   * A rejection never counts as unhandled, unless it is caused by wrong arguments.
   * @throws (rejects) as `trySend`; `bytesSent` is the number of bytes sent before the error. EBADF if the socket is closed first
   */
  send(data: SendData, options?: SendOptions): Promise<void> {
    return this.#core.sender.send(data, options);
  }

  /** Memory for datagrams that are sent together. @throws ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  createSendBatch(options?: SendBatchOptions): SendBatch {
    return this.#core.sender.createSendBatch(options);
  }

  /**
   * Sends the messages of a batch from its position on, and returns how many were completed; 0 if it would block or nothing
   * is left. The batch keeps its position: `await udp.writable()` and call again while `batch.remaining > 0`.
   *
   * When a message fails, the number of messages sent before it is returned first, and the next call throws its error:
   * `batch.position` is then its index, and `batch.skip()` skips it.
   * @throws as `trySend`; ERR_INVALID_ARG_VALUE for a batch of another socket
   */
  sendBatch(batch: SendBatch): number {
    return this.#core.sender.sendBatch(batch);
  }

  /**
   * Replies to a datagram from the address and port that it was sent to. Pass the `info` of a 'message', or a received
   * batch and an index. Returns true if the kernel has taken the reply, false if it would have blocked or could not be
   * sent: errors that a peer can cause are counted (`stats.replies`) and emitted as 'sendError', never thrown.
   *
   * A socket that is bound to one address needs no option for this; one that is bound to all addresses has to be created
   * with `pktinfo`, or with `originalDestination` if the port can differ (TPROXY, sk_lookup). docs/udp-replies.md
   * @throws ERR_INVALID_STATE if the socket needs one of these options and was created without; as `trySend` for data and
   * options; EBADF
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
      ? this.#core.replier.replyTo(what, iOrData as number, dataOrOptions as SendData, options)
      : this.#core.replier.reply(what, iOrData as SendData, dataOrOptions as ReplyOptions | undefined);
  }

  /** Bytes in the queue of `send`; each send counts 256 beyond its data. */
  get queuedBytes(): number {
    return this.#core.sender.queuedBytes;
  }

  /** Whether the queue of `send` was filled beyond `sendHighWaterMark`: 'drain' is emitted when it is empty. */
  get writableNeedDrain(): boolean {
    return this.#core.sender.writableNeedDrain;
  }

  /**
   * Resolves when there may be room for another send: the queue of `send` is empty, and the socket is writable or has an
   * error. @throws AbortError; EBADF if it is closed in the meantime
   */
  async writable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#core.writable(options.signal);
  }

  /** A reusable batch for `receiveBatch`. */
  createReceiveBatch(): ReceivedBatch {
    return this.#core.receiver.createBatch();
  }

  /**
   * Fills the batch with the available datagrams and returns their number; 0 if there are none, then wait for `readable()`.
   * The previous contents of the batch are lost. An error caused by a peer is emitted as 'pendingError', not thrown.
   * @throws ERR_INVALID_STATE while there is a listener of 'batch' or 'message', or an iterator; EBADF
   */
  receiveBatch(batch: ReceivedBatch): number {
    if (!(batch instanceof ReceivedBatch)) throw invalidType('batch', 'a batch of createReceiveBatch', batch);
    return this.#core.receiver.pull(batch);
  }

  /**
   * Resolves when there is something to read, or the socket has an error; at once if a previous consumer left messages that
   * were read but not delivered. @throws AbortError; EBADF if the socket is closed, also in the meantime
   */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#core.readable(options.signal);
  }

  /**
   * `for await (const { data, info } of udp)`: iterates over messages until the socket closes. Datagrams that were not
   * requested yet wait in the kernel. The iterator is the consumer from its creation until it is done: a `break` ends it.
   * @throws ERR_INVALID_STATE if there is another consumer; ERR_UNSUPPORTED if the runtime cannot wait for sockets
   */
  [Symbol.asyncIterator](): AsyncItems<Message> {
    return this.#core.receiver.iterate();
  }

  /**
   * Stops reading until `resume()`: the datagrams wait in the kernel. A batch that is being delivered is still delivered in
   * full.
   */
  pause(): this {
    this.#core.receiver.pause();
    return this;
  }

  /** Continues reading after `pause()`. */
  resume(): this {
    this.#core.receiver.resume();
    return this;
  }

  /** Whether the socket is paused. */
  isPaused(): boolean {
    return this.#core.receiver.paused;
  }

  /** Makes listening keep the event loop alive, which is the default. */
  ref(): this {
    this.#core.readiness.keepAlive(true);
    return this;
  }

  /** Lets the process exit while the socket listens. Pending waits still keep it alive. */
  unref(): this {
    this.#core.readiness.keepAlive(false);
    return this;
  }

  /** Whether listening keeps the event loop alive. */
  hasRef(): boolean {
    return this.#core.readiness.keepsAlive;
  }

  /**
   * Returns the descriptor, which the caller then owns, and closes the rest of the socket: 'close' is emitted, pending
   * waits reject with EBADF. The descriptor keeps its options and the datagrams in its receive buffer, but not what this
   * class adds, such as `segmentSize`.
   * @throws ERR_INVALID_STATE while sends are queued, or while messages have been read but not delivered; EBADF if it is closed
   */
  detach(): number {
    return this.#core.handOver((handle) => check('detach', handle.detach()));
  }

  /**
   * Closes the socket at once; the promise resolves once 'close' has been emitted. Iterators end, pending waits reject with
   * EBADF. May be called in any callback of the socket; idempotent.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { family, fd, remote } = this;
    // This never throws, not even if the descriptor was closed elsewhere.
    const open = this.#core.handle.getsockname(scratchAddress) >= 0;
    return `UdpSocket ${inspectValue(open ? { family, fd, local: this.local, remote } : { family, closed: true }, options)}`;
  }
}

// What a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
