// A local end without a port: the kernel assigns one.
import { expect, test } from 'vitest';
import { NativeSocket, reserve, reserveUdp, UdpSocket, type LocalEndpointLike } from '../../../src/index.js';

const LOCAL: readonly [LocalEndpointLike, string][] = [
  ['127.0.0.1', '127.0.0.1'],
  ['[::1]', '::1'],
  [{ address: '127.0.0.1' }, '127.0.0.1'],
];

test.each(LOCAL)(
  'NativeSocket.bind(%o) binds to the address, and to a port that the kernel assigns',
  (local, address) => {
    using socket = NativeSocket.create({ family: address === '::1' ? 'ipv6' : 'ipv4', type: 'dgram' });
    socket.bind(local);
    expect(socket.local.address).toBe(address);
    expect(socket.local.port).toBeGreaterThan(0);
  },
);

test.each(LOCAL)(
  'UdpSocket.bind(%o) binds to the address, and to a port that the kernel assigns',
  async (local, address) => {
    await using udp = UdpSocket.create({ family: address === '::1' ? 'ipv6' : 'ipv4' });
    udp.bind(local);
    expect(udp.local.address).toBe(address);
    expect(udp.local.port).toBeGreaterThan(0);
  },
);

test.each(LOCAL)('reserve and reserveUdp with local: %o reserve a port of the address', (local, address) => {
  const remote = address === '::1' ? '[::1]:9' : '127.0.0.1:9';
  using tcp = reserve({ remote, local });
  using udp = reserveUdp({ remote, local });
  for (const reservation of [tcp, udp]) {
    expect(reservation.local.address).toBe(address);
    expect(reservation.local.port).toBeGreaterThan(0);
  }
});
