// Our side of the trials for reservations, a process each: `node ours.mjs MODE NUMBER…`, prints one line of JSON.
// Its counterpart is bench/reference/reserve.c.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from 'simple-statistics';
import { NativeSocket, reserve, reserveMany, setOption } from '../../lib/index.js';

/** @typedef {import('../../lib/index.js').PortReservation} PortReservation */

const there = { remote: { address: '127.0.0.1', port: 9 }, local: { address: '127.0.0.1' } };
const elsewhere = { ...there, remote: { address: '127.0.0.1', port: 7 } };

/** @type {Readonly<Record<string, (...numbers: number[]) => Promise<Record<string, number>>>>} */
const modes = {
  /** Reserves `size` ports, releases them, and again. CPU µs per reservation and release. */
  async cycle(size = 0, batches = 0) {
    const { held } = await warmedUp(size, 6);
    const start = process.cpuUsage();
    for (let i = 0; i < batches; i++) await batch(there, held);
    return { cpu: cpuSince(start) / size / batches };
  },

  /** Holds `count` ports; then how long does one more take? µs of the clock, median. */
  async at(count = 0, samples = 0) {
    await warmedUp(2000, 6);
    const held = Array.from({ length: count }, () => reserve(there));
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
    await warmedUp(2000, 6);
    const held = Array.from({ length: count }, () => reserve(there));
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

  /** Reserves `count` ports from a cold start. Seconds; what one process may not open, further ones do while it holds its own. */
  async fill(count = 0) {
    const mine = Math.min(count, descriptors() - 100);
    const start = performance.now();
    const held = Array.from({ length: mine }, () => reserve(there));
    const seconds = (performance.now() - start) / 1000;
    const others = mine < count ? further(count - mine) : 0;
    release(held);
    return { seconds: seconds + others };
  },

  /** Bytes of heap per reservation held, made one by one. The array that holds them is the caller's. */
  async 'heap-one'(count = 0) {
    await warmedUp(2000, 2);
    /** @type {(PortReservation | undefined)[]} */
    const held = Array.from({ length: count }, () => undefined);
    const before = await heapUsed();
    for (let i = 0; i < count; i++) held[i] = reserve(there);
    const bytes = (await heapUsed()) - before;
    for (const reservation of held) reservation?.release();
    return { bytes: bytes / count };
  },

  /** The same, made at once; the array is ours. */
  async 'heap-many'(count = 0) {
    await warmedUp(2000, 2);
    const before = await heapUsed();
    const held = reserveMany(count, there);
    const bytes = (await heapUsed()) - before;
    release(held);
    return { bytes: bytes / count };
  },

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
async function warmedUp(/** @type {number} */ size, /** @type {number} */ batches) {
  /** @type {PortReservation[]} */
  const held = [];
  for (let i = 0; i < batches; i++) await batch(elsewhere, held, size);
  return { held };
}

/** Finalizers run between two turns of the loop: without one they would pile up, and cost nothing. */
async function batch(/** @type {typeof there} */ options, /** @type {PortReservation[]} */ held, size = held.length) {
  for (let i = 0; i < size; i++) held[i] = reserve(options);
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
