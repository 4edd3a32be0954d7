// Our side of the trials for UDP, a process each: `node ours.mjs MODE ADDRESS PORT MILLISECONDS`, prints one line of JSON.
// Its counterparts are bench/reference/udp.c, dgram.mjs and bun.mjs.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Endpoint, UdpSocket } from '../../lib/index.js';
import { BATCH, DATAGRAM, payload, QUEUE, receiveFor, SEGMENTS, sendFor } from './clock.mjs';
import { garbageFor } from './garbage.mjs';
import { main } from './modes.mjs';

/** @typedef {import('./modes.mjs').There} There */

/** 0 would mean that the queue of the device is full, which never happens on these devices. */
const full = () => {
  throw new Error('The send buffer is full.');
};

await main({
  single: (there, milliseconds) => single(sender(), { to: Endpoint.from(there) }, milliseconds),
  'single-connected': (there, milliseconds) => single(connected(there), {}, milliseconds),

  async 'send-connected'(there, milliseconds) {
    const udp = connected(there);
    const data = payload();
    return sendFor(milliseconds, async () => {
      const sends = [];
      for (let i = 0; i < BATCH; i++) sends.push(udp.send(data));
      await Promise.all(sends);
      return BATCH;
    });
  },

  batch: (there, milliseconds) => batch(sender(), { to: Endpoint.from(there) }, milliseconds),
  'batch-connected': (there, milliseconds) => batch(connected(there), {}, milliseconds),

  async 'gso-connected'(there, milliseconds) {
    const udp = connected(there);
    const message = new Uint8Array(SEGMENTS * DATAGRAM).fill(1);
    return sendFor(milliseconds, () => segments(udp, message), SEGMENTS);
  },

  /** 54 datagrams from different buffers are first copied together. */
  async 'gso-copy-connected'(there, milliseconds) {
    const udp = connected(there);
    const message = new Uint8Array(SEGMENTS * DATAGRAM);
    const datagrams = Array.from({ length: SEGMENTS }, payload);
    const step = () => {
      for (let i = 0; i < SEGMENTS; i++) message.set(/** @type {Uint8Array} */ (datagrams[i]), i * DATAGRAM);
      return segments(udp, message);
    };
    return sendFor(milliseconds, step, SEGMENTS);
  },

  receive: (here, milliseconds) => receiveFor(milliseconds, countBatches(here)),

  async 'receive-views'({ port }, milliseconds) {
    const udp = receiver(port);
    const counters = { datagrams: 0, bytes: 0, calls: 0 };
    udp.on('batch', (received) => {
      for (let i = 0; i < received.length; i++) counters.bytes += received.data(i).length;
      counters.datagrams += received.length;
      counters.calls++;
    });
    return receiveFor(milliseconds, counters);
  },

  async 'receive-gro'({ port }, milliseconds) {
    const udp = receiver(port, true);
    const counters = { datagrams: 0, bytes: 0, calls: 0 };
    udp.on('batch', (received) => {
      for (let i = 0; i < received.length; i++) {
        counters.bytes += received.byteLength(i);
        counters.datagrams += received.segments(i);
      }
      counters.calls++;
    });
    return receiveFor(milliseconds, counters);
  },

  async 'receive-messages'({ port }, milliseconds) {
    const udp = receiver(port);
    const counters = { datagrams: 0, bytes: 0, calls: 0 };
    udp.on('message', (data) => {
      counters.bytes += data.length;
      counters.datagrams++;
      counters.calls++;
    });
    return receiveFor(milliseconds, counters);
  },

  /** Bytes of garbage per datagram, in a separate process whose young generation is larger than all of it. */
  async garbage({ address, port }, milliseconds) {
    const roomy = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
    const again = [fileURLToPath(import.meta.url), 'garbage-inside', address, port, milliseconds];
    const { status, stdout, stderr } = spawnSync(process.execPath, [...roomy, ...again.map(String)], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  },
  'garbage-inside': (here, milliseconds) => garbageFor(milliseconds, countBatches(here)),
});

function sender() {
  const udp = UdpSocket.create({ family: 'ipv4' });
  udp.bind({ address: '0.0.0.0', port: 0 });
  return udp;
}

function connected(/** @type {There} */ there) {
  const udp = UdpSocket.create({ family: 'ipv4' });
  udp.connect(there);
  return udp;
}

function receiver(/** @type {number} */ port, gro = false) {
  const udp = UdpSocket.create({ family: 'ipv4', gro, sockopts: { SO_RCVBUF: QUEUE } });
  udp.bind({ address: '0.0.0.0', port });
  return udp;
}

/**
 * @param {UdpSocket} udp
 * @param {{ to?: Endpoint }} options
 * @param {number} milliseconds
 */
function single(udp, options, milliseconds) {
  const data = payload();
  return sendFor(milliseconds, () => {
    for (let i = 0; i < BATCH; i++) if (udp.trySend(data, options) === 0) full();
    return BATCH;
  });
}

/**
 * 64 datagrams into the arena, then sent; the C program sends from memory that is ready.
 * @param {UdpSocket} udp
 * @param {{ to?: Endpoint }} options
 * @param {number} milliseconds
 */
function batch(udp, options, milliseconds) {
  const messages = udp.createSendBatch({ messages: BATCH, bytes: BATCH * DATAGRAM });
  const data = payload();
  return sendFor(
    milliseconds,
    () => {
      messages.clear();
      for (let i = 0; i < BATCH; i++) messages.add(data, options);
      return udp.sendBatch(messages) || full();
    },
    BATCH,
  );
}

function segments(/** @type {UdpSocket} */ udp, /** @type {Uint8Array} */ message) {
  return (udp.trySend(message, { segmentSize: DATAGRAM }) || full()) / DATAGRAM;
}

function countBatches(/** @type {There} */ { port }) {
  const counters = { datagrams: 0, bytes: 0, calls: 0 };
  receiver(port).on('batch', (received) => {
    counters.datagrams += received.length;
    counters.calls++;
  });
  return counters;
}
