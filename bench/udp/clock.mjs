// What the JavaScript sides share: the payload, a warm-up, and how a run is measured. It runs on Bun, too.

/** Bytes of payload, datagrams in a message of GSO, messages in a batch: as in bench/reference/udp.h. */
export const DATAGRAM = 1200;
export const SEGMENTS = 54;
export const BATCH = 64;
/** Of a receiver, bytes. */
export const QUEUE = 4 << 20;
/** Milliseconds of warm-up, until the code is optimized. */
const WARM_UP = 700;

/** @typedef {{ datagrams: number, bytes: number, calls: number }} Counters `calls`: of the kernel, or into JavaScript */

export const payload = () => new Uint8Array(DATAGRAM).fill(1);

/**
 * Sends repeatedly.
 * @param {number} milliseconds
 * @param {() => number | Promise<number>} step sends some; how many datagrams
 * @param {number} [perCall] of them a system call
 */
export async function sendFor(milliseconds, step, perCall = 1) {
  await repeat(WARM_UP, step);
  const run = begin({ datagrams: 0, bytes: 0, calls: 0 });
  const datagrams = await repeat(milliseconds, step);
  return run({ datagrams, bytes: datagrams * DATAGRAM, calls: datagrams / perCall });
}

/**
 * Waits while the events of a socket are counted.
 * @param {number} milliseconds
 * @param {Readonly<Counters>} counters
 */
export async function receiveFor(milliseconds, counters) {
  while (counters.datagrams === 0) await elapsed(10);
  await elapsed(WARM_UP);
  const run = begin({ ...counters });
  await elapsed(milliseconds);
  return run(counters);
}

/** @returns {Promise<void>} */
function elapsed(/** @type {number} */ milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function repeat(/** @type {number} */ milliseconds, /** @type {() => number | Promise<number>} */ step) {
  const until = performance.now() + milliseconds;
  let datagrams = 0;
  while (performance.now() < until) {
    const sent = step();
    datagrams += typeof sent === 'number' ? sent : await sent;
  }
  return datagrams;
}

/** Starts the clock; the returned function stops it. */
function begin(/** @type {Counters} */ from) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  return (/** @type {Readonly<Counters>} */ to) => {
    const { user, system } = process.cpuUsage(cpu);
    const took = performance.now() - started;
    const datagrams = to.datagrams - from.datagrams;
    return {
      cpu: (user + system) / datagrams,
      share: (user + system) / 1000 / took,
      rate: Math.round((datagrams / took) * 1000),
      gbits: ((to.bytes - from.bytes) * 8) / took / 1e6,
      datagrams,
      perCall: datagrams / (to.calls - from.calls),
    };
  };
}
