// What PortReservation.adopt accepts and refuses: the caller keeps the ownership of what it refuses.
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { PortReservation, reserve, type NativeSocket } from '../../../src/index.js';
import { blackHole, BOTH, bound, checkDescriptors, echo, plain, refused, serve } from '../../support/fixtures.js';

checkDescriptors();

test.each(BOTH)(
  'PortReservation.adopt() accepts the result of detach() as an object and after JSON, $family',
  (addresses) => {
    const remote = { address: addresses.loopback, port: 9 };
    const first = reserve({ remote });
    const moved = first.detach();
    const second = PortReservation.adopt(moved);
    expect(second.fd).toBe(moved.fd);
    expect(second.verify()).toBe(true);
    using third = PortReservation.adopt(JSON.parse(JSON.stringify(second.detach())) as typeof moved);
    expect(third.verify()).toBe(true);
    expect(plain(third.local)).toEqual(plain(first.local));
    expect(plain(third.remote)).toEqual(remote);
  },
);

describe('descriptors that PortReservation.adopt() refuses', () => {
  async function staysOpen(socket: NativeSocket, action: (fd: number) => unknown): Promise<void> {
    const { fd } = socket;
    await refused(() => action(fd), { name: 'SocketError', code: 'ERR_INVALID_STATE' }, /does not hold a reservation/);
    expect(socket.fd).toBe(fd);
    expect(fstatSync(fd).isSocket()).toBe(true);
  }

  test.each(BOTH)(
    'PortReservation.adopt() refuses a socket that is bound, listening, connecting or connected, and leaves it open, $family',
    async (addresses) => {
      using socket = bound(addresses, { address: addresses.loopback, port: 0 });
      const { local } = socket;
      await staysOpen(socket, (fd) => PortReservation.adopt({ fd, local, remote: '127.0.0.1:9' }));
      socket.listen();
      await staysOpen(socket, (fd) => PortReservation.adopt({ fd, local, remote: '127.0.0.1:9' }));

      using hole = await blackHole(addresses);
      using connecting = bound(addresses, { address: addresses.loopback, port: 0 });
      connecting.connect(hole.local); // SYN_SENT as well, but with a SYN sent
      await staysOpen(connecting, (fd) => PortReservation.adopt({ fd, local: connecting.local, remote: hole.local }));

      using connected = bound(addresses, { address: addresses.loopback, port: 0 });
      connected.connect(local);
      await connected.connected();
      await staysOpen(connected, (fd) => PortReservation.adopt({ fd, local: connected.local, remote: local }));

      using udp = bound(addresses, { address: addresses.loopback, port: 0 }, {}, 'dgram');
      await staysOpen(udp, (fd) => PortReservation.adopt({ fd, local: udp.local, remote: '127.0.0.1:9' }));
    },
  );

  test('PortReservation.adopt() refuses a reservation whose port or address differs from the given one, and leaves it open', async () => {
    using reservation = reserve({ remote: '127.0.0.1:9' });
    const { fd, local, remote } = reservation;
    for (const wrong of [local.withPort(local.port - 1), { address: '127.0.0.2', port: local.port }]) {
      await refused(() => PortReservation.adopt({ fd, local: wrong, remote }), { code: 'ERR_INVALID_STATE' });
    }
    expect(reservation.verify()).toBe(true);
  });

  test('PortReservation.adopt() refuses the descriptor of a file, and leaves it open', async () => {
    const fd = openSync('/dev/null', 'r');
    await refused(() => PortReservation.adopt({ fd, local: '127.0.0.1:1', remote: '127.0.0.1:9' }), {
      code: 'ERR_INVALID_STATE',
    });
    closeSync(fd);
  });

  test('PortReservation.adopt() refuses a descriptor that is not open', async () => {
    const fd = openSync('/dev/null', 'r');
    closeSync(fd);
    await refused(() => PortReservation.adopt({ fd, local: '127.0.0.1:1', remote: '127.0.0.1:9' }), {
      code: 'ERR_INVALID_STATE',
    });
  });

  test('PortReservation.adopt() refuses an ordinary net.Socket that arrives with a message, and leaves it open', async () => {
    await using server = await serve('127.0.0.1', echo);
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    const local = { address: '127.0.0.1', port: socket.localPort! };
    const message = {
      type: 'linux-sockets:reservation',
      local,
      remote: { address: server.address, port: server.port },
    } as const;
    await refused(() => PortReservation.adopt(message, socket), { code: 'ERR_INVALID_STATE' });
    socket.write('still there');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('still there');
    socket.destroy();
    await once(socket, 'close');
  });
});

test.each([
  ['nothing', [undefined], 'ERR_INVALID_ARG_TYPE'],
  ['null', [null], 'ERR_INVALID_ARG_TYPE'],
  ['a number', [5], 'ERR_INVALID_ARG_TYPE'],
  ['an empty object', [{}], 'ERR_INVALID_ARG_TYPE'],
  ['no remote', [{ fd: 0, local: '127.0.0.1:1' }], 'ERR_INVALID_ARG_TYPE'],
  ['a descriptor of -1', [{ fd: -1, local: '127.0.0.1:1', remote: '127.0.0.1:9' }], 'ERR_OUT_OF_RANGE'],
  ['NaN', [{ fd: Number.NaN, local: '127.0.0.1:1', remote: '127.0.0.1:9' }], 'ERR_OUT_OF_RANGE'],
  ['2**32', [{ fd: 2 ** 32, local: '127.0.0.1:1', remote: '127.0.0.1:9' }], 'ERR_OUT_OF_RANGE'],
  ['text for a descriptor', [{ fd: '0', local: '127.0.0.1:1', remote: '127.0.0.1:9' }], 'ERR_INVALID_ARG_TYPE'],
  ['a message without its handle', [{ local: '127.0.0.1:1', remote: '127.0.0.1:9' }], 'ERR_INVALID_ARG_TYPE'],
  ['a message with something else', [{ local: '127.0.0.1:1', remote: '127.0.0.1:9' }, {}], 'ERR_INVALID_ARG_TYPE'],
  [
    'a message with a closed socket',
    [{ local: '127.0.0.1:1', remote: '127.0.0.1:9' }, new Socket()],
    'ERR_INVALID_ARG_TYPE',
  ],
])('PortReservation.adopt() refuses %s', async (_, args, code) => {
  await refused(() => (PortReservation.adopt as (...args: unknown[]) => unknown)(...args), { code });
});
