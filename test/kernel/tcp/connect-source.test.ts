// The source of connect(): addresses of both families, ranges, marks and devices, as the peer sees them.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect, getOption, type ConnectOptions } from '../../../src/index.js';
import { node } from '../../support/kernel.js';
import { setSysctl } from '../../support/sysctl.js';
import {
  addOtherAddresses,
  address,
  bound,
  BOTH,
  checkDescriptors,
  ip,
  IPV4,
  IPV6,
  reservedPorts,
  route,
  thrown,
  until,
} from '../../support/fixtures.js';
import { closed, connected, failing, holding, peer } from '../../support/connect.js';

beforeAll(addOtherAddresses);
checkDescriptors();

/** Connects, and returns the source that the peer sees. */
async function from(options: ConnectOptions, host = '::'): Promise<string> {
  await using server = await peer(host);
  const socket = await connected(connect({ ...options, port: server.port }));
  const seen = await server.next();
  expect(seen).toBe(`${(socket.localAddress ?? '').replace('::ffff:', '')}:${socket.localPort}`);
  await closed(socket);
  return seen;
}

describe.each(BOTH)('connect() over $family', (addresses) => {
  const there = { host: addresses.loopback, port: 0 };

  test('connect() without a source leaves the choice to the kernel', async () => {
    expect(await from(there)).toMatch(new RegExp(`^${addresses.loopback}:`));
  });

  test('connect() connects from localAddress', async () => {
    expect(await from({ ...there, localAddress: addresses.other })).toMatch(new RegExp(`^${addresses.other}:`));
  });

  test('connect() connects from localAddress and localPort', async () => {
    expect(await from({ ...there, localAddress: addresses.other, localPort: 20_001 })).toBe(`${addresses.other}:20001`);
  });

  test('connect() connects from localPort alone', async () => {
    expect(await from({ ...there, localPort: 20_002 })).toBe(`${addresses.loopback}:20002`);
  });

  test('connect() connects from localPortRange', async () => {
    const seen = await from({ ...there, localAddress: addresses.other, localPortRange: [45_000, 45_003] });
    expect(seen).toMatch(/:4500[0-3]$/);
    expect(seen.startsWith(addresses.other)).toBe(true);
  });

  test('connect() connects from a range of one port without an address', async () => {
    expect(await from({ ...there, localPortRange: [45_007, 45_007] })).toBe(`${addresses.loopback}:45007`);
  });

  test('connect() with the wildcard as localAddress lets the kernel pick the address', async () => {
    expect(await from({ ...there, localAddress: addresses.wildcard, localPortRange: [45_008, 45_008] })).toBe(
      `${addresses.loopback}:45008`,
    );
  });

  test('connect() with a shared localPort inside the sysctl range reaches two destinations at once', async () => {
    await using one = await peer(addresses.loopback);
    await using other = await peer(addresses.loopback);
    using held = holding();
    for (const { port } of [one, other]) {
      const options = { host: addresses.loopback, port, localAddress: addresses.other, localPort: 45_010 };
      await connected(held.add(connect({ ...options, shareLocalPort: true })));
    }
    expect([...one.seen, ...other.seen]).toEqual([`${addresses.other}:45010`, `${addresses.other}:45010`]);
  });

  test('connect() with shareLocalPort: false takes the port at bind, for one destination', async () => {
    await using server = await peer(addresses.loopback);
    using held = holding();
    const options = {
      host: addresses.loopback,
      port: server.port,
      localAddress: addresses.other,
      localPortRange: [45_020, 45_022],
      shareLocalPort: false,
    } as const;
    for (let i = 0; i < 3; i++) await connected(held.add(connect(options)));
    expect(server.seen.map((seen) => seen.slice(-5)).sort()).toEqual(['45020', '45021', '45022']);
    await using elsewhere = await peer(addresses.loopback);
    const error = await failing(connect({ ...options, port: elsewhere.port }));
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind', reason: 'portRangeExhausted' });
  });

  test('connect() with freebind connects from an address that is only routed here', async () => {
    const address = addresses === IPV4 ? '192.0.2.9' : 'fd00:9::9';
    using _ = route('local', `${address}/${addresses === IPV4 ? 32 : 128}`, 'dev', 'lo');
    expect(await from({ ...there, localAddress: address, freebind: true })).toMatch(new RegExp(`^${address}:`));
  });

  test('connect() from an address that is not local fails with addressNotLocal and a remedy', async () => {
    const address = addresses === IPV4 ? '192.0.2.10' : 'fd00:9::10';
    const error = await failing(connect({ ...there, port: 9, localAddress: address }));
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', errno: -99, syscall: 'bind', address });
    expect(error.reason).toBe('addressNotLocal');
    expect(error.message).toContain(`bind EADDRNOTAVAIL ${address}. `);
    expect(error.message).toContain(`route add local ${address}/`);
    expect(error.stack).toContain(error.message);
  });

  test('connect() sets mark, device, transparent and sockopts on the socket', async () => {
    await using server = await peer(addresses.loopback);
    const socket = connect({
      host: addresses.loopback,
      port: server.port,
      mark: 0xffff0001,
      device: 'lo',
      transparent: true,
      freebind: true,
      sockopts: { TCP_USER_TIMEOUT: 4321, SO_RCVBUF: 65536 },
    });
    await connected(socket);
    expect(getOption(socket, 'SO_MARK')).toBe(0xffff0001);
    expect(getOption(socket, 'SO_BINDTODEVICE')).toBe('lo');
    expect(getOption(socket, addresses === IPV4 ? 'IP_TRANSPARENT' : 'IPV6_TRANSPARENT')).toBe(true);
    expect(getOption(socket, addresses === IPV4 ? 'IP_FREEBIND' : 'IPV6_FREEBIND')).toBe(true);
    expect(getOption(socket, 'TCP_USER_TIMEOUT')).toBe(4321);
    expect(getOption(socket, 'SO_RCVBUF')).toBe(131072);
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([1, 65535]);
    await closed(socket);
  });

  test('connect() without a route fails with noRoute', async () => {
    const host = addresses === IPV4 ? '198.51.100.1' : 'fd00:77::1';
    const error = await failing(connect({ host, port: 9 }));
    expect(error).toMatchObject({ code: 'ENETUNREACH', syscall: 'connect', address: host, port: 9, reason: 'noRoute' });
    expect(error.message).toContain('ip route get');
  });

  test('connect() with all ports of the range taken fails with portRangeExhausted', async () => {
    await using server = await peer(addresses.loopback);
    using held = holding();
    const options = {
      host: addresses.loopback,
      port: server.port,
      localAddress: addresses.other,
      localPortRange: [45_030, 45_031],
    } as const;
    for (let i = 0; i < 2; i++) await connected(held.add(connect(options)));
    const error = await failing(connect(options));
    expect(error).toMatchObject({
      code: 'EADDRNOTAVAIL',
      errno: -99,
      syscall: 'connect',
      address: addresses.loopback,
      port: server.port,
      localAddress: addresses.other,
      localPort: 0,
      reason: 'portRangeExhausted',
    });
    expect(error.message).toMatch(
      /^connect EADDRNOTAVAIL \S+ - Local \(\S+:0\)\. No local port is free from .*2 ports of 45030-45031/,
    );
  });

  test('connect() with a localPort that is taken fails with portInUse', async () => {
    await using server = await peer(addresses.loopback);
    using held = holding();
    const options = { host: addresses.loopback, port: server.port, localAddress: addresses.other, localPort: 20_040 };
    await connected(held.add(connect(options)));
    expect(await failing(connect(options))).toMatchObject({ code: 'EADDRNOTAVAIL', reason: 'portInUse' });
    using _ = bound(addresses, { address: addresses.other, port: 20_041 });
    expect(await failing(connect({ ...options, localPort: 20_041 }))).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'bind',
      reason: 'portInUse',
    });
  });

  test('connect() with TCP_FASTOPEN_CONNECT defers the handshake to the first write', async () => {
    await using server = await peer(addresses.loopback, 0, (socket) => socket.pipe(socket));
    const socket = connect({
      host: addresses.loopback,
      port: server.port,
      localAddress: addresses.other,
      sockopts: { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true },
    });
    socket.write('');
    await once(socket, 'connect');
    expect(getOption(socket, 'TCP_INFO')).toMatchObject({ state: 'SYN_SENT', segsOut: 0 });
    expect(server.seen).toEqual([]);
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    expect(await server.next()).toBe(`${addresses.other}:${socket.localPort}`);
    await closed(socket);
  });

  test('socket.connect() after the end connects from the same source', async () => {
    await using server = await peer(addresses.loopback);
    const options = {
      host: addresses.loopback,
      port: server.port,
      localAddress: addresses.other,
      localPortRange: [45_050, 45_059],
    } as const;
    const socket = await connected(connect(options));
    const first = await server.next();
    await closed(socket);
    // As users of net do it, with only the destination.
    await connected(socket.connect({ host: addresses.loopback, port: server.port }));
    const second = await server.next();
    for (const seen of [first, second]) expect(seen).toMatch(new RegExp(`^${addresses.other}:4505\\d$`));
    expect(socket.remotePort).toBe(server.port);
    await closed(socket);
    await connected(socket.connect(options));
    expect(await server.next()).toMatch(new RegExp(`^${addresses.other}:4505\\d$`));
    await closed(socket);
  });

  test('socket.connect() refuses another source', async () => {
    await using server = await peer(addresses.loopback);
    const { loopback, other } = addresses;
    const socket = await connected(connect({ host: loopback, port: server.port, localAddress: other }));
    await closed(socket);
    const error = await failing(socket.connect({ host: loopback, port: server.port, localAddress: loopback }));
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'bind', reason: 'otherSource' });
    expect(() => socket.connect({ path: '/nowhere' })).toThrow(/created by connect\(\) of linux-sockets for TCP/);
    await closed(socket);
    expect(server.seen).toHaveLength(1);
  });
});

describe('connect() from an address that bind(2) accepts and connect(2) replaces', () => {
  test('connect() fails with notUnicast for a broadcast or multicast localAddress, before anything is sent', async () => {
    await using server = await peer('0.0.0.0');
    using _ = address('10.77.0.1/24');
    ip('addr', 'add', '10.78.0.1/24', 'brd', '10.78.0.7', 'dev', 'lo');
    for (const localAddress of [
      '127.255.255.255',
      '10.77.0.255',
      '10.78.0.7',
      '224.0.0.1',
      '239.1.2.3',
      '255.255.255.255',
    ]) {
      for (const more of [{}, { localPort: 20_020 }, { shareLocalPort: false }, { freebind: true }, { device: 'lo' }]) {
        const error = await failing(connect({ host: '127.0.0.1', port: server.port, localAddress, ...more }));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'notUnicast' });
      }
    }
    ip('addr', 'del', '10.78.0.1/24', 'dev', 'lo');
    const last = await connected(connect({ host: '127.0.0.1', port: server.port, localAddress: '10.77.0.1' }));
    expect(await server.next()).toMatch(/^10\.77\.0\.1:/); // the first connection that arrived
    await closed(last);
  });

  test('connect() fails with notUnicast for IPv6 multicast, and for IPv4 broadcast on an IPv6 socket', async () => {
    await using server = await peer('::');
    for (const [host, localAddress] of [
      ['::1', 'ff02::1%lo'],
      ['::1', 'ff0e::1'],
      ['::ffff:127.0.0.1', '::ffff:127.255.255.255'],
    ] as const) {
      const error = await failing(connect({ host, port: server.port, localAddress }));
      expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'notUnicast' });
    }
    expect(server.seen).toEqual([]);
  });

  test('connect() fails with notUnicast within seconds after the address became a broadcast address', async () => {
    await using server = await peer('0.0.0.0');
    const options = { host: '127.0.0.1', port: server.port, localAddress: '10.79.0.255' };
    {
      using _ = address('10.79.0.255/32');
      await closed(await connected(connect(options)));
    }
    using _ = address('10.79.0.1/24');
    const since = performance.now();
    for (;;) {
      const { code, reason } = await failing(connect(options));
      expect(code).toBe('EADDRNOTAVAIL');
      if (reason === 'notUnicast') break;
      expect(reason).toBe('otherSource');
    }
    expect(performance.now() - since).toBeLessThan(5000);
  });
});

test('connect() accepts IPv4-mapped addresses as host and localAddress, and refuses a mixed pair with familyMismatch', async () => {
  const host = '::ffff:127.0.0.1';
  expect(await from({ host, port: 0, localAddress: '::ffff:127.0.0.3' })).toMatch(/^127\.0\.0\.3:/);
  expect(await from({ host, port: 0, localPortRange: [45_060, 45_060] })).toBe('127.0.0.1:45060');
  const error = await failing(connect({ host, port: 9, localAddress: '127.0.0.3' }));
  expect(error).toMatchObject({ code: 'EINVAL', syscall: 'bind', reason: 'familyMismatch' });
});

test('connect() with link-local addresses requires a zone', async () => {
  ip('addr', 'add', 'fe80::77/64', 'dev', 'lo', 'nodad');
  await until(() => ip('-6', 'route', 'show', 'table', 'local').includes('fe80::77')); // a work queue of the kernel adds it
  await using server = await peer('::');
  const socket = await connected(connect({ host: 'fe80::77%lo', port: server.port, localAddress: 'fe80::77%lo' }));
  expect(await server.next()).toMatch(/^fe80::77/);
  await closed(socket);
  expect(() => connect({ host: 'fe80::77%lo', port: 9, localAddress: 'fe80::77%nope' })).toThrow(
    /"options\.localAddress" .*no network interface/,
  );
  if (node(22)) return; // its libuv picks an interface by itself
  const error = await failing(connect({ host: 'fe80::77', port: server.port }));
  expect(error).toMatchObject({ code: 'EINVAL', reason: 'noZone' });
});

test('connect() from a zone whose interface does not exist fails with noDevice', async () => {
  ip('link', 'add', 'gone0', 'type', 'veth', 'peer', 'name', 'gone1');
  const socket = connect({ host: '::1', port: 9, localAddress: 'fe80::77%gone0' });
  ip('link', 'del', 'gone0');
  const number = connect({ host: '::1', port: 9, localAddress: 'fe80::77%424242' });
  for (const error of await Promise.all([failing(socket), failing(number)])) {
    expect(error).toMatchObject({ code: 'ENODEV', syscall: 'bind', reason: 'noDevice' });
    expect(error.address).toMatch(/^fe80::77%/);
  }
});

test.each([
  [IPV6, IPV4],
  [IPV4, IPV6],
])(
  'connect() from a source of the other family fails as in Node, and sends nothing ($family)',
  async (addresses, others) => {
    await using server = await peer('::');
    const error = await failing(
      connect({ host: addresses.loopback, port: server.port, localAddress: others.loopback }),
    );
    expect(error).toMatchObject({
      code: 'EINVAL',
      syscall: 'bind',
      address: others.loopback,
      reason: 'familyMismatch',
    });
    expect(server.seen).toEqual([]);
  },
);

test('connect() over IPv4 from an address that is not local requires transparent', async () => {
  await using server = await peer('0.0.0.0');
  const options = { host: '127.0.0.1', port: server.port, localAddress: '192.0.2.11', freebind: true };
  const error = await failing(connect(options));
  expect(error).toMatchObject({ code: 'ENETUNREACH', syscall: 'connect', reason: 'sourceNotLocal' });
  expect(error.message).toMatch(/transparent: true.*ip route add local 192\.0\.2\.11\/32 dev lo/);
});

test('connect() with an unknown device fails with an error of setsockopt', async () => {
  const error = await failing(connect({ host: '127.0.0.1', port: 9, device: 'nope0' }));
  expect(error).toMatchObject({ code: 'ENODEV', syscall: 'setsockopt', option: 'SO_BINDTODEVICE', reason: 'noDevice' });
});

test('connect() with TCP_FASTOPEN_CONNECT that the sysctl disables reports fastopenClientOff', async () => {
  using _ = setSysctl('net.ipv4.tcp_fastopen', 0);
  const error = await failing(connect({ host: '127.0.0.1', port: 9, sockopts: { TCP_FASTOPEN_CONNECT: true } }));
  expect(error).toMatchObject({ syscall: 'setsockopt', option: 'TCP_FASTOPEN_CONNECT', reason: 'fastopenClientOff' });
});

test('connect() closes a socket whose port lies outside the range that the sysctl no longer covers', async () => {
  await using server = await peer('127.0.0.1');
  const socket = connect({ host: '127.0.0.1', port: server.port, localPortRange: [45_070, 45_079] });
  const connects: Socket[] = [];
  socket.on('connect', () => connects.push(socket));
  // After the check of connect(), before the descriptor is made: the kernel then ignores the range.
  using _ = setSysctl('net.ipv4.ip_local_port_range', '50000 50003');
  const error = await failing(socket);
  expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'connect', reason: 'otherSource' });
  expect(error.message).toMatch(/The kernel took 127\.0\.0\.1:5000[0-3] instead of any address, port 45070-45079/);
  expect(connects).toEqual([]);
});

test('connect() with a range whose ports are all reserved fails', async () => {
  using _ = reservedPorts('45080-45081');
  await using server = await peer('127.0.0.1');
  const error = await failing(connect({ host: '127.0.0.1', port: server.port, localPortRange: [45_080, 45_081] }));
  expect(error.reason).toBe('portRangeExhausted');
  expect(error.message).toMatch(/[02] ports of 45080-45081/);
});

test('connect() throws for wrong arguments before a socket is made', () => {
  const there = { host: '127.0.0.1', port: 9 };
  const wrong: [object, string][] = [
    [{ localPortRange: [1] }, 'ERR_INVALID_ARG_TYPE'],
    [{ localPortRange: '40000-40009' }, 'ERR_INVALID_ARG_TYPE'],
    [{ localPortRange: [0, 5] }, 'ERR_OUT_OF_RANGE'],
    [{ localPortRange: [40_009, 40_000] }, 'ERR_OUT_OF_RANGE'],
    [{ localPortRange: [1024, 40_000] }, 'ERR_OUT_OF_RANGE'],
    [{ localPort: '40000' }, 'ERR_INVALID_ARG_TYPE'],
    [{ localPort: 70_000 }, 'ERR_OUT_OF_RANGE'],
    [{ localPort: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ localPort: 40_000, localPortRange: [45_000, 45_009] }, 'ERR_OUT_OF_RANGE'],
    [{ localPort: 20_000, shareLocalPort: true }, 'ERR_OUT_OF_RANGE'],
    [{ localAddress: 'localhost' }, 'ERR_INVALID_IP_ADDRESS'],
    [{ freebind: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ transparent: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ shareLocalPort: 0 }, 'ERR_INVALID_ARG_TYPE'],
    [{ shareLocalPort: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ mark: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ mark: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ mark: 2 ** 32 }, 'ERR_OUT_OF_RANGE'],
    [{ device: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ device: 'sixteen-chars-xx' }, 'ERR_OUT_OF_RANGE'],
    [{ device: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: 'x' }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: [] }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: { NO_SUCH: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { TCP_USER_TIMEOUT: 'long' } }, 'ERR_INVALID_ARG_TYPE'],
    [{ sockopts: { TCP_INFO: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { IP_LOCAL_PORT_RANGE: [1, 2] } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { IPV6_FREEBIND: true } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { SO_MARK: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { SO_BINDTODEVICE: 'lo' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sockopts: { SO_BINDTOIFINDEX: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ waitForLocalPort: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ waitForLocalPort: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ waitForLocalPort: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ waitForLocalPort: { timeout: '1s' } }, 'ERR_INVALID_ARG_TYPE'],
    [{ waitForLocalPort: { timeout: 0 } }, 'ERR_OUT_OF_RANGE'],
    [{ waitForLocalPort: { timeout: 9, often: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ path: '/tmp/x', freebind: true }, 'ERR_INVALID_ARG_VALUE'],
    [{ fd: 3, mark: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ port: 70_000 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: undefined }, 'ERR_MISSING_ARGS'],
    [{ lookup: 1, host: 'name' }, 'ERR_INVALID_ARG_TYPE'],
    [{ objectMode: true }, 'ERR_INVALID_ARG_VALUE'],
    [{ signal: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [options, code] of wrong) {
    const error = thrown(() => connect({ ...there, ...options } as ConnectOptions));
    expect(error.code, JSON.stringify(options)).toBe(code);
    if ('device' in options) expect(error.message).toContain('"options.device"');
    const { sockopts } = options as { readonly sockopts?: unknown };
    if (typeof sockopts !== 'object') continue;
    const [name] = Object.keys(sockopts ?? {});
    expect(error.message).toMatch(
      new RegExp(`^The (value of )?"options\\.sockopts${name === undefined ? '' : `\\.${name}`}"`),
    );
  }
});
