// One end of the soak, a process: `node --expose-gc soak-end.mjs send|receive gro|plain`. Goes at full rate until it is
// told to stop, and says what it holds whenever it is asked.
import { readdirSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UdpSocket } from '../../lib/index.js';
import { BATCH, DATAGRAM, payload, QUEUE, SEGMENTS } from './clock.mjs';

/**
 * @typedef {object} Held
 * @property {number} datagrams since the start
 * @property {number} heap bytes in use; after a collection when one was asked for
 * @property {number} external bytes outside of the heap that JavaScript holds
 * @property {number} rss bytes
 * @property {number} descriptors
 * @property {number} collections that nobody asked for, since the start
 * @property {number} collecting milliseconds that they took
 */

const PORT = 7000;
/** Milliseconds. The sender's turns make garbage, too, so they are few. */
const TURN = 500;

const [role, kind] = process.argv.slice(2);
const gro = kind === 'gro';
let datagrams = 0;
let collections = 0;
let collecting = 0;
let asked = 0;

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    if (asked > 0) asked--;
    else {
      collections++;
      collecting += duration;
    }
  }
}).observe({ type: 'gc' });

process.on('disconnect', () => process.exit());
process.on('message', (message) => {
  if (message === 'collect') {
    asked++;
    globalThis.gc?.();
  }
  process.send?.(held());
});

if (role === 'receive') receive();
else await send();

function receive() {
  const udp = UdpSocket.create({ family: 'ipv4', gro, sockopts: { SO_RCVBUF: QUEUE } });
  udp.bind({ address: '0.0.0.0', port: PORT });
  udp.on('batch', (received) => {
    if (!gro) datagrams += received.length;
    else for (let i = 0; i < received.length; i++) datagrams += received.segments(i);
  });
  process.send?.('ready');
}

/** Long messages to the receiver with GRO, batches to the other. */
async function send() {
  const udp = UdpSocket.create({ family: 'ipv4' });
  udp.connect({ address: '127.0.0.1', port: PORT });
  const message = new Uint8Array(SEGMENTS * DATAGRAM);
  const options = { segmentSize: DATAGRAM };
  const batch = udp.createSendBatch({ messages: BATCH, bytes: BATCH * DATAGRAM });
  const data = payload();
  process.send?.('ready');
  for (;;) {
    const until = performance.now() + TURN;
    while (performance.now() < until) {
      if (gro) datagrams += udp.trySend(message, options) / DATAGRAM;
      else {
        batch.clear();
        for (let i = 0; i < BATCH; i++) batch.add(data);
        datagrams += udp.sendBatch(batch);
      }
    }
    await nextTurn();
  }
}

/** @returns {Held} */
function held() {
  const { heapUsed: heap, external, rss } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  return { datagrams, heap, external, rss, descriptors, collections, collecting };
}
