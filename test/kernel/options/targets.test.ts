// setOption and getOption on everything that has a descriptor, and the error for targets without one.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import * as net from 'node:net';
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { getOption, reserve, setOption, type OptionTarget } from '../../../src/index.js';
import { runNode } from '../../support/child.js';
import { listFds } from '../../support/fds.js';
import { errorOf, listening, tcp, udp } from '../../support/sockets.js';

let open: (() => void)[] = [];
beforeEach(() => (open = []));
afterEach(() => {
  for (const close of open.reverse()) close();
});

/** Everything that has a descriptor, set up so that it has. The option works on streams and datagrams. */
const targets: Record<string, () => OptionTarget | Promise<OptionTarget>> = {
  'a descriptor number': () => keep(tcp()).fd,
  'a NativeSocket': () => keep(udp('ipv6')),
  'a PortReservation': () => keep(reserve({ remote: '127.0.0.1:9' })),
  'net.Socket': async () => {
    const listener = keep(listening());
    const socket = net.connect(listener.local.port, '127.0.0.1');
    open.push(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  },
  'net.Socket of a descriptor': () => {
    const socket = new net.Socket({ fd: tcp().detach(), manualStart: true } as net.SocketConstructorOpts);
    open.push(() => socket.destroy());
    return socket;
  },
  'net.Server': async () => listen(net.createServer()),
  'http.Server': async () => listen(createHttpServer()),
  'tls.Server': async () => listen(createTlsServer()),
  'tls.TLSSocket, the client': async () => (await tlsPair()).client,
  'tls.TLSSocket, the server': async () => (await tlsPair()).server,
  'dgram.Socket': async () => {
    const socket = createSocket('udp4');
    open.push(() => socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  },
  'what has a method fd, as net.BoundSocket': () => {
    const socket = keep(tcp());
    return { fd: () => socket.fd };
  },
};

test.each(Object.entries(targets))(
  'setOption and getOption of %s work, and it keeps its descriptor',
  async (_, make) => {
    const target = await make();
    const before = listFds();
    expect(getOption(target, 'SO_PRIORITY')).toBe(0);
    setOption(target, 'SO_PRIORITY', 3);
    expect(getOption(target, 'SO_PRIORITY')).toBe(3);
    setOption(target, { level: 1, name: 12 }, 4);
    expect(getOption(target, { level: 1, name: 12 })).toEqual(Uint8Array.of(4, 0, 0, 0));
    expect(listFds()).toEqual(before);
  },
);

const BoundSocket = (net as unknown as { BoundSocket?: new (options: object) => { fd(): number; close(): void } })
  .BoundSocket;
test.skipIf(BoundSocket === undefined)('setOption and getOption of a net.BoundSocket work (Node 24.19, 26.4)', () => {
  const bound = new BoundSocket!({ host: '127.0.0.1', port: 0 });
  setOption(bound, 'TCP_USER_TIMEOUT', 1234);
  expect(getOption(bound, 'TCP_USER_TIMEOUT')).toBe(1234);
  expect(getOption(bound.fd(), 'TCP_USER_TIMEOUT')).toBe(1234);
  bound.close();
});

describe('targets without a descriptor', () => {
  test.each<[string, () => unknown]>([
    ['net.Socket before connect', () => new net.Socket()],
    ['net.Server before listen', () => net.createServer()],
    ['http.Server before listen', () => createHttpServer()],
    ['dgram.Socket before bind', () => closing(createSocket('udp4'))],
    [
      'net.Socket that was destroyed',
      () => {
        const socket = net.connect(keep(listening()).local.port, '127.0.0.1');
        socket.destroy();
        return socket;
      },
    ],
    ['tls.TLSSocket of nothing', () => new TLSSocket(new net.Socket())],
    ['something whose fd() is -1', () => ({ fd: () => -1 })],
  ])('setOption and getOption of a target without a descriptor throw ERR_INVALID_STATE: %s', async (_, make) => {
    const target = make() as OptionTarget;
    for (const action of [() => setOption(target, 'SO_PRIORITY', 3), () => getOption(target, 'SO_PRIORITY')]) {
      const error = await errorOf(action);
      expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_INVALID_STATE' });
      expect(error.message).toMatch(/no descriptor/);
    }
  });

  test('getOption of a dgram.Socket that was closed throws ERR_INVALID_STATE', async () => {
    const socket = createSocket('udp4');
    socket.bind(0);
    await once(socket, 'listening');
    socket.close();
    await once(socket, 'close');
    expect(await errorOf(() => getOption(socket, 'SO_TYPE'))).toMatchObject({ code: 'ERR_INVALID_STATE' });
  });

  test('setOption of a net.Server in a cluster worker throws ERR_INVALID_STATE, and the message explains it', async () => {
    const script = `
      import cluster from 'node:cluster';
      import { createServer } from 'node:http';
      import { setOption } from 'linux-sockets';
      if (cluster.isPrimary) cluster.fork();
      else {
        const server = createServer().listen(0, '127.0.0.1', () => {
          try { setOption(server, 'SO_PRIORITY', 3); }
          catch (error) { console.log(error.code, /cluster worker/.test(error.message)); }
          server.close(() => process.exit());
        });
      }
    `;
    const { stdout } = await runNode(script, { args: ['the same script again'] }); // cluster forks process.argv[1]
    expect(stdout).toBe('ERR_INVALID_STATE true\n');
  });
});

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['null', null],
  ['an empty object', {}],
  ['an array', [3]],
  ['a string', '3'],
  ['a bigint', 3n],
  ['a function', () => 3],
  ['an object with a number for fd', { fd: 3 }],
  ['an Endpoint', { address: '127.0.0.1', port: 1 }],
])('setOption and getOption of %s throw ERR_INVALID_ARG_TYPE', async (_, target) => {
  const code = 'ERR_INVALID_ARG_TYPE';
  expect(await errorOf(() => setOption(target as OptionTarget, 'SO_PRIORITY', 1))).toMatchObject({ code });
  expect(await errorOf(() => getOption(target as OptionTarget, 'SO_PRIORITY'))).toMatchObject({ code });
});

test.each([-1, 1.5, NaN, 2 ** 31, 2 ** 32])(
  'getOption(%d) throws ERR_OUT_OF_RANGE, since it is not a descriptor number',
  async (target) => {
    expect(await errorOf(() => getOption(target, 'SO_TYPE'))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  },
);

test('setOption on a closed descriptor or one that is not a socket fails with the error of the kernel', async () => {
  const socket = tcp();
  const { fd } = socket;
  socket.close();
  expect(await errorOf(() => getOption(fd, 'SO_TYPE'))).toMatchObject({ code: 'EBADF', syscall: 'getsockopt' });
  const file = openSync('/dev/null', 'r');
  expect(await errorOf(() => setOption(file, 'SO_PRIORITY', 1))).toMatchObject({
    code: 'ENOTSOCK',
    syscall: 'setsockopt',
  });
  closeSync(file);
});

test('setOption on a dgram.Socket prints no deprecation warning', async () => {
  const { stdout, stderr } = await runNode(
    `
      import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
      import { getOption, setOption } from 'linux-sockets';
      const socket = createSocket('udp4');
      try { getOption(socket, 'SO_TYPE'); } catch (error) { console.log(error.code); }
      socket.bind(0, () => {
        setOption(socket, 'IP_TTL', 9);
        console.log(getOption(socket, 'IP_TTL'));
        socket.close();
      });
    `,
    { execArgv: ['--throw-deprecation', '--pending-deprecation'] },
  );
  expect([stdout, stderr]).toEqual(['ERR_INVALID_STATE\n9\n', '']);
});

describe('names and values of options', () => {
  test.each<[string, unknown, string]>([
    ['NO_SUCH_OPTION', 1, 'ERR_INVALID_ARG_VALUE'],
    ['', 1, 'ERR_INVALID_ARG_VALUE'],
    ['toString', 1, 'ERR_INVALID_ARG_VALUE'],
    ['__proto__', 1, 'ERR_INVALID_ARG_VALUE'],
    ['SO_TYPE', 1, 'ERR_INVALID_ARG_VALUE'],
    ['SO_KEEPALIVE', 1, 'ERR_INVALID_ARG_TYPE'],
    ['SO_KEEPALIVE', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['TCP_USER_TIMEOUT', '3000', 'ERR_INVALID_ARG_TYPE'],
    ['TCP_USER_TIMEOUT', -1, 'ERR_OUT_OF_RANGE'],
    ['TCP_USER_TIMEOUT', 2 ** 31, 'ERR_OUT_OF_RANGE'],
    ['TCP_USER_TIMEOUT', NaN, 'ERR_OUT_OF_RANGE'],
    ['SO_MARK', 2 ** 32, 'ERR_OUT_OF_RANGE'],
    ['IP_LOCAL_PORT_RANGE', [2, 1], 'ERR_OUT_OF_RANGE'],
    ['IP_LOCAL_PORT_RANGE', 40000, 'ERR_INVALID_ARG_TYPE'],
    ['TCP_CONGESTION', 'cubic\0', 'ERR_INVALID_ARG_TYPE'],
  ])('setOption of %o to %o throws %s', async (name, value, code) => {
    using socket = tcp();
    expect(await errorOf(() => setOption(socket, name as never, value as never))).toMatchObject({ code });
  });

  test.each<[unknown, unknown, string]>([
    [{ level: 6 }, 1, 'ERR_INVALID_ARG_TYPE'],
    [{ level: 6, name: '18' }, 1, 'ERR_INVALID_ARG_TYPE'],
    [{ level: 2 ** 32 + 6, name: 18 }, 1, 'ERR_OUT_OF_RANGE'],
    [{ level: NaN, name: 18 }, 1, 'ERR_OUT_OF_RANGE'],
    [{ level: 6, name: 18 }, 2 ** 31, 'ERR_OUT_OF_RANGE'],
    [{ level: 6, name: 18 }, true, 'ERR_INVALID_ARG_TYPE'],
    [{ level: 6, name: 18 }, undefined, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 1, 'ERR_INVALID_ARG_TYPE'],
    [18, 1, 'ERR_INVALID_ARG_TYPE'],
  ])('setOption of %o, by number, to %o throws %s', async (option, value, code) => {
    using socket = tcp();
    expect(await errorOf(() => setOption(socket, option as never, value as never))).toMatchObject({ code });
  });

  test('getOption by number reads at most `length` bytes', async () => {
    using socket = tcp();
    expect(getOption(socket, { level: 6, name: 11 }, 1)).toEqual(Uint8Array.of(7)); // TCP_CLOSE
    expect(getOption(socket, { level: 6, name: 11 }, 104)).toHaveLength(104);
    expect(getOption(socket, { level: 1, name: 3 }, 400)).toEqual(Uint8Array.of(1, 0, 0, 0));
    expect(getOption(socket, { level: 1, name: 3 }, 0)).toHaveLength(0);
    expect(await errorOf(() => getOption(socket, { level: 1, name: 3 }, -1))).toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(await errorOf(() => getOption(socket, { level: 6, name: 9999 }))).toMatchObject({
      option: '6/9999',
      errno: -92,
    });
  });

  // The kernel cuts a name at fifteen characters, and ties the socket to the device of that name, if there is one.
  test('SO_BINDTODEVICE with too long a name is refused, not truncated', async () => {
    const device = 'fifteen-letters';
    execFileSync('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'its-peer']);
    try {
      using socket = tcp();
      await errorOf(() => setOption(socket, 'SO_BINDTODEVICE', `${device}-and-more`));
      expect(getOption(socket, 'SO_BINDTODEVICE')).toBe('');
    } finally {
      execFileSync('ip', ['link', 'del', device]);
    }
  });
});

function keep<T extends Disposable>(resource: T): T {
  open.push(() => resource[Symbol.dispose]());
  return resource;
}

function closing<T extends { close(): unknown }>(resource: T): T {
  open.push(() => resource.close());
  return resource;
}

async function listen<T extends net.Server>(server: T): Promise<T> {
  closing(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Without certificates: a key that both sides know. */
async function tlsPair(): Promise<{ client: TLSSocket; server: TLSSocket }> {
  const psk = Buffer.alloc(16, 'k');
  const shared = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
  const listener = await listen(createTlsServer({ ...shared, pskCallback: () => psk }));
  const { port } = listener.address() as net.AddressInfo;
  const pskCallback = (): { psk: Buffer; identity: string } => ({ psk, identity: 'test' });
  const client = connectTls({ ...shared, host: '127.0.0.1', port, pskCallback, checkServerIdentity: () => undefined });
  const [[server]] = (await Promise.all([once(listener, 'secureConnection'), once(client, 'secureConnect')])) as [
    [TLSSocket],
    unknown,
  ];
  open.push(
    () => client.destroy(),
    () => server.destroy(),
  );
  return { client, server };
}

describe('a NativeSocket whose options were set before', () => {
  test('setOption on a NativeSocket fails with EBADF after close(), also when another socket has its descriptor number', async () => {
    const socket = tcp();
    setOption(socket, 'SO_PRIORITY', 1);
    const { fd } = socket;
    socket.close();
    using other = tcp();
    expect(other.fd).toBe(fd);
    expect((await errorOf(() => setOption(socket, 'SO_PRIORITY', 2))).code).toBe('EBADF');
    expect((await errorOf(() => getOption(socket, 'SO_PRIORITY'))).code).toBe('EBADF');
    expect(getOption(other, 'SO_PRIORITY')).toBe(0);
  });

  test('setOption on a NativeSocket fails with EBADF after detach(), although the descriptor is open', async () => {
    const socket = tcp();
    setOption(socket, 'SO_PRIORITY', 1);
    const fd = socket.detach();
    onTestFinished(() => closeSync(fd));
    expect((await errorOf(() => setOption(socket, 'SO_PRIORITY', 2))).code).toBe('EBADF');
    expect(getOption(fd, 'SO_PRIORITY')).toBe(1);
  });
});
