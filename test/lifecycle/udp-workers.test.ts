// A worker that is terminated while its UdpSockets are in use leaks no descriptor, and does not crash the process.
import { expect, test } from 'vitest';
import { runWorker } from '../support/child.js';
import { repeats } from '../support/repeats.js';
import { NOTHING_LEFT, terminateWorkers } from '../support/worker-rounds.js';

/** A hundred sockets, and one that sends datagrams to itself endlessly. */
const HOLD = `
  const { UdpSocket } = await import('linux-sockets');
  const { parentPort } = require('node:worker_threads');
  const make = (options) => { const udp = UdpSocket.create({ family: 'ipv4', ...options }); udp.bind('127.0.0.1:0'); return udp; };
  const sockets = Array.from({ length: 100 }, () => make());
  const echo = make({ gro: true, ttl: true });
  const again = () => { while (echo.trySend(new Uint8Array(1000), { to: echo.local, segmentSize: 100 }) === 0); };
  globalThis.held = [sockets, echo];
  const ready = () => parentPort.postMessage('ready');
`;

const states: Record<string, string> = {
  'listening on all of them': `for (const udp of sockets) udp.on('batch', () => {}); ready();`,
  'waiting for all of them': `for (const udp of sockets) { udp.readable().catch(() => {}); udp[Symbol.asyncIterator]().next(); } ready();`,
  'in batch callbacks that never stop': `
    echo.on('batch', (received) => { for (let i = 0; i < received.length; i++) received.data(i); again(); });
    again();
    ready();
  `,
  'busy inside a batch callback': `
    echo.on('batch', (received) => { ready(); for (;;) received.source(0); });
    again();
  `,
  'busy inside a message callback': `
    echo.on('message', (data, info) => { ready(); for (;;); });
    again();
  `,
  'throwing inside batch callbacks': `
    process.on('uncaughtException', () => {});
    echo.on('batch', () => { again(); throw new Error('from the callback'); });
    again();
    ready();
  `,
  'iterating for ever': `again(); ready(); for await (const { data } of echo) again();`,
  'receiving without a pause': `
    const batch = echo.createReceiveBatch();
    ready();
    for (;;) { again(); echo.receiveBatch(batch); }
  `,
  'closing and making sockets': `
    ready();
    for (let i = 0; ; i = (i + 1) % 100) {
      sockets[i].on('message', () => {});
      await sockets[i].close();
      sockets[i] = make({ debug: true });
      sockets[i].on('message', () => {});
    }
  `,
};

const often = ['in batch callbacks that never stop', 'busy inside a batch callback', 'receiving without a pause'];

test.each(Object.entries(states))('a worker is terminated repeatedly while %s', async (name, state) => {
  const times = repeats(often.includes(name) ? 60 : 20);
  expect(await terminateWorkers(HOLD + state, { times, held: 100 })).toEqual(NOTHING_LEFT);
});

test('a worker receives and sends as the main thread does', async () => {
  const { messages, code } = await runWorker(`
    const { UdpSocket } = await import('linux-sockets');
    const udp = UdpSocket.create({ family: 'ipv6', pktinfo: true });
    udp.bind('[::1]:0');
    await udp.send(Buffer.from('to myself'), { to: udp.local });
    for await (const { data, info } of udp) {
      parentPort.postMessage([data.toString(), info.destination.address]);
      break;
    }
    await udp.close();
  `);
  expect([messages, code]).toEqual([[['to myself', '::1']], 0]);
});
