// Readiness: one poll per Handle, for promises and for a listener. Only the requested events are polled for, so that an
// idle socket does not wake the event loop.
import { canWait, native, type Handle, type Poll } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { EBADF } from '../kernel/numbers.js';
import { notAborted, Waiters } from './waiters.js';

/** uv_poll's bits. */
export const READABLE = 1;
export const WRITABLE = 2;
/** Reports errors if nothing else is polled for; without it uv_poll would stop at the first one. */
const PRIORITIZED = 8;

/** Callbacks from the event loop. */
export interface ReadinessListener {
  /** The socket is readable; called only after `listen(true)`. */
  readonly onReadable: () => void;
  /** The socket has a pending error, or its error queue is not empty; called in every turn until it is read. */
  readonly onError: () => void;
}

/** The poll of one Handle. While it is started it keeps itself, the listener and the event loop alive. */
export class Readiness {
  readonly #handle: Handle;
  readonly #listener: ReadinessListener | undefined;
  readonly #waiters = new Waiters(() => this.#update());
  /** The poll references its callback only while it is started, so that an idle socket can be garbage-collected. */
  readonly #onEvent = (status: number, events: number): void => {
    this.#wake(status, events);
  };
  #poll: Poll | undefined;
  #polled = 0;
  #listening = false;
  /**
   * Whether errors are watched, which is then done for as long as the socket is open; they keep the event loop alive only
   * while 'wanted'.
   */
  #errors: 'ignored' | 'watched' | 'wanted' = 'ignored';
  #keepAlive = true;
  #keptAlive = true;
  #closed = false;

  /**
   * @param listener for `listen` and `watchErrors`. Without one the poll is opened at once, so that a caller learns early
   * if waiting is not possible
   * @throws ERR_UNSUPPORTED on runtimes without libuv; SyscallError of poll
   */
  constructor(handle: Handle, listener?: ReadinessListener) {
    this.#handle = handle;
    this.#listener = listener;
    if (listener === undefined) this.#ready();
  }

  /** Starts or stops calling `onReadable`. @throws ERR_UNSUPPORTED on runtimes without libuv */
  listen(listening: boolean): void {
    if (this.#listening === listening) return;
    if (listening) this.#ready();
    this.#listening = listening;
    this.#update();
  }

  /**
   * Calls `onError` for every error from now on; an unreferenced socket is then no longer garbage-collected.
   * @param wanted whether to keep the event loop alive, because an error is waited for
   */
  watchErrors(wanted: boolean): void {
    this.#errors = wanted ? 'wanted' : 'watched';
    this.#update();
  }

  /** Whether listening keeps the event loop alive; pending waits always do. */
  keepAlive(keep: boolean): void {
    this.#keepAlive = keep;
    this.#update();
  }

  get keepsAlive(): boolean {
    return this.#keepAlive;
  }

  /**
   * Resolves when one of the events has occurred, or the socket has an error. @throws AbortError; EBADF if closed in the
   * meantime
   */
  async wait(events: number, signal?: AbortSignal): Promise<void> {
    const aborting = notAborted(signal);
    if (this.#closed) throw new SyscallError('poll', EBADF);
    this.#ready();
    await this.#waiters.wait(events, aborting);
  }

  /** Ends the poll; pending waits reject with EBADF. Must be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#listening = false;
    this.#poll?.close();
    this.#polled = 0;
    this.#waiters.close();
  }

  /** The listener is called last, so that an error it throws does not keep promises from resolving. */
  #wake(status: number, events: number): void {
    const failed = status < 0;
    if (failed) this.#polled = 0; // libuv has stopped it
    const erred = failed || (events & PRIORITIZED) !== 0;
    const happened = erred ? READABLE | WRITABLE : events;
    this.#waiters.wake(happened);
    this.#update();
    if (erred) this.#listener?.onError();
    if ((happened & READABLE) !== 0 && this.#isListening()) this.#listener?.onReadable();
  }

  /** A method, since TypeScript assumes that calls in between do not change the state. */
  #isListening(): boolean {
    return this.#listening;
  }

  /**
   * Starts or stops the poll. It is level-triggered, so unwanted events must not be polled for. Every change costs a system
   * call or two.
   */
  #update(): void {
    if (this.#closed) return;
    let wanted = this.#listening ? READABLE : 0;
    if (this.#errors !== 'ignored') wanted |= PRIORITIZED;
    wanted |= this.#waiters.events;
    if (wanted === 0 && this.#polled === 0) return;
    const poll = this.#ready();
    const keep =
      (this.#keepAlive && (this.#listening || this.#errors === 'ignored')) ||
      this.#waiters.size > 0 ||
      this.#errors === 'wanted';
    if (keep !== this.#keptAlive) {
      this.#keptAlive = keep;
      check('poll', poll.keepAlive(keep ? 1 : 0));
    }
    if (wanted === this.#polled) return;
    check('poll', wanted === 0 ? poll.stop() : poll.start(wanted));
    this.#polled = wanted;
  }

  /** The poll, opened on first use. */
  #ready(): Poll {
    if (this.#poll !== undefined) return this.#poll;
    if (!canWait) {
      throw new SocketError(
        'ERR_UNSUPPORTED',
        'This runtime cannot wait for sockets (uv_poll ends the process on Bun). Only calls that do not wait are supported.',
      );
    }
    const poll = new (native().Poll)(this.#onEvent);
    check('poll', poll.open(this.#handle));
    return (this.#poll = poll);
  }
}
