// Which parts of the library an input reaches: V8's block coverage of some scripts, as one byte per character of every function.
import { Session } from 'node:inspector';

const SCRIPTS = /\/lib\/(wire\/|options\/|source\/|socket\/|arguments\.js$)/;

export class Coverage {
  #session = new Session();
  /** @type {Map<string, Uint8Array>} */
  #seen = new Map();
  /** @type {Map<string, Uint8Array>} what was seen when `mark` was called */
  #marked = new Map();
  blocks = 0;

  /** Create it before the scripts are loaded. */
  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Remembers what has been seen, for `rewind`. */
  mark() {
    this.#marked = new Map([...this.#seen].map(([key, seen]) => [key, seen.slice()]));
  }

  /** Forgets what was seen since `mark`, so that it is new once more. */
  rewind() {
    this.#seen = this.#marked;
    this.mark();
  }

  /** Returns whether anything ran since the last call that never ran before, and counts it. */
  take() {
    /** @type {import('node:inspector').Profiler.ScriptCoverage[]} */
    let scripts = [];
    // Within one thread, the answer arrives before post returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      scripts = result;
    });
    let news = false;
    for (const { url, functions } of scripts) {
      if (!SCRIPTS.test(url)) continue;
      for (const { ranges } of functions) news = this.#add(url, ranges) || news;
    }
    return news;
  }

  /**
   * Ranges are nested, and a range with the count of its parent is omitted. Hence characters, not ranges, are compared.
   * @param {string} url
   * @param {import('node:inspector').Profiler.CoverageRange[]} ranges
   */
  #add(url, ranges) {
    const [whole] = ranges;
    if (whole === undefined || whole.count === 0) return false;
    const { startOffset: start, endOffset: end } = whole;
    const key = `${url}:${start}:${end}`;
    const seen = this.#seen.get(key) ?? new Uint8Array(end - start);
    this.#seen.set(key, seen);
    const now = new Uint8Array(end - start);
    for (const { startOffset, endOffset, count } of ranges)
      now.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
    let added = 0;
    for (let at = 0; at < now.length; at++) {
      if (now[at] === 0 || seen[at] === 1) continue;
      seen[at] = 1;
      // One per new stretch.
      if (at === 0 || now[at - 1] === 0 || added === 0) added++;
    }
    this.blocks += added;
    return added > 0;
  }
}
