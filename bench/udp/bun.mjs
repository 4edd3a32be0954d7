// Bun's UDP sockets, as the trials of UDP compare with them. Runs on Bun only.
import { BATCH, payload, receiveFor, sendFor } from './clock.mjs';
import { main } from './modes.mjs';

/**
 * @typedef {object} BunSocket
 * @property {(data: Uint8Array, port?: number, address?: string) => boolean} send
 * @property {(messages: readonly unknown[]) => number} sendMany
 */
/** @type {(options: object) => Promise<BunSocket>} */
const udpSocket = /** @type {any} */ (globalThis)['Bun'].udpSocket;

await main({
  async send({ address, port }, milliseconds) {
    const socket = await udpSocket({});
    const data = payload();
    return sendFor(milliseconds, () => {
      for (let i = 0; i < BATCH; i++) socket.send(data, port, address);
      return BATCH;
    });
  },

  async sendMany({ address, port }, milliseconds) {
    const socket = await udpSocket({});
    const messages = Array.from({ length: BATCH }, () => [payload(), port, address]).flat();
    return sendFor(milliseconds, () => socket.sendMany(messages), BATCH);
  },

  async 'sendMany-connected'({ address, port }, milliseconds) {
    const socket = await udpSocket({ connect: { hostname: address, port } });
    const messages = Array.from({ length: BATCH }, payload);
    return sendFor(milliseconds, () => socket.sendMany(messages), BATCH);
  },

  async receive({ port }, milliseconds) {
    const counters = { datagrams: 0, bytes: 0, calls: 0 };
    await udpSocket({
      port,
      socket: {
        data(/** @type {unknown} */ _socket, /** @type {Uint8Array} */ data) {
          counters.datagrams++;
          counters.calls++;
          counters.bytes += data.length;
        },
      },
    });
    return receiveFor(milliseconds, counters);
  },
});
