// The async context of a UdpSocket's handlers: that in which the socket was created, as with dgram.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { UdpSocket } from '../../../src/index.js';

const storage = new AsyncLocalStorage<string>();

function created(): UdpSocket {
  const socket = storage.run('create', () => UdpSocket.create({ family: 'ipv4' }));
  storage.run('bind', () => socket.bind({ address: '127.0.0.1', port: 0 }));
  return socket;
}

test.each(['message', 'batch'] as const)(
  "handlers of '%s' run in the context of create(), not of bind or on",
  async (event) => {
    await using socket = created();
    const seen: unknown[] = [];
    storage.run('on', () => socket.on(event, () => seen.push(storage.getStore())));
    const heard = once(socket, event);
    await using sender = UdpSocket.create({ family: 'ipv4' });
    await storage.run('send', () => sender.send(Buffer.from('x'), { to: socket.local }));
    await heard;
    expect(seen).toEqual(['create']);
  },
);

test('messages that were left by pause() are delivered in the context of create(), not of resume()', async () => {
  await using socket = created();
  await using sender = UdpSocket.create({ family: 'ipv4' });
  for (const text of ['a', 'b']) sender.trySend(Buffer.from(text), { to: socket.local });
  const seen: unknown[] = [];
  const first = once(socket, 'message');
  socket.on('message', () => {
    seen.push(storage.getStore());
    if (seen.length === 1) socket.pause();
  });
  await first;
  const second = once(socket, 'message');
  storage.run('resume', () => socket.resume());
  await second;
  expect(seen).toEqual(['create', 'create']);
});

test("handlers of 'pendingError' run in the context of create()", async () => {
  await using socket = created();
  const closed = UdpSocket.create({ family: 'ipv4' });
  closed.bind({ address: '127.0.0.1', port: 0 });
  const to = closed.local;
  await closed.close();
  socket.connect(to);
  const seen = new Promise((resolve) => socket.on('pendingError', () => resolve(storage.getStore())));
  storage.run('send', () => {
    socket.trySend(Buffer.from('x'));
    socket.trySend(Buffer.from('y'));
  });
  expect(await seen).toBe('create');
});

test.each([
  ['ipv4', '0.0.0.0', '127.0.0.1'],
  ['ipv6', '::', '::1'],
] as const)('remote of an %s socket that was connected to %s is getpeername, %s', async (family, address, peer) => {
  await using socket = UdpSocket.create({ family });
  socket.connect({ address, port: 9 });
  expect(socket.remote).toMatchObject({ address: peer, port: 9 });
});
