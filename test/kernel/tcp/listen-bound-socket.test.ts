// Node's BoundSocket (24.19, 26.4) with this package: options set on it before it is used, and descriptors of this package
// where Node accepts one.
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { getOption, NativeSocket, setOption } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { errorOf } from '../../support/sockets.js';
import { close, KINDS } from '../../support/listen.js';

interface BoundSocket extends Disposable {
  address(): AddressInfo;
  fd(): number;
  close(): void;
}

const { BoundSocket } = net as { BoundSocket?: new (options: object) => BoundSocket };
const { ask, make } = KINDS['net']!;

/** `test`, or a skipped test whose name says why. */
function testBound(name: string, body: (Bound: new (options: object) => BoundSocket) => Promise<void> | void): void {
  if (BoundSocket === undefined)
    test.skip(`${name} (needs net.BoundSocket, Node 24.19 or 26.4, this is ${process.version})`);
  else test(name, async () => body(BoundSocket));
}

describe('options of a net.BoundSocket', () => {
  testBound('options of a BoundSocket are those of the server that listens with it', async (Bound) => {
    await expectNoNewFds(async () => {
      const bound = new Bound({ host: '127.0.0.1', port: 0 });
      const { port } = bound.address();
      setOption(bound, 'TCP_DEFER_ACCEPT', 30);
      setOption(bound, 'TCP_USER_TIMEOUT', 4321);
      const seconds = getOption(bound, 'TCP_DEFER_ACCEPT');
      const server = make();
      server.listen(bound as never);
      await once(server, 'listening');
      expect(getOption(server, 'TCP_DEFER_ACCEPT')).toBe(seconds);
      setOption(server, 'TCP_DEFER_ACCEPT', 0);
      const inherited = once(server, 'connection').then(([socket]) =>
        getOption(socket as net.Socket, 'TCP_USER_TIMEOUT'),
      );
      expect(await ask('127.0.0.1', port)).toBe('hello');
      expect(await inherited).toBe(4321);
      await close(server);
    });
  });

  testBound('options of a BoundSocket are those of the client that connects with it', async (Bound) => {
    const server = make().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const bound = new Bound({ host: '127.0.0.9', port: 0 });
    const { port } = bound.address();
    setOption(bound, 'IP_TOS', 0x28);
    const socket = new net.Socket({ handle: bound } as net.SocketConstructorOpts);
    socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    expect(getOption(socket, 'IP_TOS')).toBe(0x28);
    expect({ address: socket.localAddress, port: socket.localPort }).toEqual({ address: '127.0.0.9', port });
    expect(await text(socket)).toBe('hello');
    await close(server);
  });

  testBound(
    'setOption on a BoundSocket fails with ERR_SOCKET_HANDLE_ADOPTED after a server has adopted it',
    async (Bound) => {
      const bound = new Bound({ host: '127.0.0.1' });
      const server = make();
      server.listen(bound as never);
      await once(server, 'listening');
      expect((await errorOf(() => setOption(bound, 'TCP_USER_TIMEOUT', 1))).code).toBe('ERR_SOCKET_HANDLE_ADOPTED');
      await close(server);
    },
  );

  testBound(
    'setOption on a BoundSocket fails with ERR_OPTION_TOO_LATE for options that must be set before bind',
    async (Bound) => {
      using bound = new Bound({ host: '127.0.0.1' });
      const late = await errorOf(() => setOption(bound, 'IP_LOCAL_PORT_RANGE', [40000, 40009]));
      expect(late.code).toBe('ERR_OPTION_TOO_LATE');
      expect((await errorOf(() => setOption(bound, 'IP_BIND_ADDRESS_NO_PORT', true))).code).toBe('ERR_OPTION_TOO_LATE');
      // It cannot bind an address that is not local.
      expect((await errorOf(() => new Bound({ host: '192.0.2.3' }))).code).toBe('EADDRNOTAVAIL');
    },
  );
});

describe('a descriptor of this package', () => {
  for (const listens of [false, true]) {
    test(`a NativeSocket that is bound${listens ? ' and listening' : ''} can be passed to server.listen({ fd }) and keeps its options`, async () => {
      await expectNoNewFds(async () => {
        const socket = NativeSocket.create({ family: 'ipv6', type: 'stream', sockopts: { IPV6_FREEBIND: true } });
        socket.bind({ address: '2001:db8:4::4', port: 0 });
        const { local } = socket;
        if (listens) socket.listen(7);
        const server = make();
        server.listen({ fd: socket.detach() });
        await once(server, 'listening');
        expect(server.address()).toMatchObject({ address: local.address, port: local.port });
        expect(getOption(server, 'IPV6_FREEBIND')).toBe(true);
        await close(server);
      });
    });
  }

  testBound(
    'a bound NativeSocket reserves a port as a BoundSocket does, without a listener, until a server takes it',
    async (Bound) => {
      using socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
      socket.bind({ address: '127.0.0.1', port: 0 });
      const { port } = socket.local;
      expect((await errorOf(() => new Bound({ host: '127.0.0.1', port }))).code).toBe('EADDRINUSE');
      await expect(ask('127.0.0.1', port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      const server = make();
      server.listen({ fd: socket.detach() });
      await once(server, 'listening');
      expect(await ask('127.0.0.1', port)).toBe('hello');
      await close(server);
    },
  );
});
