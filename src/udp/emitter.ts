// The events of a UdpSocket, and an emitter that tracks its listeners: datagrams are read from when the first listener is
// added until the last one is removed.
import { EventEmitter } from 'node:events';
import type { SyscallError } from '../errors.js';
import type { Feature, FeatureName } from './features.js';
import type { ReceivedBatch } from './receive/batch.js';
import type { MessageInfo } from './receive/messages.js';
import type { ReplyEvents } from './reply/replier.js';
import type { SendEvents } from './send/sender.js';

/** The events of a UdpSocket. There is no 'error' event, so that a peer cannot end a process that does not listen for it. */
export interface UdpSocketEvents extends SendEvents, ReplyEvents {
  /** Datagrams, read in place: valid until the callback returns. The object is reused to avoid garbage. */
  batch: [received: ReceivedBatch];
  /** A datagram as a copy, in dgram's shape. */
  message: [data: Buffer, info: MessageInfo];
  /**
   * An error for an earlier datagram was pending on the socket, such as ECONNREFUSED from an ICMP message. It was reported
   * by a send (`syscall` 'sendmsg'), which was then repeated, or by a receive ('recvmmsg'). `stats` counts them.
   */
  pendingError: [error: SyscallError];
  /** A requested feature is not on; emitted once for each, after `create` has returned. */
  degraded: [name: FeatureName, feature: Feature];
  /** After `close()` or `detach()`. It is the last event; events that were pending when the socket was closed are not emitted. */
  close: [];
}

type Listener<E extends keyof UdpSocketEvents> = (...args: UdpSocketEvents[E]) => void;

/** Notified when the first listener of an event is added, which it may refuse by throwing, and when the last one is removed. */
export interface ListenerWatch {
  attach(event: 'batch' | 'message'): void;
  detach(event: 'batch' | 'message'): void;
}

/**
 * The methods of EventEmitter with the types of these events. `EventEmitter<Events>` has them as well, but its declarations
 * differ so much between versions of @types/node that no class can override its methods in all of them.
 */
interface TypedMethods {
  on<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  once<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  addListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  prependListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  prependOnceListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  off<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  removeListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this;
  removeAllListeners(event?: keyof UdpSocketEvents): this;
  emit<E extends keyof UdpSocketEvents>(event: E, ...args: UdpSocketEvents[E]): boolean;
}

const TypedEmitter = EventEmitter as unknown as new () => Omit<EventEmitter, keyof TypedMethods> & TypedMethods;

export class UdpEmitter extends TypedEmitter {
  readonly #watch: ListenerWatch;
  /** A listener of this event is being added: a listener of 'newListener' may be added and removed before that. */
  #adding: keyof UdpSocketEvents | undefined;

  constructor(watch: ListenerWatch) {
    super();
    this.#watch = watch;
  }

  override on<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this {
    return this.#add(event, () => super.on(event, listener));
  }

  override addListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this {
    return this.on(event, listener);
  }

  override prependListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this {
    return this.#add(event, () => super.prependListener(event, listener));
  }

  override removeListener<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this {
    super.removeListener(event, listener);
    this.#update();
    return this;
  }

  override off<E extends keyof UdpSocketEvents>(event: E, listener: Listener<E>): this {
    return this.removeListener(event, listener);
  }

  override removeAllListeners(event?: keyof UdpSocketEvents): this {
    if (event === undefined) super.removeAllListeners();
    else super.removeAllListeners(event);
    this.#update();
    return this;
  }

  #add(event: keyof UdpSocketEvents, add: () => unknown): this {
    if (event === 'batch' || event === 'message') this.#watch.attach(event);
    const outer = this.#adding;
    this.#adding = event;
    try {
      add();
    } finally {
      this.#adding = outer;
      this.#update(); // adding throws if it is not a function
    }
    return this;
  }

  #update(): void {
    for (const event of WATCHED) {
      if (event !== this.#adding && this.listenerCount(event) === 0) this.#watch.detach(event);
    }
  }
}

const WATCHED = ['batch', 'message'] as const;
