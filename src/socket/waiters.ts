// Waiters: promises that wait for one of poll's events each. Whoever has the poll says which have happened.
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

  /** @param onChange somebody waits, or no longer does: `events` may have changed */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** What is waited for. */
  get events(): number {
    let events = 0;
    for (const waiter of this.#waiting) events |= waiter.events;
    return events;
  }

  /** Resolves when one of the events has happened. @param signal checked, and not aborted yet @throws AbortError; EBADF when closed */
  async wait(events: number, signal: AbortSignal | undefined): Promise<void> {
    let abort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = { events, resolve, reject };
        abort = () => {
          // Its event, or the close, may have been first.
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

  /** Resolves those who wait for one of the events. The caller looks at `events` next: `onChange` is not called. */
  wake(events: number): void {
    for (const waiter of this.#waiting) {
      if ((waiter.events & events) === 0) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** The descriptor is closed: EBADF for all. */
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
