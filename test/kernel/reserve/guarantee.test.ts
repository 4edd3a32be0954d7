// What a reservation guarantees, row by row: what other sockets can and cannot do with the port while it is held.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { OPTIONS, reserve, setOption, type PortReservation, type SocketOptions } from '../../../src/index.js';
import {
  addOtherAddresses,
  BOTH,
  bound,
  checkDescriptors,
  connectFrom,
  EXHAUSTED,
  IPV4,
  IPV6,
  plain,
  rawReservation,
  refused,
  refusing,
  thrown,
  type Addresses,
} from '../../support/fixtures.js';

beforeAll(addOtherAddresses);
checkDescriptors();

const REUSE: readonly (readonly [how: string, sockopts: SocketOptions])[] = [
  ['plainly', {}],
  ['with SO_REUSEADDR', { SO_REUSEADDR: true }],
  ['with SO_REUSEPORT', { SO_REUSEPORT: true }],
  ['with both', { SO_REUSEADDR: true, SO_REUSEPORT: true }],
];

/** A reservation toward a port that answers a SYN with RST, so that a SYN sent by mistake ends the test at once. */
function held(addresses: Addresses): { reservation: PortReservation } & Disposable {
  const peer = refusing(addresses);
  const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
  return {
    reservation,
    [Symbol.dispose]: () => {
      expect(reservation.verify(), 'the reservation is held at the end').toBe(true);
      reservation.release();
      peer.close();
    },
  };
}

describe.each(BOTH)('while an $family port is reserved', (addresses) => {
  test('a second reservation of the same 4-tuple is refused', async () => {
    using scope = held(addresses);
    const { local, remote } = scope.reservation;
    await refused(() => reserve({ remote, local }), EXHAUSTED, /1 port of /);
    await refused(
      () => reserve({ remote, local: { address: local.address }, localPortRange: [local.port, local.port] }),
      EXHAUSTED,
    );
  });

  test('an ordinary connect gets EADDRNOTAVAIL for the same 4-tuple, with and without SO_REUSEADDR', async () => {
    using scope = held(addresses);
    const { local, remote } = scope.reservation;
    for (const [, sockopts] of REUSE) {
      await refused(() => connectFrom(addresses, local, remote, sockopts), {
        code: 'EADDRNOTAVAIL',
        syscall: 'connect',
      });
    }
  });

  test('net.connect with that localPort gets EADDRINUSE', async () => {
    using scope = held(addresses);
    const { local, remote } = scope.reservation;
    const socket = connect({
      host: remote.address,
      port: remote.port,
      localAddress: local.address,
      localPort: local.port,
    });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
  });

  test('another destination can have the same port', () => {
    using scope = held(addresses);
    using second = refusing(addresses);
    const { local } = scope.reservation;
    using shared = reserve({ remote: second.local, local });
    expect(shared.local.port).toBe(local.port);
    expect(shared.verify()).toBe(true);
    using connecting = connectFrom(addresses, local, { address: addresses.other, port: 9 });
    expect(connecting.local.port).toBe(local.port);
  });

  test.each(REUSE)('another socket that binds the address and port %s gets EADDRINUSE', async (_, sockopts) => {
    using scope = held(addresses);
    const { local } = scope.reservation;
    await refused(() => bound(addresses, local, sockopts), { code: 'EADDRINUSE', syscall: 'bind' });
  });

  test.each(REUSE)('another socket that binds the wildcard and that port %s gets EADDRINUSE', async (_, sockopts) => {
    using scope = held(addresses);
    const { port } = scope.reservation.local;
    await refused(() => bound(addresses, { address: addresses.wildcard, port }, sockopts), { code: 'EADDRINUSE' });
  });

  test.each(REUSE)('a dual-stack socket that binds [::] and that port %s gets EADDRINUSE', async (_, sockopts) => {
    using scope = held(addresses);
    const { port } = scope.reservation.local;
    await refused(() => bound(IPV6, { address: '::', port }, { IPV6_V6ONLY: false, ...sockopts }), {
      code: 'EADDRINUSE',
    });
  });

  test('a net.Server that listens on the address, the wildcard or all addresses gets EADDRINUSE', async () => {
    using scope = held(addresses);
    const { address, port } = scope.reservation.local;
    for (const host of [address, addresses.wildcard, undefined]) {
      const server = createServer().listen({ port, host });
      const [error] = (await once(server, 'error')) as [Error];
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' });
    }
  });

  test('another address of the host can have the port, and listen on it', () => {
    using scope = held(addresses);
    using listener = bound(addresses, { address: addresses.other, port: scope.reservation.local.port });
    listener.listen();
  });

  test('UDP can have the same port', () => {
    using scope = held(addresses);
    using socket = bound(addresses, scope.reservation.local, {}, 'dgram');
    expect(socket.local.port).toBe(scope.reservation.local.port);
  });
});

test('an IPv6-only socket can bind [::] with the port of an IPv4 reservation', () => {
  using scope = held(IPV4);
  using socket = bound(IPV6, { address: '::', port: scope.reservation.local.port }, { IPV6_V6ONLY: true });
  socket.listen();
});

test('an IPv6-only socket cannot bind [::] with the port of an IPv6 reservation', async () => {
  using scope = held(IPV6);
  const { port } = scope.reservation.local;
  await refused(() => bound(IPV6, { address: '::', port }, { IPV6_V6ONLY: true }), { code: 'EADDRINUSE' });
});

test('an IPv4 socket can bind the wildcard with the port of an IPv6 reservation', () => {
  using scope = held(IPV6);
  using socket = bound(IPV4, { address: '0.0.0.0', port: scope.reservation.local.port });
  socket.listen();
});

test.each(REUSE)(
  'the port of an IPv4-mapped reservation is taken for IPv4 sockets that bind it %s',
  async (_, sockopts) => {
    using peer = refusing(IPV4);
    using reservation = reserve({
      remote: { address: `::ffff:${peer.local.address}`, port: peer.local.port },
      local: { address: '::ffff:127.0.0.1' },
    });
    const { port } = reservation.local;
    await refused(() => bound(IPV4, { address: '127.0.0.1', port }, sockopts), { code: 'EADDRINUSE' });
    await refused(() => bound(IPV4, { address: '0.0.0.0', port }, sockopts), { code: 'EADDRINUSE' });
    await refused(() => connectFrom(IPV4, reservation.local, peer.local, sockopts), { code: 'EADDRNOTAVAIL' });
    await refused(() => reserve({ remote: plain(peer.local), local: plain(reservation.local) }), EXHAUSTED);
  },
);

describe.each(BOTH)('reserve() of an $family port', (addresses) => {
  test('reserve() of a port is refused when a listener has it, on the wildcard or on the same address', async () => {
    using peer = refusing(addresses);
    for (const address of [addresses.wildcard, addresses.loopback]) {
      using listener = bound(addresses, { address, port: 0 }, { IP_LOCAL_PORT_RANGE: [50000, 50999] });
      listener.listen();
      const { port } = listener.local;
      await refused(
        () => reserve({ remote: peer.local, local: { address: addresses.loopback, port } }),
        EXHAUSTED,
        /bound (to it|by other sockets)/,
      );
    }
  });

  test('reserve() of a port is refused when another address or the other family has it by bind', async () => {
    using peer = refusing(addresses);
    const other = addresses === IPV4 ? IPV6 : IPV4;
    const range = { IP_LOCAL_PORT_RANGE: [51000, 51999] } as const;
    for (const binder of [
      bound(addresses, { address: addresses.other, port: 0 }, range),
      bound(other, { address: other.loopback, port: 0 }, range),
    ]) {
      using _ = binder;
      const local = { address: addresses.loopback, port: binder.local.port };
      await refused(() => reserve({ remote: peer.local, local }), EXHAUSTED);
    }
  });
});

// The options that would break the guarantee: first that the kernel behaves so, then that nothing here sets them.

describe.each(BOTH)('$family reservations made by hand', (addresses) => {
  test.each([
    ['SO_REUSEADDR', { SO_REUSEADDR: true }],
    ['SO_REUSEPORT', { SO_REUSEPORT: true }],
  ] as const)('reservations with %s lose the port to a listener that sets it, too', (_, sockopts) => {
    using peer = refusing(addresses);
    using reservation = rawReservation(addresses, peer.local, sockopts);
    for (const address of [addresses.loopback, addresses.wildcard]) {
      using listener = bound(addresses, { address, port: reservation.local.port }, sockopts);
      listener.listen();
      expect(listener.state).toBe('listening');
    }
    // What still holds: no socket gets the same 4-tuple.
    expect(thrown(() => connectFrom(addresses, reservation.local, peer.local, sockopts))).toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });

  test.each([
    ['SO_REUSEADDR', { SO_REUSEADDR: true }],
    ['SO_REUSEPORT', { SO_REUSEPORT: true }],
  ] as const)('reservations with %s keep the port from a socket without it', (_, sockopts) => {
    using peer = refusing(addresses);
    using reservation = rawReservation(addresses, peer.local, sockopts);
    expect(thrown(() => bound(addresses, reservation.local))).toMatchObject({ code: 'EADDRINUSE' });
  });

  test('reservations with SO_BINDTODEVICE share the 4-tuple with a socket that is not bound to the device', async () => {
    using peer = refusing(addresses);
    using reservation = rawReservation(addresses, peer.local, { SO_BINDTODEVICE: 'lo' });
    const { local } = reservation;
    using second = reserve({ remote: peer.local, local });
    expect(plain(second.local)).toEqual(plain(local));
    expect(second.verify()).toBe(true);
    await refused(() => bound(addresses, local), { code: 'EADDRINUSE' });
  });
});

test.each([
  ['SO_REUSEADDR', true, /listen on it/],
  ['SO_REUSEPORT', true, /listen on it/],
  ['SO_BINDTODEVICE', 'lo', /the same 4-tuple/],
  ['SO_BINDTOIFINDEX', 1, /the same 4-tuple/],
] as const)('reserve(), and setOption() on a reservation, refuse %s and say why', async (name, value, why) => {
  using scope = held(IPV4);
  const { reservation } = scope;
  const { remote } = reservation;
  await refused(
    () => reserve({ remote, sockopts: { [name]: value } }),
    { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
    new RegExp(`"options\\.sockopts\\.${name}"`),
    why,
  );
  await refused(
    () => {
      setOption(reservation, name as never, value as never); // does not compile otherwise
    },
    { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
    why,
  );
  await refused(
    () => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : Number(value);
      setOption(reservation, { level: 1, name: OPTIONS[name].name }, bytes);
    },
    { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
    why,
  );
  await refused(() => bound(IPV4, reservation.local, { SO_REUSEADDR: true, SO_REUSEPORT: true }), {
    code: 'EADDRINUSE',
  });
});
