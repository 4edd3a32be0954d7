// What the rows share. Only what Node, Bun and Deno have in common is imported.
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import net from 'node:net';

/** @typedef {typeof import('../../../lib/index.js')} Library */
/** A row: `call` throws unless the result is right. @typedef {{ name: string, call: (library: Library) => unknown }} Row */

export const HOST = '127.0.0.1';
/** A second address of every host. */
export const SOURCE = '127.0.0.9';

/**
 * Closes what a call has opened, also if it throws.
 * @template T
 * @param {(onEnd: (close: () => unknown) => void) => T | Promise<T>} body
 */
export async function closing(body) {
  /** @type {(() => unknown)[]} */
  const closes = [];
  try {
    return await body((close) => closes.unshift(close));
  } finally {
    for (const close of closes) await close();
  }
}

/** A server that answers with the client's address. @param {(close: () => unknown) => void} onEnd */
export async function addressServer(onEnd) {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(socket.remoteAddress ?? '');
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  onEnd(() => server.close());
  return /** @type {net.AddressInfo} */ (server.address()).port;
}

/** @param {net.Socket} socket @returns {Promise<string>} all that it receives */
export async function textOf(socket) {
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Calls until there is a result, waiting with `wait` in between. @template T @param {() => T | undefined} call @param {() => Promise<unknown>} wait */
export async function until(call, wait) {
  for (;;) {
    const result = call();
    if (result !== undefined) return result;
    await wait();
  }
}

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
export function boundUdp({ UdpSocket }, onEnd, options = {}) {
  const udp = UdpSocket.create({ family: 'ipv4', ...options });
  onEnd(() => udp.close());
  udp.bind({ address: HOST, port: 0 });
  return udp;
}

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
export function boundDatagram({ NativeSocket }, onEnd) {
  const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
  onEnd(() => socket.close());
  socket.bind({ address: HOST, port: 0 });
  return socket;
}
