// The source of a reservation: addresses of both families, mapped and link-local ones, and those that this host does not have.
import { closeSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Endpoint,
  getOption,
  PortReservation,
  reserve,
  reserveMany,
  type DetachedReservation,
} from '../../../src/index.js';
import { interfaceIndex } from '../../../src/kernel/interfaces.js';
import { Capture, summary } from '../../support/capture.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { setSysctl } from '../../support/sysctl.js';
import {
  address,
  addOtherAddresses,
  all,
  BOTH,
  checkDescriptors,
  IPV4,
  IPV6,
  plain,
  refused,
  rejection,
  route,
  serve,
} from '../../support/fixtures.js';

beforeAll(addOtherAddresses);
checkDescriptors();

describe.each(BOTH)('reserve() from an $family source', (addresses) => {
  const remote = { address: addresses.loopback, port: 9 };

  test('reserve() without `local` takes the address of the route', () => {
    using reservation = reserve({ remote });
    expect(reservation.local).toBeInstanceOf(Endpoint);
    expect(reservation.local.address).toBe(addresses.loopback);
    expect(reservation.local.family).toBe(addresses.family);
    expect(plain(reservation.remote)).toEqual(remote);
  });

  test('reserve() with `local` has that address', () => {
    using reservation = reserve({ remote, local: { address: addresses.other } });
    expect(reservation.local.address).toBe(addresses.other);
    expect(getOption(reservation, 'SO_DOMAIN')).toBe(addresses === IPV4 ? 2 : 10);
    expect(reservation.verify()).toBe(true);
  });

  test('reserve() with the wildcard as `local` takes the address of the route', () => {
    using reservation = reserve({ remote, local: { address: addresses.wildcard, port: 0 } });
    expect(reservation.local.address).toBe(addresses.loopback);
  });

  test('a reservation describes itself in util.inspect, and keeps its endpoints after the release', async () => {
    const { inspect } = await import('node:util');
    const reservation = reserve({ remote });
    const { local } = reservation;
    expect(inspect(reservation)).toContain(`PortReservation`);
    expect(inspect(reservation)).toContain(`state: 'held'`);
    expect(inspect(reservation)).toContain(local.toString());
    reservation.release();
    expect(reservation.local).toBe(local);
    expect(inspect(reservation)).toContain(`fd: -1`);
  });

  test('reserve() accepts endpoints in every form', () => {
    const text = addresses === IPV4 ? '127.0.0.1' : '[::1]';
    using a = reserve({ remote: `${text}:9`, local: `${text}:0` });
    using b = reserve({
      remote: Endpoint.from(remote),
      local: Endpoint.from({ address: addresses.loopback, port: 0 }),
    });
    expect([a, b].map(({ remote: { port } }) => port)).toEqual([9, 9]);
    expect([a, b].map(({ local }) => local.address)).toEqual([addresses.loopback, addresses.loopback]);
  });

  test('reserve() refuses an address that this host does not have, with the command that routes it here', async () => {
    const foreign = addresses === IPV4 ? '192.0.2.77' : '2001:db8::77';
    const command = addresses === IPV4 ? 'ip route add local 192.0.2.77/32' : 'ip -6 route add local 2001:db8::77/128';
    for (const shareLocalPort of [true, false]) {
      await refused(
        () => reserve({ remote, local: { address: foreign }, shareLocalPort }),
        { code: 'EADDRNOTAVAIL', syscall: 'bind', address: foreign, reason: 'addressNotLocal' },
        /freebind: true/,
        new RegExp(`${command} dev lo`),
      );
    }
  });

  test('a reservation activates from its address', async () => {
    await using server = await serve(addresses.loopback);
    using reservation = reserve({ remote: server, local: { address: addresses.other } });
    const socket = await reservation.activate();
    expect([socket.localAddress, socket.localPort]).toEqual([addresses.other, reservation.local.port]);
    socket.destroy();
  });
});

describe('reserve() toward an IPv4-mapped address', () => {
  const remote = { address: '::ffff:127.0.0.1', port: 9 };

  test.each([
    ['without a local address', undefined],
    ['from a mapped one', { address: '::ffff:127.0.0.2' }],
    ['from an IPv4 one', { address: '127.0.0.2' }],
  ])('reserve() toward an IPv4-mapped address uses an IPv6 socket and reports IPv4 addresses: %s', (_, local) => {
    using reservation = reserve({ remote, ...(local && { local }) });
    expect(reservation.remote).toMatchObject({ address: '127.0.0.1', mapped: true, family: 'ipv4' });
    expect(reservation.local).toMatchObject({
      address: local ? '127.0.0.2' : '127.0.0.1',
      mapped: true,
      family: 'ipv4',
    });
    expect(getOption(reservation, 'SO_DOMAIN')).toBe(10);
    expect(reservation.verify()).toBe(true);
  });

  test('a reservation toward an IPv4-mapped address connects over IPv4', async () => {
    await using server = await serve('127.0.0.1');
    using reservation = reserve({ remote: { address: '::ffff:127.0.0.1', port: server.port } });
    using capture = Capture.start();
    const { port } = reservation.local;
    const socket = await reservation.activate();
    expect(socket.remotePort).toBe(server.port);
    expect(summary(await capture.frames(), port)[0]).toBe('client SYN');
    expect((await capture.frames())[0]?.source.address).toBe('127.0.0.1');
    socket.destroy();
  });

  test('a reservation toward an IPv4-mapped address can be detached and adopted', () => {
    const moved = reserve({ remote, local: { address: '127.0.0.1' } }).detach();
    using adopted = PortReservation.adopt(moved);
    expect(adopted.verify()).toBe(true);
  });
});

describe('reserve() with different families', () => {
  test.each([
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '::1'],
    ['::1', '::ffff:127.0.0.1'],
  ])('reserve() refuses different families: toward %s from %s', async (to, from) => {
    await refused(
      () => reserve({ remote: { address: to, port: 9 }, local: { address: from } }),
      { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
      /"options\.local"/,
      /family/,
    );
  });
});

test.each([
  ['127.0.0.1', '127.255.255.255'],
  ['127.0.0.1', '224.0.0.1'],
  ['127.0.0.1', '255.255.255.255'],
  ['::1', 'ff02::1%lo'],
])(
  'reserve() toward %s from the broadcast or multicast address %s is refused, since it would be held for another source',
  async (to, from) => {
    for (const more of [{}, { shareLocalPort: false }]) {
      await refused(
        () => reserve({ remote: { address: to, port: 9 }, local: { address: from }, ...more }),
        { code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'notUnicast', address: from },
        /address of this host/,
      );
    }
  },
);

describe('reserve() with link-local addresses', () => {
  test.each(['name', 'number'])(
    'a link-local reservation with a zone by %s can be made, detached and adopted',
    async (how) => {
      await using peer = await NetworkNamespace.create();
      const { peerName } = await peer.link('current', {
        addresses: ['fe80::2/64'],
        peerAddresses: ['fe80::1/64'],
      });
      const zone = how === 'name' ? peerName : String(interfaceIndex(peerName));
      const reservation = reserve({
        remote: { address: `fe80::2%${zone}`, port: 9 },
        local: { address: `fe80::1%${zone}` },
      });
      expect(reservation.local.scopeId).toBe(interfaceIndex(peerName));
      using adopted = adoptOrClose(reservation.detach());
      expect(adopted.verify()).toBe(true);
      expect(await rejection(adopted.activate())).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
    },
  );

  test('reserve() with a link-local address without a zone is refused by the kernel', async () => {
    await refused(() => reserve({ remote: { address: 'fe80::2', port: 9 } }), { code: 'EINVAL', syscall: 'connect' });
  });
});

describe('reserve() with freebind', () => {
  const PREFIX = 'fd00:1009:beef::/48';
  const SOURCE = 'fd00:1009:beef::dead';

  test('reserve() with freebind reserves any address of an IPv6 prefix that is routed here, and connects from it', async () => {
    using _ = route('local', PREFIX, 'dev', 'lo');
    await using server = await serve('::1');
    await refused(() => reserve({ remote: server, local: { address: SOURCE } }), { code: 'EADDRNOTAVAIL' });
    using reservation = reserve({ remote: server, local: { address: SOURCE }, freebind: true });
    expect(getOption(reservation, 'IPV6_FREEBIND')).toBe(true);
    const socket = await reservation.activate();
    expect(socket.localAddress).toBe(SOURCE);
    socket.destroy();
  });

  test('reserve() with freebind reserves one port on many addresses of a prefix', () => {
    using _ = route('local', PREFIX, 'dev', 'lo');
    const reservations = Array.from({ length: 50 }, (_, i) =>
      reserve({
        remote: '[::1]:9',
        local: { address: `fd00:1009:beef::${(i + 1).toString(16)}`, port: 40000 },
        freebind: true,
      }),
    );
    using __ = all(reservations);
    expect(new Set(reservations.map(({ local }) => local.toString())).size).toBe(50);
    expect(reservations.every((reservation) => reservation.verify())).toBe(true);
  });

  test('reserve() with freebind reserves an IPv6 address that is not routed here, from which the kernel would send', () => {
    using reservation = reserve({ remote: '[::1]:9', local: { address: '2001:db8::77' }, freebind: true });
    expect(reservation.verify()).toBe(true);
  });

  test('reserve() with freebind reserves an address of an IPv4 prefix that is routed here, as a plain bind does', () => {
    using _ = route('local', '192.0.2.0/24', 'dev', 'lo');
    for (const freebind of [false, true]) {
      using reservation = reserve({ remote: '127.0.0.1:9', local: { address: '192.0.2.77' }, freebind });
      expect(reservation.local.address).toBe('192.0.2.77');
    }
  });

  test('reserve() with freebind from an IPv4 address that is not local fails with ENETUNREACH, unless transparent is set', async () => {
    await refused(
      () => reserve({ remote: '127.0.0.1:9', local: { address: '192.0.2.77' }, freebind: true }),
      { code: 'ENETUNREACH', syscall: 'connect', reason: 'sourceNotLocal', localAddress: '192.0.2.77' },
      /source 192\.0\.2\.77 is not routed to this host/,
      /transparent: true/,
    );
  });

  test('reserve() does not need freebind when ip_nonlocal_bind is set', () => {
    using _ = setSysctl('net.ipv6.ip_nonlocal_bind', '1');
    using reservation = reserve({ remote: '[::1]:9', local: { address: '2001:db8::77' } });
    expect(reservation.verify()).toBe(true);
  });
});

describe('reserve() with transparent', () => {
  test.each([
    { addresses: IPV4, source: '192.0.2.77', option: 'IP_TRANSPARENT' },
    { addresses: IPV6, source: '2001:db8::77', option: 'IPV6_TRANSPARENT' },
  ] as const)('reserve() with transparent reserves any $addresses.family address', ({ addresses, source, option }) => {
    using reservation = reserve({
      remote: { address: addresses.loopback, port: 9 },
      local: { address: source },
      transparent: true,
    });
    expect(getOption(reservation, option)).toBe(true);
    expect(reservation.local.address).toBe(source);
    expect(reservation.verify()).toBe(true);
  });

  test('reserve() with transparent sends from an address of another host', async () => {
    await using peer = await NetworkNamespace.create();
    const { peerName } = await peer.link('current', { addresses: ['10.9.8.2/24'], peerAddresses: ['10.9.8.1/24'] });
    using capture = Capture.start(peerName);
    const reservation = reserve({ remote: '10.9.8.2:9', local: { address: '192.0.2.77' }, transparent: true });
    using _ = reservation;
    const controller = new AbortController();
    const activation = rejection(reservation.activate({ signal: controller.signal }));
    const syn = await capture.seen(({ flags }) => flags.includes('SYN'));
    expect(syn.source).toEqual({ address: '192.0.2.77', port: reservation.local.port });
    controller.abort();
    expect((await activation).name).toBe('AbortError');
  });
});

// IPv4 fails at the first segment; IPv6 keeps sending from the address, and gets no answer.
test.each([
  { prefix: '10.77.0.1/32', remote: '127.0.0.1:9', code: 'ECONNABORTED' },
  { prefix: 'fd00:77::1/128', remote: '[::1]:9', code: 'ETIMEDOUT' },
])(
  'a reservation whose source $prefix is removed stays held, its activation fails with $code, and its port is freed',
  async ({ prefix, remote, code }) => {
    const [source = ''] = prefix.split('/');
    const options = { remote, local: { address: source, port: 40000 } };
    const scope = address(prefix);
    const reservation = reserve(options);
    scope[Symbol.dispose]();
    expect(reservation.verify()).toBe(true);
    const error = await rejection(reservation.activate({ timeout: 300 }));
    expect(error).toMatchObject({ code, syscall: 'connect', localAddress: source, localPort: 40000 });
    expect(reservation.state).toBe('released');
    using _ = address(prefix);
    using again = reserve(options);
    expect(again.local.port).toBe(40000);
  },
);

test('reservations of many sources and destinations share a few ports', () => {
  const options = { localPortRange: [40000, 40001] } as const;
  const reservations = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].flatMap((source) =>
    [9, 10, 11].flatMap((port) =>
      reserveMany(2, { ...options, remote: { address: '127.0.0.1', port }, local: { address: source } }),
    ),
  );
  using _ = all(reservations);
  expect(reservations).toHaveLength(18);
  expect(new Set(reservations.map(({ local, remote }) => `${local.toString()} ${remote.toString()}`)).size).toBe(18);
});

/** A failed adoption leaves the descriptor to the caller. */
function adoptOrClose(moved: DetachedReservation): PortReservation {
  try {
    return PortReservation.adopt(moved);
  } catch (error) {
    closeSync(moved.fd);
    throw error;
  }
}
