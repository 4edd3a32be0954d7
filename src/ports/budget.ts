// A budget of time, for work that nobody waits for: a share of all time, of which some is saved up.

export class TimeBudget {
  readonly #share: number;
  readonly #allowanceMs: number;
  #leftMs: number;
  #at = -Infinity;

  /**
   * @param share of all time, from 0 to 1
   * @param allowanceMs what may be spent at once: as much as that is saved up
   */
  constructor(share: number, allowanceMs: number) {
    this.#share = share;
    this.#allowanceMs = this.#leftMs = allowanceMs;
  }

  /** Is there something left? What work costs shows afterwards, so the last one may be the one that overdraws it. */
  has(now: number): boolean {
    this.#leftMs = Math.min(this.#allowanceMs, this.#leftMs + this.#share * (now - this.#at));
    this.#at = now;
    return this.#leftMs > 0;
  }

  spend(milliseconds: number): void {
    this.#leftMs -= milliseconds;
  }
}
