// A time budget for optional work: a share of all time, of which some can be saved up.

export class TimeBudget {
  readonly #share: number;
  readonly #allowanceMs: number;
  #leftMs: number;
  #at = -Infinity;

  /**
   * @param share of all time, from 0 to 1
   * @param allowanceMs how much can be saved up, and so be spent at once
   */
  constructor(share: number, allowanceMs: number) {
    this.#share = share;
    this.#allowanceMs = this.#leftMs = allowanceMs;
  }

  /** Whether something is left. The cost of work is known only afterwards, so the last piece may overdraw the budget. */
  has(now: number): boolean {
    this.#leftMs = Math.min(this.#allowanceMs, this.#leftMs + this.#share * (now - this.#at));
    this.#at = now;
    return this.#leftMs > 0;
  }

  spend(milliseconds: number): void {
    this.#leftMs -= milliseconds;
  }
}
