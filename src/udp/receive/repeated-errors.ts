// Errors of a system call that repeat, although the call is only made when the socket is readable: without a pause, the process
// would be busy with them for as long as they last.

export interface RepeatedErrorsContext {
  /** The error has repeated so often that it will not go away by itself. Called once. */
  persist(errno: number): void;
  /** A pause has begun or ended. */
  retry(): void;
}

export class RepeatedErrors {
  readonly #context: RepeatedErrorsContext;
  #errno = 0;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: RepeatedErrorsContext) {
    this.#context = context;
  }

  /** Whether the call must not be made yet. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether the last call failed with this error too. */
  isRepeated(errno: number): boolean {
    return this.#count > 0 && this.#errno === errno;
  }

  /** A call has failed. A second failure in a row may be of another datagram; from the third one on, each is followed by a pause. */
  add(errno: number): void {
    this.#count = this.#errno === errno ? this.#count + 1 : 1;
    this.#errno = errno;
    if (this.#count < TOLERATED || this.#timer !== undefined) return;
    const delay = Math.min(FIRST_PAUSE * 2 ** Math.min(this.#count - TOLERATED, 16), LONGEST_PAUSE);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#context.retry();
    }, delay);
    this.#context.retry();
    if (this.#count === TOLERATED) this.#context.persist(errno);
  }

  /** A call has succeeded, or the socket is closed. */
  clear(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Failures in a row with one error. */
const TOLERATED = 3;
/** Milliseconds. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;
