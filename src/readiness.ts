// Readiness: promises that wait until a descriptor is readable or writable, on one poll for all of them.
import { abortSignal } from './arguments.js';
import { canWait, native, type Handle, type Poll } from './binding.js';
import { AbortError, check, SocketError, SyscallError } from './errors.js';

/** uv_poll's bits. */
export const READABLE = 1;
export const WRITABLE = 2;
/** Nothing but errors, when nothing else is polled for; uv_poll would stop at them otherwise. */
export const PRIORITIZED = 8;

interface Waiter {
  readonly events: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The waits on one Handle. While one is pending, the poll keeps all of this and the event loop alive. */
export class Readiness {
  readonly #poll: Poll;
  readonly #waiters = new Set<Waiter>();
  readonly #onEvent: (status: number, events: number) => void;

  constructor(handle: Handle) {
    if (!canWait) {
      throw new SocketError(
        'ERR_UNSUPPORTED',
        'This runtime cannot wait for a socket (uv_poll ends the process on Bun).',
      );
    }
    // The poll holds its callback only while it is started, so that an idle socket can be collected.
    this.#onEvent = (status, events) => {
      this.#wake(status < 0 ? READABLE | WRITABLE : events);
    };
    this.#poll = new (native().Poll)(this.#onEvent);
    check('poll', this.#poll.open(handle));
  }

  /** Resolves when one of the events is there, or an error on the socket is. Rejects on abort and on close. */
  async wait(events: number, signal?: AbortSignal): Promise<void> {
    const aborting = abortSignal('signal', signal);
    if (aborting?.aborted === true) throw new AbortError(aborting);
    let abort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = { events, resolve, reject };
        abort = () => {
          // Its event, or the close, may have been first.
          if (aborting === undefined || !this.#waiters.delete(waiter)) return;
          this.#update();
          reject(new AbortError(aborting));
        };
        aborting?.addEventListener('abort', abort, { once: true });
        this.#waiters.add(waiter);
        this.#update();
      });
    } finally {
      if (abort !== undefined) aborting?.removeEventListener('abort', abort);
    }
  }

  /** Ends the poll; pending waits reject with EBADF. To be called before the descriptor is closed. */
  close(): void {
    this.#poll.close();
    for (const waiter of this.#waiters) waiter.reject(new SyscallError('poll', EBADF));
    this.#waiters.clear();
  }

  #wake(events: number): void {
    for (const waiter of this.#waiters) {
      if ((waiter.events & events) === 0) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    this.#update();
  }

  /** Level-triggered: what nobody waits for must not be polled for. */
  #update(): void {
    let wanted = 0;
    for (const waiter of this.#waiters) wanted |= waiter.events;
    check('poll', wanted === 0 ? this.#poll.stop() : this.#poll.start(wanted));
  }
}

const EBADF = -9;
