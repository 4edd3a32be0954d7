// Readiness: promises that wait until a descriptor is readable or writable, on one poll for all of them.
import { canWait, native, type Handle, type Poll } from '../binding.js';
import { check, SocketError } from '../errors.js';
import { notAborted, Waiters } from './waiters.js';

/** uv_poll's bits. */
export const READABLE = 1;
export const WRITABLE = 2;
/** Nothing but errors, when nothing else is polled for; uv_poll would stop at them otherwise. */
export const PRIORITIZED = 8;

/** The waits on one Handle. While one is pending, the poll keeps all of this and the event loop alive. */
export class Readiness {
  readonly #poll: Poll;
  readonly #waiters = new Waiters(() => this.#update());
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
    await this.#waiters.wait(events, notAborted(signal));
  }

  /** Ends the poll; pending waits reject with EBADF. To be called before the descriptor is closed. */
  close(): void {
    this.#poll.close();
    this.#waiters.close();
  }

  #wake(events: number): void {
    this.#waiters.wake(events);
    this.#update();
  }

  /** Level-triggered: what nobody waits for must not be polled for. */
  #update(): void {
    const wanted = this.#waiters.events;
    check('poll', wanted === 0 ? this.#poll.stop() : this.#poll.start(wanted));
  }
}
