// Readiness: one poll for a Handle, for promises that wait and for a listener that is called every time. Nothing is polled for
// that nobody wants, so that an idle socket wakes nobody.
import { canWait, native, type Handle, type Poll } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { EBADF } from '../kernel/numbers.js';
import { notAborted, Waiters } from './waiters.js';

/** uv_poll's bits. */
export const READABLE = 1;
export const WRITABLE = 2;
/** Reports errors where nothing else is polled for; without it uv_poll would stop at the first one. */
const PRIORITIZED = 8;

/** Who is called from the event loop. */
export interface ReadinessListener {
  /** There is something to read; called only after `listen(true)`. */
  readonly onReadable: () => void;
  /** The socket has a pending error, or its error queue is not empty: called in every turn until that is read. */
  readonly onError: () => void;
}

/** The poll of one Handle. While it is started it keeps itself, the listener and the event loop alive. */
export class Readiness {
  readonly #handle: Handle;
  readonly #listener: ReadinessListener | undefined;
  readonly #waiters = new Waiters(() => this.#update());
  /** The poll holds its callback only while it is started, so that an idle socket can be collected. */
  readonly #onEvent = (status: number, events: number): void => {
    this.#wake(status, events);
  };
  #poll: Poll | undefined;
  #polled = 0;
  #listening = false;
  /** Errors are watched for as long as the socket is open; they keep the event loop alive only while somebody waits for them. */
  #errors: 'ignored' | 'watched' | 'wanted' = 'ignored';
  #keepAlive = true;
  #keptAlive = true;
  #closed = false;

  /**
   * @param listener for `listen` and `watchErrors`. Without one the poll is opened now: whoever only waits learns before it
   *   starts something to wait for that this is not possible
   * @throws ERR_UNSUPPORTED where there is no libuv; SyscallError of poll
   */
  constructor(handle: Handle, listener?: ReadinessListener) {
    this.#handle = handle;
    this.#listener = listener;
    if (listener === undefined) this.#ready();
  }

  /** Starts or stops calling `onReadable`. @throws ERR_UNSUPPORTED where there is no libuv */
  listen(listening: boolean): void {
    if (this.#listening === listening) return;
    if (listening) this.#ready();
    this.#listening = listening;
    this.#update();
  }

  /**
   * Calls `onError` whenever there is an error, from now on; a socket that is forgotten is not collected any more.
   * @param wanted somebody waits for an error, which keeps the event loop alive
   */
  watchErrors(wanted: boolean): void {
    this.#errors = wanted ? 'wanted' : 'watched';
    this.#update();
  }

  /** Whether listening keeps the event loop alive; those who wait always do. */
  keepAlive(keep: boolean): void {
    this.#keepAlive = keep;
    this.#update();
  }

  get keepsAlive(): boolean {
    return this.#keepAlive;
  }

  /** Resolves when one of the events is there, or the socket has an error. @throws AbortError; EBADF when closed meanwhile */
  async wait(events: number, signal?: AbortSignal): Promise<void> {
    const aborting = notAborted(signal);
    if (this.#closed) throw new SyscallError('poll', EBADF);
    this.#ready();
    await this.#waiters.wait(events, aborting);
  }

  /** Ends the poll; pending waits reject with EBADF. To be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#listening = false;
    this.#poll?.close();
    this.#polled = 0;
    this.#waiters.close();
  }

  /** The listener comes last: what it throws must not keep anybody from being woken. */
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

  /** A method, since TypeScript assumes that a call in between changes nothing. */
  #isListening(): boolean {
    return this.#listening;
  }

  /** Level-triggered: what nobody wants must not be polled for. Every change costs a system call or two. */
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

  /** The poll, which is opened when it is needed for the first time. */
  #ready(): Poll {
    if (this.#poll !== undefined) return this.#poll;
    if (!canWait) {
      throw new SocketError(
        'ERR_UNSUPPORTED',
        'This runtime cannot wait for a socket (uv_poll ends the process on Bun). Calls that do not wait work.',
      );
    }
    const poll = new (native().Poll)(this.#onEvent);
    check('poll', poll.open(this.#handle));
    return (this.#poll = poll);
  }
}
