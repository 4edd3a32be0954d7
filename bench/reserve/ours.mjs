// Our side of the trials for reservations, one process each: `node ours.mjs MODE NUMBER…`, prints one line of JSON.
// Its counterpart is bench/reference/reserve.c.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from 'simple-statistics';
import { NativeSocket, reserve, reserveMany, setOption } from '../../lib/index.js';

/** @typedef {import('../../lib/index.js').PortReservation} PortReservation */

const there = toward(9);
/** Batches of 2,000 to warm up, until the code is optimized. */
const WARM_UPS = 10;
const elsewhere = toward(7);

/** Options of one shape, so that the code that was optimized in the warm-up is used in the measurement. */
function toward(/** @type {number} */ port, address = '127.0.0.1') {
  return { remote: { address, port }, local: { address: '127.0.0.1' } };
}

/** @type {Readonly<Record<string, (...numbers: number[]) => Promise<Record<string, number>>>>} */
const modes = {
  /** Reserves `size` ports, releases them, and again. CPU µs per reservation and release. */
  async cycle(size = 0, batches = 0) {
    await warmedUp();
    const start = process.cpuUsage();
    for (let i = 0; i < batches; i++) await releaseAll(oneByOne(size));
    return { cpu: cpuSince(start) / size / batches };
  },

  /** The same, reserved at once. */
  async 'cycle-many'(size = 0, batches = 0) {
    await warmedUp(reserveMany);
    const start = process.cpuUsage();
    for (let i = 0; i < batches; i++) await releaseAll(reserveMany(size, there));
    return { cpu: cpuSince(start) / size / batches };
  },

  /** As `cycle`, toward a different address each time. */
  async 'cycle-spread'(size = 0, batches = 0) {
    await warmedUp(spread);
    const start = process.cpuUsage();
    for (let i = 0; i < batches; i++) await releaseAll(spread(size));
    return { cpu: cpuSince(start) / size / batches };
  },

  /** Holds `count` ports and measures how long one more takes: wall-clock µs, median. */
  async at(count = 0, samples = 0) {
    await warmedUp();
    const held = oneByOne(count);
    const took = Array.from({ length: samples }, () => {
      const start = performance.now();
      const one = reserve(there);
      const end = performance.now();
      one.release();
      return (end - start) * 1000;
    });
    release(held);
    return { p50: median(took) };
  },

  /** As `at`, where the free ports lie scattered between the held ones, `free` of `count`. */
  async scattered(count = 0, free = 0, samples = 0) {
    await warmedUp();
    const held = oneByOne(count);
    for (let i = 0; i < free; i++) held.splice(Math.floor(Math.random() * held.length), 1)[0]?.release();
    const took = Array.from({ length: samples }, () => {
      const start = performance.now();
      const one = reserve(there);
      const end = performance.now();
      held.push(one);
      held.splice(Math.floor(Math.random() * held.length), 1)[0]?.release();
      return (end - start) * 1000;
    });
    release(held);
    return { p50: median(took) };
  },

  /** Reserves `count` ports from a cold start. Seconds; if one process cannot open all of them, further processes continue while it holds its own. */
  async fill(count = 0) {
    const mine = Math.min(count, descriptors() - 100);
    const start = performance.now();
    const held = oneByOne(mine);
    const seconds = (performance.now() - start) / 1000;
    const others = mine < count ? further(count - mine) : 0;
    release(held);
    return { seconds: seconds + others };
  },

  /** Bytes of heap per reservation held, made one by one. The arrays are this program's in all three, 8 bytes each. */
  'heap-one': (count = 0) => heap(count, oneByOne),

  /** The same, made at once. */
  'heap-many': (count = 0) => heap(count, reserveMany),

  /** The same, made one by one, toward a different address each time. */
  'heap-spread': (count = 0) => heap(count, spread),

  /** CPU µs of one setOption by name. */
  async 'set-option'(calls = 0) {
    const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
    for (let i = 0; i < 100_000; i++) setOption(socket, 'TCP_USER_TIMEOUT', i);
    const start = process.cpuUsage();
    for (let i = 0; i < calls; i++) setOption(socket, 'TCP_USER_TIMEOUT', i);
    const cpu = cpuSince(start);
    socket.close();
    return { cpu: cpu / calls };
  },
};

const [mode = '', ...numbers] = process.argv.slice(2);
const measure = modes[mode];
if (measure === undefined) throw new Error(`no such mode: ${mode} (${Object.keys(modes).join(', ')})`);
console.log(JSON.stringify(await measure(...numbers.map(Number))));

/** Toward another destination, so that the ports of this one are untouched. */
async function warmedUp(/** @type {(count: number, options: typeof there) => PortReservation[]} */ make = oneByOne) {
  for (let i = 0; i < WARM_UPS; i++) await releaseAll(make(2000, elsewhere));
}

function oneByOne(/** @type {number} */ count, options = there) {
  /** @type {PortReservation[]} */
  const held = [];
  while (held.length < count) held.push(reserve(options));
  return held;
}

function spread(/** @type {number} */ count) {
  /** @type {PortReservation[]} */
  const held = [];
  while (held.length < count) {
    const i = held.length;
    held.push(reserve(toward(9, `127.1.${i >> 8}.${i & 0xff}`)));
  }
  return held;
}

/** @param {number} count @param {(count: number, options: typeof there) => PortReservation[]} make */
async function heap(count, make) {
  await warmedUp(make);
  const before = await heapUsed();
  const held = make(count, there);
  const bytes = (await heapUsed()) - before;
  release(held);
  return { bytes: bytes / count };
}

/** Finalizers run between two turns of the loop: without one they would pile up, and cost nothing. */
async function releaseAll(/** @type {PortReservation[]} */ held) {
  release(held);
  await setImmediate();
}

function release(/** @type {PortReservation[]} */ held) {
  for (const reservation of held) reservation.release();
}

function cpuSince(/** @type {NodeJS.CpuUsage} */ start) {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

async function heapUsed() {
  if (globalThis.gc === undefined) throw new Error('start node with --expose-gc');
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await setImmediate();
  }
  return process.memoryUsage().heapUsed;
}

function descriptors() {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === undefined ? Infinity : Number(limit);
}

function further(/** @type {number} */ count) {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'fill', String(count)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error('the next process failed');
  return /** @type {{ seconds: number }} */ (JSON.parse(stdout)).seconds;
}
