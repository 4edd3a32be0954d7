// One end of the soak, a process: `node --expose-gc end.mjs send|receive gro|plain`. Sends or receives at full rate until
// its parent disconnects, and reports its memory and descriptors when asked.
import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GCProfiler } from 'node:v8';
import { UdpSocket } from 'linux-sockets';
import { BATCH, DATAGRAM, payload, QUEUE, SEGMENTS } from '../../bench/udp/clock.mjs';

/**
 * @typedef {object} Collector
 * @property {number} collections
 * @property {number} full collections of the whole heap among them
 * @property {number} milliseconds of wall-clock time that all of them took
 * @property {number} garbage bytes that they freed
 */

/**
 * @typedef {object} Held
 * @property {number} datagrams since the start
 * @property {number} heap bytes in use; at 'begin' and 'end' after a collection
 * @property {number} external bytes outside the heap that JavaScript objects hold
 * @property {number} rss bytes
 * @property {number} descriptors
 * @property {Collector} [collector] of 'end': what it did since 'begin'
 */

const PORT = 7000;
/** Milliseconds. Each turn of the sender's event loop makes garbage too, so turns are long. */
const TURN = 500;

const [role, kind] = process.argv.slice(2);
const gro = kind === 'gro';
const udp = UdpSocket.create({ family: 'ipv4', gro: gro && role === 'receive', sockopts: { SO_RCVBUF: QUEUE } });
const profiler = new GCProfiler();

process.on('disconnect', () => process.exit());
process.on('message', (message) => {
  // Stopped first: the collection that is requested here does not count.
  const collector = message === 'end' ? collected() : undefined;
  if (message !== 'look') globalThis.gc?.();
  if (message === 'begin') profiler.start();
  process.send?.({ ...held(), collector });
});

if (role === 'receive') receive();
else await send();

function receive() {
  udp.bind({ address: '0.0.0.0', port: PORT });
  udp.on('batch', (received) => {
    for (let i = 0; i < received.length; i++) received.data(i);
  });
  process.send?.('ready');
}

/** Segmented messages to the receiver with GRO, batches to the one without. */
async function send() {
  udp.connect({ address: '127.0.0.1', port: PORT });
  const message = new Uint8Array(SEGMENTS * DATAGRAM);
  const options = { segmentSize: DATAGRAM };
  const batch = udp.createSendBatch({ messages: BATCH, bytes: BATCH * DATAGRAM });
  const data = payload();
  const long = () => void udp.trySend(message, options);
  const many = () => {
    batch.clear();
    for (let i = 0; i < BATCH; i++) batch.add(data);
    udp.sendBatch(batch);
  };
  const step = gro ? long : many;
  process.send?.('ready');
  for (;;) {
    // The numbers that performance.now() returns are garbage too.
    for (const until = performance.now() + TURN; performance.now() < until;) for (let i = 0; i < 1000; i++) step();
    await nextTurn();
  }
}

/** @returns {Held} */
function held() {
  const { datagrams } = role === 'receive' ? udp.stats.received : udp.stats.sent;
  const { heapUsed: heap, external, rss } = process.memoryUsage();
  return { datagrams, heap, external, rss, descriptors: readdirSync('/proc/self/fd').length };
}

/** @returns {Collector} */
function collected() {
  const { statistics } = profiler.stop() ?? { statistics: [] };
  const sum = (/** @type {(entry: typeof statistics[number]) => number} */ value) =>
    statistics.reduce((total, entry) => total + value(entry), 0);
  return {
    collections: statistics.length,
    full: statistics.filter(({ gcType }) => !/^Scavenge|^MinorMark/.test(gcType)).length,
    milliseconds: sum(({ cost }) => cost / 1000),
    garbage: sum(({ beforeGC, afterGC }) => beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize),
  };
}
