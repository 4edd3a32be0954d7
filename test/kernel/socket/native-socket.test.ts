// NativeSocket: creation, inspection in every state, and the end.
import { execFile } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import { promisify, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Endpoint, getOption, NativeSocket, SyscallError, type SocketOptions } from '../../../src/index.js';
import { nodeEnvironment } from '../../support/child.js';
import { expectNoNewFds, listFds } from '../../support/fds.js';
import { testWith } from '../../support/kernel.js';
import { boundUdp, errorOf, listening, tcp, tcpPair, udp } from '../../support/sockets.js';

describe('NativeSocket.create', () => {
  test.each([
    ['ipv4', 'stream', 2, 1, 6],
    ['ipv4', 'dgram', 2, 2, 17],
    ['ipv6', 'stream', 10, 1, 6],
    ['ipv6', 'dgram', 10, 2, 17],
  ] as const)(
    'NativeSocket.create returns a socket as requested (%s %s), non-blocking and close-on-exec',
    (family, type, domain, number, protocol) => {
      using socket = NativeSocket.create({ family, type });
      expect([socket.family, socket.type, socket.state, socket.remote]).toEqual([family, type, 'open', undefined]);
      expect(getOption(socket, 'SO_DOMAIN')).toBe(domain);
      expect(getOption(socket, 'SO_TYPE')).toBe(number);
      expect(getOption(socket, 'SO_PROTOCOL')).toBe(protocol);
      expect(socket.local).toMatchObject({ family, port: 0 });
      expect(listFds().get(socket.fd)).toMatch(/^socket:/);
      expect(fdFlags(socket.fd)).toEqual({ nonBlocking: true, closeOnExec: true });
    },
  );

  testWith({ capabilities: ['CAP_NET_RAW'] })('creates a raw socket with its protocol', () => {
    using socket = NativeSocket.create({ family: 'ipv4', type: 'raw', protocol: 1 });
    expect(getOption(socket, 'SO_TYPE')).toBe(3);
    expect(getOption(socket, 'SO_PROTOCOL')).toBe(1);
  });

  test('NativeSocket.create sets options in their order and ignores undefined ones', () => {
    const sockopts: SocketOptions = { SO_RCVLOWAT: 7, TCP_NODELAY: true, IP_TTL: 9 };
    using socket = tcp('ipv4', { ...sockopts, IP_TOS: undefined as never });
    expect(getOption(socket, 'SO_RCVLOWAT')).toBe(7);
    expect(getOption(socket, 'TCP_NODELAY')).toBe(true);
    expect(getOption(socket, 'IP_TTL')).toBe(9);
    // Of two SO_BINDTOIFINDEX the kernel uses the last.
    using tied = tcp('ipv4', { SO_BINDTODEVICE: 'lo', SO_BINDTOIFINDEX: 0 });
    expect(getOption(tied, 'SO_BINDTODEVICE')).toBe('');
    using loosed = tcp('ipv4', { SO_BINDTOIFINDEX: 0, SO_BINDTODEVICE: 'lo' });
    expect(getOption(loosed, 'SO_BINDTODEVICE')).toBe('lo');
  });

  test('NativeSocket.create fails when the kernel refuses the protocol or an option, and leaves no descriptor', async () => {
    await expectNoNewFds(async () => {
      expect(await errorOf(() => NativeSocket.create({ family: 'ipv4', type: 'stream', protocol: 17 }))).toMatchObject({
        ...{ name: 'SyscallError', code: 'EPROTONOSUPPORT', errno: -93, syscall: 'socket' },
      });
      expect(await errorOf(() => tcp('ipv4', { TCP_NODELAY: true, SO_BINDTODEVICE: 'no-such-device' }))).toMatchObject({
        ...{ code: 'ENODEV', errno: -19, syscall: 'setsockopt', option: 'SO_BINDTODEVICE' },
      });
      expect(await errorOf(() => tcp('ipv4', { IPV6_FREEBIND: true }))).toMatchObject({ code: 'ENOPROTOOPT' });
      expect(await errorOf(() => tcp('ipv4', { TCP_NODELAY: 1 as never }))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
  });

  test.each<[unknown, string]>([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'ipv4' }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 4, type: 'stream' }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'IPv4', type: 'stream' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'ipv4', type: 'seqpacket' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'ipv4', type: 'stream', protocol: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ family: 'ipv4', type: 'stream', protocol: 'tcp' }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'ipv4', type: 'stream', sockopts: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'ipv4', type: 'stream', sockopts: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ family: 'ipv4', type: 'stream', sockopts: { NO_SUCH: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'ipv4', type: 'stream', sockopts: { SO_TYPE: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'ipv4', type: 'stream', sockopt: {} }, 'ERR_INVALID_ARG_VALUE'],
  ])('NativeSocket.create of %o fails with %s', async (options, code) => {
    await expectNoNewFds(async () => {
      expect(await errorOf(() => NativeSocket.create(options as never))).toMatchObject({ code });
    });
  });

  testWith({ tools: ['prlimit'] })(
    'fails with EMFILE without a free descriptor, and accept leaves the connection queued',
    async () => {
      const { stdout } = await promisify(execFile)(
        'prlimit',
        ['--nofile=256', process.execPath, '--input-type=module', '--eval', EMFILE_SCRIPT],
        { env: nodeEnvironment() },
      );
      expect(JSON.parse(stdout)).toEqual(['EMFILE', 'socket', 'EMFILE', 'accept', 'connected']);
    },
  );
});

describe('NativeSocket.bind', () => {
  test('NativeSocket.bind accepts text, { address, port }, an Endpoint and a net.SocketAddress', () => {
    for (const to of [
      ...['127.0.0.1:0', { address: '127.0.0.1', port: 0 }, Endpoint.from('127.0.0.1:0')],
      new SocketAddress({ address: '127.0.0.1', port: 0 }),
    ]) {
      using socket = tcp();
      socket.bind(to);
      expect(socket.state).toBe('bound');
      expect(socket.local.address).toBe('127.0.0.1');
      expect(socket.local.port).toBeGreaterThan(0);
    }
  });

  test('NativeSocket.bind fails with address and port for an address in use, an address that is not local, and a second bind', async () => {
    using first = listening();
    const { port } = first.local;
    using second = tcp();
    expect(await errorOf(() => second.bind(first.local))).toMatchObject({
      ...{ name: 'SyscallError', code: 'EADDRINUSE', errno: -98, syscall: 'bind', address: '127.0.0.1', port },
      reason: 'portInUse',
      message: expect.stringContaining(`bind EADDRINUSE: address already in use 127.0.0.1:${port}`) as unknown,
    });
    expect(second.state).toBe('open');
    expect(await errorOf(() => second.bind('192.0.2.1:80'))).toMatchObject({
      ...{ code: 'EADDRNOTAVAIL', errno: -99, syscall: 'bind', address: '192.0.2.1', port: 80 },
      reason: 'addressNotLocal',
    });
    second.bind('127.0.0.1:0');
    expect(await errorOf(() => second.bind('127.0.0.1:0'))).toMatchObject({ code: 'EINVAL', syscall: 'bind' });
    expect(second.state).toBe('bound');
  });

  test.each(['[::1]:', 'localhost:80', '127.0.0.1:65536', 1, undefined, null, {}, { address: '::1' }])(
    'NativeSocket.bind refuses %o as endpoint',
    async (value) => {
      using socket = tcp();
      expect((await errorOf(() => socket.bind(value as never))).code).toMatch(/^ERR_(INVALID_ARG_|OUT_OF_RANGE)/);
      expect(socket.state).toBe('open');
    },
  );
});

describe('close and detach of a NativeSocket', () => {
  /** Every call that needs a descriptor. */
  const calls: Record<string, (socket: NativeSocket) => unknown> = {
    local: (socket) => socket.local,
    remote: (socket) => socket.remote,
    bind: (socket) => socket.bind('127.0.0.1:0'),
    connect: (socket) => socket.connect('127.0.0.1:9'),
    connected: async (socket) => socket.connected(),
    disconnect: (socket) => socket.disconnect(),
    listen: (socket) => socket.listen(),
    accept: (socket) => socket.accept(),
    sendmsg: (socket) => socket.sendmsg({ data: Buffer.from('x'), to: '127.0.0.1:9' }),
    recvmsg: (socket) => socket.recvmsg({ buffers: [new Uint8Array(1)] }),
    readable: async (socket) => socket.readable(),
    writable: async (socket) => socket.writable(),
    shutdown: (socket) => socket.shutdown(),
    detach: (socket) => socket.detach(),
    getOption: (socket) => getOption(socket, 'SO_TYPE'),
  };

  test.each(Object.entries(calls))('%s of a NativeSocket after close or detach fails with EBADF', async (_, call) => {
    await expectNoNewFds(async () => {
      const closed = tcp();
      closed.close();
      expect(await errorOf(() => call(closed))).toMatchObject({ name: 'SyscallError', code: 'EBADF', errno: -9 });
      const detached = tcp();
      closeSync(detached.detach());
      expect(await errorOf(() => call(detached))).toMatchObject({ name: 'SyscallError', code: 'EBADF', errno: -9 });
    });
  });

  test("close() is idempotent, fd is -1 and state is 'closed'", () => {
    const socket = boundUdp();
    const { fd } = socket;
    socket.close();
    expect(listFds().has(fd)).toBe(false);
    using stranger = udp();
    expect(stranger.fd).toBe(fd);
    socket.close();
    socket[Symbol.dispose]();
    expect(listFds().get(fd)).toMatch(/^socket:/);
    expect([socket.fd, socket.state]).toEqual([-1, 'closed']);
  });

  test('the end of a `using` scope closes a NativeSocket, also by an exception', async () => {
    await expectNoNewFds(() => {
      expect(() => {
        using socket = boundUdp();
        throw new Error(socket.state);
      }).toThrow('bound');
    });
  });
});

describe('util.inspect of a NativeSocket', () => {
  test('util.inspect of a NativeSocket shows family, type, state, descriptor and both addresses in every state', async () => {
    using socket = tcp('ipv6');
    expect(inspect(socket)).toMatch(/^NativeSocket \{[^]*family: 'ipv6'[^]*type: 'stream'[^]*state: 'open'[^]*fd: \d+/);
    socket.bind('[::1]:0');
    expect(inspect(socket)).toContain("state: 'bound'");
    expect(inspect(socket)).toContain(`local: Endpoint '[::1]:${socket.local.port}'`);
    expect(inspect(socket)).toContain('remote: undefined');
    using target = listening('ipv6');
    expect(inspect(target)).toContain("state: 'listening'");
    socket.connect(target.local);
    expect(inspect(socket)).toContain("state: 'connecting'");
    await socket.connected();
    expect(inspect(socket)).toContain("state: 'connected'");
    expect(inspect(socket)).toContain(`remote: Endpoint '[::1]:${target.local.port}'`);
    expect(inspect({ nested: [socket] }, { depth: 4, breakLength: Infinity })).toContain("state: 'connected'");
    socket.close();
    expect(inspect(socket, { breakLength: Infinity })).toBe(
      "NativeSocket { family: 'ipv6', type: 'stream', state: 'closed' }",
    );
    const given = udp();
    closeSync(given.detach());
    expect(inspect(given, { breakLength: Infinity })).toBe(
      "NativeSocket { family: 'ipv4', type: 'dgram', state: 'detached' }",
    );
  });

  test('util.inspect of a NativeSocket honours the inspect options', async () => {
    using pair = await tcpPair();
    expect(inspect(pair.client, { colors: true })).toContain('\u001b[32m');
    expect(inspect(pair.client, { compact: true, breakLength: Infinity })).not.toContain('\n');
  });

  // Inspection is the first step of debugging a descriptor that was closed elsewhere.
  test('util.inspect of a NativeSocket does not throw for a descriptor that was closed elsewhere', () => {
    const socket = udp();
    closeSync(socket.fd);
    try {
      expect(inspect(socket)).toMatch(/^NativeSocket/);
    } finally {
      socket.close(); // the number has no new owner yet
    }
  });
});

test('a SyscallError is an Error that names the system call and the code', async () => {
  using socket = tcp();
  const error = await errorOf(() => socket.bind('192.0.2.1:1'));
  expect(error).toBeInstanceOf(SyscallError);
  expect(error).toBeInstanceOf(Error);
  expect(error.stack).toContain('socket.test.ts');
});

function fdFlags(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const [, octal = '0'] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
  const flags = Number.parseInt(octal, 8);
  return { nonBlocking: (flags & 0o4000) !== 0, closeOnExec: (flags & 0o2000000) !== 0 };
}

const EMFILE_SCRIPT = `
  import { NativeSocket } from 'linux-sockets';
  const make = () => NativeSocket.create({ family: 'ipv4', type: 'stream' });
  const listener = make();
  listener.bind('127.0.0.1:0');
  listener.listen();
  const client = make();
  client.connect(listener.local);
  await client.connected();
  const all = [];
  const seen = [];
  const see = (error) => seen.push(error.code, error.syscall);
  try { for (;;) all.push(make()); } catch (error) { see(error); }
  try { listener.accept(); } catch (error) { see(error); }
  for (const socket of all) socket.close();
  seen.push(listener.accept().socket.state);
  console.log(JSON.stringify(seen));
`;
