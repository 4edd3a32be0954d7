// Prints what a socket does each second: a line that is overwritten on a terminal, or one JSON object per line.
import { styleText } from 'node:util';

/**
 * Counters that only grow. `syscalls`: those that sent or received something.
 * @typedef {{ datagrams: number, bytes: number, syscalls: number, drops?: number }} Totals
 */

export class Meter {
  /** @type {() => Totals} */ #totals;
  /** @type {boolean} */ #json;
  /** @type {NodeJS.Timeout} */ #timer;
  /** @type {Moment} */ #start;
  /** @type {Moment} */ #last;

  /**
   * @param {() => Totals} totals
   * @param {boolean} json
   */
  constructor(totals, json) {
    this.#totals = totals;
    this.#json = json;
    this.#start = this.#last = moment(totals());
    this.#timer = setInterval(() => {
      const now = moment(this.#totals());
      this.#print(rates(this.#last, now), false);
      this.#last = now;
    }, 1000);
  }

  /** Prints the last line, for the whole time. */
  end() {
    clearInterval(this.#timer);
    this.#print(rates(this.#start, moment(this.#totals())), true);
  }

  /** @param {Rates} rates @param {boolean} total */
  #print(rates, total) {
    if (this.#json) {
      process.stdout.write(`${JSON.stringify({ ...rates, ...(total && { total }) })}\n`);
      return;
    }
    const terminal = process.stdout.isTTY;
    const line = text(rates);
    if (total) process.stdout.write(`${terminal ? '\r\u001b[K' : ''}total  ${line}\n`);
    else process.stdout.write(terminal ? `\r\u001b[K${styleText('bold', line)}` : `${line}\n`);
  }
}

/** Resolves after so many seconds, or on SIGINT, SIGTERM or SIGHUP; undefined: only on a signal. */
export async function over(/** @type {number | undefined} */ seconds) {
  await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
    if (seconds !== undefined) setTimeout(resolve, seconds * 1000);
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.once(signal, () => resolve());
  });
}

/** @typedef {ReturnType<typeof moment>} Moment */

function moment(/** @type {Totals} */ totals) {
  const { user, system } = process.cpuUsage();
  return { ...totals, drops: totals.drops ?? 0, at: performance.now(), cpu: (user + system) / 1000 };
}

/** @typedef {ReturnType<typeof rates>} Rates */

function rates(/** @type {Moment} */ from, /** @type {Moment} */ to) {
  const milliseconds = Math.max(to.at - from.at, 1);
  const datagrams = to.datagrams - from.datagrams;
  const syscalls = to.syscalls - from.syscalls;
  return {
    seconds: round(milliseconds / 1000),
    datagrams,
    datagramsPerSecond: Math.round((datagrams / milliseconds) * 1000),
    gigabitsPerSecond: round(((to.bytes - from.bytes) * 8) / milliseconds / 1e6),
    /** Of one CPU. */
    cpuPercent: round(((to.cpu - from.cpu) / milliseconds) * 100),
    drops: to.drops - from.drops,
    datagramsPerCall: syscalls === 0 ? 0 : round(datagrams / syscalls),
  };
}

function text(/** @type {Rates} */ rates) {
  return [
    `${rates.datagramsPerSecond.toLocaleString('en-US')} datagrams/s`,
    `${rates.gigabitsPerSecond.toFixed(2)} Gbit/s`,
    `CPU ${rates.cpuPercent.toFixed(0)} %`,
    `${rates.drops.toLocaleString('en-US')} dropped`,
    `${rates.datagramsPerCall.toFixed(1)} datagrams/call`,
  ].join('  ');
}

function round(/** @type {number} */ value) {
  return Number(value.toFixed(3));
}
