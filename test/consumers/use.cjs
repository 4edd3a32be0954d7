// What scripts/test-loaders.mjs runs in each test runner and loader: a connection, a reservation and datagrams. CommonJS, so
// that every one of them can load it; it is given the package, however that was loaded.
const { deepEqual, equal, ok } = require('node:assert/strict');
const { once } = require('node:events');
const { createServer } = require('node:net');

/** @param {typeof import('linux-sockets')} sockets */
exports.use = async function use({ connect, isSupported, reserve, SyscallError, UdpSocket }) {
  ok(isSupported);
  const server = createServer((socket) => socket.end(`hello ${socket.remoteAddress}`)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

  const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.9', localPortRange: [40000, 40999] });
  equal(`${await once(socket, 'data')}`, 'hello 127.0.0.9');

  const reservation = reserve({ remote: { address: '127.0.0.1', port }, local: { address: '127.0.0.1' } });
  ok(reservation.verify());
  reservation.release();

  // Test runners give a test a Uint8Array of another realm than the addon's.
  const receiver = UdpSocket.create({ family: 'ipv4' });
  receiver.bind('127.0.0.1:0');
  const sender = UdpSocket.create({ family: 'ipv4' });
  const received = once(receiver, 'message');
  await sender.send(new Uint8Array([1, 2, 3]), { to: receiver.local });
  const [data] = await received;
  deepEqual([...data], [1, 2, 3]);
  await Promise.all([sender.close(), receiver.close()]);

  try {
    UdpSocket.create({ family: 'ipv4' }).bind('192.0.2.1:0');
    throw new Error('bind to an address of another host has not failed');
  } catch (error) {
    ok(error instanceof SyscallError && error instanceof Error, String(error));
    equal(error.code, 'EADDRNOTAVAIL');
  }
  server.close();
  console.log('used');
};
