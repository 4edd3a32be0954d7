// Reservations of TCP and UDP ports.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { addressServer, closing, HOST, SOURCE, textOf } from './support.mjs';

/** @typedef {import('./support.mjs').Library} Library */

const TOWARD = { remote: { address: '127.0.0.2', port: 9 }, local: { address: SOURCE } };

/** @type {readonly import('./support.mjs').Row[]} */
export const RESERVE_CALLS = [
  { name: 'reserve', call: (library) => closing((onEnd) => assert.equal(held(library, onEnd).state, 'held')) },
  {
    name: 'reserveMany',
    call: ({ reserveMany }) =>
      closing((onEnd) => {
        const all = reserveMany(2, TOWARD);
        onEnd(() => all.forEach((one) => one.release()));
        assert.equal(new Set(all.map(({ local }) => local.port)).size, 2);
      }),
  },
  {
    name: 'reserveAsync',
    call: ({ reserveAsync }) =>
      closing(async (onEnd) => {
        const reservation = await reserveAsync(TOWARD);
        onEnd(() => reservation.release());
        assert.equal(reservation.local.address, SOURCE);
      }),
  },
  {
    name: 'reservation.fd, state, verify, release, toString',
    call: (library) =>
      closing((onEnd) => {
        const reservation = held(library, onEnd);
        assert.ok(reservation.fd >= 0 && reservation.state === 'held');
        assert.equal(reservation.verify(), true);
        assert.match(reservation.toString(), / -> .*:\d+$/);
        reservation.release();
        assert.equal(reservation.verify(), false);
      }),
  },
  {
    name: 'reservation.activate',
    call: ({ reserve }) =>
      closing(async (onEnd) => {
        const port = await addressServer(onEnd);
        const socket = await reserve({ remote: { address: HOST, port }, local: { address: SOURCE } }).activate();
        assert.equal(await textOf(socket), SOURCE);
      }),
  },
  {
    name: 'reservation.toSocket',
    call: ({ reserve }) =>
      closing(async (onEnd) => {
        const server = net.createServer((socket) => socket.pipe(socket));
        server.listen(0, HOST);
        await once(server, 'listening');
        onEnd(() => server.close());
        const { port } = /** @type {net.AddressInfo} */ (server.address());
        const socket = reserve({ remote: { address: HOST, port }, local: { address: SOURCE } }).toSocket();
        socket.end('echo');
        assert.equal(await textOf(socket), 'echo');
      }),
  },
  {
    name: 'PortReservation.adopt, reservation.detach',
    call: (library) =>
      closing((onEnd) => {
        const adopted = library.PortReservation.adopt(held(library, onEnd).detach());
        onEnd(() => adopted.release());
        assert.equal(adopted.verify(), true);
      }),
  },
  {
    name: 'reservation.sendTo',
    call: (library) =>
      closing(async (onEnd) => {
        const child = fork(new URL('child.mjs', import.meta.url));
        onEnd(() => child.kill());
        const reservation = held(library, onEnd);
        await reservation.sendTo(child);
        assert.equal(reservation.state, 'detached');
      }),
  },
  {
    name: 'reserveUdp',
    call: (library) => closing((onEnd) => assert.equal(heldUdp(library, onEnd).state, 'held')),
  },
  {
    name: 'udpReservation.toUdpSocket',
    call: (library) =>
      closing((onEnd) => {
        const reservation = heldUdp(library, onEnd);
        const udp = reservation.toUdpSocket();
        onEnd(() => udp.close());
        assert.equal(udp.local.port, reservation.local.port);
      }),
  },
  {
    name: 'UdpReservation.adopt, udpReservation.detach',
    call: (library) =>
      closing((onEnd) => {
        const adopted = library.UdpReservation.adopt(heldUdp(library, onEnd).detach());
        onEnd(() => adopted.release());
        assert.equal(adopted.state, 'held');
      }),
  },
  {
    name: 'udpReservation.fd, state, release, toString',
    call: (library) =>
      closing((onEnd) => {
        const reservation = heldUdp(library, onEnd);
        assert.ok(reservation.fd >= 0);
        assert.match(reservation.toString(), / -> .*:\d+$/);
        reservation.release();
        assert.equal(reservation.state, 'released');
      }),
  },
];

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
function held({ reserve }, onEnd) {
  const reservation = reserve(TOWARD);
  onEnd(() => reservation.release());
  return reservation;
}

/** @param {Library} library @param {(close: () => unknown) => void} onEnd */
function heldUdp({ reserveUdp }, onEnd) {
  const reservation = reserveUdp(TOWARD);
  onEnd(() => reservation.release());
  return reservation;
}
