// Which port a reservation gets: local port ranges, the port of `local`, ports for one destination, and the effect of the sysctls.
import { describe, expect, test } from 'vitest';
import { getOption, NativeSocket, reserve, reserveMany, setOption } from '../../../src/index.js';
import { setSysctl } from '../../support/sysctl.js';
import { all, BOTH, bound, checkDescriptors, EXHAUSTED, IPV4, refused, reservedPorts } from '../../support/fixtures.js';

checkDescriptors();

const remote = { address: '127.0.0.1', port: 9 };
const RANGE = 'net.ipv4.ip_local_port_range';

describe.each(BOTH)('reserve() with localPortRange, $family', (addresses) => {
  const target = { remote: { address: addresses.loopback, port: 9 } };

  test('reserve() takes its port from localPortRange, with and without a local address', () => {
    for (const local of [undefined, { address: addresses.loopback }]) {
      for (let i = 0; i < 50; i++) {
        using reservation = reserve({
          ...target,
          ...(local === undefined ? {} : { local }),
          localPortRange: [40000, 40009],
        });
        expect(reservation.local.port).toBeGreaterThanOrEqual(40000);
        expect(reservation.local.port).toBeLessThanOrEqual(40009);
      }
    }
  });

  test('reserve() gives every port of localPortRange, whether their number is odd or even', () => {
    for (const localPortRange of [
      [40000, 40008],
      [40001, 40004],
      [40007, 40007],
    ] as const) {
      const [lo, hi] = localPortRange;
      const reservations = reserveMany(hi - lo + 1, { ...target, localPortRange });
      using _ = all(reservations);
      expect(new Set(reservations.map(({ local }) => local.port)).size).toBe(hi - lo + 1);
    }
  });

  test('reserve() accepts the bounds of the sysctl as localPortRange', () => {
    using lowest = reserve({ ...target, localPortRange: [32768, 32768] });
    using highest = reserve({ ...target, localPortRange: [60999, 60999] });
    using whole = reserve({ ...target, localPortRange: [32768, 60999] });
    expect([lowest, highest].map(({ local }) => local.port)).toEqual([32768, 60999]);
    expect(whole.verify()).toBe(true);
  });

  test.each([
    ['the lower bound', [32767, 40000]],
    ['the upper bound', [40000, 61000]],
    ['both bounds', [1024, 65535]],
    ['all of it, below', [1000, 1009]],
    ['all of it, above', [61000, 61009]],
  ] as const)('reserve() refuses a localPortRange with %s outside the sysctl range', async (_, localPortRange) => {
    await refused(
      () => reserve({ ...target, localPortRange }),
      { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
      /"options\.localPortRange"/,
      /net\.ipv4\.ip_local_port_range, which is 32768-60999 here/,
    );
  });
});

test.each([
  ['lo > hi', [40001, 40000], 'ERR_OUT_OF_RANGE'],
  ['a bound of 0', [0, 40000], 'ERR_OUT_OF_RANGE'],
  ['a bound above 65535', [40000, 65536], 'ERR_OUT_OF_RANGE'],
  ['a fraction', [40000.5, 40001], 'ERR_OUT_OF_RANGE'],
  ['NaN', [Number.NaN, 40001], 'ERR_OUT_OF_RANGE'],
  ['one number', [40000], 'ERR_INVALID_ARG_TYPE'],
  ['three numbers', [40000, 40001, 40002], 'ERR_INVALID_ARG_TYPE'],
  ['text', '40000-40001', 'ERR_INVALID_ARG_TYPE'],
  ['numbers as text', ['40000', '40001'], 'ERR_INVALID_ARG_TYPE'],
  ['null', null, 'ERR_INVALID_ARG_TYPE'],
])('reserve() refuses localPortRange %s', async (_, localPortRange, code) => {
  await refused(
    () => reserve({ remote, localPortRange: localPortRange as never }),
    { code },
    /options\.localPortRange/,
  );
});

describe('when the sysctl range changes', () => {
  test('reserve() accepts a range inside the new one at once', () => {
    using before = reserve({ remote, localPortRange: [40000, 40001] });
    using _ = setSysctl(RANGE, '10000 10999');
    using after = reserve({ remote, localPortRange: [10000, 10999] });
    expect(after.local.port).toBeLessThan(11000);
    expect(before.verify()).toBe(true);
  });

  test('reserve() refuses a range outside the new one, although it was valid before', async () => {
    reserve({ remote, localPortRange: [40000, 40001] }).release();
    using _ = setSysctl(RANGE, '10000 10999');
    // The kernel would silently use any of its ports: only the port that it picked reveals it.
    await refused(
      () => reserve({ remote, localPortRange: [40000, 40001] }),
      { code: 'ERR_OUT_OF_RANGE' },
      /net\.ipv4\.ip_local_port_range, which is 10000-10999 here/,
    );
  });

  test('reserve() refuses a port of `local` outside the new range, although it was valid before', async () => {
    const local = { address: '127.0.0.1', port: 40000 };
    reserve({ remote, local }).release();
    using _ = setSysctl(RANGE, '10000 10999');
    await refused(() => reserve({ remote, local }), { code: 'ERR_OUT_OF_RANGE' }, /net\.ipv4\.ip_local_port_range/);
  });

  test('reserve() refuses a port of `local` outside the new range, and accepts one inside', async () => {
    reserve({ remote, local: { address: '127.0.0.1', port: 40000 } }).release();
    using _ = setSysctl(RANGE, '10000 10999');
    using reservation = reserve({ remote, local: { address: '127.0.0.1', port: 10500 } });
    expect(reservation.local.port).toBe(10500);
    await refused(
      () => reserve({ remote, local: { address: '127.0.0.1', port: 40000 } }),
      { code: 'ERR_OUT_OF_RANGE' },
      /options\.local\.port/,
    );
  });

  test('reserve() without a range follows the new one', () => {
    reserve({ remote }).release();
    using _ = setSysctl(RANGE, '10000 10009');
    using ten = all(reserveMany(10, { remote }));
    expect(ten).toBeDefined();
    expect(() => reserve({ remote })).toThrow('10 ports of 10000-10009');
  });
});

describe('reserve() without a range', () => {
  test('reserve() without a range sets the whole range, so that odd and even ports are found alike', () => {
    const reservations = reserveMany(200, { remote });
    using _ = all(reservations);
    expect(getOption(reservations[0]!, 'IP_LOCAL_PORT_RANGE')).toEqual([1, 65535]);
    expect(new Set(reservations.map(({ local }) => local.port % 2))).toEqual(new Set([0, 1]));
    expect(reservations.every(({ local }) => local.port >= 32768 && local.port <= 60999)).toBe(true);
  });

  test('a plain connect takes even ports only: the cliff that the range avoids', () => {
    const sockets = Array.from({ length: 100 }, () => {
      const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
      setOption(socket, 'TCP_FASTOPEN_CONNECT', true);
      setOption(socket, 'TCP_FASTOPEN_NO_COOKIE', true);
      socket.connect(remote);
      return socket;
    });
    const ports = sockets.map(({ local }) => local.port);
    for (const socket of sockets) socket.close();
    expect(ports.filter((port) => port % 2 === 1)).toEqual([]);
  });

  test('reserve() without a range never picks ip_local_reserved_ports', () => {
    using _ = setSysctl(RANGE, '40000 40009');
    using __ = reservedPorts('40000-40004,40006,40008-40020');
    const reservations = reserveMany(2, { remote });
    using ___ = all(reservations);
    expect(reservations.map(({ local }) => local.port).sort()).toEqual([40005, 40007]);
    expect(() => reserve({ remote })).toThrow(/(2|10) ports of 40000-40009/);
  });
});

describe.each(BOTH)('reserve() with a port in an $family `local`', (addresses) => {
  const at = (port: number): { address: string; port: number } => ({ address: addresses.loopback, port });

  test('reserve() with a local port inside the sysctl range shares it between destinations', () => {
    const reservations = [9, 10, 11, 12].map((port) => reserve({ remote: at(port), local: at(40000) }));
    using _ = all(reservations);
    expect(reservations.map(({ local }) => local.port)).toEqual([40000, 40000, 40000, 40000]);
    expect(reservations.every((reservation) => reservation.verify())).toBe(true);
  });

  test('reserve() with a local port gives it once per destination', async () => {
    using first = reserve({ remote: at(9), local: at(40000) });
    expect(first.local.port).toBe(40000);
    await refused(() => reserve({ remote: at(9), local: at(40000) }), EXHAUSTED, /1 port of 40000-40000/);
  });

  test.each([1, 1023, 32767, 61000, 65535])(
    'reserve() requires shareLocalPort: false for local port %i, outside the sysctl range',
    async (port) => {
      await refused(
        () => reserve({ remote: at(9), local: at(port) }),
        { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
        /"options\.local\.port"/,
        /shareLocalPort: false/,
      );
      using reservation = reserve({ remote: at(9), local: at(port), shareLocalPort: false });
      expect(reservation.local.port).toBe(port);
      expect(reservation.verify()).toBe(true);
    },
  );

  test('reserve() refuses a local port outside localPortRange when both are given', async () => {
    for (const shareLocalPort of [true, false]) {
      using reservation = reserve({ remote: at(9), local: at(40005), localPortRange: [40000, 40009], shareLocalPort });
      expect(reservation.local.port).toBe(40005);
      await refused(
        () => reserve({ remote: at(9), local: at(40010), localPortRange: [40000, 40009], shareLocalPort }),
        { code: 'ERR_OUT_OF_RANGE' },
        /"options\.local\.port"/,
        /inside options\.localPortRange, 40000-40009/,
      );
    }
  });

  test('reserve() with local port 0 lets the kernel pick the port', () => {
    using reservation = reserve({ remote: at(9), local: at(0) });
    expect(reservation.local.port).toBeGreaterThan(0);
  });
});

describe.each(BOTH)('reserve() with shareLocalPort: false, $family', (addresses) => {
  const at = (port: number): { address: string; port: number } => ({ address: addresses.loopback, port });

  test.each([
    ['with a local address', { local: { address: addresses.loopback } }],
    ['without', {}],
    ['with a range', { localPortRange: [40000, 40999] }],
  ] as const)(
    'reserve() with shareLocalPort: false keeps its port from every other destination, %s',
    async (_, options) => {
      using alone = reserve({ remote: at(9), shareLocalPort: false, ...options });
      const { port } = alone.local;
      expect(alone.verify()).toBe(true);
      await refused(() => reserve({ remote: at(10), local: at(port) }), EXHAUSTED);
      await refused(() => reserve({ remote: at(10), local: at(port), shareLocalPort: false }), { code: 'EADDRINUSE' });
      await refused(() => bound(addresses, at(port), { SO_REUSEADDR: true }), { code: 'EADDRINUSE' });
    },
  );

  test('reserve() with shareLocalPort: false does not get a port that a shared reservation has', async () => {
    using shared = reserve({ remote: at(9), local: at(40000) });
    expect(shared.verify()).toBe(true);
    await refused(() => reserve({ remote: at(10), local: at(40000), shareLocalPort: false }), {
      code: 'EADDRINUSE',
      syscall: 'bind',
      reason: 'portInUse',
    });
  });

  test('reserve() with shareLocalPort: false gets its port from the range', () => {
    const reservations = reserveMany(4, { remote: at(9), shareLocalPort: false, localPortRange: [40000, 40003] });
    using _ = all(reservations);
    expect(reservations.map(({ local }) => local.port).sort()).toEqual([40000, 40001, 40002, 40003]);
  });

  // bind(2) tries the ports of the other parity first, and misses the last one of a range with an odd number of them.
  test('reserve() with shareLocalPort: false gets every port of a range with an odd number of ports', () => {
    const reservations = reserveMany(3, { remote: at(9), shareLocalPort: false, localPortRange: [40000, 40002] });
    using _ = all(reservations);
    expect(reservations.map(({ local }) => local.port).sort()).toEqual([40000, 40001, 40002]);
  });

  test('reserve() with shareLocalPort: false gets every port of a sysctl range with an odd number of ports', () => {
    using _ = setSysctl(RANGE, '40000 40002');
    const reservations = reserveMany(3, { remote: at(9), shareLocalPort: false });
    using __ = all(reservations);
    expect(reservations.map(({ local }) => local.port).sort()).toEqual([40000, 40001, 40002]);
  });

  test('reserve() with shareLocalPort: false frees its port when it is released', () => {
    reserve({ remote: at(9), local: at(40000), shareLocalPort: false }).release();
    using again = reserve({ remote: at(9), local: at(40000), shareLocalPort: false });
    expect(again.local.port).toBe(40000);
  });
});

test('reserve() with shareLocalPort: false reserves a given port that ip_local_reserved_ports has', () => {
  using _ = reservedPorts('40000');
  using reservation = reserve({ remote, local: { address: IPV4.loopback, port: 40000 }, shareLocalPort: false });
  expect(reservation.local.port).toBe(40000);
});
