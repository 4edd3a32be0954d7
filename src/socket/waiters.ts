// Waiters: promises that each wait for an event of a poll. The owner of the poll reports the events.
import { abortSignal } from '../arguments.js';
import { AbortError, SyscallError } from '../errors.js';
import { EBADF } from '../kernel/numbers.js';

interface Waiter {
  readonly events: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Waiters {
  readonly #waiting = new Set<Waiter>();
  readonly #onChange: () => void;

  /** @param onChange called when waiting starts or ends: `events` may have changed */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The events that are waited for. */
  get events(): number {
    let events = 0;
    for (const waiter of this.#waiting) events |= waiter.events;
    return events;
  }

  /**
   * Resolves when one of the events has occurred. @param signal checked, and not aborted yet @throws AbortError; EBADF when
   * closed
   */
  async wait(events: number, signal: AbortSignal | undefined): Promise<void> {
    let abort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = { events, resolve, reject };
        abort = () => {
          // Its event, or the close, may have come first.
          if (signal === undefined || !this.#waiting.delete(waiter)) return;
          this.#onChange();
          reject(new AbortError(signal));
        };
        signal?.addEventListener('abort', abort, { once: true });
        this.#waiting.add(waiter);
        try {
          this.#onChange();
        } catch (error) {
          this.#waiting.delete(waiter);
          throw error;
        }
      });
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  /** Resolves the waits for one of the events. `onChange` is not called: the caller reads `events` afterwards. */
  wake(events: number): void {
    for (const waiter of this.#waiting) {
      if ((waiter.events & events) === 0) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** Rejects all waits with EBADF, when the descriptor is closed. */
  close(): void {
    for (const waiter of this.#waiting) waiter.reject(new SyscallError('poll', EBADF));
    this.#waiting.clear();
  }
}

/** @throws ERR_INVALID_ARG_TYPE; AbortError */
export function notAborted(signal: unknown): AbortSignal | undefined {
  const checked = abortSignal('signal', signal);
  if (checked?.aborted === true) throw new AbortError(checked);
  return checked;
}
