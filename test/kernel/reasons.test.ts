// Reasons that are easily confused, since the kernel's code is the same.
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  connector,
  EgressPool,
  listen,
  NativeSocket,
  OPTIONS,
  reserve,
  reserveUdp,
  setOption,
  UdpSocket,
  type SyscallError,
} from '../../src/index.js';
import { createServer } from 'node:net';
import { expectNoNewFds } from '../support/fds.js';
import { ip } from '../support/fixtures.js';
import { errorOf } from '../support/sockets.js';

type Reasoned = SyscallError & { readonly reason?: string; readonly exhaustedBy?: string };

beforeAll(() => {
  ip('link', 'add', 'reason0', 'type', 'veth', 'peer', 'name', 'reason1');
  ip('addr', 'add', '10.91.0.1/24', 'dev', 'reason0');
  ip('-6', 'addr', 'add', '2001:db8:91::1/64', 'dev', 'reason0', 'nodad');
  for (const link of ['reason0', 'reason1']) ip('link', 'set', link, 'up');
  ip('route', 'add', '203.0.113.0/24', 'via', '10.91.0.2', 'dev', 'reason0');
  ip('route', 'add', 'blackhole', '192.0.2.0/24');
  ip('-6', 'route', 'add', 'blackhole', '2001:db8:b::/64');
  ip('-6', 'route', 'add', 'local', '2001:db8:aa::/64', 'dev', 'lo');
});

function rethrow(error: Error): never {
  throw error;
}

async function failing(options: object): Promise<Reasoned> {
  const socket = connect(options as never);
  const [error] = (await once(socket, 'error')) as [Reasoned];
  return error;
}

async function refusal(action: () => unknown): Promise<Reasoned> {
  return (await errorOf(action)) as unknown as Reasoned;
}

describe("the error of an exhausted range counts the ports of the socket's range only", () => {
  const range = [47_000, 47_001] as const;
  const text = /Of the 2 ports of 47000-47001/;

  test("bind() of a UdpSocket or NativeSocket, and listen(), count only the ports of the socket's range", async () => {
    const held = [UdpSocket.create({ family: 'ipv4' }), UdpSocket.create({ family: 'ipv4' })];
    held.forEach((udp, i) => udp.bind({ address: '127.0.0.1', port: 47_000 + i }));
    const tcp = range.map((port) => {
      const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
      socket.bind({ address: '127.0.0.1', port });
      return socket;
    });
    const sockopts = { IP_LOCAL_PORT_RANGE: range };
    const udp = UdpSocket.create({ family: 'ipv4', sockopts });
    const native = NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts });
    const server = listen(createServer(), { host: '127.0.0.1', sockopts });
    const [listening] = (await once(server, 'error')) as [Reasoned];
    for (const error of [
      await refusal(() => udp.bind('127.0.0.1:0')),
      await refusal(() => native.bind('127.0.0.1:0')),
      listening,
    ]) {
      expect(error).toMatchObject({ code: 'EADDRINUSE', reason: 'portRangeExhausted', exhaustedBy: 'boundPorts' });
      expect(error.message).toMatch(text);
    }
    await Promise.all([udp, ...held].map((socket) => socket.close()));
    for (const socket of [native, ...tcp]) socket.close();
  });
});

describe('a destination that the socket cannot reach', () => {
  test.each(['224.0.0.1', '127.255.255.255', 'ff02::1%lo'])(
    'connect() and reserve() to %s fail with notUnicast, not noRoute',
    async (host) => {
      expect((await failing({ host, port: 80 })).reason).toBe('notUnicast');
      expect((await refusal(() => reserve({ remote: { address: host, port: 80 } }))).reason).toBe('notUnicast');
    },
  );

  test('an IPv6-only socket fails toward an IPv4 address with familyMismatch, not noRoute', async () => {
    const error = await failing({ host: '::ffff:127.0.0.1', port: 80, sockopts: { IPV6_V6ONLY: true } });
    expect(error.reason).toBe('familyMismatch');
    const udp = UdpSocket.create({ family: 'ipv6', ipv6Only: true });
    expect((await refusal(() => udp.connect('127.0.0.1:53'))).reason).toBe('familyMismatch');
    expect((await refusal(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:53' }))).reason).toBe('familyMismatch');
    await udp.close();
  });

  test('UDP to a broadcast address without SO_BROADCAST fails with notPermitted and names the option', async () => {
    const udp = UdpSocket.create({ family: 'ipv4' });
    for (const action of [
      () => udp.connect('127.255.255.255:9'),
      () => udp.trySend(Buffer.from('x'), { to: '127.255.255.255:9' }),
    ]) {
      const error = await refusal(action);
      expect(error).toMatchObject({ code: 'EACCES', reason: 'notPermitted' });
      expect(error.message).toMatch(/SO_BROADCAST/);
    }
    await udp.close();
  });

  test('reserveUdp() to link-local multicast without a zone fails with noZone', async () => {
    expect((await refusal(() => reserveUdp({ remote: '[ff02::1]:9' }))).reason).toBe('noZone');
  });
});

describe('the source of one datagram (`from`)', () => {
  test.each([
    ['198.51.100.7', '203.0.113.9:9', 'ENETUNREACH', 'sourceNotLocal'],
    ['127.0.0.1', '203.0.113.9:9', 'EINVAL', 'loopbackSource'],
    ['224.0.0.1', '203.0.113.9:9', 'EINVAL', 'notUnicast'],
    ['10.91.0.255', '203.0.113.9:9', 'ENETUNREACH', 'notUnicast'],
    ['10.91.0.1', '198.51.100.1:9', 'ENETUNREACH', 'noRoute'],
    ['2001:db8:77::7', '[2001:db8:91::9]:9', 'EINVAL', 'addressNotLocal'],
    ['2001:db8:aa::7', '[2001:db8:91::9]:9', 'EINVAL', 'addressNotLocal'],
    ['ff02::1', '[2001:db8:91::9]:9', 'EINVAL', 'notUnicast'],
  ])('%s toward %s is %s with reason %s, from UdpSocket and NativeSocket', async (from, to, code, reason) => {
    const family = from.includes(':') ? 'ipv6' : 'ipv4';
    await using udp = UdpSocket.create({ family });
    using native = NativeSocket.create({ family, type: 'dgram' });
    const type = family === 'ipv4' ? 'IP_PKTINFO' : 'IPV6_PKTINFO';
    const batch = udp.createSendBatch();
    batch.add(Buffer.from('x'), { to, from });
    for (const action of [
      () => udp.trySend(Buffer.from('x'), { to, from }),
      () => udp.send(Buffer.from('x'), { to, from }),
      () => udp.sendBatch(batch),
      () => native.sendmsg({ data: Buffer.from('x'), to, control: [{ type, value: { source: from } }] }),
    ]) {
      expect(await refusal(action)).toMatchObject({ code, reason, syscall: 'sendmsg', localAddress: from });
    }
  });
});

describe('a socket with transparent and an address of another host, toward a destination without a route', () => {
  test.each<[string, (bound: UdpSocket) => unknown]>([
    ['UdpSocket.connect()', (udp) => udp.connect('198.51.100.1:9')],
    ['UdpSocket.trySend()', (udp) => udp.trySend(Buffer.from('x'), { to: '198.51.100.1:9' })],
  ])('%s fails with noRoute, not sourceNotLocal', async (_, action) => {
    await using udp = UdpSocket.create({ family: 'ipv4', transparent: true });
    udp.bind('198.51.100.7:0');
    expect(await refusal(() => action(udp))).toMatchObject({ code: 'ENETUNREACH', reason: 'noRoute' });
  });

  test('NativeSocket.connect() fails with noRoute, also where the option was set by name', async () => {
    using socket = NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { IP_TRANSPARENT: true } });
    socket.bind('198.51.100.7:0');
    const error = await refusal(() => socket.connect('198.51.100.1:9'));
    expect(error).toMatchObject({ code: 'ENETUNREACH', reason: 'noRoute' });
  });
});

describe('a link-local address whose interface is not known', () => {
  test.each<[string, string, () => unknown]>([
    ['a destination of connect()', 'noDevice', () => failing({ host: 'fe80::1%no_such', port: 9 }).then(rethrow)],
    ['a destination of reserve()', 'noDevice', () => reserve({ remote: '[fe80::1%no_such]:9' })],
    [
      'a localAddress of connect()',
      'noDevice',
      () => connect({ host: '::1', port: 9, localAddress: 'fe80::1%no_such' }),
    ],
    [
      'a source of a send',
      'noZone',
      () => {
        using socket = NativeSocket.create({ family: 'ipv6', type: 'dgram' });
        const control = [{ type: 'IPV6_PKTINFO', value: { source: 'fe80::77' } }] as const;
        socket.sendmsg({ data: Buffer.from('x'), to: '[2001:db8:91::9]:9', control });
      },
    ],
  ])('a link-local address without a known interface as %s has reason %s', async (_, reason, action) => {
    expect(await refusal(action)).toMatchObject({ reason });
  });

  test('a multicast source of a pool has reason notUnicast', async () => {
    expect((await refusal(() => new EgressPool({ sources: ['224.0.0.1'] }))).reason).toBe('notUnicast');
  });
});

describe('EINVAL', () => {
  test.each(['192.0.2.1:9', '[2001:db8:b::1]:9'])('EINVAL of a send to %s, a black hole, is noRoute', async (to) => {
    const family = to.startsWith('[') ? 'ipv6' : 'ipv4';
    await using udp = UdpSocket.create({ family });
    using native = NativeSocket.create({ family, type: 'dgram' });
    for (const action of [
      () => udp.trySend(Buffer.from('x'), { to }),
      () => udp.connect(to),
      () => native.sendmsg({ data: Buffer.from('x'), to }),
    ]) {
      expect(await refusal(action)).toMatchObject({ code: 'EINVAL', reason: 'noRoute' });
    }
  });

  test('EINVAL of a send with txTime on a socket without it is optionOff, and names the option', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4' });
    const error = await refusal(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:9', txTime: 1n }));
    expect(error).toMatchObject({ code: 'EINVAL', reason: 'optionOff' });
    expect(error.message).toContain('txTime');
  });

  test('EINVAL of a second bind is alreadyBound', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4' });
    using native = NativeSocket.create({ family: 'ipv4', type: 'stream' });
    for (const socket of [udp, native]) {
      socket.bind('127.0.0.1:0');
      const error = await refusal(() => socket.bind('127.0.0.1:0'));
      expect(error).toMatchObject({ code: 'EINVAL', syscall: 'bind', reason: 'alreadyBound' });
    }
  });
});

describe('NativeSocket', () => {
  test('NativeSocket.listen() on a port that another socket listens on is portInUse', async () => {
    const sockopts = { SO_REUSEADDR: true };
    using first = NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts });
    using second = NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts });
    first.bind('127.0.0.1:0');
    second.bind(first.local);
    first.listen();
    const error = await refusal(() => second.listen());
    expect(error).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'listen',
      reason: 'portInUse',
      ...{ port: first.local.port },
    });
  });

  test('NativeSocket.sendmsg() of too much data is tooLong, as from UdpSocket', async () => {
    using socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    await using udp = UdpSocket.create({ family: 'ipv4' });
    const data = Buffer.alloc(66_000);
    for (const action of [
      () => socket.sendmsg({ data, to: '127.0.0.1:9' }),
      () => udp.trySend(data, { to: '127.0.0.1:9' }),
    ]) {
      expect(await refusal(action)).toMatchObject({ code: 'EMSGSIZE', reason: 'tooLong' });
    }
  });

  test('NativeSocket.sendmsg() and listen() of a closed socket fail with EBADF and no reason', async () => {
    const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    socket.close();
    for (const action of [() => socket.sendmsg({ data: Buffer.from('x') }), () => socket.listen()]) {
      const error = await refusal(action);
      expect(error.code).toBe('EBADF');
      expect(error.reason).toBeUndefined();
    }
  });
});

describe('local and remote addresses of different families are familyMismatch', () => {
  test.each<[string, string, () => unknown]>([
    ['connect()', 'EINVAL', () => failing({ host: '::1', port: 9, localAddress: '127.0.0.1' }).then(rethrow)],
    ['reserve()', 'ERR_INVALID_ARG_VALUE', () => reserve({ remote: '[::1]:9', local: '127.0.0.1' })],
    ['reserveUdp()', 'ERR_INVALID_ARG_VALUE', () => reserveUdp({ remote: '[::1]:9', local: '127.0.0.1' })],
    [
      'a send with from',
      'ERR_INVALID_ARG_VALUE',
      async () => {
        await using udp = UdpSocket.create({ family: 'ipv6' });
        udp.trySend(Buffer.from('x'), { to: '[::1]:9', from: '127.0.0.1' });
      },
    ],
    [
      'EgressPool.connect()',
      'ERR_EGRESS_NO_SOURCE',
      async () => {
        const pool = new EgressPool({ sources: ['127.0.0.1'] });
        throw ((await once(pool.connect({ host: '::1', port: 9 }), 'error')) as [Error])[0];
      },
    ],
  ])('addresses of different families in %s are familyMismatch, with code %s', async (_, code, action) => {
    expect(await refusal(action)).toMatchObject({ code, reason: 'familyMismatch' });
  });
});

test.each([
  ['reserve()', () => reserve({ remote: '127.0.0.1:9', device: 'lo' } as never)],
  ['reserveUdp()', () => reserveUdp({ remote: '127.0.0.1:9', device: 'lo' } as never)],
])('%s refuses device, and says why', async (_, action) => {
  const error = await refusal(action);
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toMatch(/"options\.device".*same 4-tuple/);
});

test('EgressPool.connect() refuses a misspelt option, as connect() does', async () => {
  const pool = new EgressPool({ sources: ['127.0.0.1'] });
  const error = await refusal(() => pool.connect({ host: '127.0.0.1', port: 9, waitForLocalPrt: true } as never));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toContain('probably a misspelling of "waitForLocalPort". Received');
});

test.each<[string, (options: never) => unknown]>([
  ['connector()', (options) => connector(options)],
  ['pool.httpAgent()', (options) => new EgressPool({ sources: ['127.0.0.1'] }).httpAgent(options)],
  ['pool.undiciConnector()', (options) => new EgressPool({ sources: ['127.0.0.1'] }).undiciConnector(options)],
  ['pool.socket()', (options) => new EgressPool({ sources: ['127.0.0.1'] }).socket(options)],
])('%s refuses options that are an array', async (_, action) => {
  expect(await refusal(() => action([] as never))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
});

test.each([[Symbol('a')], [Object.create(null) as unknown], [{}]])(
  'connect() refuses %o as localAddress with ERR_INVALID_ARG_TYPE',
  async (localAddress) => {
    const error = await refusal(() => connect({ host: '127.0.0.1', port: 9, localAddress } as never));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  },
);

test('an AggregateError has the reason that all its errors have in common', async () => {
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
  const lookup = (_host: string, _options: object, callback: (error: null, found: typeof addresses) => void): void =>
    callback(null, addresses);
  const error = await failing({ host: 'two.test', port: 80, device: 'no-such-device', lookup });
  expect(error).toMatchObject({ errors: [{ reason: 'noDevice' }, { reason: 'noDevice' }], reason: 'noDevice' });
});

test.each([
  ['localAdress', 'localAddress'],
  ['localaddress', 'localAddress'],
  ['local_address', 'localAddress'],
  ['localPortt', 'localPort'],
  ['local_port_range', 'localPortRange'],
  ['LOCALPORTRANGE', 'localPortRange'],
])('connect() refuses %s, a misspelling of %s', async (key, meant) => {
  const error = await refusal(() => connect({ host: '127.0.0.1', port: 9, [key]: '127.0.0.9' }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toContain(`misspelling of "${meant}"`);
});

test('connect() reads each option once', async () => {
  const reads = new Map<string, number>();
  const counted = new Proxy(
    { host: '127.0.0.1', port: 9, localAddress: '127.0.0.5', localPort: undefined, freebind: false, mark: undefined },
    {
      get: (target, key, receiver) => {
        reads.set(String(key), (reads.get(String(key)) ?? 0) + 1);
        return Reflect.get(target, key, receiver) as unknown;
      },
    },
  );
  await failing(counted);
  expect(Object.fromEntries(reads)).toEqual(Object.fromEntries(Object.keys(counted).map((key) => [key, 1])));
});

test('OPTIONS and the features of a UdpSocket cannot be changed', async () => {
  const udp = UdpSocket.create({ family: 'ipv4' });
  const { features } = udp;
  expect(() => ((features.pktinfo as { on: boolean }).on = true)).toThrow(TypeError);
  expect(() => ((features as Record<string, unknown>)['gro'] = {})).toThrow(TypeError);
  expect(() => ((OPTIONS.IP_TTL as { name: number }).name = 1)).toThrow(TypeError);
  await udp.close();
});

test('a getter of an option value that closes the socket does not reach the next owner of its descriptor', async () => {
  await expectNoNewFds(async () => {
    const first = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    const { fd } = first;
    let second: NativeSocket | undefined;
    const program = [
      {
        get code() {
          first.close();
          second = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
          return 6;
        },
        ...{ jt: 0, jf: 0, k: 0 },
      },
    ];
    const error = await refusal(() => setOption(first, 'SO_ATTACH_FILTER', program));
    expect(error.code).toBe('EBADF');
    expect(second?.fd).toBe(fd);
    second?.bind('127.0.0.1:0'); // and it still receives
    const udp = UdpSocket.create({ family: 'ipv4' });
    udp.trySend(Buffer.from('x'), { to: second!.local });
    await second?.readable();
    second?.close();
    await udp.close();
  });
});
