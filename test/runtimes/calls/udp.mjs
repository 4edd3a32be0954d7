// UdpSocket, its batches, and dgram.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { boundUdp, closing, HOST, until } from './support.mjs';

/** @typedef {import('./support.mjs').Library} Library */
/** @typedef {import('../../../lib/index.js').UdpSocket} Udp */

const DATA = Buffer.from('datagram');

/** @type {readonly import('./support.mjs').Row[]} */
export const UDP_CALLS = [
  row('UdpSocket.create', (udp) => assert.equal(udp.family, 'ipv4')),
  row('udp.bind, local, fd', (udp) => assert.ok(udp.local.port > 0 && udp.fd >= 0)),
  row('udp.connect, remote, disconnect', (udp) => {
    udp.connect({ address: HOST, port: 9 });
    assert.equal(udp.remote?.port, 9);
    udp.disconnect();
    assert.equal(udp.remote, undefined);
  }),
  row('udp.features', (udp) => assert.equal(udp.features.gso.on, true)),
  row('udp.stats', (udp) => assert.equal(udp.stats.received.datagrams, 0)),
  row('udp.pathMtu', (udp) => {
    udp.connect({ address: HOST, port: 9 });
    assert.ok((udp.pathMtu ?? 0) >= 65535);
  }),
  row('udp.trySend', (udp) => assert.equal(udp.trySend(DATA, { to: udp.local }), DATA.length)),
  row('udp.send, queuedBytes, writableNeedDrain', async (udp) => {
    await udp.send(DATA, { to: udp.local });
    assert.equal(udp.queuedBytes, 0);
    assert.equal(udp.writableNeedDrain, false);
  }),
  row('udp.writable', (udp) => udp.writable()),
  row('udp.readable', async (udp) => {
    udp.trySend(DATA, { to: udp.local });
    await udp.readable();
  }),
  row('udp.createSendBatch, sendBatch', (udp) => {
    const batch = udp.createSendBatch({ messages: 4, bytes: 256 });
    assert.equal(batch.add(DATA, { to: udp.local }), true);
    batch.reserve(DATA.length)?.set(DATA);
    batch.commit(DATA.length, { to: udp.local });
    assert.equal(udp.sendBatch(batch), 2);
    assert.equal(batch.remaining, 0);
    batch.clear();
    assert.equal(batch.length, 0);
  }),
  row('udp.createReceiveBatch, receiveBatch', async (udp) => {
    udp.trySend(DATA, { to: udp.local });
    const received = udp.createReceiveBatch();
    await until(
      () => udp.receiveBatch(received) || undefined,
      () => udp.readable(),
    );
    assert.deepEqual(Buffer.from(received.data(0)), DATA);
    assert.equal(received.source(0).port, udp.local.port);
  }),
  row("udp.on('batch')", async (udp) => {
    udp.trySend(DATA, { to: udp.local });
    const length = await new Promise((resolve) => udp.once('batch', (received) => resolve(received.length)));
    assert.equal(length, 1);
  }),
  row("udp.on('message')", async (udp) => {
    udp.trySend(DATA, { to: udp.local });
    const [data] = await once(udp, 'message');
    assert.deepEqual(data, DATA);
  }),
  row('for await (… of udp)', async (udp) => {
    udp.trySend(DATA, { to: udp.local });
    for await (const message of udp) {
      assert.deepEqual(message.data, DATA);
      break;
    }
  }),
  row(
    'udp.reply',
    async (udp) => {
      udp.trySend(DATA, { to: udp.local });
      const [, info] = await once(udp, 'message');
      assert.equal(udp.reply(info, DATA), true);
    },
    { pktinfo: true },
  ),
  row('udp.pause, resume, isPaused', (udp) => {
    udp.pause();
    assert.equal(udp.isPaused(), true);
    udp.resume();
    assert.equal(udp.isPaused(), false);
  }),
  row('udp.ref, unref, hasRef', (udp) => {
    udp.unref();
    assert.equal(udp.hasRef(), false);
    udp.ref();
    assert.equal(udp.hasRef(), true);
  }),
  row(
    'udp.errorQueue',
    async (udp) => {
      udp.connect({ address: HOST, port: 9 });
      udp.trySend(DATA);
      const error = await until(
        () => udp.errorQueue?.take(),
        () => udp.readable(),
      );
      assert.equal(error.code, 'ECONNREFUSED');
    },
    { errorQueue: true },
  ),
  {
    name: 'UdpSocket.adopt, udp.detach',
    call: (library) =>
      closing((onEnd) => {
        const adopted = library.UdpSocket.adopt(boundUdp(library, onEnd).detach());
        onEnd(() => adopted.close());
        assert.ok(adopted.local.port > 0);
      }),
  },
  row('udp.close, closed', async (udp) => {
    await udp.close();
    assert.equal(udp.closed, true);
  }),
  {
    name: 'toDgram',
    call: (library) =>
      closing(async (onEnd) => {
        const udp = boundUdp(library, onEnd);
        const { port } = udp.local;
        const socket = library.toDgram(udp);
        onEnd(() => socket.close());
        assert.equal(socket.address().port, port);
        await messageTo(library, socket, port, onEnd);
      }),
  },
  {
    name: 'adoptDgram',
    call: (library) =>
      closing(async (onEnd) => {
        const udp = boundUdp(library, onEnd);
        const { port } = udp.local;
        const fd = udp.detach();
        onEnd(() => (socket === undefined ? library.NativeSocket.adopt(fd).close() : socket.close()));
        /** @type {import('node:dgram').Socket | undefined} */
        let socket = undefined;
        socket = library.adoptDgram(fd);
        await messageTo(library, socket, port, onEnd);
      }),
  },
];

/** @param {string} name @param {(udp: Udp) => unknown} call @param {object} [options] of UdpSocket.create */
function row(name, call, options) {
  return {
    name,
    call: (/** @type {Library} */ library) =>
      closing(async (onEnd) => void (await call(boundUdp(library, onEnd, options)))),
  };
}

/** @param {Library} library @param {import('node:dgram').Socket} socket @param {number} port @param {(close: () => unknown) => void} onEnd */
async function messageTo(library, socket, port, onEnd) {
  const received = once(socket, 'message');
  boundUdp(library, onEnd).trySend(DATA, { to: { address: HOST, port } });
  assert.deepEqual((await received)[0], DATA);
}
