// listen: the effect of its options on the listener, on the real kernel.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import {
  getOption,
  listen,
  NativeSocket,
  setOption,
  type ListenOptions,
  type ReadableOptionName,
} from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { errorOf, tcp } from '../../support/sockets.js';
import { readSysctl, setSysctl } from '../../support/sysctl.js';
import { close, failure, KINDS, listening, warningsOf } from '../../support/listen.js';

const { ask, make } = KINDS['net']!;

describe('listen() with backlog', () => {
  test.each([
    [undefined, 511],
    [1, 1],
    [17, 17],
    [2 ** 31 - 1, Number(readSysctl('net.core.somaxconn'))],
  ])('listen() with a backlog of %s lets %i connections wait', async (backlog, waits) => {
    await using listener = await listening(make(), { host: '127.0.0.1', ...(backlog !== undefined && { backlog }) });
    expect(ss(listener.port)).toMatch(new RegExp(`^LISTEN\\s+0\\s+${waits}\\s`));
  });
});

describe('listen() with freebind', () => {
  for (const [family, address] of [
    ['ipv4', '198.51.100.7'],
    ['ipv6', '2001:db8:77::7'],
  ] as const) {
    test(`listen() with freebind listens on ${address}, which the host does not have, and accepts connections once it is routed here`, async () => {
      await using listener = await listening(make(), { host: address, freebind: true });
      expect(listener.address.address).toBe(address);
      const ip = (...args: string[]) => execFileSync('ip', [family === 'ipv4' ? '-4' : '-6', 'route', ...args]);
      await expect(ask(address, listener.port)).rejects.toMatchObject({ code: 'ENETUNREACH' });
      ip('add', 'local', address, 'dev', 'lo');
      expect(await ask(address, listener.port)).toBe('hello');
      const inherited = ofAccepted(listener.server, family === 'ipv4' ? 'IP_FREEBIND' : 'IPV6_FREEBIND');
      expect(await ask(address, listener.port)).toBe('hello');
      expect(await inherited).toBe(true);
      ip('del', 'local', address, 'dev', 'lo');
    });

    test(`listen() with freebind: false on ${address}, which the host does not have, emits EADDRNOTAVAIL with a remedy`, async () => {
      await expectNoNewFds(async () => {
        const error = await failure(make(), { host: address, port: 4711 });
        expect(error).toMatchObject({
          ...{ code: 'EADDRNOTAVAIL', errno: -99, syscall: 'listen', address, port: 4711, reason: 'addressNotLocal' },
          ...{ name: 'SyscallError' },
        });
        expect(error.message).toContain('freebind: true');
        const command = family === 'ipv4' ? `ip route add local ${address}/32` : `ip -6 route add local ${address}/128`;
        expect(error.message).toContain(`\`${command} dev lo\``);
      });
    });
  }

  test('listen() with freebind on an unrouted address emits LINUX_SOCKETS_NOT_LOCAL', async () => {
    for (const [address, command] of [
      ['198.51.100.9', 'ip route add local 198.51.100.9/32 dev lo'],
      ['2001:db8:77::9', 'ip -6 route add local 2001:db8:77::9/128 dev lo'],
    ] as const) {
      const [warning, ...more] = await warningsOf(async () => {
        await using _ = await listening(make(), { host: address, freebind: true });
      });
      expect(warning).toMatchObject({ name: 'LinuxSocketsWarning', code: 'LINUX_SOCKETS_NOT_LOCAL' });
      expect(warning?.message).toContain(`\`${command}\``);
      expect(more).toEqual([]);
    }
  });

  test('listen() emits no warning for a routed address, the wildcard, or with transparent', async () => {
    execFileSync('ip', ['-6', 'route', 'add', 'local', '2001:db8:99::/64', 'dev', 'lo']);
    const quiet: ListenOptions[] = [
      { host: '2001:db8:99::5', freebind: true },
      { host: '127.0.0.5', freebind: true },
      { host: '::', freebind: true },
      { freebind: true },
      { host: '198.51.100.9', freebind: true, transparent: true },
      { host: '198.51.100.9', transparent: true },
    ];
    const warnings = await warningsOf(async () => {
      for (const options of quiet) {
        await using _ = await listening(make(), options);
      }
    });
    expect(warnings).toEqual([]);
    execFileSync('ip', ['-6', 'route', 'del', 'local', '2001:db8:99::/64', 'dev', 'lo']);
  });

  test('listen() on the wildcard needs no freebind for an AnyIP route', async () => {
    execFileSync('ip', ['-6', 'route', 'add', 'local', 'fd00:1009:bacc::/48', 'dev', 'lo']);
    await using listener = await listening(make(), { host: '::' });
    expect(await ask('fd00:1009:bacc::dead', listener.port)).toBe('hello');
    execFileSync('ip', ['-6', 'route', 'del', 'local', 'fd00:1009:bacc::/48', 'dev', 'lo']);
  });
});

describe('listen() with transparent', () => {
  test.each([
    ['198.51.100.8', 'IP_TRANSPARENT'],
    ['2001:db8:77::8', 'IPV6_TRANSPARENT'],
  ] as const)('listen() with transparent listens on %s, which belongs to another host', async (address, option) => {
    await using listener = await listening(make(), { host: address, transparent: true });
    expect(getOption(listener.server, option)).toBe(true);
  });

  test('listen() with transparent accepts IPv4 on the default host', async () => {
    await using listener = await listening(make(), { transparent: true });
    expect(listener.address.address).toBe('::');
    expect(getOption(listener.server, 'IP_TRANSPARENT')).toBe(true);
  });
});

describe('listen() with reusePort', () => {
  test('listen() with reusePort shares the port between servers, each of which accepts connections', async () => {
    await using first = await listening(make(), { host: '127.0.0.1', reusePort: true });
    await using second = await listening(make(), { host: '127.0.0.1', port: first.port, reusePort: true });
    const served = [0, 0];
    first.server.on('connection', () => served[0]!++);
    second.server.on('connection', () => served[1]!++);
    for (let i = 0; i < 64; i++) await ask('127.0.0.1', first.port);
    expect(served[0]! + served[1]!).toBe(64);
    for (const count of served) expect(count).toBeGreaterThan(0); // all on one: a chance of 1 in 2 ** 63
  });

  test.each([{ reusePort: false }, {}])('listen() with reusePort %j does not share the port', async (options) => {
    await using first = await listening(make(), { host: '127.0.0.1', reusePort: true });
    expect(await failure(make(), { host: '127.0.0.1', port: first.port, ...options })).toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test('listen() with a custom steering program selects the listener of every connection', async () => {
    const steering = [{ code: 0x06, jt: 0, jf: 0, k: 1 }]; // BPF_RET | BPF_K
    await using first = await listening(make(), { host: '127.0.0.1', reusePort: true });
    await using second = await listening(make(), {
      ...{ host: '127.0.0.1', port: first.port },
      reusePort: { steering },
    });
    const heard = vi.fn();
    first.server.on('connection', heard);
    for (let i = 0; i < 16; i++) await ask('127.0.0.1', second.port);
    expect(heard).not.toHaveBeenCalled();
  });

  test.each(['cpu', 'random', 'hash'] as const)(
    'listen() with steering by %s accepts every connection',
    async (steering) => {
      const reusePort = { steering, sockets: 2 };
      await using first = await listening(make(), { host: '127.0.0.1', reusePort });
      await using _ = await listening(make(), { host: '127.0.0.1', port: first.port, reusePort });
      for (let i = 0; i < 16; i++) expect(await ask('127.0.0.1', first.port)).toBe('hello');
      const detach = (): void => setOption(first.server, 'SO_DETACH_REUSEPORT_BPF', true);
      detach();
      expect((await errorOf(detach)).code).toBe('ENOENT'); // as when none was attached
    },
  );

  test('listen() with reusePort and fewer listeners than CPUs accepts every connection', async () => {
    await using alone = await listening(make(), {
      host: '127.0.0.1',
      reusePort: { steering: 'random', sockets: 1000 },
    });
    for (let i = 0; i < 16; i++) expect(await ask('127.0.0.1', alone.port)).toBe('hello');
  });

  test("listen() with a steering program that the kernel refuses emits 'error' and leaves no descriptor", async () => {
    await expectNoNewFds(async () => {
      const steering = [{ code: 0xffff, jt: 0, jf: 0, k: 0 }];
      expect(await failure(make(), { host: '127.0.0.1', reusePort: { steering } })).toMatchObject({
        ...{ code: 'EINVAL', syscall: 'setsockopt', option: 'SO_ATTACH_REUSEPORT_CBPF' },
      });
    });
  });
});

describe('listen() with fastOpen', () => {
  test('listen() with fastOpen accepts data that comes with the SYN', async () => {
    using _ = setSysctl('net.ipv4.tcp_fastopen', 3 | 0x200); // 0x200: no cookie required from clients
    const server = net.createServer((socket) => {
      socket.once('data', (data) => {
        const { options } = getOption(socket, 'TCP_INFO');
        socket.end(`${data.toString()} ${JSON.stringify(options)}`);
      });
    });
    await using listener = await listening(server, { host: '127.0.0.1', fastOpen: true });
    expect(getOption(server, 'TCP_FASTOPEN')).toBe(511);
    using client = tcp('ipv4', { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true });
    client.connect({ address: '127.0.0.1', port: listener.port });
    client.sendmsg({ data: Buffer.from('early') });
    await client.readable();
    const buffer = Buffer.alloc(200);
    const { bytes = 0 } = client.recvmsg({ buffers: [buffer] }) ?? {};
    expect(buffer.toString('utf8', 0, bytes)).toContain('early');
    expect(Number(buffer.toString('utf8', 0, bytes).split(' ')[1]) & TCPI_OPT_SYN_DATA).not.toBe(0);
  });

  test.each([
    [7, undefined, 7],
    [true, 20, 20],
    [false, undefined, 0],
    [2 ** 31 - 1, undefined, Number(readSysctl('net.core.somaxconn'))],
  ] as const)('listen() with fastOpen %s and a backlog of %s has a queue of %i', async (fastOpen, backlog, queue) => {
    using _ = setSysctl('net.ipv4.tcp_fastopen', 3);
    await using listener = await listening(make(), {
      ...{ host: '127.0.0.1', fastOpen },
      ...(backlog !== undefined && { backlog }),
    });
    expect(getOption(listener.server, 'TCP_FASTOPEN')).toBe(queue);
  });

  test('TCP_FASTOPEN may be set on a server that is already listening', async () => {
    using _ = setSysctl('net.ipv4.tcp_fastopen', 3);
    await using listener = await listening(make(), { host: '127.0.0.1' });
    setOption(listener.server, 'TCP_FASTOPEN', 9);
    expect(getOption(listener.server, 'TCP_FASTOPEN')).toBe(9);
  });

  test('listen() with fastOpen emits a warning where the kernel accepts and ignores it', async () => {
    using _ = setSysctl('net.ipv4.tcp_fastopen', 1);
    const [warning] = await warningsOf(async () => {
      await using __ = await listening(make(), { host: '127.0.0.1', fastOpen: 5 });
    });
    expect(warning).toMatchObject({ name: 'LinuxSocketsWarning', code: 'LINUX_SOCKETS_FASTOPEN_OFF' });
    expect(warning?.message).toContain('sysctl -w net.ipv4.tcp_fastopen=3');
    using ___ = setSysctl('net.ipv4.tcp_fastopen', 2);
    const none = await warningsOf(async () => {
      await using __ = await listening(make(), { host: '127.0.0.1', fastOpen: 5 });
    });
    expect(none).toEqual([]);
  });
});

test('listen() with deferAccept does not accept a client that sends nothing', async () => {
  await using listener = await listening(
    net.createServer((socket) => {
      socket.on('data', (data) => socket.end(data));
    }),
    { host: '127.0.0.1', deferAccept: 30 },
  );
  expect(getOption(listener.server, 'TCP_DEFER_ACCEPT')).toBeGreaterThanOrEqual(30);
  const order: string[] = [];
  listener.server.on('connection', (socket) => order.push(`accepted ${String(socket.remotePort)}`));
  const silent = net.connect(listener.port, '127.0.0.1');
  await once(silent, 'connect');
  const talking = net.connect(listener.port, '127.0.0.1');
  await once(talking, 'connect');
  talking.write('x');
  await once(talking, 'data');
  expect(order).toEqual([`accepted ${String(talking.localPort)}`]); // the later one is accepted first
  silent.write('y');
  await once(silent, 'data');
  expect(order).toHaveLength(2);
});

describe('listen() with ipv6Only', () => {
  test('listen() with ipv6Only leaves the port to IPv4', async () => {
    await using six = await listening(make(), { host: '::', ipv6Only: true });
    await using four = await listening(make(), { host: '0.0.0.0', port: six.port });
    expect(await ask('::1', six.port)).toBe('hello');
    expect(await ask('127.0.0.1', four.port)).toBe('hello');
  });

  test('listen() with ipv6Only and without a host listens on IPv6 only', async () => {
    await using six = await listening(make(), { ipv6Only: true });
    expect(six.address.address).toBe('::');
    await expect(ask('127.0.0.1', six.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('ipv6Only of listen() is false by default, regardless of net.ipv6.bindv6only, as in Node', async () => {
    using _ = setSysctl('net.ipv6.bindv6only', 1);
    await using listener = await listening(make(), { host: '::' });
    expect(await ask('127.0.0.1', listener.port)).toBe('hello');
  });
});

describe('listen() with sockopts', () => {
  test('listen() sets sockopts before bind, and accepted sockets inherit them', async () => {
    await using listener = await listening(make(), {
      ...{ host: '127.0.0.1', sockopts: { TCP_USER_TIMEOUT: 4321, SO_RCVBUF: 8192 } },
    });
    expect(getOption(listener.server, 'SO_RCVBUF')).toBe(16384);
    const inherited = ofAccepted(listener.server, 'TCP_USER_TIMEOUT');
    expect(await ask('127.0.0.1', listener.port)).toBe('hello');
    expect(await inherited).toBe(4321);
  });

  test('sockopts override the options that listen() sets', async () => {
    await using listener = await listening(make(), { host: '127.0.0.1', sockopts: { SO_REUSEADDR: false } });
    expect(getOption(listener.server, 'SO_REUSEADDR')).toBe(false);
    await using usual = await listening(make(), { host: '127.0.0.1' });
    expect(getOption(usual.server, 'SO_REUSEADDR')).toBe(true);
  });

  test("listen() emits 'error' for a socket option that the kernel refuses, and leaves no descriptor", async () => {
    await expectNoNewFds(async () => {
      const sockopts = { TCP_CONGESTION: 'no-such-thing' } as const;
      expect(await failure(make(), { host: '127.0.0.1', sockopts })).toMatchObject({
        ...{ code: 'ENOENT', syscall: 'setsockopt', option: 'TCP_CONGESTION' },
      });
    });
  });
});

describe('listen() without a host', () => {
  test('listen() without a host uses :: where IPv6 is disabled on every interface, as Node does', async () => {
    using _ = setSysctl('net.ipv6.conf.all.disable_ipv6', 1);
    await using listener = await listening(make(), {});
    const nodes = net.createServer();
    await once(nodes.listen(0), 'listening');
    expect(listener.address.address).toBe((nodes.address() as net.AddressInfo).address);
    await close(nodes);
    expect(await ask('127.0.0.1', listener.port)).toBe('hello');
  });
});

describe('arguments of listen()', () => {
  const socket = () => NativeSocket.create({ family: 'ipv4', type: 'stream' });
  test.each([
    [{ host: 'localhost' }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ host: '127.0.0.1:80' }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ address: '127.0.0.1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ port: 65536 }, 'ERR_OUT_OF_RANGE'],
    [{ port: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ port: '80' }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ backlog: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ backlog: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [{ freebind: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ transparent: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ ipv6Only: 0 }, 'ERR_INVALID_ARG_TYPE'],
    [{ ipv6Only: true, host: '127.0.0.1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ ipv6Only: true, host: '::ffff:127.0.0.1' }, 'ERR_INVALID_ARG_VALUE'],
    [{ exclusive: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ reusePort: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ reusePort: [] }, 'ERR_INVALID_ARG_TYPE'],
    [{ reusePort: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ reusePort: { steering: 'luck' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ reusePort: { steering: [] } }, 'ERR_OUT_OF_RANGE'],
    [{ reusePort: { steering: [{ code: 6, jt: 0, jf: 0, k: -1 }] } }, 'ERR_OUT_OF_RANGE'],
    [{ reusePort: { steering: [{ code: 6, jt: 0, jf: 0, k: 0 }], sockets: 2 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ reusePort: { steering: 'cpu', sockets: 0 } }, 'ERR_OUT_OF_RANGE'],
    [{ reusePort: { steering: 'cpu', count: 2 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ fastOpen: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ fastOpen: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ deferAccept: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ deferAccept: 32768 }, 'ERR_OUT_OF_RANGE'],
    [{ deferAccept: true }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: [] }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: { NO_SUCH: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { TCP_INFO: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { SO_RCVBUF: 'much' } }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['::', 'ERR_INVALID_ARG_TYPE'],
  ] as [ListenOptions, string][])('listen() throws for %j, and makes no descriptor', async (options, code) => {
    await expectNoNewFds(async () => {
      const server = make();
      const heard = vi.fn();
      expect((await errorOf(() => listen(server, options, heard))).code).toBe(code);
      expect(server.listening).toBe(false);
      expect(server.listenerCount('listening')).toBe(0);
    });
  });

  test('listen() throws for a value that is not a server, and a listener that is not a function', async () => {
    using native = socket();
    for (const server of [undefined, null, 5, {}, native, new net.Socket(), () => undefined]) {
      expect((await errorOf(() => listen(server as net.Server, {}))).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect((await errorOf(() => listen(make(), {}, 5 as never))).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('errors of listen()', () => {
  test('listen() on a link-local address without its zone reports noZone', async () => {
    const error = await failure(make(), { host: 'fe80::1' });
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'listen', reason: 'noZone' });
    expect(error.message).toContain('fe80::1%eth0');
  });

  test('listen() in a full range reports that no port is left', async () => {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '45000 45001');
    await using one = await listening(make(), { host: '127.0.0.1' });
    await using two = await listening(make(), { host: '127.0.0.1' }).catch(() => one); // the parity of bind
    const error = await failure(make(), { host: '127.0.0.1' });
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', reason: 'portRangeExhausted', port: 0 });
    expect(two).toBeDefined();
  });

  test('listen() reports another EINVAL unchanged', async () => {
    expect(await failure(make(), { host: 'ff02::1' })).toMatchObject({ code: 'EINVAL', syscall: 'listen' });
  });
});

/** The value of an option of the next connection. */
async function ofAccepted(server: net.Server, option: ReadableOptionName<'stream'>): Promise<unknown> {
  return await new Promise((resolve) => {
    server.once('connection', (socket) => resolve(getOption(socket, option)));
  });
}

/** What ss prints about the listener on this port. */
function ss(port: number): string {
  return execFileSync('ss', ['-Hltn', `sport = :${String(port)}`], { encoding: 'utf8' });
}

const TCPI_OPT_SYN_DATA = 32;
