// One fact of the kernel has one shape: every call that meets it reports the same `reason` (and `exhaustedBy`) on the error
// that the caller gets, with a remedy in the message. The `code` is that of the call's own contract.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  EgressPool,
  listen,
  NativeSocket,
  reserve,
  reserveMany,
  reserveUdp,
  UdpSocket,
  type Family,
} from '../../src/index.js';
import { checkDescriptors, ip } from '../support/fixtures.js';
import { errorOf, LOOPBACK } from '../support/sockets.js';
import { setSysctl } from '../support/sysctl.js';

checkDescriptors();

/** What a call is asked for: where to, where from, and whether the source may be one that this host does not have. */
interface Asked {
  readonly family: Family;
  readonly remote?: { readonly address: string; readonly port: number };
  readonly local?: string;
  readonly freebind?: boolean;
}

type Call = (asked: Asked) => unknown;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

beforeAll(() => {
  ip('link', 'add', 'near0', 'type', 'veth', 'peer', 'name', 'far0');
  ip('addr', 'add', '10.90.0.1/24', 'dev', 'near0');
  for (const link of ['near0', 'far0']) ip('link', 'set', link, 'up');
  ip('route', 'add', '203.0.113.0/24', 'via', '10.90.0.2', 'dev', 'near0');
});

const ANYWHERE = { address: '', port: 9 };
const ends = ({ remote = ANYWHERE, local, freebind }: Asked) => ({
  remote,
  ...(local !== undefined && { local: { address: local } }),
  ...(freebind === true && { freebind }),
});

function udpSocket({ family, freebind }: Asked): UdpSocket {
  const option = family === 'ipv4' ? 'IP_FREEBIND' : 'IPV6_FREEBIND';
  const socket = UdpSocket.create({ family, ...(freebind === true && { sockopts: { [option]: true } }) });
  open.push(socket);
  return socket;
}

function nativeSocket({ family, freebind }: Asked, type: 'stream' | 'dgram'): NativeSocket {
  const option = family === 'ipv4' ? 'IP_FREEBIND' : 'IPV6_FREEBIND';
  // The address alone is bound: the port is chosen by connect, as `connect` and `reserve` have it.
  const sockopts = { IP_BIND_ADDRESS_NO_PORT: true, ...(freebind === true && { [option]: true }) };
  const socket = NativeSocket.create({ family, type, sockopts });
  open.push(socket);
  return socket;
}

const connecting: Call = async ({ remote = ANYWHERE, local, freebind = false }) => {
  const socket = connect({ host: remote.address, port: remote.port, ...(local && { localAddress: local }), freebind });
  throw ((await once(socket, 'error')) as [Error])[0];
};

const CALLS = {
  'connect()': connecting,
  'connect() with shareLocalPort: false': async ({ remote = ANYWHERE, local, freebind = false }) => {
    const options = { host: remote.address, port: remote.port, shareLocalPort: false, freebind };
    throw ((await once(connect({ ...options, ...(local && { localAddress: local }) }), 'error')) as [Error])[0];
  },
  'EgressPool.connect()': async ({ family, remote = ANYWHERE, local = LOOPBACK[family], freebind = false }) => {
    const pool = new EgressPool({ sources: [local], freebind });
    throw ((await once(pool.connect({ host: remote.address, port: remote.port }), 'error')) as [Error])[0];
  },
  'reserve()': (asked) => reserve(ends(asked)).release(),
  'reserve() with shareLocalPort: false': (asked) => reserve({ ...ends(asked), shareLocalPort: false }).release(),
  'reserveMany()': (asked) => reserveMany(2, ends(asked)),
  'reserveUdp()': (asked) => reserveUdp(ends(asked)).release(),
  'UdpSocket.bind()': (asked) => udpSocket(asked).bind({ address: asked.local ?? LOOPBACK[asked.family], port: 0 }),
  'UdpSocket.connect()': (asked) => {
    const socket = udpSocket(asked);
    if (asked.local !== undefined) socket.bind({ address: asked.local, port: 0 });
    socket.connect(asked.remote ?? ANYWHERE);
  },
  'UdpSocket.trySend()': (asked) => {
    const socket = udpSocket(asked);
    if (asked.local !== undefined) socket.bind({ address: asked.local, port: 0 });
    socket.trySend(Buffer.from('x'), { to: asked.remote ?? ANYWHERE });
  },
  'UdpSocket.trySend() with from': (asked) => {
    const { remote: to = ANYWHERE, local } = asked;
    udpSocket(asked).trySend(Buffer.from('x'), { to, ...(local !== undefined && { from: local }) });
  },
  'NativeSocket.sendmsg()': (asked) => {
    const socket = nativeSocket(asked, 'dgram');
    if (asked.local !== undefined) socket.bind({ address: asked.local, port: 0 });
    socket.sendmsg({ data: Buffer.from('x'), to: asked.remote ?? ANYWHERE });
  },
  'NativeSocket.bind() of a stream socket': ({ family, local = LOOPBACK[family] }) => {
    const socket = NativeSocket.create({ family, type: 'stream' });
    open.push(socket);
    socket.bind({ address: local, port: 0 });
  },
  'NativeSocket.bind() of a datagram socket': ({ family, local = LOOPBACK[family] }) => {
    const socket = NativeSocket.create({ family, type: 'dgram' });
    open.push(socket);
    socket.bind({ address: local, port: 0 });
  },
  'NativeSocket.connect() of a stream socket': (asked) => {
    const socket = nativeSocket(asked, 'stream');
    if (asked.local !== undefined) socket.bind({ address: asked.local, port: 0 });
    socket.connect(asked.remote ?? ANYWHERE);
  },
  'NativeSocket.connect() of a datagram socket': (asked) => {
    const socket = nativeSocket(asked, 'dgram');
    if (asked.local !== undefined) socket.bind({ address: asked.local, port: 0 });
    socket.connect(asked.remote ?? ANYWHERE);
  },
  'listen()': async ({ family, local = LOOPBACK[family] }) => {
    const server = createServer();
    throw ((await once(listen(server, { host: local }), 'error')) as [Error])[0];
  },
} satisfies Record<string, Call>;

type Name = keyof typeof CALLS;

/** The error of a call. A remedy follows the fields of every error: a sentence of its own. */
async function failing(name: Name, asked: Asked): Promise<Awaited<ReturnType<typeof errorOf>>> {
  const error = await errorOf(() => CALLS[name](asked));
  expect(error.message, 'a remedy ends the message').toMatch(/\. \p{L}[^]{20,}/u);
  return error;
}

/** The same, once it has evidence, which is gathered for a tenth of the time only. */
async function explained(name: Name, asked: Asked): Promise<Awaited<ReturnType<typeof failing>>> {
  const opened = open.length;
  for (;;) {
    const error = await failing(name, asked);
    if (error['exhaustedBy'] !== undefined) return error;
    for (const socket of open.splice(opened)) await socket.close();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const EXHAUSTED = 'ERR_PORT_RANGE_EXHAUSTED';
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

describe.each(FAMILIES)('a range whose ports are all taken, %s', (family) => {
  const loopback = LOOPBACK[family];

  test.each<[Name, string, string | undefined]>([
    ['connect()', 'EADDRNOTAVAIL', undefined],
    ['connect() with shareLocalPort: false', 'EADDRINUSE', undefined],
    ['EgressPool.connect()', EXHAUSTED, 'EADDRNOTAVAIL'],
    ['reserve()', EXHAUSTED, 'EADDRNOTAVAIL'],
    ['reserve() with shareLocalPort: false', EXHAUSTED, 'EADDRINUSE'],
    ['reserveMany()', EXHAUSTED, 'EADDRNOTAVAIL'],
    ['NativeSocket.bind() of a stream socket', 'EADDRINUSE', undefined],
    ['NativeSocket.connect() of a stream socket', 'EADDRNOTAVAIL', undefined],
    ['listen()', 'EADDRINUSE', undefined],
  ])("%s fails with %s, reason 'portRangeExhausted', exhaustedBy 'connections'", async (name, code, cause) => {
    const server = createServer().listen(0, loopback);
    await once(server, 'listening');
    open.push({ close: () => once(server.close(), 'close') });
    const remote = { address: loopback, port: (server.address() as { port: number }).port };
    using _ = setSysctl('net.ipv4.ip_local_port_range', '45000 45000');
    using held = reserve({ remote, local: { address: loopback } });
    expect(held.local.port).toBe(45_000);
    const error = await explained(name, { family, remote, local: loopback });
    const facts = { reason: 'portRangeExhausted', exhaustedBy: 'connections' };
    expect(error).toMatchObject({ code, ...facts });
    expect(error.cause).toEqual(cause === undefined ? undefined : expect.objectContaining({ code: cause, ...facts }));
  });

  test.each<[Name, string, string | undefined]>([
    ['reserveUdp()', EXHAUSTED, 'EAGAIN'],
    ['UdpSocket.bind()', 'EADDRINUSE', undefined],
    ['UdpSocket.connect()', 'EAGAIN', undefined],
    ['UdpSocket.trySend()', 'EAGAIN', undefined],
    ['NativeSocket.bind() of a datagram socket', 'EADDRINUSE', undefined],
    ['NativeSocket.connect() of a datagram socket', 'EAGAIN', undefined],
  ])("%s fails with %s, reason 'portRangeExhausted', exhaustedBy of the UDP sockets", async (name, code, cause) => {
    const remote = { address: loopback, port: 9 };
    using _ = setSysctl('net.ipv4.ip_local_port_range', '45000 45000');
    using held = reserveUdp({ remote, local: { address: loopback } });
    expect(held.local.port).toBe(45_000);
    const unbound = name === 'UdpSocket.connect()' || name === 'UdpSocket.trySend()';
    const error = await explained(name, { family, remote, ...(!unbound && { local: loopback }) });
    const by = expect.stringMatching(/^(connections|boundPorts)$/) as unknown;
    const facts = { reason: 'portRangeExhausted', exhaustedBy: by };
    expect(error).toMatchObject({ code, ...facts });
    expect(error.cause).toEqual(cause === undefined ? undefined : expect.objectContaining({ code: cause, ...facts }));
  });

  test('every UDP call reports the same exhaustedBy', async () => {
    const remote = { address: loopback, port: 9 };
    using _ = setSysctl('net.ipv4.ip_local_port_range', '45000 45000');
    using held = reserveUdp({ remote, local: { address: loopback } });
    expect(held.state).toBe('held');
    const names = ['reserveUdp()', 'UdpSocket.bind()', 'UdpSocket.connect()', 'UdpSocket.trySend()'] as const;
    const found = new Set<unknown>();
    for (const name of names) found.add((await explained(name, { family, remote }))['exhaustedBy']);
    expect([...found]).toEqual([expect.any(String)]);
  });
});

const WITH_REMOTE = [
  'connect()',
  'EgressPool.connect()',
  'reserve()',
  'reserveMany()',
  'reserveUdp()',
  'UdpSocket.connect()',
  'UdpSocket.trySend()',
  'UdpSocket.trySend() with from',
  'NativeSocket.sendmsg()',
  'NativeSocket.connect() of a stream socket',
  'NativeSocket.connect() of a datagram socket',
] as const satisfies readonly Name[];

describe.each([
  ['another host, over a route', '203.0.113.7'],
  ['this host', '127.0.0.1'],
])('a freebind IPv4 source that is not routed here, toward %s', (_, address) => {
  test.each(WITH_REMOTE)("%s fails with ENETUNREACH and reason 'sourceNotLocal'", async (name) => {
    const asked = { family: 'ipv4', remote: { address, port: 9 }, local: '198.51.100.7', freebind: true } as const;
    expect(await failing(name, asked)).toMatchObject({ code: 'ENETUNREACH', reason: 'sourceNotLocal' });
  });
});

describe('a destination without a route', () => {
  const NOWHERE = { ipv4: '192.0.2.1', ipv6: '2001:db8:99::1' } as const;

  // A pool has a source of the family, which the destination is then out of reach from.
  test.each(WITH_REMOTE.flatMap((name) => FAMILIES.map((family) => [name, family] as const)))(
    "%s over %s fails with ENETUNREACH and reason 'noRoute'",
    async (name, family) => {
      const error = await failing(name, { family, remote: { address: NOWHERE[family], port: 9 } });
      expect(error).toMatchObject({ code: 'ENETUNREACH', reason: 'noRoute' });
    },
  );

  // The kernel looks at the source first, so this one has the same shape with and without a route.
  test.each(WITH_REMOTE)(
    "%s from a freebind IPv4 source that is not routed here has reason 'sourceNotLocal'",
    async (name) => {
      const remote = { address: NOWHERE.ipv4, port: 9 };
      const error = await failing(name, { family: 'ipv4', remote, local: '198.51.100.7', freebind: true });
      expect(error).toMatchObject({ code: 'ENETUNREACH', reason: 'sourceNotLocal' });
    },
  );
});

describe.each([
  ['ipv4', '198.51.100.7'],
  ['ipv6', '2001:db8:77::7'],
] as const)('a local %s address that this host does not have', (family, local) => {
  test.each<Name>([
    'connect()',
    'connect() with shareLocalPort: false',
    'EgressPool.connect()',
    'reserve()',
    'reserve() with shareLocalPort: false',
    'reserveMany()',
    'reserveUdp()',
    'UdpSocket.bind()',
    'NativeSocket.bind() of a stream socket',
    'NativeSocket.bind() of a datagram socket',
    'listen()',
  ])("%s fails with EADDRNOTAVAIL, reason 'addressNotLocal', and names freebind", async (name) => {
    const error = await failing(name, { family, remote: { address: LOOPBACK[family], port: 9 }, local });
    expect(error).toMatchObject({
      ...{ code: 'EADDRNOTAVAIL', syscall: name === 'listen()' ? 'listen' : 'bind' },
      ...{ reason: 'addressNotLocal', address: local },
    });
    expect(error.message).toMatch(/freebind/i);
  });
});
