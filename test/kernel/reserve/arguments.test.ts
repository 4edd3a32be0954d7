// What reserve refuses before the kernel is called, without making a descriptor; and what `sockopts` may contain.
import { describe, expect, test } from 'vitest';
import { getOption, reserve, reserveMany, setOption, type SocketOptions } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { setSysctl } from '../../support/sysctl.js';
import { checkDescriptors, refused } from '../../support/fixtures.js';

checkDescriptors();

const remote = '127.0.0.1:9';
const TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const VALUE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
const RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

describe('arguments of reserve()', () => {
  test.each([
    ['nothing', undefined, TYPE],
    ['null', null, TYPE],
    ['text', remote, TYPE],
    ['a number', 9, TYPE],
    ['a function', () => undefined, TYPE],
    ['no remote', {}, TYPE],
    ['an empty array', [], TYPE],
  ] as const)('reserve() refuses %s as options', async (_, options, error) => {
    await refused(() => reserve(options as never), error);
    await refused(() => reserveMany(1, options as never), error);
  });

  test.each([
    ['null', null, TYPE],
    ['a number', 53, TYPE],
    ['an object without an address', { port: 53 }, TYPE],
    ['an object without a port', { address: '127.0.0.1' }, TYPE],
    ['an address that is not a string', { address: 1, port: 53 }, TYPE],
    ['a port that is not a number', { address: '127.0.0.1', port: '53' }, TYPE],
    ['text without a port', '127.0.0.1', VALUE],
    ['a name', 'localhost:53', VALUE],
    ['an empty address', { address: '', port: 53 }, VALUE],
    ['an address with one part too many', { address: '127.0.0.0.1', port: 53 }, VALUE],
    ['IPv6 text without brackets', '::1:53', VALUE],
    ['a zone without an interface', { address: 'fe80::1%nothing', port: 53 }, VALUE],
    ['a port above 65535', { address: '127.0.0.1', port: 65536 }, RANGE],
    ['a port in text above 65535', '127.0.0.1:65536', RANGE],
    ['a negative port', { address: '127.0.0.1', port: -1 }, RANGE],
    ['a fraction of a port', { address: '127.0.0.1', port: 53.5 }, RANGE],
    ['NaN for a port', { address: '127.0.0.1', port: Number.NaN }, RANGE],
    ['2**32 for a port', { address: '127.0.0.1', port: 2 ** 32 }, RANGE],
    ['port 0', { address: '127.0.0.1', port: 0 }, RANGE],
    ['port 0 in text', '[::1]:0', RANGE],
  ] as const)('reserve() refuses %s as remote', async (_, value, error) => {
    await refused(() => reserve({ remote: value as never }), error, /options\.remote/);
  });

  test.each([
    ['null', null, TYPE],
    ['a number', 40000, TYPE],
    ['true', true, TYPE],
    ['an object without an address', { port: 40000 }, TYPE],
    ['an address that is not a string', { address: 1 }, TYPE],
    ['text without an address', ':40000', VALUE],
    ['a name', { address: 'localhost' }, VALUE],
    ['a port that is not a number', { address: '127.0.0.1', port: '40000' }, TYPE],
    ['null for a port', { address: '127.0.0.1', port: null }, TYPE],
    ['a port above 65535', { address: '127.0.0.1', port: 65536 }, RANGE],
    ['a fraction of a port', { address: '127.0.0.1', port: 0.5 }, RANGE],
  ] as const)('reserve() refuses %s as `local`', async (_, local, error) => {
    await refused(() => reserve({ remote, local: local as never }), error, /options\.local/);
  });

  test.each(['shareLocalPort', 'freebind', 'transparent'] as const)(
    'reserve() refuses a value other than a boolean for `%s`',
    async (name) => {
      for (const value of [1, 0, 'true', {}, []]) {
        await refused(() => reserve({ remote, [name]: value as never }), TYPE, new RegExp(`"options\\.${name}"`));
      }
    },
  );

  test.each(['shareLocalPort', 'freebind', 'transparent'] as const)('reserve() refuses null for `%s`', async (name) => {
    await refused(() => reserve({ remote, [name]: null as never }), TYPE, new RegExp(`"options\\.${name}"`));
  });

  test.each(['localport', 'port', 'host', 'localAddress', 'reuseAddr', 'exclusive', 'toString', '__proto__x'])(
    'reserve() refuses the unknown option %s',
    async (name) => {
      await refused(
        () => reserve({ remote, [name]: 1 }),
        VALUE,
        new RegExp(`"options\\.${name}"`),
        /remote, local, localPortRange, shareLocalPort, freebind, transparent, mark, sockopts/,
      );
    },
  );
});

describe('reserve() with sockopts', () => {
  test.each([
    ['SO_REUSEADDR', true, /listen on it/],
    ['SO_REUSEADDR', false, /listen on it/],
    ['SO_REUSEPORT', true, /listen on it/],
    ['SO_BINDTODEVICE', 'lo', /4-tuple/],
    ['SO_BINDTOIFINDEX', 1, /4-tuple/],
    ['IP_BIND_ADDRESS_NO_PORT', false, /`shareLocalPort`/],
    ['IP_LOCAL_PORT_RANGE', [40000, 40001], /`localPortRange`/],
    ['IP_FREEBIND', true, /`freebind`/],
    ['IPV6_FREEBIND', true, /`freebind`/],
    ['IP_TRANSPARENT', true, /`transparent`/],
    ['IPV6_TRANSPARENT', true, /`transparent`/],
    ['TCP_FASTOPEN_CONNECT', false, /sets it itself/],
    ['TCP_FASTOPEN_NO_COOKIE', false, /sets it itself/],
  ] as const)('reserve() with sockopts and %s refuses %s', async (name, value, why) => {
    const sockopts = { [name]: value } as SocketOptions;
    await refused(() => reserve({ remote, sockopts }), VALUE, new RegExp(`"options\\.sockopts\\.${name}"`), why);
    await refused(() => reserveMany(2, { remote, sockopts }), VALUE, why);
  });

  test.each([
    ['an unknown option', { SO_NOTHING: 1 }, VALUE, /SO_NOTHING/],
    ['a read-only option', { TCP_INFO: {} }, VALUE, /TCP_INFO/],
    ['a value of the wrong type', { TCP_NODELAY: 1 }, TYPE, /TCP_NODELAY/],
    ['a value out of range', { IP_TTL: 256 }, RANGE, /IP_TTL/],
    ['null', null, TYPE, /sockopts/],
    ['text', 'TCP_NODELAY', TYPE, /sockopts/],
  ] as const)('reserve() with sockopts refuses %s', async (_, sockopts, error, message) => {
    await refused(() => reserve({ remote, sockopts: sockopts as never }), error, message);
  });

  test('reserve() with sockopts leaves no descriptor when the kernel refuses an option', async () => {
    await refused(() => reserve({ remote, sockopts: { TCP_CONGESTION: 'no-such' } }), {
      code: 'ENOENT',
      syscall: 'setsockopt',
      option: 'TCP_CONGESTION',
    });
    await refused(() => reserve({ remote, sockopts: { IPV6_V6ONLY: true } }), {
      code: 'ENOPROTOOPT',
      syscall: 'setsockopt',
      option: 'IPV6_V6ONLY',
    });
  });

  test('reserve() sets sockopts on the reservation, and on the socket made from it', () => {
    using reservation = reserve({
      remote,
      sockopts: { TCP_NODELAY: true, SO_KEEPALIVE: true, TCP_KEEPIDLE: 77, IP_TTL: 33 },
      mark: 42,
    });
    expect(getOption(reservation, 'TCP_NODELAY')).toBe(true);
    expect(getOption(reservation, 'SO_KEEPALIVE')).toBe(true);
    expect(getOption(reservation, 'TCP_KEEPIDLE')).toBe(77);
    expect(getOption(reservation, 'IP_TTL')).toBe(33);
    expect(getOption(reservation, 'SO_MARK')).toBe(42);
    const socket = reservation.toSocket();
    expect(getOption(socket, 'TCP_KEEPIDLE')).toBe(77);
    socket.destroy();
  });

  test('reserve() ignores sockopts that are undefined', () => {
    using reservation = reserve({ remote, sockopts: { TCP_NODELAY: undefined } });
    expect(reservation.verify()).toBe(true);
  });
});

test('reserve() sets the options that a reservation needs', () => {
  using reservation = reserve({ remote });
  expect(getOption(reservation, 'IP_BIND_ADDRESS_NO_PORT')).toBe(true);
  expect(getOption(reservation, 'TCP_FASTOPEN_CONNECT')).toBe(true);
  expect(getOption(reservation, 'TCP_FASTOPEN_NO_COOKIE')).toBe(true);
  for (const name of ['SO_REUSEADDR', 'SO_REUSEPORT'] as const) expect(getOption(reservation, name)).toBe(false);
  expect(getOption(reservation, 'SO_BINDTODEVICE')).toBe('');
});

test("setOption(reservation, 'IP_LOCAL_PORT_RANGE') is refused as too late", async () => {
  using reservation = reserve({ remote });
  await refused(
    () => {
      setOption(reservation, 'IP_LOCAL_PORT_RANGE', [40000, 40001]);
    },
    { code: 'ERR_OPTION_TOO_LATE' },
  );
});

describe('reserve() and net.ipv4.tcp_fastopen', () => {
  test.each(['0', '2', '4', '1026'])(
    'reserve() with net.ipv4.tcp_fastopen=%s, without the client bit, fails with errno 95 and names the sysctl',
    async (value) => {
      using _ = setSysctl('net.ipv4.tcp_fastopen', value);
      await refused(
        () => reserve({ remote }),
        // Node has one name for ENOTSUP and EOPNOTSUPP, which are the same number.
        {
          code: 'ENOTSUP',
          errno: -95,
          syscall: 'setsockopt',
          option: 'TCP_FASTOPEN_CONNECT',
          reason: 'fastopenClientOff',
        },
        new RegExp(`it is ${value}\\b`),
        new RegExp(`sysctl -w net\\.ipv4\\.tcp_fastopen=${String(Number(value) | 1)}$`),
      );
      await refused(() => reserveMany(3, { remote }), { errno: -95 });
    },
  );

  test.each(['1', '3', '5', '7', '519', '1537'])(
    'reserve() with net.ipv4.tcp_fastopen=%s, with the client bit, succeeds',
    (value) => {
      using _ = setSysctl('net.ipv4.tcp_fastopen', value);
      using reservation = reserve({ remote });
      expect(reservation.verify()).toBe(true);
    },
  );

  test('a reservation stays held when net.ipv4.tcp_fastopen is set to 0', async () => {
    await expectNoNewFds(() => {
      using reservation = reserve({ remote });
      using _ = setSysctl('net.ipv4.tcp_fastopen', '0');
      expect(reservation.verify()).toBe(true);
    });
  });
});
