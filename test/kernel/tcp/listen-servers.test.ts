// listen: Node's servers behave as with their own listen().
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { listen } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { closedPort, errorOf } from '../../support/sockets.js';
import { close, failure, KINDS, listening } from '../../support/listen.js';

describe.each(Object.entries(KINDS))('listen() with a server of %s', (_, { make, ask }) => {
  test.each(['127.0.0.1', '::1'])(
    'listen() accepts connections on %s, and closes its descriptor with the server',
    async (address) => {
      await expectNoNewFds(async () => {
        await using listener = await listening(make(), { host: address });
        expect(listener.address).toMatchObject({ address, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' });
        expect(listener.port).toBeGreaterThan(0);
        expect(await ask(address, listener.port)).toBe('hello');
      });
    },
  );
});

describe('listen()', () => {
  test('listen() returns the server and emits events after it has returned', async () => {
    const server = net.createServer();
    const events: string[] = [];
    server.on('listening', () => events.push('listening'));
    expect(listen(server, { host: '127.0.0.1' }, () => events.push('listener'))).toBe(server);
    expect(events).toEqual([]);
    expect(server.listening).toBe(true); // as with Node's own listen()
    await once(server, 'listening');
    expect(events).toEqual(['listening', 'listener']);
    await close(server);
    listen(server, { host: '127.0.0.1' }); // the listener is called once
    await once(server, 'listening');
    expect(events).toEqual(['listening', 'listener', 'listening']);
    await close(server);
  });

  test('listen() without options listens on any port, IPv6 and IPv4', async () => {
    const server = net.createServer((socket) => socket.end('hello'));
    await once(listen(server), 'listening');
    const { port, address } = server.address() as net.AddressInfo;
    expect(address).toBe('::');
    for (const host of ['127.0.0.1', '::1']) expect(await KINDS['net']!.ask(host, port)).toBe('hello');
    await close(server);
  });

  test('listen() on an IPv4-mapped address uses an IPv6 socket', async () => {
    await using listener = await listening(KINDS['net']!.make(), { host: '::ffff:127.0.0.1' });
    expect(listener.address).toMatchObject({ address: '::ffff:127.0.0.1', family: 'IPv6' });
    expect(await KINDS['net']!.ask('127.0.0.1', listener.port)).toBe('hello');
  });

  test("listen() throws Node's error for a server that is already listening, and makes no descriptor", async () => {
    await using listener = await listening(net.createServer(), { host: '127.0.0.1' });
    await expectNoNewFds(async () => {
      // Its own port: binding a descriptor first would fail with EADDRINUSE.
      const own = await errorOf(() => listen(listener.server, { host: '127.0.0.1', port: listener.port }));
      const nodes = await errorOf(() => listener.server.listen(0));
      expect(own).toMatchObject({ code: 'ERR_SERVER_ALREADY_LISTEN', name: nodes.name, message: nodes.message });
    });
    expect(listener.server.listening).toBe(true);
  });

  test('listen() on a port in use emits the error that Node emits', async () => {
    await using taken = await listening(net.createServer(), { host: '127.0.0.1' });
    const { port } = taken;
    await expectNoNewFds(async () => {
      const own = await failure(net.createServer(), { host: '127.0.0.1', port });
      const [nodes] = (await once(net.createServer().listen(port, '127.0.0.1'), 'error')) as [Error];
      for (const [key, value] of Object.entries(nodes)) expect(own[key as keyof typeof own], key).toBe(value);
      expect(own.message).toBe(
        `${nodes.message}. Another socket holds the port; sockets of one user that all have reusePort: true share it`,
      );
      expect(own).toMatchObject({
        code: 'EADDRINUSE',
        syscall: 'listen',
        reason: 'portInUse',
        address: '127.0.0.1',
        port,
      });
    });
  });

  test('listen() may be called again after an error', async () => {
    await using taken = await listening(net.createServer(), { host: '127.0.0.1' });
    const server = net.createServer((socket) => socket.end('hello'));
    await failure(server, { host: '127.0.0.1', port: taken.port });
    expect(server.listening).toBe(false);
    await using second = await listening(server, { host: '127.0.0.1' });
    expect(await KINDS['net']!.ask('127.0.0.1', second.port)).toBe('hello');
  });

  test("listen() throws an 'error' event without a listener, as Node does", async () => {
    await using taken = await listening(net.createServer(), { host: '127.0.0.1' });
    const thrown = new Promise((resolve) => {
      const before = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    listen(net.createServer(), { host: '127.0.0.1', port: taken.port });
    expect(await thrown).toMatchObject({ code: 'EADDRINUSE' });
  });

  test('listen() can use a port again as soon as its server is closed, with connections in TIME-WAIT', async () => {
    const port = closedPort();
    for (let round = 0; round < 3; round++) {
      await using listener = await listening(KINDS['net']!.make(), { host: '127.0.0.1', port });
      expect(await KINDS['net']!.ask('127.0.0.1', listener.port)).toBe('hello'); // the server's side closes first
    }
  });

  test('listen() lets the process exit after unref(), called before or after, as Node does', async () => {
    const server = net.createServer().unref();
    await once(listen(server, { host: '127.0.0.1' }), 'listening');
    // @ts-expect-error -- inside Node
    const handle = server._handle as { hasRef(): boolean };
    expect(handle.hasRef()).toBe(false);
    server.ref();
    expect(handle.hasRef()).toBe(true);
    await close(server);
  });
});

describe('listen() with signal', () => {
  test('listen() with signal closes the server on abort', async () => {
    const controller = new AbortController();
    const server = net.createServer();
    await once(listen(server, { host: '127.0.0.1', signal: controller.signal }), 'listening');
    const closed = once(server, 'close');
    controller.abort();
    await closed;
    expect(server.listening).toBe(false);
  });

  test("listen() with an already aborted signal closes the server without 'listening', as Node does", async () => {
    for (const start of [
      (server: net.Server) => listen(server, { host: '127.0.0.1', signal: AbortSignal.abort() }),
      (server: net.Server) => server.listen({ host: '127.0.0.1', port: 0, signal: AbortSignal.abort() }),
    ]) {
      await expectNoNewFds(async () => {
        const server = net.createServer();
        const heard = vi.fn();
        server.on('listening', heard);
        await once(start(server), 'close');
        expect(heard).not.toHaveBeenCalled();
      });
    }
  });

  test('listen() leaves no listener on its signal after a failed or closed listen', async () => {
    await using taken = await listening(net.createServer(), { host: '127.0.0.1' });
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const server = net.createServer();
    await failure(server, { host: '127.0.0.1', port: taken.port, signal });
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
    await once(listen(server, { host: '127.0.0.1', signal }), 'listening');
    await close(server);
    expect(added).toHaveBeenCalledTimes(2);
    expect(removed).toHaveBeenCalledTimes(2);
    expect(server.listenerCount('close')).toBe(0);
  });

  test('listen() with an already aborted signal emits only the error when listen fails', async () => {
    await using taken = await listening(net.createServer(), { host: '127.0.0.1' });
    const server = net.createServer();
    const heard = vi.fn();
    server.on('close', heard);
    await failure(server, { host: '127.0.0.1', port: taken.port, signal: AbortSignal.abort() });
    await using again = await listening(server, { host: '127.0.0.1' }); // no late 'close'
    expect(again.server.listening).toBe(true);
    expect(heard).not.toHaveBeenCalled();
  });
});
