// UdpSocket: a datagram socket beside Node's dgram, with control messages, batches and segmentation offload.
import { createSocket } from './create.js';
import { inspect, type InspectOptions } from 'node:util';
import { integer, invalidType, options as checkOptions } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError } from '../errors.js';
import {
  accessOf,
  optionAccess,
  refuseOption,
  socketType,
  type OptionAccess,
  type OwnSocket,
} from '../options/target.js';
import type { WaitOptions } from '../socket/native-socket.js';
import { Endpoint, SOCKADDR_SIZE, type EndpointLike, type LocalEndpointLike } from '../wire/endpoint.js';
import { type Family } from '../wire/families.js';
import { WILDCARD } from '../wire/wildcard.js';
import { UdpCore, type UdpStats } from './core.js';
import { optionsFor, remember, stateOf, takeSegmentSize, type UdpAdoptOptions } from './descriptor.js';
import { UdpEmitter } from './emitter.js';
import type { ErrorQueue } from './error-queue.js';
import type { Feature, FeatureName } from './features.js';
import { fromHandle, handOver } from './internal.js';
import { checkUdpOptions, configure, refusalOf, type UdpSocketOptions } from './options.js';
import { pathMtu } from './path-mtu.js';
import { ReceivedBatch } from './receive/batch.js';
import type { Message } from './receive/messages.js';
import type { ReplyInfo } from './reply/replier.js';
import type { SendBatch } from './send/batch.js';
import type { SendBatchOptions } from './send/batch-contents.js';
import type { SendData } from './send/data.js';
import type { ReplyOptions, SendOptions } from './send/envelope.js';

/**
 * A UDP socket. It receives while somebody wants what arrives: a listener of 'batch' or of 'message', `for await`, or
 * `receiveBatch`; one of these at a time. Until then, and while paused, datagrams wait in the kernel's receive buffer, and are
 * dropped when it is full. Listening keeps the event loop alive, unless `unref()` was called. A socket that is forgotten is
 * closed by the garbage collector, with a process warning, though never while it listens.
 */
export class UdpSocket extends UdpEmitter implements OwnSocket<'dgram'>, AsyncDisposable {
  declare readonly [socketType]: 'dgram';
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
  static create(options: UdpSocketOptions): UdpSocket {
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
   * Takes over a UDP descriptor, fresh, bound or connected, which becomes non-blocking and close-on-exec, and sets `options`
   * on it. UDP_SEGMENT, where it is on, becomes the socket's `segmentSize`. When this throws, the caller still owns the
   * descriptor, with the options that it had.
   * @throws SyscallError (EBADF, ENOTSOCK; of setsockopt); ERR_UNSUPPORTED for a socket that is not UDP; ERR_INVALID_STATE with
   *   UDP_GRO on and without `gro`; ERR_INVALID_ARG_VALUE for another `family`, and for options that come too late for a bound
   *   socket; as `create`
   */
  static adopt(fd: number, options: UdpAdoptOptions = {}): UdpSocket {
    integer('fd', fd, 0, 2 ** 31 - 1);
    const access = accessOf(fd);
    const wanted = optionsFor(fd, access, options);
    checkUdpOptions(wanted);
    const handle = new (native().Handle)();
    const restore = remember(access, wanted);
    try {
      // All that may fail comes before the descriptor is taken over, but for the poll of an error queue.
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
   * Makes a socket of the handle of a connected one, which it takes over unless this throws. @throws as `create` @internal
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
   * Closes the socket, but for its descriptor, which `take` detaches. @throws ERR_INVALID_STATE, EBADF; what `take` throws, and
   * then the descriptor is closed as well. @internal
   */
  [handOver]<T>(take: (handle: Handle) => T): T {
    return this.#core.handOver(take);
  }

  /** The descriptor; -1 after close. It still belongs to this socket. */
  get fd(): number {
    return this.#core.handle.fd();
  }

  /** The local address, getsockname(2); port 0 while none is assigned. @throws SyscallError (EBADF) */
  get local(): Endpoint {
    return this.#core.local;
  }

  /** The address that it is connected to; undefined when it is not connected. */
  get remote(): Endpoint | undefined {
    return this.#core.remote;
  }

  get closed(): boolean {
    return this.#core.closed;
  }

  /** Which of the wanted features are on, and why the others are not. Those that were not wanted are listed as not on. */
  get features(): Readonly<Record<FeatureName, Feature>> {
    return this.#core.features.found;
  }

  /** A snapshot of the counters. */
  get stats(): UdpStats {
    return this.#core.stats;
  }

  /**
   * What went wrong with datagrams that were sent, one entry each, with who reported it; needs `errorQueue: true`.
   * @throws ERR_INVALID_STATE without it, or where the kernel has none (`features.errorQueue`)
   */
  get errorQueue(): ErrorQueue {
    if (this.#core.errorQueue !== undefined) return this.#core.errorQueue;
    throw new SocketError('ERR_INVALID_STATE', 'The socket has no error queue: create it with errorQueue: true.');
  }

  /**
   * The path MTU toward where it is connected to, as far as the kernel knows it: bytes of an IP packet, headers included.
   * Undefined when it is not connected. It changes as ICMP messages arrive, unless `pathMtuDiscovery` ignores them.
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
   * bind(2). Without an argument to all addresses of this host, and to a port that the kernel picks.
   * @throws SyscallError with `address` and `port`; EADDRNOTAVAIL for an address that is not local, unless `freebind`; of
   *   setsockopt when the kernel rejects the program of `reusePort`
   */
  bind(endpoint: LocalEndpointLike = { address: WILDCARD[this.family], port: 0 }): void {
    this.#core.bind(Endpoint.fromLocal(endpoint));
  }

  /**
   * connect(2): the destination of what is sent without `to`; only datagrams from there are received from now on. Those that
   * wait already are still delivered. May be called again.
   * @throws SyscallError in Node's shape of connect; EAGAIN when no local port is free
   */
  connect(endpoint: EndpointLike): void {
    this.#core.connect(Endpoint.from(endpoint));
  }

  /**
   * Dissolves the connection, connect(2) with AF_UNSPEC: a socket that had a port before `connect`, by bind or by a send,
   * receives from everybody again, on the same port; one whose port was picked by connect gives it back.
   * @throws SyscallError; EADDRINUSE when another socket has taken the port meanwhile
   */
  disconnect(): void {
    this.#core.disconnect();
  }

  /**
   * Sends as much as the kernel takes at once, and returns how many bytes that is: all, or a multiple of `segmentSize`, or 0
   * when it would block (wait for `writable()`). An empty datagram counts as 1 when it was sent. While sends of `send` are
   * queued, nothing overtakes them, and this returns 0 too.
   *
   * With `segmentSize` and up to 128 segments of together at most 65,507 bytes (IPv6: 65,527) it is one system call; more
   * are cut into several messages first. When an error comes after a part was sent, the part is returned, and the next call
   * reports the error.
   * @throws SyscallError of sendmsg: docs/udp-sending.md has a table; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
   *   ERR_OUT_OF_RANGE, ERR_UNSUPPORTED
   */
  trySend(data: SendData, options?: SendOptions): number {
    return this.#core.sender.trySend(data, options);
  }

  /**
   * Sends all of it, at once or when the kernel has room again: sends leave in the order of their calls. The data must not be
   * changed until the promise resolves, when the kernel has taken all of it.
   *
   * What waits is bounded: beyond `sendHighWaterMark` bytes `writableNeedDrain` is true until 'drain', and beyond
   * `maxQueueBytes` a send is rejected with ERR_SEND_QUEUE_FULL, with nothing of it sent or queued, unless it is the only
   * one. A rejection is never reported as unhandled, unless it is caused by wrong arguments.
   * @throws (rejects) as `trySend`; `bytesSent` says what of the data had been sent. EBADF when closed before
   */
  send(data: SendData, options?: SendOptions): Promise<void> {
    return this.#core.sender.send(data, options);
  }

  /** Memory for datagrams that are sent together. @throws ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  createSendBatch(options?: SendBatchOptions): SendBatch {
    return this.#core.sender.createSendBatch(options);
  }

  /**
   * Sends what a batch holds from its place on, and returns how many messages that completes. 0: it would block, or nothing
   * is left. The batch keeps its place: `await udp.writable()` and call again while `batch.remaining > 0`.
   *
   * When a message fails, the ones before it are returned first, and the next call throws its error: `batch.position` is the
   * message, and `batch.skip()` skips it.
   * @throws as `trySend`; ERR_INVALID_ARG_VALUE for a batch of another socket
   */
  sendBatch(batch: SendBatch): number {
    return this.#core.sender.sendBatch(batch);
  }

  /**
   * Answers a datagram from the address, and the port, that it was sent to: `info` is that of a 'message'; of a received batch
   * give the batch and the index. True: the kernel has taken it. False: it would have blocked, or could not be sent: errors that
   * a peer can cause are counted (`stats.replies`) and emitted as 'sendError', and never thrown.
   *
   * A socket that is bound to one address needs no option for it; one that is bound to all addresses has to be created with
   * `pktinfo`, or with `originalDestination` where the port can be another one (TPROXY, sk_lookup). docs/udp-replies.md
   * @throws ERR_INVALID_STATE when the socket was created without them and needs them; as `trySend` for data and options; EBADF
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

  /** The queue of `send` was filled beyond `sendHighWaterMark`: 'drain' comes when it is empty. */
  get writableNeedDrain(): boolean {
    return this.#core.sender.writableNeedDrain;
  }

  /**
   * Resolves when there may be room for another send: the queue of `send` is empty, and the socket is writable, or has an
   * error. @throws AbortError; EBADF when closed meanwhile
   */
  async writable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#core.writable(options.signal);
  }

  /** A batch for `receiveBatch`, which can be used again and again. */
  createReceiveBatch(): ReceivedBatch {
    return this.#core.receiver.createBatch();
  }

  /**
   * The pull form: fills the batch with the datagrams that are there, and returns how many; 0 when there are none, then wait
   * for `readable()`. What was in it before is gone. An error that a peer has caused is emitted as 'pendingError', not thrown.
   * @throws ERR_INVALID_STATE while there is a listener of 'batch' or 'message', or an iterator; EBADF
   */
  receiveBatch(batch: ReceivedBatch): number {
    if (!(batch instanceof ReceivedBatch)) throw invalidType('batch', 'a batch of createReceiveBatch', batch);
    return this.#core.receiver.pull(batch);
  }

  /**
   * Resolves when there is something to read, or the socket has an error; at once when a consumer that has gone left messages
   * that were read. @throws AbortError; EBADF when closed, also meanwhile
   */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    await this.#core.readable(options.signal);
  }

  /**
   * `for await (const { data, info } of udp)`: messages until the socket closes. What is not asked for yet waits in the
   * kernel. The iterator is the consumer from when it is created until it is done: a `break` ends it.
   * @throws ERR_INVALID_STATE when there is another consumer; ERR_UNSUPPORTED where the runtime cannot wait
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.#core.receiver.iterate();
  }

  /** Stops reading until `resume()`: the datagrams wait in the kernel. A batch that is being delivered is delivered to its end. */
  pause(): this {
    this.#core.receiver.pause();
    return this;
  }

  resume(): this {
    this.#core.receiver.resume();
    return this;
  }

  /** Whether `pause()` was called, and `resume()` has not been since. */
  isPaused(): boolean {
    return this.#core.receiver.paused;
  }

  /** Listening keeps the event loop alive: the default. */
  ref(): this {
    this.#core.readiness.keepAlive(true);
    return this;
  }

  /** The process may end while the socket listens. Pending waits still keep it alive. */
  unref(): this {
    this.#core.readiness.keepAlive(false);
    return this;
  }

  /** Whether listening keeps the event loop alive. */
  hasRef(): boolean {
    return this.#core.readiness.keepsAlive;
  }

  /**
   * Gives the descriptor away, and closes the rest of the socket: 'close' is emitted, pending waits reject with EBADF. The
   * caller owns the descriptor now, with the options that are set on it; what this class does by itself, such as
   * `segmentSize`, stays here. Datagrams that wait in the kernel wait on.
   * @throws ERR_INVALID_STATE while sends are queued, or messages were read and are not delivered; EBADF when it is closed
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
    // Nothing throws here, not even for a descriptor that somebody else has closed.
    const open = this.#core.handle.getsockname(scratchAddress) >= 0;
    return `UdpSocket ${inspectValue(open ? { family, fd, local: this.local, remote } : { family, closed: true }, options)}`;
  }
}

// What a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
