// Behaviour of IP_LOCAL_PORT_RANGE: which ports the kernel picks, and how it fails when there are none. Covers the cases of the
// kernel's own selftest (tools/testing/selftests/net/ip_local_port_range.py) and others.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { getOption, NativeSocket, setOption, type PortRange, type SocketOptions } from '../../../src/index.js';
import { setSysctl } from '../../support/sysctl.js';
import {
  BOTH,
  blackHole,
  bound,
  checkDescriptors,
  rawReservation,
  refused,
  reservedPorts,
  type Addresses,
  type AnyError,
} from '../../support/fixtures.js';

checkDescriptors();

const SYSCTL = 'net.ipv4.ip_local_port_range';
const NO_PORT = { IP_BIND_ADDRESS_NO_PORT: true } as const;

/** How a socket gets its port, and how that fails when none is free. */
interface Way {
  readonly name: string;
  readonly assign: (socket: NativeSocket, addresses: Addresses) => void;
  readonly sockopts: SocketOptions;
  readonly type: 'stream' | 'dgram';
  readonly exhausted: { readonly code: string; readonly syscall: string };
}

const DEFERRED = { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true } as const;
const WAYS: readonly Way[] = [
  {
    name: 'TCP connect',
    assign: connect,
    sockopts: DEFERRED,
    type: 'stream',
    exhausted: { code: 'EADDRNOTAVAIL', syscall: 'connect' },
  },
  {
    name: 'TCP bind without a port, and connect',
    assign: (socket, addresses) => {
      bind(socket, addresses);
      connect(socket, addresses);
    },
    sockopts: { ...NO_PORT, ...DEFERRED },
    type: 'stream',
    exhausted: { code: 'EADDRNOTAVAIL', syscall: 'connect' },
  },
  { name: 'TCP bind', assign: bind, sockopts: {}, type: 'stream', exhausted: { code: 'EADDRINUSE', syscall: 'bind' } },
  {
    name: 'TCP listen',
    assign: (socket, addresses) => {
      bind(socket, addresses);
      socket.listen();
    },
    sockopts: NO_PORT,
    type: 'stream',
    exhausted: { code: 'EADDRINUSE', syscall: 'listen' },
  },
  { name: 'UDP bind', assign: bind, sockopts: {}, type: 'dgram', exhausted: { code: 'EADDRINUSE', syscall: 'bind' } },
  {
    name: 'UDP connect',
    assign: connect,
    sockopts: {},
    type: 'dgram',
    exhausted: { code: 'EAGAIN', syscall: 'connect' },
  },
  {
    name: 'UDP bind without a port, and connect',
    assign: (socket, addresses) => {
      bind(socket, addresses);
      expect(socket.local.port).toBe(0);
      connect(socket, addresses);
    },
    sockopts: NO_PORT,
    type: 'dgram',
    exhausted: { code: 'EAGAIN', syscall: 'connect' },
  },
];

describe.each(BOTH)('port ranges over $family', (addresses) => {
  describe.each(WAYS)('$name', (way) => {
    test.each([
      { range: [50000, 50003], count: 4 },
      { range: [50007, 50007], count: 1 },
    ] as const)(
      'the kernel finds all ports of $range and no other, and fails when none is left',
      ({ range, count }) => {
        const { ports, error } = fill(addresses, way, range);
        expect(ports).toEqual(Array.from({ length: count }, (_, i) => range[0] + i));
        expect(error).toMatchObject(way.exhausted);
      },
    );

    // Each bound outside the sysctl's range is ignored on its own.
    test.each([
      { sysctl: '50000 50003', range: [45000, 45009], picked: [50000, 50003] },
      { sysctl: '50000 50003', range: [1, 65535], picked: [50000, 50003] },
      { sysctl: '50000 50003', range: [0, 0], picked: [50000, 50003] },
      { sysctl: '50000 50003', range: [40000, 50001], picked: [50000, 50001] },
      { sysctl: '50000 50003', range: [50002, 60000], picked: [50002, 50003] },
      { sysctl: '50000 50003', range: [0, 50001], picked: [50000, 50001] },
      { sysctl: '50000 50003', range: [50002, 0], picked: [50002, 50003] },
      { sysctl: '50000 50003', range: [50004, 50005], picked: [50000, 50003] },
      { sysctl: '50000 50003', range: [49998, 49999], picked: [50000, 50003] },
      { sysctl: '32768 60999', range: [60990, 61010], picked: [60990, 60999] },
      { sysctl: '32768 60999', range: [32760, 32771], picked: [32768, 32771] },
    ] as const)(
      'the kernel picks from $picked with sysctl $sysctl and range $range',
      ({ sysctl, range, picked: [lo, hi] }) => {
        using _ = setSysctl(SYSCTL, sysctl);
        expect(fill(addresses, way, range).ports).toEqual(Array.from({ length: hi - lo + 1 }, (_, i) => lo + i));
      },
    );

    test.each([
      { range: [1000, 1009], picked: [32768, 60999] },
      { range: [61000, 61009], picked: [32768, 60999] },
      { range: [1, 65535], picked: [32768, 60999] },
      { range: [20000, 0], picked: [32768, 60999] },
      { range: [0, 40000], picked: [32768, 40000] },
      { range: [50000, 0], picked: [50000, 60999] },
    ] as const)(
      'the kernel stays within $picked with sysctl 32768 60999 and range $range',
      ({ range, picked: [lo, hi] }) => {
        const { ports } = fill(addresses, way, range, 20);
        expect(ports).toHaveLength(20);
        expect(ports.filter((port) => port < lo || port > hi)).toEqual([]);
      },
    );

    test('the kernel skips ip_local_reserved_ports', () => {
      using _ = reservedPorts('45000-45007');
      expect(fill(addresses, way, [45000, 45009]).ports).toEqual([45008, 45009]);
      const { ports, error } = fill(addresses, way, [45002, 45005]);
      expect(ports).toEqual([]);
      expect(error).toMatchObject(way.exhausted);
    });
  });

  test('an ordinary connect gets its port from the range, and EADDRNOTAVAIL at once when the range is full', async () => {
    using hole = await blackHole(addresses);
    const sockets: NativeSocket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = NativeSocket.create({
        family: addresses.family,
        type: 'stream',
        sockopts: { IP_LOCAL_PORT_RANGE: [50000, 50002] },
      });
      sockets.push(socket);
      expect(socket.connect(hole.local)).toBe(false);
    }
    using last = NativeSocket.create({
      family: addresses.family,
      type: 'stream',
      sockopts: { IP_LOCAL_PORT_RANGE: [50000, 50002] },
    });
    const connect = (): boolean => last.connect(hole.local);
    await refused(connect, { code: 'EADDRNOTAVAIL', errno: -99, syscall: 'connect' });
    expect(sockets.map(({ local }) => local.port).sort()).toEqual([50000, 50001, 50002]);
    for (const socket of sockets) socket.close();
    expect(connect()).toBe(false); // the same socket may be tried again
    expect(last.state).toBe('connecting');
  });

  test('an unbound UDP socket fails to send in a full range, instead of waiting for room', () => {
    using holder = bound(addresses, { address: addresses.loopback, port: 50007 }, {}, 'dgram');
    using socket = NativeSocket.create({
      family: addresses.family,
      type: 'dgram',
      sockopts: { IP_LOCAL_PORT_RANGE: [50007, 50007] },
    });
    const send = () => socket.sendmsg({ data: new Uint8Array(1), to: { address: addresses.loopback, port: 9 } });
    expect(send).toThrow(expect.objectContaining({ code: 'EAGAIN', syscall: 'sendmsg' }));
    expect(socket.local.port).toBe(0);
    holder.close();
    expect(send()).toBe(1);
    expect(socket.local.port).toBe(50007);
  });

  test.each(['stream', 'dgram'] as const)('a %s socket may bind a port outside its range', (type) => {
    using socket = bound(
      addresses,
      { address: addresses.loopback, port: 45678 },
      { IP_LOCAL_PORT_RANGE: [50000, 50001] },
      type,
    );
    expect(socket.local.port).toBe(45678);
  });

  test.each(['stream', 'dgram'] as const)('a %s socket may bind a reserved port by number', (type) => {
    using _ = reservedPorts('45678');
    using socket = bound(addresses, { address: addresses.loopback, port: 45678 }, {}, type);
    expect(socket.local.port).toBe(45678);
  });

  test.each(['stream', 'dgram'] as const)('a range set by number after bind does not move a %s socket', (type) => {
    using socket = bound(
      addresses,
      { address: addresses.loopback, port: 0 },
      { IP_LOCAL_PORT_RANGE: [45000, 45009] },
      type,
    );
    const { port } = socket.local;
    setOption(socket, { level: 0, name: 51 }, (50001 << 16) | 50000);
    socket.connect({ address: addresses.loopback, port: 9 });
    expect(socket.local.port).toBe(port);
  });

  test('an accepted socket has the range of its listener', async () => {
    using listener = bound(
      addresses,
      { address: addresses.loopback, port: 0 },
      { IP_LOCAL_PORT_RANGE: [51000, 51001] },
    ); // in TIME-WAIT after this
    listener.listen();
    expect([51000, 51001]).toContain(listener.local.port);
    using client = NativeSocket.create({ family: addresses.family, type: 'stream' });
    client.connect(listener.local);
    await client.connected();
    await listener.readable();
    using accepted = listener.accept()!.socket;
    expect(getOption(accepted, 'IP_LOCAL_PORT_RANGE')).toEqual([51000, 51001]);
  });
});

describe.each(BOTH)('IP_BIND_ADDRESS_NO_PORT, $family', (addresses) => {
  const at = (port: number): { address: string; port: number } => ({ address: addresses.loopback, port });

  test('bind without a port reports port 0 until connect or listen', () => {
    using socket = bound(addresses, at(0), { ...NO_PORT, IP_LOCAL_PORT_RANGE: [50000, 50009] });
    expect(socket.local).toMatchObject(at(0));
    socket.listen();
    expect(socket.local.port).toBeGreaterThanOrEqual(50000);
    expect(socket.local.port).toBeLessThanOrEqual(50009);
  });

  test('bind without a port may be repeated, and a given port is taken', async () => {
    using socket = bound(addresses, at(0), NO_PORT);
    socket.bind({ address: addresses.wildcard, port: 0 });
    expect(socket.local.port).toBe(0);
    socket.bind(at(45678));
    expect(socket.local).toMatchObject(at(45678));
    await refused(
      () => {
        socket.bind(at(45679));
      },
      { code: 'EINVAL', syscall: 'bind' },
    );
  });

  test.each([
    ['without bind', { sockopts: {}, port: undefined, shares: true }],
    ['with IP_BIND_ADDRESS_NO_PORT and bind to port 0', { sockopts: NO_PORT, port: 0, shares: true }],
    ['with SO_REUSEADDR and the port', { sockopts: { SO_REUSEADDR: true }, port: 50007, shares: true }],
    ['with bind to port 0', { sockopts: {}, port: 0, shares: false }],
    ['with bind to port 0 and SO_REUSEADDR', { sockopts: { SO_REUSEADDR: true }, port: 0, shares: false }],
  ] as const)(
    'two destinations share a port, or bind refuses the second: %s',
    async (_, { sockopts, port, shares }) => {
      const reach = (destination: number): NativeSocket => {
        const socket = NativeSocket.create({
          family: addresses.family,
          type: 'stream',
          sockopts: { ...sockopts, ...DEFERRED, IP_LOCAL_PORT_RANGE: [50007, 50007] },
        });
        try {
          if (port !== undefined) socket.bind(at(port));
          expect(socket.connect(at(destination))).toBe(true);
          return socket;
        } catch (error) {
          socket.close();
          throw error;
        }
      };
      using first = reach(9);
      expect(first.local.port).toBe(50007);
      if (shares) {
        using second = reach(10);
        expect(second.local.port).toBe(50007);
      } else await refused(() => reach(10), { code: 'EADDRINUSE', syscall: 'bind' });
    },
  );

  test('UDP sockets cannot share a port, whatever their destinations', async () => {
    const options = { ...NO_PORT, IP_LOCAL_PORT_RANGE: [50007, 50007] } as const;
    using first = bound(addresses, at(0), options, 'dgram');
    using second = bound(addresses, at(0), options, 'dgram');
    first.connect(at(9));
    await refused(() => second.connect(at(10)), { code: 'EAGAIN', syscall: 'connect' });
  });
});

test('UDP sockets with SO_REUSEADDR silently get the same port from a narrow range', () => {
  const sockets = [1, 2, 3].map(() =>
    bound(
      BOTH[0]!,
      { address: '127.0.0.1', port: 0 },
      { SO_REUSEADDR: true, IP_LOCAL_PORT_RANGE: [48011, 48011] },
      'dgram',
    ),
  );
  expect(sockets.map(({ local }) => local.port)).toEqual([48011, 48011, 48011]);
  for (const socket of sockets) socket.close();
});

test('a port that another socket has by connect can be bound on another address, not on the same one', async () => {
  const [addresses] = BOTH as [Addresses];
  using held = rawReservation(addresses, { address: '127.0.0.1', port: 9 });
  const { port } = held.local;
  using other = bound(addresses, { address: '127.9.9.9', port });
  expect(other.local.port).toBe(port);
  await refused(() => bound(addresses, { address: '127.0.0.1', port }, { SO_REUSEADDR: true }), { code: 'EADDRINUSE' });
});

test('net.connect ignores the range: sockets of Node take any port', async () => {
  const { connect, createServer } = await import('node:net');
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  await once(socket, 'connect');
  expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
  socket.resume();
  await once(socket, 'close');
  server.close();
  await once(server, 'close');
});

/** Makes sockets with ports until none is free, or `most` have one. Returns the ports in order, and the error that ended it. */
function fill(
  addresses: Addresses,
  way: Way,
  range: PortRange,
  most = 64,
): { ports: number[]; error: AnyError | undefined } {
  const sockets: NativeSocket[] = [];
  let error: AnyError | undefined;
  while (error === undefined && sockets.length < most) {
    const socket = NativeSocket.create({
      family: addresses.family,
      type: way.type,
      sockopts: { ...way.sockopts, IP_LOCAL_PORT_RANGE: range },
    });
    try {
      way.assign(socket, addresses);
      sockets.push(socket);
    } catch (caught) {
      socket.close();
      error = caught as AnyError;
    }
  }
  const ports = sockets.map(({ local }) => local.port).sort();
  for (const socket of sockets) socket.close();
  return { ports, error };
}

function bind(socket: NativeSocket, addresses: Addresses): void {
  socket.bind({ address: addresses.loopback, port: 0 });
}

function connect(socket: NativeSocket, addresses: Addresses): void {
  socket.connect({ address: addresses.loopback, port: 9 });
}
