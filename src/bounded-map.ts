// BoundedMap: a Map with a maximum size, for caches and for entries that peers could add without limit.

export interface BoundedMapOptions<K, V> {
  /** `get` makes an entry the newest, so that the least recently used one is dropped instead of the oldest. @default false */
  readonly touchOnGet?: boolean | undefined;
  /** Called after an entry was dropped to make room; not for `delete` and `clear`. */
  readonly onEvict?: ((value: V, key: K) => void) | undefined;
}

/** At most `max` entries; when a new one needs room, the oldest is dropped. Iterates from the oldest entry to the newest. */
export class BoundedMap<K, V> implements Iterable<readonly [K, V]> {
  readonly #entries = new Map<K, V>();
  readonly #max: number;
  readonly #touchOnGet: boolean;
  readonly #onEvict: ((value: V, key: K) => void) | undefined;

  /** @param max entries, an integer >= 1 */
  constructor(max: number, options: BoundedMapOptions<K, V> = {}) {
    this.#max = max;
    this.#touchOnGet = options.touchOnGet === true;
    this.#onEvict = options.onEvict;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (this.#touchOnGet && (value !== undefined || this.#entries.has(key))) {
      this.#entries.delete(key);
      this.#entries.set(key, value as V);
    }
    return value;
  }

  /** Adds or replaces an entry, which is then the newest. If the map is full, the oldest entry is dropped first. */
  set(key: K, value: V): this {
    this.#entries.delete(key);
    this.makeRoom();
    this.#entries.set(key, value);
    return this;
  }

  /** Drops the oldest entry if the map is full, for callers that need the room before they create the new value. */
  makeRoom(): void {
    if (this.#entries.size < this.#max) return;
    for (const [key, value] of this.#entries) {
      this.#entries.delete(key);
      this.#onEvict?.(value, key);
      return;
    }
  }

  /** Returns whether the map had the entry. */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries[Symbol.iterator]();
  }
}
