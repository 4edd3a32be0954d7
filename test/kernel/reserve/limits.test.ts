// Limits of reservations: no free port, destinations without a route, no free descriptor.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { reserve, reserveMany, type PortReservation } from '../../../src/index.js';
import { nodeEnvironment } from '../../support/child.js';
import { countSockets, expectNoNewFds } from '../../support/fds.js';
import { testWith } from '../../support/kernel.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { setSysctl } from '../../support/sysctl.js';
import {
  all,
  BOTH,
  bound,
  checkDescriptors,
  EXHAUSTED,
  ip,
  IPV4,
  IPV6,
  refused,
  reservedPorts,
  route,
  thrown,
  type AnyError,
} from '../../support/fixtures.js';

checkDescriptors();

describe.each(BOTH)('when $family ports run out', (addresses) => {
  const remote = { address: addresses.loopback, port: 9 };

  test('reserve() in a range of five ports succeeds five times, then fails with the number of ports', async () => {
    const held: PortReservation[] = [];
    const failed: AnyError[] = [];
    using _ = all(held);
    await expectNoNewFds(() => {
      for (let i = 0; i < 7; i++) {
        try {
          held.push(reserve({ remote, localPortRange: [45000, 45004] }));
        } catch (error) {
          failed.push(error as AnyError);
        }
      }
      expect(held.map(({ local }) => local.port).sort()).toEqual([45000, 45001, 45002, 45003, 45004]);
      for (const reservation of held) reservation.release();
    });
    expect(failed).toHaveLength(2);
    for (const error of failed) {
      expect(error).toMatchObject({ name: 'SocketError', ...EXHAUSTED });
      expect(error.cause).toMatchObject({ reason: 'portRangeExhausted', address: addresses.loopback, port: 9 });
      expect(error.message).toContain(`5 ports of 45000-45004`);
      expect(error.message).toContain(`from any address to `);
    }
  });

  test('reserve() counts in its message the ports that ip_local_reserved_ports leaves', async () => {
    using _ = reservedPorts('45000-45002,45005,45009-46000');
    using four = all(reserveMany(5, { remote, localPortRange: [45000, 45009] }));
    expect(four).toBeDefined();
    await refused(() => reserve({ remote, localPortRange: [45000, 45009] }), EXHAUSTED, /(5|10) ports of 45000-45009/);
  });

  test('reserve() in a fully reserved range reports that it has no ports', async () => {
    using _ = reservedPorts('45000-45001');
    await refused(() => reserve({ remote, localPortRange: [45000, 45001] }), EXHAUSTED, /[02] ports of 45000-45001/);
  });

  test('reserveMany() gets exactly 3000 reservations from a sysctl range of 3000 ports', async () => {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '40000 42999');
    await refused(
      () => reserveMany(3001, { remote }),
      EXHAUSTED,
      /3000 ports of 40000-42999/, // the sysctl's range, not that of the option
    );
    const reservations = reserveMany(3000, { remote });
    using __ = all(reservations);
    expect(new Set(reservations.map(({ local }) => local.port)).size).toBe(3000);
    expect(reservations.every((reservation) => reservation.verify())).toBe(true);
    await refused(() => reserve({ remote }), EXHAUSTED);
    using elsewhere = reserve({ remote: { address: addresses.loopback, port: 10 } });
    expect(elsewhere.verify()).toBe(true);
  });

  test('reserve() with shareLocalPort: false has EADDRINUSE of bind as its cause', async () => {
    const alone = { remote, localPortRange: [45000, 45001], shareLocalPort: false } as const;
    using both = all(reserveMany(2, alone));
    expect(both).toBeDefined();
    await refused(
      () => reserve(alone),
      {
        code: 'ERR_PORT_RANGE_EXHAUSTED',
        cause: expect.objectContaining({
          code: 'EADDRINUSE',
          syscall: 'bind',
          reason: 'portRangeExhausted',
        }) as unknown,
      },
      /2 ports of 45000-45001/,
    );
  });
});

describe('reserveMany()', () => {
  const remote = { address: '127.0.0.1', port: 9 };

  test('reserveMany() makes the requested number of reservations, each with its own port', () => {
    const reservations = reserveMany(100, { remote });
    using _ = all(reservations);
    expect(new Set(reservations.map(({ local }) => local.port)).size).toBe(100);
    expect(new Set(reservations.map(({ fd }) => fd)).size).toBe(100);
  });

  test('reserveMany() makes all or none: a failure frees its ports and closes its descriptors', async () => {
    const range = { remote, localPortRange: [45000, 45009] } as const;
    using taken = reserve({ remote, local: { address: '127.0.0.1', port: 45007 } });
    expect(taken.local.port).toBe(45007);
    await refused(() => reserveMany(10, range), EXHAUSTED);
    using nine = all(reserveMany(9, range));
    expect(nine).toBeDefined();
  });

  test('reserveMany() accepts a count from 1 to 65535, and refuses any other before a socket is made', async () => {
    for (const count of [0, -1, 65536, 1.5, Number.NaN, Infinity]) {
      await refused(() => reserveMany(count, { remote }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }, /"count"/);
    }
    for (const count of ['1', null, undefined, 1n, {}]) {
      await refused(() => reserveMany(count as never, { remote }), { code: 'ERR_INVALID_ARG_TYPE' }, /"count"/);
    }
  });
});

test.each(BOTH)(
  'reserve() with shareLocalPort: false is refused an $family port that another socket holds alone',
  async (addresses) => {
    const remote = { address: addresses.loopback, port: 9 };
    using holder = bound(addresses, { address: addresses.loopback, port: 0 });
    const { port } = holder.local;
    await refused(
      () => reserve({ remote, local: { address: addresses.loopback, port }, shareLocalPort: false }),
      { code: 'EADDRINUSE', syscall: 'bind', address: addresses.loopback, port, reason: 'portInUse' },
      /Another socket holds the port/,
    );
  },
);

describe.each([
  { addresses: IPV4, remote: '192.0.2.1', prefix: '192.0.2.0/24' },
  { addresses: IPV6, remote: '2001:db8::1', prefix: '2001:db8::/32' },
])('reserve() toward an $addresses.family destination', ({ addresses, remote, prefix }) => {
  const target = { remote: { address: remote, port: 53 } };
  const shape = { name: 'SyscallError', syscall: 'connect', address: remote, port: 53, reason: 'noRoute' };

  test('reserve() without a route fails with ENETUNREACH', async () => {
    await refused(() => reserve(target), { ...shape, code: 'ENETUNREACH' }, /no route/, /ip route get/);
  });

  test('reserve() with an unreachable route fails with EHOSTUNREACH', async () => {
    using _ = route('unreachable', prefix);
    await refused(() => reserve(target), { ...shape, code: 'EHOSTUNREACH' }, /unreachable/);
  });

  test('reserve() with a prohibit route fails with EACCES', async () => {
    using _ = route('prohibit', prefix);
    await refused(() => reserve(target), { ...shape, code: 'EACCES' }, /prohibit/);
  });

  test('reserve() with a blackhole route fails with EINVAL', async () => {
    using _ = route('blackhole', prefix);
    await refused(() => reserve(target), { ...shape, code: 'EINVAL' }, /black hole/);
  });

  test('reserve() toward port 0 is refused before the kernel is called', async () => {
    for (const address of [remote, addresses.loopback]) {
      await refused(
        () => reserve({ remote: { address, port: 0 } }),
        { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
        /"options\.remote\.port"/,
      );
    }
  });

  test('reserveMany() toward an unreachable destination fails as reserve() does, and leaves nothing open', async () => {
    await refused(() => reserveMany(10, target), { ...shape, code: 'ENETUNREACH' });
  });
});

test('reserve() toward an IPv6 destination for which the host has no address is not reported as exhaustion', async () => {
  await using peer = await NetworkNamespace.create();
  const { peerName } = await peer.link('current');
  ip('-6', 'addr', 'flush', 'dev', peerName);
  using _ = route('2001:db8::/32', 'dev', peerName);
  ip('-6', 'addr', 'del', '::1/128', 'dev', 'lo'); // otherwise it would be the source
  using __ = { [Symbol.dispose]: () => ip('-6', 'addr', 'add', '::1/128', 'dev', 'lo') };
  const error = thrown(() => reserve({ remote: '[2001:db8::1]:53' }));
  expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'connect' });
  expect(error.message).not.toContain('ports of');
});

testWith({ tools: ['prlimit'] })(
  'reserve() without a free descriptor fails with a message that names ulimit, and leaves nothing open',
  async () => {
    const before = countSockets();
    const { stdout } = await promisify(execFile)(
      'prlimit',
      ['--nofile=256', process.execPath, '--input-type=module', '--eval', OUT_OF_DESCRIPTORS],
      { env: nodeEnvironment() },
    );
    expect(JSON.parse(stdout)).toEqual({
      many: { code: 'EMFILE', syscall: 'socket', ulimit: true },
      afterMany: 0,
      one: { code: 'EMFILE', syscall: 'socket', ulimit: true },
      again: 'held',
    });
    expect(countSockets()).toBe(before);
  },
);

const OUT_OF_DESCRIPTORS = `
  import { readdirSync } from 'node:fs';
  import { reserve, reserveMany } from 'linux-sockets';
  const remote = '127.0.0.1:9';
  const fds = () => readdirSync('/proc/self/fd').length;
  const attempt = (action) => {
    try {
      action();
      return 'nothing was thrown';
    } catch ({ code, syscall, message }) {
      return { code, syscall, ulimit: message.includes('ulimit -n') };
    }
  };
  reserve({ remote }).release();
  const before = fds();
  const many = attempt(() => reserveMany(300, { remote }));
  const afterMany = fds() - before;
  const held = [];
  const one = attempt(() => {
    for (;;) held.push(reserve({ remote }));
  });
  held.pop().release();
  const again = reserve({ remote }).state;
  console.log(JSON.stringify({ many, afterMany, one, again }));
  process.exit();
`;
