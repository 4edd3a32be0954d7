// Node's own dgram, as the trials of UDP compare with it.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { BATCH, payload, QUEUE, receiveFor, sendFor } from './clock.mjs';
import { main } from './modes.mjs';

await main({
  async send({ address, port }, milliseconds) {
    const socket = createSocket('udp4');
    const data = payload();
    return sendFor(milliseconds, () => all((sent) => socket.send(data, port, address, sent)));
  },

  async 'send-connected'({ address, port }, milliseconds) {
    const socket = createSocket('udp4');
    socket.connect(port, address);
    await once(socket, 'connect');
    const data = payload();
    return sendFor(milliseconds, () => all((sent) => socket.send(data, sent)));
  },

  async receive({ port }, milliseconds) {
    const socket = createSocket({ type: 'udp4', recvBufferSize: QUEUE });
    const counters = { datagrams: 0, bytes: 0, calls: 0 };
    socket.on('message', (data) => {
      counters.datagrams++;
      counters.calls++;
      counters.bytes += data.length;
    });
    socket.bind(port);
    return receiveFor(milliseconds, counters);
  },
});

/**
 * 64 sends, each with its callback; how many.
 * @param {(sent: (error: Error | null) => void) => void} send
 * @returns {Promise<number>}
 */
function all(send) {
  return new Promise((resolve, reject) => {
    let waiting = BATCH;
    const sent = (/** @type {Error | null} */ error) => {
      if (error) reject(error);
      else if (--waiting === 0) resolve(BATCH);
    };
    for (let i = 0; i < BATCH; i++) send(sent);
  });
}
