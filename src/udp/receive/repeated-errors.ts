// Errors of a system call that repeat, although the call is only made when the socket is readable: without a pause, the process
// would be busy with them for as long as they last.
import { mayBePending } from '../pending-errors.js';

export interface RepeatedErrorsContext {
  /** The call has failed so often that it will not recover by itself soon. Not called for errors that a peer can cause. */
  persist(errno: number): void;
  /** A pause has begun or ended. */
  changed(): void;
}

export class RepeatedErrors {
  readonly #context: RepeatedErrorsContext;
  /** Failures in a row. */
  #count = 0;
  /** The errors among them. */
  readonly #kinds = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: RepeatedErrorsContext) {
    this.#context = context;
  }

  /** Whether the call must not be made yet. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** A call has failed. Returns whether the error must be reported: a peer can cause the same one twice in a row. */
  add(errno: number): boolean {
    const isPeers = mayBePending(errno);
    const isNew = !this.#kinds.has(errno);
    this.#kinds.add(errno);
    this.#count++;
    if (this.#count < TOLERATED) return isNew || isPeers;
    if (this.#timer === undefined) this.#pause();
    if (!isPeers) this.#context.persist(errno);
    return isNew;
  }

  /** A call has succeeded, or there is nothing to read, or the socket is closed. */
  clear(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#kinds.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pause(): void {
    const delay = FIRST_PAUSE * 2 ** Math.min(this.#count - TOLERATED, 16);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#context.changed();
      },
      Math.min(delay, LONGEST_PAUSE),
    );
    this.#context.changed();
  }
}

/** Failures in a row, from which on each is followed by a pause. */
const TOLERATED = 3;
/** Milliseconds. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;
