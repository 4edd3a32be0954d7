// The options that every local end has under one name: freebind, transparent, mark and device, in each call that makes a socket.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  EgressPool,
  getOption,
  listen,
  reserve,
  reserveMany,
  reserveUdp,
  UdpSocket,
  type OptionTarget,
} from '../../src/index.js';
import { expectNoNewFds } from '../support/fds.js';
import { errorOf } from '../support/sockets.js';

type Local = Readonly<Partial<Record<'freebind' | 'transparent' | 'mark' | 'device', unknown>>>;

let server: Server;
let port: number;
beforeAll(async () => {
  server = createServer((socket) => socket.resume().on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as { port: number });
});
afterAll(() => server.close());

/** Makes a socket with the options, shows it, and closes it. */
const MAKERS: Record<string, (local: never, look: (socket: OptionTarget) => void) => Promise<void>> = {
  connect: async (local: object, look) => {
    const socket = connect({ host: '127.0.0.1', port, ...local });
    await once(socket, 'connect');
    look(socket);
    socket.destroy();
    await once(socket, 'close');
  },
  EgressPool: async (local: object, look) => {
    const socket = new EgressPool({ sources: ['127.0.0.1'], ...local }).connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    look(socket);
    socket.destroy();
    await once(socket, 'close');
  },
  listen: async (local: object, look) => {
    const listener = listen(createServer(), { host: '127.0.0.1', ...local });
    await once(listener, 'listening');
    look(listener);
    listener.close();
    await once(listener, 'close');
  },
  UdpSocket: async (local: object, look) => {
    const udp = UdpSocket.create({ family: 'ipv4', ...local });
    look(udp);
    await udp.close();
  },
  reserve: (local: object, look) => {
    using reservation = reserve({ remote: { address: '127.0.0.1', port }, ...local });
    look(reservation);
    return Promise.resolve();
  },
  reserveMany: (local: object, look) => {
    for (const reservation of reserveMany(2, { remote: { address: '127.0.0.1', port }, ...local })) {
      look(reservation);
      reservation.release();
    }
    return Promise.resolve();
  },
  reserveUdp: (local: object, look) => {
    using reservation = reserveUdp({ remote: { address: '127.0.0.1', port: 9 }, ...local });
    look(reservation);
    return Promise.resolve();
  },
};

describe.each(Object.entries(MAKERS))('%s', (name, make) => {
  test('mark, freebind and transparent are set on the socket', async () => {
    await expectNoNewFds(() =>
      make({ mark: 0xfffffffe, freebind: true, transparent: true } as never, (socket) => {
        const values = [
          getOption(socket, 'SO_MARK'),
          getOption(socket, 'IP_FREEBIND'),
          getOption(socket, 'IP_TRANSPARENT'),
        ];
        expect(values).toEqual([0xfffffffe, true, true]);
      }),
    );
  });

  test(`device is ${name.startsWith('reserve') ? 'refused' : 'set on the socket'}`, async () => {
    const made = async (): Promise<void> => {
      await make({ device: 'lo' } as never, (socket) => {
        expect(getOption(socket, 'SO_BINDTODEVICE')).toBe('lo');
      });
    };
    // A socket that is not bound to the device could get the same 4-tuple.
    if (name.startsWith('reserve')) expect((await errorOf(made)).code).toBe('ERR_INVALID_ARG_VALUE');
    else await made();
  });

  test.each<[Local, string]>([
    [{ mark: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ mark: 2 ** 32 }, 'ERR_OUT_OF_RANGE'],
    [{ mark: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ mark: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ mark: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ mark: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ freebind: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ freebind: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ transparent: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ device: 1 }, name.startsWith('reserve') ? 'ERR_INVALID_ARG_VALUE' : 'ERR_INVALID_ARG_TYPE'],
    [{ device: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ device: 'a name that is too long' }, name.startsWith('reserve') ? 'ERR_INVALID_ARG_VALUE' : 'ERR_OUT_OF_RANGE'],
  ])('the options %o are refused with %s', async (local, code) => {
    await expectNoNewFds(async () => {
      const error = await errorOf(async () => {
        await make(local as never, () => undefined);
      });
      expect(error.code).toBe(code);
    });
  });
});
