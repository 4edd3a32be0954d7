// UdpCore: combines the parts of a UdpSocket (readiness, receiver, sender, replies, error queue) over one Handle. UdpSocket
// is its public interface.
import { AsyncResource } from 'node:async_hooks';
import { askedOf, forBind } from '../source/asked.js';
import { callError } from '../source/explain.js';
import { canWait, type Handle } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { EBADF } from '../kernel/numbers.js';
import { applyOptions } from '../options/access.js';
import type { BpfInstruction } from '../options/kinds/filter.js';
import { localEndpoint, portAssigned } from '../options/local-endpoint.js';
import { steeringOf } from '../options/reuse-port.js';
import { Readiness, READABLE, WRITABLE } from '../socket/readiness.js';
import { notAborted } from '../socket/waiters.js';
import { Endpoint, UNSPECIFIED } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import type { SocketState } from './descriptor.js';
import type { UdpEmitter, UdpSocketEvents } from './emitter.js';
import { ErrorEntries } from './error-entries.js';
import { ErrorQueue, type ErrorQueueStats } from './error-queue.js';
import { udpAsked } from './asked.js';
import type { Features } from './features.js';
import { make } from './internal.js';
import { receiverOptions, type UdpSocketOptions } from './options.js';
import { Receiver, type ReceiveStats } from './receive/receiver.js';
import { addStats } from './reply/egress.js';
import { Replier, type ReplyStats } from './reply/replier.js';
import { Sender } from './send/sender.js';
import type { SendStats } from './send/transmit.js';

/** Counters since the socket was created. */
export interface UdpStats {
  readonly received: ReceiveStats;
  /** Includes what `reply` sent from other ports. */
  readonly sent: SendStats;
  readonly replies: ReplyStats;
  /** All 0 without `errorQueue`. */
  readonly errorQueue: ErrorQueueStats;
}

export class UdpCore {
  readonly family: Family;
  readonly handle: Handle;
  readonly features: Features;
  readonly readiness: Readiness;
  readonly receiver: Receiver;
  readonly sender: Sender;
  readonly replier: Replier;
  readonly errorQueue: ErrorQueue | undefined;
  readonly #errors: ErrorEntries | undefined;
  /** The program that bind attaches to the reuseport group. */
  readonly #steering: readonly BpfInstruction[] | undefined;
  /** The async context in which the socket was created: its handlers run in it, as dgram's do. */
  readonly #context = new AsyncResource('UDPSOCKET');
  #emitter: UdpEmitter | undefined;
  #bound: boolean;
  #remote: Endpoint | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param features of the handle's socket, on which all options have been set
   * @throws SyscallError of poll, with an error queue; the caller then still owns the handle
   */
  constructor(handle: Handle, features: Features, options: UdpSocketOptions, state: SocketState = NEW) {
    const { family } = options;
    this.family = family;
    this.handle = handle;
    this.features = features;
    this.#bound = state.bound;
    this.#remote = state.remote && (peerOf(handle) ?? state.remote);
    this.#steering = steeringOf(options.reusePort);
    this.readiness = new Readiness(handle, {
      onReadable: () => this.#context.runInAsyncScope(() => this.receiver.onReadable()),
      onError: () => this.#context.runInAsyncScope(() => this.receiver.onError()),
    });
    if (features.found.errorQueue.on) {
      this.#errors = new ErrorEntries({ handle, wanted: (wanted) => this.readiness.watchErrors(wanted) });
      this.errorQueue = ErrorQueue[make](this.#errors);
    }
    this.receiver = new Receiver(
      {
        handle,
        readiness: this.readiness,
        inContext: (callback) => this.#context.runInAsyncScope(callback),
        onBatch: (batch) => this.#emitter?.emit('batch', batch),
        onMessage: (data, info) => this.#emitter?.emit('message', data, info),
        onPendingError: (error) => this.#emit('pendingError', error),
        drainErrors: this.#errors && (() => this.#errors?.drain()),
      },
      receiverOptions(options, features),
    );
    this.sender = new Sender(
      {
        handle,
        family,
        connectedTo: () => this.#remote,
        writable: () => this.readiness.wait(WRITABLE),
        emit: (event, ...args) => this.#emit(event, ...(args as never)),
      },
      options,
    );
    const { pktinfo, originalDestination } = features.found;
    this.replier = new Replier(
      {
        handle,
        family,
        sender: this.sender,
        senderOptions: options,
        reportsDestination: pktinfo.on || originalDestination.on,
        emit: (event, ...args) => this.#emit(event, ...(args as never)),
        onError: (error, info) => {
          // In a separate turn, so that an error thrown by a listener does not look like a failed reply.
          if (this.#emitter?.listenerCount('sendError') !== 0) setImmediate(() => this.#emit('sendError', error, info));
        },
      },
      options,
    );
    this.sender.replies = this.replier;
    // The last step that may fail: a started poll keeps its socket alive.
    if (this.#errors !== undefined && canWait) this.readiness.watchErrors(false);
  }

  /** Sends events to this emitter from now on. */
  start(emitter: UdpEmitter): void {
    this.#emitter = emitter;
    const { degraded } = this.features;
    if (degraded.length > 0) process.nextTick(() => degraded.forEach((entry) => emitter.emit('degraded', ...entry)));
  }

  get local(): Endpoint {
    return localEndpoint(this.handle);
  }

  get remote(): Endpoint | undefined {
    return this.#remote;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get stats(): UdpStats {
    return {
      received: this.receiver.stats,
      sent: addStats({ ...this.sender.stats }, this.replier.sent),
      replies: this.replier.stats,
      errorQueue: this.#errors?.stats ?? { entries: 0, dropped: 0 },
    };
  }

  /** `UdpSocket.bind` */
  bind(local: Endpoint): void {
    const result = this.handle.bind(local.transientSockaddr(this.family));
    if (result < 0)
      throw callError('bind', result, forBind(askedOf(this.handle, udpAsked(this.family)), local), { ends: local });
    this.#bound = true;
    this.replier.moved();
    // After bind: a socket that already has a program cannot join a group that has one.
    if (this.#steering !== undefined) applyOptions(this.handle, { SO_ATTACH_REUSEPORT_CBPF: this.#steering });
  }

  /** `UdpSocket.connect` */
  connect(remote: Endpoint): void {
    const sockaddr = remote.transientSockaddr(this.family);
    // A port assigned by a send is kept, since replies come to it. One assigned by connect is lost on disconnect.
    const bound = this.#bound || (this.#remote === undefined && portAssigned(this.handle));
    const result = this.handle.connect(sockaddr);
    if (result < 0)
      throw callError('connect', result, { ...askedOf(this.handle, udpAsked(this.family)), remote }, { ends: remote });
    this.#bound = bound;
    this.#remote = peerOf(this.handle) ?? remote;
    this.replier.moved();
  }

  /** `UdpSocket.disconnect` */
  disconnect(): void {
    const port = this.#bound ? this.local.port : 0;
    check('connect', this.handle.connect(UNSPECIFIED));
    this.#remote = undefined;
    this.replier.moved();
    // The kernel removes a port that was not chosen explicitly: a socket bound to port 0 would no longer receive anything.
    if (port !== 0 && this.local.port === 0) this.bind(this.local.withPort(port));
  }

  /** `UdpSocket.writable` */
  async writable(signal: AbortSignal | undefined): Promise<void> {
    do await this.readiness.wait(WRITABLE, signal);
    while (this.sender.queuedBytes > 0);
  }

  /** `UdpSocket.readable` */
  async readable(signal: AbortSignal | undefined): Promise<void> {
    notAborted(signal);
    if (this.receiver.holdsMessages) return; // the kernel does not know of them
    await this.readiness.wait(READABLE, signal);
  }

  /**
   * Closes the socket except for its descriptor, which `take` detaches.
   * @throws ERR_INVALID_STATE, EBADF; what `take` throws, in which case the descriptor is closed as well
   */
  handOver<T>(take: (handle: Handle) => T): T {
    if (this.closed) throw new SyscallError('detach', EBADF);
    if (this.sender.queuedBytes > 0) {
      throw new SocketError(
        'ERR_INVALID_STATE',
        'Sends of this socket are still queued: await them or writable() first.',
      );
    }
    if (this.receiver.holdsMessages) {
      throw new SocketError(
        'ERR_INVALID_STATE',
        'Messages have been read but not delivered yet: resume the socket, or continue iterating, until they are delivered.',
      );
    }
    this.readiness.close();
    try {
      return take(this.handle);
    } finally {
      void this.close(); // without the descriptor, unless it was not taken
    }
  }

  /** `UdpSocket.close` */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  /** Emits an event that was scheduled for a later turn, unless the socket has been closed: 'close' is the last event. */
  #emit<E extends keyof UdpSocketEvents>(event: E, ...args: UdpSocketEvents[E]): void {
    if (this.#closed !== undefined) return;
    this.#context.runInAsyncScope(() => this.#emitter?.emit(event, ...(args as never)));
  }

  #close(): Promise<void> {
    this.sender.close();
    this.replier.close();
    this.#errors?.close();
    this.readiness.close();
    this.receiver.close();
    this.handle.close(); // an error of close(2) still frees the descriptor
    this.#remote = undefined;
    this.#bound = false;
    return new Promise((resolve) => {
      process.nextTick(() => {
        resolve();
        this.#emitter?.emit('close');
      });
    });
  }
}

/** getpeername(2), which differs from the address that was asked for if that is 0.0.0.0 or ::. */
function peerOf(handle: Handle): Endpoint | undefined {
  const length = handle.getpeername(name);
  return length < 0 ? undefined : Endpoint.decode(name, length);
}

const name = new Uint8Array(28); // struct sockaddr_in6
const NEW: SocketState = { bound: false, remote: undefined };
