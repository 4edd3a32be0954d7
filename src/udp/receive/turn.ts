// The time that one turn of the event loop may spend on deliveries, so that a peer cannot starve timers and other sockets.

export class Turn {
  readonly #end = performance.now() + MILLISECONDS;
  readonly #lookEvery: number;
  #untilLook: number;

  /** @param lookEvery the number of calls of `isOver` for each look at the clock */
  constructor(lookEvery: number) {
    this.#lookEvery = lookEvery;
    this.#untilLook = lookEvery;
  }

  /** Whether the time is over. */
  get isOver(): boolean {
    if (--this.#untilLook > 0) return false;
    this.#untilLook = this.#lookEvery;
    return performance.now() >= this.#end;
  }
}

const MILLISECONDS = 8;
