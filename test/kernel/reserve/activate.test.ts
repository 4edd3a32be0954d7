// activate(): the plain handshake from a reserved port: its result, its failures, and that the port is free afterwards.
import { once, getEventListeners } from 'node:events';
import { connect, Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { getOption, type PortReservation, reserve, reserveMany, type ReserveOptions } from '../../../src/index.js';
import { runNode } from '../../support/child.js';
import { expectNoNewFds } from '../../support/fds.js';
import {
  blackHole,
  BOTH,
  checkDescriptors,
  echo,
  refusing,
  rejection,
  serve,
  type Addresses,
  type AnyError,
} from '../../support/fixtures.js';

checkDescriptors();

describe.each(BOTH)('activate() over $family', (addresses) => {
  test('activate() resolves with a socket that is connected from the reserved port', async () => {
    await using server = await serve(addresses.loopback);
    const reservation = reserve({ remote: server, local: { address: addresses.loopback } });
    const { port } = reservation.local;
    const socket = await reservation.activate();
    expect(socket).toBeInstanceOf(Socket);
    expect(reservation.state).toBe('activated');
    expect(socket).toMatchObject({
      connecting: false,
      pending: false,
      destroyed: false,
      readyState: 'open',
      localAddress: addresses.loopback,
      localPort: port,
      remoteAddress: addresses.loopback,
      remotePort: server.port,
      remoteFamily: addresses.family === 'ipv4' ? 'IPv4' : 'IPv6',
    });
    expect(getOption(socket, 'TCP_INFO').state).toBe('ESTABLISHED');
    await closed(socket);
  });

  test('activate() receives data from a server that speaks first', async () => {
    await using server = await serve(addresses.loopback, (socket) => socket.write('220 hello\r\n'));
    const socket = await reserve({ remote: server }).activate();
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    expect(greeting.toString()).toBe('220 hello\r\n');
    await closed(socket);
  });

  test('activate() exchanges data in both directions, and ends', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = await reserve({ remote: server }).activate();
    const sent = Buffer.alloc(1 << 20, 'linux-sockets ');
    socket.end(sent);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    await once(socket, 'close');
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  test('activate() connects a hundred reservations in parallel', async () => {
    await using server = await serve(addresses.loopback, (socket) => socket.end('x'));
    const reservations = reserveMany(100, { remote: server });
    const ports = reservations.map(({ local }) => local.port);
    const sockets = await Promise.all(reservations.map(async (reservation) => await reservation.activate()));
    expect(sockets.map(({ localPort }) => localPort)).toEqual(ports);
    await Promise.all(sockets.map(closed));
  });

  test('activate() rejects with ECONNREFUSED from a port without a listener, as net.connect does, and frees the port', async () => {
    using peer = refusing(addresses);
    await failsAndFrees({ remote: peer.local }, addresses, async (reservation) => {
      const { port } = reservation.local;
      const error = await rejection(reservation.activate());
      expect(error).toBeInstanceOf(Error);
      expect(pick(error)).toEqual(
        pick(await nodeError({ address: addresses.loopback, port: peer.local.port }, addresses.loopback, port)),
      );
      expect(pick(error)).toEqual({
        message: `connect ECONNREFUSED ${addresses.loopback}:${peer.local.port} - Local (${addresses.loopback}:${port})`,
        code: 'ECONNREFUSED',
        errno: -111,
        syscall: 'connect',
        address: addresses.loopback,
        port: peer.local.port,
        localAddress: addresses.loopback,
        localPort: port,
      });
    });
  });

  test('activate() rejects with ETIMEDOUT after `timeout` without an answer, and frees the port', async () => {
    using hole = await blackHole(addresses);
    await failsAndFrees({ remote: hole.local }, addresses, async (reservation) => {
      const { local, remote } = reservation;
      const from = performance.now();
      const error = await rejection(reservation.activate({ timeout: 50 }));
      expect(performance.now() - from).toBeGreaterThan(45);
      expect(pick(error)).toEqual({
        message: `connect ETIMEDOUT ${addresses.loopback}:${remote.port} - Local (${addresses.loopback}:${local.port})`,
        code: 'ETIMEDOUT',
        errno: -110,
        syscall: 'connect',
        address: addresses.loopback,
        port: remote.port,
        localAddress: addresses.loopback,
        localPort: local.port,
      });
    });
  });

  test('activate() rejects with ETIMEDOUT when the kernel gives up, and frees the port', async () => {
    using hole = await blackHole(addresses);
    const options = { remote: hole.local, sockopts: { TCP_USER_TIMEOUT: 1 } };
    await failsAndFrees(options, addresses, async (reservation) => {
      expect(await rejection(reservation.activate())).toMatchObject({
        code: 'ETIMEDOUT',
        errno: -110,
        syscall: 'connect',
        address: addresses.loopback,
      });
    });
  });

  test('activate() rejects with AbortError for a signal that is already aborted, and frees the port', async () => {
    await using server = await serve(addresses.loopback);
    const reason = new Error('not wanted');
    await failsAndFrees({ remote: server }, addresses, async (reservation) => {
      const error = await rejection(reservation.activate({ signal: AbortSignal.abort(reason) }));
      expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
      expect(error.cause).toBe(reason);
    });
  });

  test('activate() resolves if the connection was established while the event loop was blocked beyond `timeout`', async () => {
    await using server = await serve(addresses.loopback);
    const activated = reserve({ remote: server }).activate({ timeout: 5 });
    for (const until = performance.now() + 30; performance.now() < until;);
    const socket = await activated;
    expect(socket.remotePort).toBe(server.port);
    await closed(socket);
  });

  test('activate() leaves no listener and no dependent signal on a signal that outlives it', async () => {
    await using server = await serve(addresses.loopback);
    const controller = new AbortController();
    const any = vi.spyOn(AbortSignal, 'any');
    for (let i = 0; i < 3; i++) {
      await closed(await reserve({ remote: server }).activate({ signal: controller.signal, timeout: 5000 }));
    }
    expect(any).not.toHaveBeenCalled();
    any.mockRestore();
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  test('activate() rejects with AbortError when aborted while connecting, and frees the port', async () => {
    using hole = await blackHole(addresses);
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    await failsAndFrees({ remote: hole.local }, addresses, async (reservation) => {
      const activation = rejection(reservation.activate({ signal: controller.signal, timeout: 60_000 }));
      expect(reservation.state).toBe('activating');
      controller.abort(reason);
      const error = await activation;
      expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
      expect(error.cause).toBe(reason);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });
  });

  test('activate() rejects with AbortError when AbortSignal.timeout expires, and frees the port', async () => {
    using hole = await blackHole(addresses);
    await failsAndFrees({ remote: hole.local }, addresses, async (reservation) => {
      const error = await rejection(reservation.activate({ signal: AbortSignal.timeout(50) }));
      expect(error).toMatchObject({ name: 'AbortError', cause: { name: 'TimeoutError' } });
    });
  });

  test.each(['release', Symbol.dispose] as const)(
    'activate() rejects when the reservation is released while connecting (%s)',
    async (how) => {
      using hole = await blackHole(addresses);
      await failsAndFrees({ remote: hole.local }, addresses, async (reservation) => {
        const activation = rejection(reservation.activate());
        reservation[how]();
        expect([reservation.state, reservation.fd]).toEqual(['released', -1]);
        const error = await activation;
        expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_INVALID_STATE' });
        expect(error.message).toMatch(/released while/);
      });
    },
  );

  // A FIN would leave the 4-tuple in FIN-WAIT-2 or TIME-WAIT: the caller has not seen this connection, so it can be reset.
  test.each(['a release', 'an abort'])(
    'activate() frees the port after %s in the tick in which it connects',
    async (how) => {
      await using server = await serve(addresses.loopback);
      const controller = new AbortController();
      await failsAndFrees({ remote: server }, addresses, async (reservation) => {
        const { fd } = reservation;
        const activation = rejection(reservation.activate({ signal: controller.signal }));
        while (getOption(fd, 'TCP_INFO').state !== 'ESTABLISHED'); // connected in the kernel; this thread has not been notified yet
        if (how === 'a release') reservation.release();
        else controller.abort();
        expect((await activation).message).toMatch(how === 'a release' ? /released/ : /aborted/);
      });
    },
  );

  test('activate() rejects when called twice, and the first call continues', async () => {
    await using server = await serve(addresses.loopback);
    const reservation = reserve({ remote: server });
    const activation = reservation.activate();
    const second = await rejection(reservation.activate());
    expect(second).toMatchObject({ name: 'SocketError', code: 'ERR_INVALID_STATE' });
    const socket = await activation;
    expect(await rejection(reservation.activate())).toMatchObject({ code: 'ERR_INVALID_STATE' });
    await closed(socket);
  });

  test('activate() does not touch the socket when its signal is aborted after it connected', async () => {
    await using server = await serve(addresses.loopback, echo);
    const controller = new AbortController();
    const socket = await reserve({ remote: server }).activate({ signal: controller.signal, timeout: 60_000 });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    controller.abort();
    socket.write('still there');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('still there');
    await closed(socket);
  });
});

test.each([
  ['null', null, 'ERR_INVALID_ARG_TYPE'],
  ['text', 'signal', 'ERR_INVALID_ARG_TYPE'],
  ['an unknown option', { timeOut: 1 }, 'ERR_INVALID_ARG_VALUE'],
  ['a negative timeout', { timeout: -1 }, 'ERR_OUT_OF_RANGE'],
  ['a fraction', { timeout: 0.5 }, 'ERR_OUT_OF_RANGE'],
  ['NaN', { timeout: Number.NaN }, 'ERR_OUT_OF_RANGE'],
  ['infinity', { timeout: Infinity }, 'ERR_OUT_OF_RANGE'],
  ['more than a timer can wait', { timeout: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
  ['text for a timeout', { timeout: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ['an object for a signal', { signal: {} }, 'ERR_INVALID_ARG_TYPE'],
  ['null for a timeout', { timeout: null }, 'ERR_INVALID_ARG_TYPE'],
  ['null for a signal', { signal: null }, 'ERR_INVALID_ARG_TYPE'],
])('activate() rejects with %s for invalid options, and the reservation stays held', async (_, options, code) => {
  using peer = refusing(BOTH[0]!);
  using reservation = reserve({ remote: peer.local });
  expect(await rejection(reservation.activate(options as never))).toMatchObject({ code });
  expect(reservation.verify()).toBe(true);
});

test('a process with a held or an activated reservation exits by itself', async () => {
  const { stdout } = await runNode(`
    import { once } from 'node:events';
    import { createServer } from 'node:net';
    import { reserve } from 'linux-sockets';
    const server = createServer((socket) => socket.end('bye')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const remote = { address: '127.0.0.1', port: server.address().port };
    globalThis.held = reserve({ remote });
    const socket = await reserve({ remote }).activate({ timeout: 60_000, signal: new AbortController().signal });
    socket.resume();
    await once(socket, 'close');
    server.close();
    console.log('done');
  `);
  expect(stdout).toBe('done\n');
});

/** After `body` the reservation is released, its port can be reserved at once, and no descriptor is left. */
async function failsAndFrees(
  options: ReserveOptions,
  addresses: Addresses,
  body: (reservation: PortReservation) => Promise<void>,
): Promise<void> {
  let port = 0;
  await expectNoNewFds(async () => {
    const reservation = reserve({ ...options, local: { address: addresses.loopback } });
    ({ port } = reservation.local);
    await body(reservation);
    expect([reservation.state, reservation.fd]).toEqual(['released', -1]);
    using again = reserve({ ...options, local: { address: addresses.loopback, port } });
    expect(again.local.port).toBe(port);
  });
}

async function closed(socket: Socket): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

/** How Node's own socket fails from the same port to the same place. */
async function nodeError(
  remote: { readonly address: string; readonly port: number },
  localAddress: string,
  localPort: number,
): Promise<AnyError> {
  const socket = connect({ host: remote.address, port: remote.port, localAddress, localPort });
  const [error] = (await once(socket, 'error')) as [AnyError];
  return error;
}

function pick(error: AnyError): Record<string, unknown> {
  const { message, code, errno, syscall, address, port, localAddress, localPort } = error;
  return { message, code, errno, syscall, address, port, localAddress, localPort };
}
