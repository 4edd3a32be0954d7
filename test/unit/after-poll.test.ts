// A time limit that is decided after the sockets' events.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { afterPoll } from '../../src/node/after-poll.js';

test('a limit that has passed while the event loop was blocked is decided after what the kernel reports', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const order: string[] = [];
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const expired = new Promise<void>((resolve) => {
    afterPoll(5, () => {
      order.push('limit');
      resolve();
    });
  });
  socket.once('connect', () => order.push('connect'));
  await new Promise<void>((resolve) => setImmediate(resolve)); // connect(2) has been called
  if (order.length === 0) for (const until = performance.now() + 20; performance.now() < until;);
  await expired;
  expect(order).toEqual(['connect', 'limit']);
  socket.destroy();
  server.close();
});

test('a cleared limit does not call back, not even if its timer has fired', async () => {
  let called = false;
  const limit = afterPoll(1, () => (called = true));
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      limit.clear();
      setImmediate(resolve);
    }, 1);
  });
  expect(called).toBe(false);
});
