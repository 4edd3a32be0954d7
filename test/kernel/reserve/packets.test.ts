// Packets on the wire: none while a port is reserved, the plain handshake on activation, the first write of a stream.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { getOption, PortReservation, reserve, reserveMany, setOption } from '../../../src/index.js';
import { Capture, summary, type TcpFrame } from '../../support/capture.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { setSysctl } from '../../support/sysctl.js';
import { BOTH, bound, checkDescriptors, refusing, rejection, serve } from '../../support/fixtures.js';

checkDescriptors();

const HANDSHAKE = ['client SYN', 'server SYN+ACK', 'client ACK'];
const FAST_OPEN = [34, 254]; // the option, and its experimental number

describe.each(BOTH)('packets of $family reservations', (addresses) => {
  test('the capture sees each segment of an ordinary connection once', async () => {
    await using server = await serve(addresses.loopback, (socket) => socket.end('bye'));
    using capture = Capture.start();
    const socket = bound(addresses, { address: addresses.loopback, port: 0 });
    using _ = socket;
    const { port } = socket.local;
    socket.connect(server);
    await socket.connected();
    await capture.seen(({ flags, source }) => flags.includes('FIN') && source.port === server.port);
    const frames = await capture.frames();
    expect(summary(frames, port).slice(0, 3)).toEqual(HANDSHAKE);
    expect(frames[0]).toMatchObject({
      direction: 'sent',
      source: { address: addresses.loopback, port },
      destination: { address: addresses.loopback, port: server.port },
      options: expect.arrayContaining([2, 3, 4, 8]) as unknown,
    });
    expect(bytesFrom(frames, server.port)).toBe(3);
  });

  test('1000 reservations that are made and released in turn send no segment', async () => {
    using peer = refusing(addresses);
    using capture = Capture.start();
    for (let i = 0; i < 1000; i++) {
      using reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
      expect(reservation.verify()).toBe(true);
    }
    expect(await capture.frames()).toEqual([]);
  });

  test('1000 reservations that are held together send no segment, nor does their release', async () => {
    using peer = refusing(addresses);
    using capture = Capture.start();
    const reservations = reserveMany(1000, { remote: peer.local });
    expect(reservations.every(({ state }) => state === 'held')).toBe(true);
    expect(await capture.frames()).toEqual([]);
    for (const reservation of reservations) reservation.release();
    expect(reservations.every(({ state }) => state === 'released')).toBe(true);
    expect(await capture.frames()).toEqual([]);
  });

  test('reservations that fail send no segment', async () => {
    using peer = refusing(addresses);
    using only = reserve({ remote: peer.local, localPortRange: [45000, 45000] });
    using capture = Capture.start();
    for (let i = 0; i < 100; i++) expect(() => reserve({ remote: peer.local, local: only.local })).toThrow();
    expect(await capture.frames()).toEqual([]);
  });

  test('detach() and adopt() send no segment, 1000 times', async () => {
    using peer = refusing(addresses);
    let reservation = reserve({ remote: peer.local });
    using capture = Capture.start();
    for (let i = 0; i < 1000; i++) reservation = PortReservation.adopt(reservation.detach());
    expect(reservation.verify()).toBe(true);
    reservation.release();
    expect(await capture.frames()).toEqual([]);
  });

  test('activate() sends the plain handshake: no data with the SYN, no Fast Open option', async () => {
    await using server = await serve(addresses.loopback);
    using reservation = reserve({ remote: server });
    using capture = Capture.start();
    const { port } = reservation.local;
    const socket = await reservation.activate();
    await capture.seen(({ source, flags }) => source.port === port && flags.join() === 'ACK');
    const frames = await capture.frames();
    expect(summary(frames, port)).toEqual(HANDSHAKE);
    expectNoFastOpen(frames);
    expect(frames[0]?.options).toEqual(expect.arrayContaining([2, 3, 4, 8]));
    socket.destroy();
    await once(socket, 'close');
  });

  test('an activate() that is refused sends one SYN', async () => {
    using peer = refusing(addresses);
    using reservation = reserve({ remote: peer.local });
    using capture = Capture.start();
    const { port } = reservation.local;
    expect(await rejection(reservation.activate())).toMatchObject({ code: 'ECONNREFUSED' });
    expect(summary(await capture.frames(), port)).toEqual(['client SYN', 'server RST+ACK']);
  });

  test('an activate() with a signal that is already aborted sends nothing', async () => {
    using peer = refusing(addresses);
    using capture = Capture.start();
    using reservation = reserve({ remote: peer.local });
    await rejection(reservation.activate({ signal: AbortSignal.abort() }));
    expect(await capture.frames()).toEqual([]);
  });

  test('toSocket() sends nothing until the first write, whose data the SYN carries', async () => {
    await using server = await serve(addresses.loopback, (socket) => {
      socket.once('data', () => socket.end('answer'));
    });
    using reservation = reserve({ remote: server });
    using capture = Capture.start();
    const { port } = reservation.local;
    const socket = reservation.toSocket();
    socket.write('');
    expect(await capture.frames()).toEqual([]);
    socket.write('question');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('answer');
    const frames = await capture.frames();
    expect(summary(frames, port)[0]).toBe('client SYN 8 bytes');
    expect(summary(frames, port)[1]).toBe('server SYN+ACK');
    expectNoFastOpen(frames);
    socket.destroy();
    await once(socket, 'close');
  });

  test('a toSocket() stream that is destroyed before its first write sends nothing', async () => {
    using peer = refusing(addresses);
    using capture = Capture.start();
    const socket = reserve({ remote: peer.local }).toSocket();
    socket.destroy();
    await once(socket, 'close');
    expect(await capture.frames()).toEqual([]);
  });

  test('options set on a reservation send nothing, and the reservation stays held', async () => {
    using peer = refusing(addresses);
    using reservation = reserve({ remote: peer.local, sockopts: { SO_KEEPALIVE: true, TCP_KEEPIDLE: 1 } });
    using capture = Capture.start();
    setOption(reservation, 'TCP_USER_TIMEOUT', 1000);
    setOption(reservation, 'TCP_NODELAY', true);
    expect(getOption(reservation, 'TCP_INFO')).toMatchObject({ state: 'SYN_SENT', segsOut: 0 });
    expect(reservation.verify()).toBe(true);
    expect(await capture.frames()).toEqual([]);
  });
});

test('a server with Fast Open takes the data of the SYN, and it is not sent again', async () => {
  using _ = setSysctl('net.ipv4.tcp_fastopen', '3');
  await using server = await serve('127.0.0.1', (socket) => {
    socket.once('data', () => socket.end('answer'));
  });
  setOption(server.server, { level: 6, name: 23 }, 16); // TCP_FASTOPEN: the length of the queue
  setOption(server.server, { level: 6, name: 34 }, 1); // TCP_FASTOPEN_NO_COOKIE
  using reservation = reserve({ remote: server });
  using capture = Capture.start();
  const { port } = reservation.local;
  const socket = reservation.toSocket();
  socket.write('question');
  await once(socket, 'data');
  const frames = await capture.frames();
  expect(summary(frames, port)[0]).toBe('client SYN 8 bytes');
  expect(bytesFrom(frames, port)).toBe(8);
  socket.destroy();
  await once(socket, 'close');
});

test('without Fast Open at the server the data is sent again, and arrives once', async () => {
  let received = '';
  await using server = await serve('127.0.0.1', (socket) => {
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    socket.on('end', () => socket.end());
  });
  using reservation = reserve({ remote: server });
  using capture = Capture.start();
  const { port } = reservation.local;
  const socket = reservation.toSocket();
  socket.end('question');
  socket.resume();
  await once(socket, 'close');
  expect(received).toBe('question');
  const frames = await capture.frames();
  expect(summary(frames, port).filter((line) => line.startsWith('client') && line.endsWith('8 bytes'))).toHaveLength(2);
});

test('a reservation toward another host sends no segment over its link', async () => {
  await using peer = await NetworkNamespace.create();
  const { peerName } = await peer.link('current', {
    addresses: ['10.9.7.2/24', 'fd09:7::2/64'],
    peerAddresses: ['10.9.7.1/24', 'fd09:7::1/64'],
  });
  using capture = Capture.start(peerName);
  for (const address of ['10.9.7.2', 'fd09:7::2']) {
    for (const reservation of reserveMany(100, { remote: { address, port: 9 } })) reservation.release();
  }
  expect(await capture.frames()).toEqual([]);
  // And the proof that the capture was on the right link:
  using reservation = reserve({ remote: '10.9.7.2:9' });
  const { port } = reservation.local;
  expect(await rejection(reservation.activate())).toMatchObject({ code: 'ECONNREFUSED' });
  const frames = await capture.frames();
  expect(summary(frames, port)).toEqual(['client SYN', 'server RST+ACK']);
  expect(frames.map(({ direction }) => direction)).toEqual(['sent', 'received']);
});

function expectNoFastOpen(frames: readonly TcpFrame[]): void {
  for (const { options } of frames) expect(options.filter((kind) => FAST_OPEN.includes(kind))).toEqual([]);
}

function bytesFrom(frames: readonly TcpFrame[], port: number): number {
  return frames.filter(({ source }) => source.port === port).reduce((sum, { length }) => sum + length, 0);
}
