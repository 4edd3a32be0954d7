// NativeSocket: connect and its outcomes, disconnect, shutdown, listen and accept.
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { getOption, NativeSocket, type Endpoint } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import {
  accepted,
  boundUdp,
  closedPort,
  errorOf,
  listening,
  LOOPBACK,
  tcp,
  tcpPair,
  udp,
} from '../../support/sockets.js';

describe.each(['ipv4', 'ipv6'] as const)('NativeSocket.connect over %s', (family) => {
  test('NativeSocket.connect starts a connection, and connected() resolves when it is established', async () => {
    using listener = listening(family);
    using client = tcp(family);
    expect(client.connect(listener.local)).toBe(false);
    expect(client.state).toBe('connecting');
    await client.connected();
    expect(client.state).toBe('connected');
    expect(client.remote).toMatchObject({ address: LOOPBACK[family], port: listener.local.port, family });
    expect(client.local).toMatchObject({ address: LOOPBACK[family] });
    expect(client.local.port).toBeGreaterThan(0);
    await client.connected(); // nothing to wait for
  });

  test('NativeSocket.connect rejects a refused connection with the error that Node reports', async () => {
    const port = closedPort(family);
    using client = tcp(family);
    expect(client.connect({ address: LOOPBACK[family], port })).toBe(false);
    const own = await errorOf(async () => client.connected());
    const [nodes] = (await once(createConnection({ host: LOOPBACK[family], port }), 'error')) as [Error];
    for (const [key, value] of Object.entries(nodes)) expect(own[key], key).toBe(value);
    expect(own.message).toBe(nodes.message);
    expect(own).toMatchObject({ code: 'ECONNREFUSED', errno: -111, syscall: 'connect' });
    expect(client.state).not.toBe('connected');
    expect(client.remote).toBeUndefined();
  });

  test('NativeSocket.connect completes at once for a datagram socket, and filters out other senders', async () => {
    using peer = boundUdp(family);
    using stranger = boundUdp(family);
    using socket = boundUdp(family);
    expect(socket.connect(peer.local)).toBe(true);
    expect(socket.state).toBe('connected');
    expect(socket.remote).toEqual(peer.local);
    stranger.sendmsg({ data: Buffer.from('stranger'), to: socket.local });
    peer.sendmsg({ data: Buffer.from('peer'), to: socket.local });
    await socket.readable();
    const buffer = Buffer.alloc(16);
    expect(socket.recvmsg({ buffers: [buffer] })).toMatchObject({ bytes: 4, source: peer.local });
    expect(socket.recvmsg({ buffers: [buffer] })).toBeUndefined();
  });

  test('NativeSocket.connect completes at once with TCP_FASTOPEN_CONNECT, which defers the handshake to the first data', () => {
    using socket = tcp(family, { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true });
    expect(socket.connect({ address: LOOPBACK[family], port: 9 })).toBe(true);
    expect(socket.state).toBe('connected');
    expect(getOption(socket, 'TCP_INFO')).toMatchObject({ state: 'SYN_SENT', segsOut: 0 });
  });
});

describe('NativeSocket.connect', () => {
  test('NativeSocket.connect fails at once without a route, with the address, and changes nothing', async () => {
    using socket = tcp();
    expect(await errorOf(() => socket.connect('192.0.2.1:443'))).toMatchObject({
      ...{ name: 'SyscallError', code: 'ENETUNREACH', errno: -101, syscall: 'connect' },
      ...{ address: '192.0.2.1', port: 443, reason: 'noRoute' },
      message: expect.stringMatching(/^connect ENETUNREACH 192\.0\.2\.1:443\. /) as unknown,
    });
    expect(socket.state).toBe('open');
    socket.bind('127.0.0.1:0');
    expect((await errorOf(() => socket.connect('192.0.2.1:443'))).syscall).toBe('connect');
    expect(socket.state).toBe('bound');
  });

  test('NativeSocket.connect fails with EALREADY while connecting, and with EISCONN when connected', async () => {
    using hole = await BlackHole.make();
    using socket = tcp();
    expect(socket.connect(hole.endpoint)).toBe(false);
    const again = await errorOf(() => socket.connect(hole.endpoint));
    expect(again).toMatchObject({ code: 'EALREADY', syscall: 'connect', port: hole.endpoint.port });
    expect(socket.state).toBe('connecting');
    using pair = await tcpPair();
    expect(pair.client.connect(pair.listener.local)).toBe(true); // the kernel's confirmation that it is connected
    expect((await errorOf(() => pair.client.connect(pair.listener.local))).code).toBe('EISCONN');
    expect(pair.client.state).toBe('connected');
  });
});

describe('connected()', () => {
  test('connected() rejects with ERR_INVALID_STATE without a connect', async () => {
    using socket = tcp();
    const code = 'ERR_INVALID_STATE';
    expect(await errorOf(async () => socket.connected())).toMatchObject({ name: 'SocketError', code });
    socket.bind('127.0.0.1:0');
    expect(await errorOf(async () => socket.connected())).toMatchObject({ code });
    socket.listen();
    expect(await errorOf(async () => socket.connected())).toMatchObject({ code });
  });

  test('connected() rejects with the reason when aborted, and can be called again', async () => {
    using hole = await BlackHole.make();
    using socket = tcp();
    socket.connect(hole.endpoint);
    const gone = AbortSignal.abort('too late');
    expect(await errorOf(async () => socket.connected({ signal: gone }))).toMatchObject({
      ...{ name: 'AbortError', code: 'ABORT_ERR', cause: 'too late' },
    });
    const controller = new AbortController();
    const waiting = errorOf(async () => socket.connected({ signal: controller.signal }));
    controller.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(socket.state).toBe('connecting');
    const again = socket.connected();
    await hole.answer();
    await again;
    expect(socket.state).toBe('connected');
  });

  test.each(['close', 'detach'] as const)('connected() rejects with EBADF on %s', async (end) => {
    using hole = await BlackHole.make();
    await expectNoNewFds(async () => {
      const socket = tcp();
      socket.connect(hole.endpoint);
      const waiting = errorOf(async () => socket.connected());
      if (end === 'close') socket.close();
      else NativeSocket.adopt(socket.detach()).close();
      expect(await waiting).toMatchObject({ name: 'SyscallError', code: 'EBADF' });
      expect(socket.state).toBe(end === 'close' ? 'closed' : 'detached');
    });
  });

  test('connected() resolves both of two calls when the connection is established', async () => {
    using listener = listening();
    using socket = tcp();
    socket.connect(listener.local);
    await Promise.all([socket.connected(), socket.connected()]);
    expect(socket.state).toBe('connected');
  });

  // Reading SO_ERROR clears it.
  test('connected() rejects both of two calls when the connection is refused', async () => {
    using socket = tcp();
    const port = closedPort();
    socket.connect(`127.0.0.1:${port}`);
    const outcomes = await Promise.allSettled([socket.connected(), socket.connected()]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'ECONNREFUSED', syscall: 'connect', port } },
      { status: 'rejected', reason: { code: 'ECONNREFUSED', syscall: 'connect', port } },
    ]);
    expect(socket.state).not.toBe('connected');
  });

  test('connected() rejects when disconnect gives up the connect', async () => {
    using hole = await BlackHole.make();
    using socket = tcp();
    socket.connect(hole.endpoint);
    const waiting = errorOf(async () => socket.connected());
    socket.disconnect();
    expect((await waiting).code).toBe('ECONNRESET');
    expect(socket.state).not.toMatch(/connect/);
    expect(socket.remote).toBeUndefined();
  });

  test('connected() rejects again for a socket that was refused, until it is disconnected or closed', async () => {
    using socket = tcp();
    socket.connect(`127.0.0.1:${closedPort()}`);
    for (let i = 0; i < 2; i++) expect((await errorOf(async () => socket.connected())).code).toBe('ECONNREFUSED');
    socket.disconnect();
    expect((await errorOf(async () => socket.connected())).code).toBe('ERR_INVALID_STATE');
    const other = tcp();
    other.connect(`127.0.0.1:${closedPort()}`);
    expect((await errorOf(async () => other.connected())).code).toBe('ECONNREFUSED');
    other.close();
    expect((await errorOf(async () => other.connected())).code).toBe('EBADF');
  });

  test('connected() resolves for another connect after a refusal and disconnect', async () => {
    using listener = listening();
    using socket = tcp();
    socket.connect(`127.0.0.1:${closedPort()}`);
    expect((await errorOf(async () => socket.connected())).code).toBe('ECONNREFUSED');
    socket.disconnect();
    expect(socket.connect(listener.local)).toBe(false);
    await socket.connected();
    expect(socket.remote).toEqual(listener.local);
  });
});

describe('NativeSocket.disconnect', () => {
  test('NativeSocket.disconnect lets a datagram socket receive from every sender again', async () => {
    using peer = boundUdp();
    using stranger = boundUdp();
    using socket = udp();
    socket.bind({ address: '127.0.0.1', port: closedPort() }); // a port that bind picked would be freed, see below
    socket.connect(peer.local);
    socket.disconnect();
    expect([socket.state, socket.remote]).toEqual(['bound', undefined]);
    stranger.sendmsg({ data: Buffer.from('stranger'), to: { address: '127.0.0.1', port: socket.local.port } });
    await socket.readable();
    expect(socket.recvmsg({ buffers: [Buffer.alloc(16)] })?.source).toEqual(stranger.local);
  });

  test.each([
    ['connect', udp],
    ['bind', boundUdp],
  ] as const)('NativeSocket.disconnect frees a port that %s had picked', (_, make) => {
    using peer = boundUdp();
    using socket = make();
    socket.connect(peer.local);
    expect(socket.local.port).toBeGreaterThan(0);
    socket.disconnect();
    expect(socket.state).toBe('open');
    expect(socket.local.port).toBe(0);
  });

  test('NativeSocket.disconnect resets a connection, and the socket can connect again', async () => {
    using pair = await tcpPair();
    const { client, server, listener } = pair;
    client.disconnect();
    expect([client.state, client.remote]).toEqual([expect.not.stringMatching(/connect/), undefined]);
    await server.readable();
    expect(await errorOf(() => server.recvmsg({ buffers: [new Uint8Array(1)] }))).toMatchObject({ code: 'ECONNRESET' });
    client.connect(listener.local);
    await client.connected();
    expect(client.state).toBe('connected');
  });

  test('NativeSocket.disconnect stops a listener', async () => {
    using listener = listening();
    const { local } = listener;
    listener.disconnect();
    expect(listener.state).toBe('bound');
    using client = tcp();
    client.connect(local);
    expect((await errorOf(async () => client.connected())).code).toBe('ECONNREFUSED');
  });
});

describe('NativeSocket.shutdown', () => {
  test("shutdown of 'write', the default, ends the stream for the other side, and reading continues", async () => {
    using pair = await tcpPair();
    const { client, server } = pair;
    client.shutdown();
    await server.readable();
    expect(server.recvmsg({ buffers: [new Uint8Array(4)] })).toMatchObject({ bytes: 0, source: undefined });
    expect(await errorOf(() => client.sendmsg({ data: Buffer.from('x') }))).toMatchObject({
      ...{ code: 'EPIPE', syscall: 'sendmsg' }, // and no SIGPIPE
    });
    expect(server.sendmsg({ data: Buffer.from('back') })).toBe(4);
    await client.readable();
    expect(client.recvmsg({ buffers: [new Uint8Array(8)] })?.bytes).toBe(4);
  });

  test.each(['read', 'both'] as const)("shutdown of '%s' ends reading on this side", async (how) => {
    using pair = await tcpPair();
    pair.client.shutdown(how);
    expect(pair.client.recvmsg({ buffers: [new Uint8Array(4)] })?.bytes).toBe(0);
  });

  test('shutdown fails with ENOTCONN on a socket that is not connected, and refuses an unknown word', async () => {
    using socket = tcp();
    expect(await errorOf(() => socket.shutdown())).toMatchObject({ code: 'ENOTCONN', syscall: 'shutdown' });
    expect(await errorOf(() => socket.shutdown('rw' as never))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(await errorOf(() => socket.shutdown(1 as never))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('listen and accept', () => {
  test('a listener is listening, and accept returns undefined when nobody has connected', () => {
    using listener = listening();
    expect(listener.state).toBe('listening');
    expect(getOption(listener, 'SO_ACCEPTCONN')).toBe(true);
    expect(listener.accept()).toBeUndefined();
    listener.listen(1); // again, with another backlog
  });

  test('listen without bind gets a port', () => {
    using socket = tcp();
    socket.listen();
    expect(socket.local.port).toBeGreaterThan(0);
  });

  test.each(['ipv4', 'ipv6'] as const)(
    'accept returns connections over %s in order, with both addresses',
    async (family) => {
      using listener = listening(family);
      using first = tcp(family);
      using second = tcp(family);
      first.connect(listener.local);
      await first.connected();
      second.connect(listener.local);
      await second.connected();
      for (const client of [first, second]) {
        await listener.readable();
        const connection = listener.accept()!;
        using socket = connection.socket;
        expect(connection.remote).toEqual(client.local);
        expect([socket.family, socket.type, socket.state]).toEqual([family, 'stream', 'connected']);
        expect(socket.remote).toEqual(client.local);
        expect(socket.local).toEqual(client.remote);
        const flags = Number.parseInt(
          /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${socket.fd}`, 'utf8'))![1]!,
          8,
        );
        expect(flags & 0o4000, 'O_NONBLOCK').toBe(0o4000);
        expect(flags & 0o2000000, 'O_CLOEXEC').toBe(0o2000000);
      }
      expect(listener.accept()).toBeUndefined();
    },
  );

  test('accept on a socket that is not listening fails and leaves no descriptor', async () => {
    using stream = tcp();
    using datagrams = boundUdp();
    await expectNoNewFds(async () => {
      expect(await errorOf(() => stream.accept())).toMatchObject({ code: 'EINVAL', syscall: 'accept' });
      expect(await errorOf(() => datagrams.accept())).toMatchObject({ errno: -95, syscall: 'accept' });
      expect(await errorOf(() => datagrams.listen())).toMatchObject({ errno: -95, syscall: 'listen' });
    });
    expect(datagrams.state).toBe('bound');
  });

  test('a second listener on a port fails with EADDRINUSE of listen', async () => {
    using first = tcp('ipv4', { SO_REUSEADDR: true });
    using second = tcp('ipv4', { SO_REUSEADDR: true });
    first.bind('127.0.0.1:0');
    second.bind(first.local);
    first.listen();
    expect(await errorOf(() => second.listen())).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' });
    expect(second.state).toBe('bound');
  });

  test.each([-1, 2 ** 31, 1.5, '5', null, NaN])('listen refuses %o as backlog', async (backlog) => {
    using socket = tcp();
    expect((await errorOf(() => socket.listen(backlog as never))).code).toMatch(
      /^ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)$/,
    );
    expect(socket.state).toBe('open');
  });
});

/** A listener whose queue is full: the kernel drops further SYNs until a connection is accepted. */
class BlackHole implements Disposable {
  static async make(): Promise<BlackHole> {
    const listener = tcp();
    listener.bind('127.0.0.1:0');
    listener.listen(0); // room for one
    const filler = tcp();
    filler.connect(listener.local);
    await filler.connected();
    return new BlackHole(listener, filler);
  }

  readonly endpoint: Endpoint;
  readonly #listener: NativeSocket;
  readonly #sockets: NativeSocket[];

  private constructor(listener: NativeSocket, filler: NativeSocket) {
    this.endpoint = listener.local;
    this.#listener = listener;
    this.#sockets = [listener, filler];
  }

  /** Makes room, so that the next SYN is answered. */
  async answer(): Promise<void> {
    this.#listener.listen(16);
    this.#sockets.push(await accepted(this.#listener));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }
}
