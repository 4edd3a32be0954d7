// NativeSocket.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { boundDatagram, closing, HOST, until } from './support.mjs';

/** @typedef {import('./support.mjs').Library} Library */

/** @type {readonly import('./support.mjs').Row[]} */
export const NATIVE_SOCKET_CALLS = [
  { name: 'NativeSocket.create', call: (library) => closing((onEnd) => void stream(library, onEnd)) },
  {
    name: 'NativeSocket.adopt',
    call: (library) =>
      closing((onEnd) => {
        const adopted = library.NativeSocket.adopt(stream(library, onEnd).detach());
        onEnd(() => adopted.close());
        assert.equal(library.getOption(adopted, 'SO_PROTOCOL'), 6);
      }),
  },
  {
    name: 'nativeSocket.bind, listen, connect, connected, accept, local, remote',
    call: (library) =>
      closing(async (onEnd) => {
        const [client, accepted] = await pair(library, onEnd);
        assert.equal(client.remote?.port, accepted.local.port);
        assert.equal(accepted.remote?.port, client.local.port);
      }),
  },
  {
    name: 'nativeSocket.sendmsg, recvmsg, readable, writable',
    call: (library) =>
      closing(async (onEnd) => {
        const receiver = boundDatagram(library, onEnd);
        const sender = boundDatagram(library, onEnd);
        await sender.writable();
        assert.equal(sender.sendmsg({ data: Buffer.from('abc'), to: receiver.local }), 3);
        const buffer = Buffer.alloc(16);
        const message = await until(
          () => receiver.recvmsg({ buffers: [buffer] }),
          () => receiver.readable(),
        );
        assert.equal(buffer.toString('latin1', 0, message.bytes), 'abc');
      }),
  },
  {
    name: 'nativeSocket.disconnect',
    call: (library) =>
      closing((onEnd) => {
        const socket = boundDatagram(library, onEnd);
        socket.connect({ address: HOST, port: 9 });
        socket.disconnect();
        assert.equal(socket.remote, undefined);
      }),
  },
  {
    name: 'nativeSocket.shutdown',
    call: (library) =>
      closing(async (onEnd) => {
        const [client, accepted] = await pair(library, onEnd);
        client.shutdown('write');
        const end = await until(
          () => accepted.recvmsg({ buffers: [Buffer.alloc(1)] }),
          () => accepted.readable(),
        );
        assert.equal(end.bytes, 0);
      }),
  },
  {
    name: 'nativeSocket.fd, state, detach',
    call: (library) =>
      closing((onEnd) => {
        const socket = stream(library, onEnd);
        const { fd } = socket;
        assert.equal(socket.state, 'open');
        assert.equal(socket.detach(), fd);
        assert.equal(socket.fd, -1);
        library.NativeSocket.adopt(fd).close();
      }),
  },
  {
    name: 'nativeSocket.close',
    call: (library) =>
      closing((onEnd) => {
        const socket = stream(library, onEnd);
        socket.close();
        assert.equal(socket.state, 'closed');
      }),
  },
];

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
function stream({ NativeSocket }, onEnd) {
  const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  onEnd(() => socket.close());
  return socket;
}

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
async function pair(library, onEnd) {
  const server = stream(library, onEnd);
  server.bind({ address: HOST, port: 0 });
  server.listen(8);
  const client = stream(library, onEnd);
  if (!client.connect(server.local)) await client.connected();
  const { socket: accepted } = await until(
    () => server.accept(),
    () => server.readable(),
  );
  onEnd(() => accepted.close());
  return /** @type {const} */ ([client, accepted]);
}
