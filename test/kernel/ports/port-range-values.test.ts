// IP_LOCAL_PORT_RANGE as a value: which values the kernel accepts, how they read back by name and by number, and when it is too late.
import { describe, expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import { getOption, NativeSocket, setOption, type Family, type SocketType } from '../../../src/index.js';
import { testWith } from '../../support/kernel.js';
import { BOTH, bound, checkDescriptors, refused, refusing, thrown, type Addresses } from '../../support/fixtures.js';

checkDescriptors();

const RAW = { level: 0, name: 51 };
const SOCKETS = BOTH.flatMap((addresses) =>
  (['stream', 'dgram'] as const).map((type) => ({ addresses, family: addresses.family, type })),
);

function create(family: Family, type: SocketType = 'stream'): NativeSocket {
  return NativeSocket.create({ family, type });
}

describe.each(SOCKETS)('IP_LOCAL_PORT_RANGE on an $family $type socket', ({ family, type }) => {
  test('IP_LOCAL_PORT_RANGE is unset initially', () => {
    using socket = create(family, type);
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
    expect(getOption(socket, RAW)).toEqual(new Uint8Array(4));
  });

  test.each([0, 1, 2, 3, 5, 8, 16])('IP_LOCAL_PORT_RANGE fails with EINVAL for a value of %i bytes', async (size) => {
    using socket = create(family, type);
    await refused(
      () => {
        setOption(socket, RAW, new Uint8Array(size).fill(0x80));
      },
      { code: 'EINVAL', syscall: 'setsockopt', option: '0/51' },
    );
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
  });

  test.each([
    [40000, 49999],
    [40000, 40000],
    [1, 1],
    [1, 65535],
    [65535, 65535],
    [1000, 1009],
    [0, 40000],
    [40000, 0],
    [0, 0],
  ] as const)('IP_LOCAL_PORT_RANGE accepts [%i, %i] by name and by number, and reads back the same', (lo, hi) => {
    using byName = create(family, type);
    setOption(byName, 'IP_LOCAL_PORT_RANGE', [lo, hi]);
    using byNumber = create(family, type);
    setOption(byNumber, RAW, packed(lo, hi));
    for (const socket of [byName, byNumber]) {
      expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([lo, hi]);
      expect(getOption(socket, RAW)).toEqual(packed(lo, hi));
    }
  });

  test('IP_LOCAL_PORT_RANGE is reset by [0, 0]', () => {
    using socket = create(family, type);
    setOption(socket, 'IP_LOCAL_PORT_RANGE', [40000, 40001]);
    setOption(socket, 'IP_LOCAL_PORT_RANGE', [0, 0]);
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
  });

  test('IP_LOCAL_PORT_RANGE with lo > hi fails with EINVAL by number, and is refused by name before the kernel is called', async () => {
    using socket = create(family, type);
    for (const [lo, hi] of [
      [40001, 40000],
      [65535, 1],
    ] as const) {
      await refused(
        () => {
          setOption(socket, RAW, packed(lo, hi));
        },
        { code: 'EINVAL', syscall: 'setsockopt' },
      );
      await refused(
        () => {
          setOption(socket, 'IP_LOCAL_PORT_RANGE', [lo, hi]);
        },
        { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
        /lo <= hi/,
      );
    }
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
  });

  test.each([
    ['text', '40000-40001', 'ERR_INVALID_ARG_TYPE'],
    ['one number', 40000, 'ERR_INVALID_ARG_TYPE'],
    ['three numbers', [1, 2, 3], 'ERR_INVALID_ARG_TYPE'],
    ['null', null, 'ERR_INVALID_ARG_TYPE'],
    ['numbers as text', ['1', '2'], 'ERR_INVALID_ARG_TYPE'],
    ['a negative bound', [-1, 2], 'ERR_OUT_OF_RANGE'],
    ['a bound above 65535', [1, 65536], 'ERR_OUT_OF_RANGE'],
    ['NaN', [Number.NaN, 2], 'ERR_OUT_OF_RANGE'],
    ['a fraction', [1.5, 2], 'ERR_OUT_OF_RANGE'],
  ])('IP_LOCAL_PORT_RANGE refuses %s by name', async (_, value, code) => {
    using socket = create(family, type);
    await refused(
      () => {
        setOption(socket, 'IP_LOCAL_PORT_RANGE', value as never);
      },
      { code },
    );
  });

  test('IP_LOCAL_PORT_RANGE is read as the first bytes into a shorter buffer, and as four into a longer one', () => {
    using socket = create(family, type);
    setOption(socket, 'IP_LOCAL_PORT_RANGE', [0x1234, 0x5678]);
    const whole = packed(0x1234, 0x5678);
    for (const length of [0, 1, 2, 3, 4]) expect(getOption(socket, RAW, length)).toEqual(whole.subarray(0, length));
    expect(getOption(socket, RAW, 8)).toEqual(whole);
  });
});

test('IP_LOCAL_PORT_RANGE is a u32: 40000-60000 is negative as an int32, but not by name', () => {
  using socket = create('ipv4');
  setOption(socket, RAW, (60000 << 16) | 40000);
  expect((60000 << 16) | 40000).toBeLessThan(0);
  expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([40000, 60000]);
});

describe('IP_LOCAL_PORT_RANGE has the IPv4 level, also on IPv6 sockets', () => {
  test('option 51 of IPPROTO_IPV6 is accepted, but is IPV6_RECVHOPLIMIT', () => {
    using socket = create('ipv6');
    setOption(socket, { level: 41, name: 51 }, packed(40000, 40001));
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
    expect(getOption(socket, 'IPV6_RECVHOPLIMIT')).toBe(true);
  });

  test('option 51 of IPPROTO_IPV6 on an IPv4 socket fails', () => {
    using socket = create('ipv4');
    const error = thrown(() => {
      setOption(socket, { level: 41, name: 51 }, packed(40000, 40001));
    });
    expect(error.syscall).toBe('setsockopt');
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
  });

  test('IP_LOCAL_PORT_RANGE on a Unix socket fails with errno 95', () => {
    const handle = new (native().Handle)();
    expect(handle.socket(1, 1, 0)).toBe(0);
    expect(handle.setsockopt(0, 51, packed(40000, 40001))).toBe(-95);
    expect(handle.getsockopt(0, 51, new Uint8Array(4))).toBe(-95);
    handle.close();
  });
});

describe.each(SOCKETS)('options of an $family $type socket that has a port', ({ addresses, type }) => {
  const tooLate = { name: 'SocketError', code: 'ERR_OPTION_TOO_LATE' };

  test.each([
    ['by bind to a port', bindTo],
    ['by bind to port 0', bindToAny],
    ['by connect', connectTo],
  ] as const)('IP_LOCAL_PORT_RANGE after %s is refused by name and ignored by number', async (_, assign) => {
    using peer = refusing(addresses);
    using socket = create(addresses.family, type);
    assign(socket, addresses, peer);
    const { port } = socket.local;
    expect(port).not.toBe(0);
    await refused(
      () => {
        setOption(socket, 'IP_LOCAL_PORT_RANGE', [50000, 50001]);
      },
      tooLate,
      /IP_LOCAL_PORT_RANGE comes too late/,
    );
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([0, 0]);
    setOption(socket, RAW, packed(50000, 50001));
    expect(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqual([50000, 50001]);
    expect(socket.local.port).toBe(port);
  });

  test('IP_LOCAL_PORT_RANGE is also refused on a borrowed descriptor', async () => {
    using socket = bound(addresses, { address: addresses.loopback, port: 0 }, {}, type);
    await refused(() => {
      setOption(socket.fd, 'IP_LOCAL_PORT_RANGE', [50000, 50001]);
    }, tooLate);
  });

  test('IP_BIND_ADDRESS_NO_PORT is refused, too', async () => {
    using socket = bound(addresses, { address: addresses.loopback, port: 0 }, {}, type);
    await refused(
      () => {
        setOption(socket, 'IP_BIND_ADDRESS_NO_PORT', true);
      },
      tooLate,
      /IP_BIND_ADDRESS_NO_PORT comes too late/,
    );
    expect(getOption(socket, 'IP_BIND_ADDRESS_NO_PORT')).toBe(false);
  });

  test('a value of the wrong type is refused for its type, not for being late', async () => {
    using socket = bound(addresses, { address: addresses.loopback, port: 0 }, {}, type);
    await refused(
      () => {
        setOption(socket, 'IP_LOCAL_PORT_RANGE', [50001, 50000]);
      },
      { code: 'ERR_OUT_OF_RANGE' },
    );
  });
});

testWith({ kernel: [6, 3] })('IP_LOCAL_PORT_RANGE is accepted after a bind without a port', () => {
  for (const { addresses, type } of SOCKETS) {
    using peer = refusing(addresses);
    using socket = bound(addresses, { address: addresses.loopback, port: 0 }, { IP_BIND_ADDRESS_NO_PORT: true }, type);
    expect(socket.local.port).toBe(0);
    setOption(socket, 'IP_LOCAL_PORT_RANGE', [50007, 50007]);
    socket.connect(peer.local);
    expect(socket.local.port).toBe(50007);
  }
});

function bindTo(socket: NativeSocket, addresses: Addresses): void {
  socket.bind({ address: addresses.loopback, port: 45678 });
}

function bindToAny(socket: NativeSocket, addresses: Addresses): void {
  socket.bind({ address: addresses.loopback, port: 0 });
}

function connectTo(socket: NativeSocket, _: Addresses, peer: NativeSocket): void {
  socket.connect(peer.local);
}

/** The kernel's form: lo in the lower half of a u32. */
function packed(lo: number, hi: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(((hi << 16) | lo) >>> 0).buffer);
}
