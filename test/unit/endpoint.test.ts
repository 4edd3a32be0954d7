// Endpoint: text, sockaddr bytes and back, compared with net.SocketAddress and ipaddr.js.
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { isIPv6, SocketAddress } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Endpoint, type LocalEndpointLike } from '../../src/index.js';
import { UNSPECIFIED } from '../../src/wire/endpoint.js';

const ports = fc.integer({ min: 0, max: 65535 });
const bytes4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** With runs of zeros, which is where the text forms differ. */
const bytes16 = fc
  .array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const notMapped = bytes16.filter((bytes) => !isMapped(bytes));

describe('IPv4', () => {
  test('an IPv4 address survives text → bytes → text', () => {
    fc.assert(
      fc.property(bytes4, ports, (bytes, port) => {
        const address = bytes.join('.');
        const endpoint = Endpoint.from({ address, port });
        expect(endpoint).toMatchObject({ address, port, family: 'ipv4', mapped: false, scopeId: 0, flowlabel: 0 });
        const sockaddr = endpoint.sockaddr();
        expect([...sockaddr]).toEqual([2, 0, port >> 8, port & 0xff, ...bytes, 0, 0, 0, 0, 0, 0, 0, 0]);
        expect([...sockaddr.subarray(4, 8)]).toEqual(ipaddr.parse(address).toByteArray());
        expect(Endpoint.decode(sockaddr)).toEqual(endpoint);
        expect(Endpoint.from(endpoint.toString())).toEqual(endpoint);
      }),
    );
  });

  test('the sockaddr of an IPv4 address for an IPv6 socket is a mapped address', () => {
    fc.assert(
      fc.property(bytes4, ports, (bytes, port) => {
        const address = bytes.join('.');
        const sockaddr = Endpoint.from({ address, port }).sockaddr('ipv6');
        expect(sockaddr).toHaveLength(28);
        expect([...sockaddr.subarray(8, 24)]).toEqual(ipaddr.parse(`::ffff:${address}`).toByteArray());
        expect(Endpoint.decode(sockaddr)).toMatchObject({ address, port, family: 'ipv4', mapped: true });
      }),
    );
  });
});

describe('IPv6', () => {
  test('an IPv6 address survives bytes → text → bytes, and its text is that of RFC 5952', () => {
    fc.assert(
      fc.property(notMapped, ports, (bytes, port) => {
        const parsed = ipaddr.fromByteArray([...bytes]) as ipaddr.IPv6;
        const endpoint = Endpoint.decode(sockaddr6(bytes, port))!;
        expect(endpoint).toMatchObject({ port, family: 'ipv6', mapped: false, scopeId: 0, flowlabel: 0 });
        expect(endpoint.address).toBe(parsed.toRFC5952String());
        expect(isIPv6(endpoint.address)).toBe(true);
        expect(new SocketAddress({ address: endpoint.address, family: 'ipv6' }).port).toBe(0);
        expect(endpoint.sockaddr()).toEqual(sockaddr6(bytes, port));
        expect(Endpoint.from(endpoint.toString())).toEqual(endpoint);
      }),
      { numRuns: 1000 },
    );
  });

  test('all spellings of an IPv6 address are read as the same address', () => {
    fc.assert(
      fc.property(notMapped, fc.boolean(), fc.boolean(), (bytes, upper, padded) => {
        const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
        const last = [...bytes.subarray(12)].join('.');
        const forms = [
          groups.map((group) => (padded ? group.padStart(4, '0') : group)).join(':'),
          `${groups.slice(0, 6).join(':')}:${last}`,
          ipaddr.fromByteArray([...bytes]).toString(),
          new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address,
        ];
        for (const form of forms) {
          const endpoint = Endpoint.from({ address: upper ? form.toUpperCase() : form, port: 1 });
          expect(endpoint.sockaddr(), form).toEqual(sockaddr6(bytes, 1));
          expect(endpoint).toEqual(Endpoint.decode(sockaddr6(bytes, 1)));
        }
      }),
    );
  });

  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['ff02::1', 'ff02::1'],
  ])('the address %s is shown as %s', (text, shown) => {
    expect(Endpoint.from({ address: text, port: 0 }).address).toBe(shown);
    expect(Endpoint.from(`[${text}]:0`).address).toBe(shown);
  });

  test('a flow label of 20 bits is stored in sin6_flowinfo in network order', () => {
    fc.assert(
      fc.property(notMapped, fc.integer({ min: 0, max: 0xfffff }), (bytes, flowlabel) => {
        const { address } = Endpoint.decode(sockaddr6(bytes, 0))!;
        const endpoint = Endpoint.from({ address, port: 7, flowlabel });
        expect(endpoint.flowlabel).toBe(flowlabel);
        const sockaddr = endpoint.sockaddr();
        expect([...sockaddr.subarray(4, 8)]).toEqual([0, flowlabel >> 16, (flowlabel >> 8) & 0xff, flowlabel & 0xff]);
        expect(Endpoint.decode(sockaddr)).toEqual(endpoint);
        expect(endpoint.withPort(8).flowlabel).toBe(flowlabel);
        expect(Endpoint.from(new SocketAddress({ address, family: 'ipv6', port: 7, flowlabel }))).toEqual(endpoint);
      }),
    );
  });

  test('decode ignores the traffic class next to the flow label', () => {
    const sockaddr = sockaddr6(new Uint8Array(16), 1);
    sockaddr.set([0xff, 0xf1, 0x23, 0x45], 4);
    expect(Endpoint.decode(sockaddr)?.flowlabel).toBe(0x12345);
  });

  test('a zone by number is the scope id, in host byte order', () => {
    fc.assert(
      // Higher than the index of any interface of this machine, so that it has no name.
      fc.property(fc.integer({ min: 1_000_000, max: 0xffffffff }), ports, (scopeId, port) => {
        const endpoint = Endpoint.from(`[fe80::1%${scopeId}]:${port}`);
        expect(endpoint).toMatchObject({ address: `fe80::1%${scopeId}`, scopeId, port });
        const sockaddr = endpoint.sockaddr();
        expect(new DataView(sockaddr.buffer).getUint32(24, true)).toBe(scopeId);
        expect(Endpoint.decode(sockaddr)).toEqual(endpoint);
        expect(endpoint.toString()).toBe(`[fe80::1%${scopeId}]:${port}`);
      }),
      {
        examples: [
          [2 ** 31, 1],
          [2 ** 32 - 1, 1],
        ],
      },
    );
  });

  test('a zone by name is the index of the interface', () => {
    const endpoint = Endpoint.from('[fe80::1%lo]:1');
    expect(endpoint).toMatchObject({ address: 'fe80::1%lo', scopeId: 1 });
    expect(Endpoint.from('[fe80::1%1]:1').sockaddr()).toEqual(endpoint.sockaddr());
    expect(Endpoint.decode(endpoint.sockaddr())).toEqual(endpoint);
  });
});

describe('a mapped address', () => {
  test('a mapped address is shown as IPv4 with mapped: true, and has a sockaddr for an IPv6 socket', () => {
    fc.assert(
      fc.property(bytes4, ports, (bytes, port) => {
        const address = bytes.join('.');
        const hex = ((bytes[0]! << 8) | bytes[1]!).toString(16) + ':' + ((bytes[2]! << 8) | bytes[3]!).toString(16);
        for (const text of [`::ffff:${address}`, `::FFFF:${hex}`, `0:0:0:0:0:ffff:${address}`]) {
          const endpoint = Endpoint.from({ address: text, port });
          expect(endpoint).toMatchObject({ address, port, family: 'ipv4', mapped: true, scopeId: 0 });
          expect(endpoint.toString()).toBe(`${address}:${port}`);
          expect(endpoint.sockaddr()).toHaveLength(28);
          expect(Endpoint.decode(endpoint.sockaddr())).toEqual(endpoint);
          expect(endpoint.sockaddr('ipv4')).toEqual(Endpoint.from({ address, port }).sockaddr());
        }
      }),
    );
  });
});

test.each([
  ['fe80::1%lo', 5],
  ['2001:db8::1', 53],
  ['192.0.2.1', 0],
  ['::ffff:192.0.2.1', 65535],
])('an Endpoint %s, port %i, survives structuredClone and JSON', (address, port) => {
  const endpoint = Endpoint.from({ address, port, ...(address.startsWith('2001') && { flowlabel: 99 }) });
  for (const copy of [structuredClone(endpoint), JSON.parse(JSON.stringify(endpoint)) as Endpoint]) {
    expect(copy).not.toBeInstanceOf(Endpoint);
    const back = Endpoint.from(copy);
    expect(back).toEqual(endpoint);
    expect(back).toBeInstanceOf(Endpoint);
    expect(back.sockaddr()).toEqual(endpoint.sockaddr());
  }
});

test('sockaddr() is cached, and correct for each family in any order', () => {
  fc.assert(
    fc.property(
      bytes4,
      ports,
      fc.array(fc.constantFrom('ipv4' as const, 'ipv6' as const), { maxLength: 6 }),
      (bytes, port, order) => {
        const endpoint = Endpoint.from({ address: bytes.join('.'), port });
        for (const family of order) {
          const expected = Endpoint.from({ address: bytes.join('.'), port }).sockaddr(family);
          expect(endpoint.sockaddr(family)).toEqual(expected);
          expect(endpoint.sockaddr(family)).toBe(endpoint.sockaddr(family));
        }
      },
    ),
  );
});

test('an IPv6 address has no sockaddr for an IPv4 socket', () => {
  expect(() => Endpoint.from('[::1]:1').sockaddr('ipv4')).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
  );
});

test('the sockaddr that disconnects a socket is AF_UNSPEC', () => {
  expect(UNSPECIFIED).toEqual(new Uint8Array(16));
  expect(Endpoint.decode(UNSPECIFIED)).toBeUndefined();
});

test('an Endpoint is immutable', () => {
  const endpoint = Endpoint.from('192.0.2.1:53');
  expect(Object.isFrozen(endpoint)).toBe(true);
  for (const change of [{ port: 1 }, { address: '::' }, { more: 1 }]) {
    expect(() => Object.assign(endpoint, change)).toThrow(TypeError);
  }
  expect(Endpoint.from(endpoint)).toBe(endpoint);
});

test('withPort is the same address with another port', () => {
  const endpoint = Endpoint.from({ address: '::ffff:192.0.2.1', port: 1 });
  expect(endpoint.withPort(2)).toMatchObject({ address: '192.0.2.1', port: 2, mapped: true });
  expect(endpoint.withPort(1)).toBe(endpoint);
  expect(endpoint.port).toBe(1);
  for (const port of [-1, 65536, 1.5, NaN, '2', undefined]) {
    expect(() => endpoint.withPort(port as number)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_/) as string }),
    );
  }
});

test('util.inspect shows the text of an Endpoint, and whether it is mapped', () => {
  expect(inspect(Endpoint.from('192.0.2.1:53'))).toBe("Endpoint '192.0.2.1:53'");
  expect(inspect(Endpoint.from('[2001:db8::1]:53'))).toBe("Endpoint '[2001:db8::1]:53'");
  expect(inspect(Endpoint.from('[::ffff:192.0.2.1]:53'))).toBe("Endpoint '192.0.2.1:53' (mapped)");
  expect(String(Endpoint.from('[::1]:80'))).toBe('[::1]:80');
});

describe('invalid endpoints', () => {
  test.each<[unknown, string]>([
    ...[
      '',
      ':53',
      '192.0.2.1',
      '192.0.2.1:',
      '192.0.2.1:x',
      '192.0.2.1:-1',
      '192.0.2.1: 53',
      ' 192.0.2.1:53',
      '192.0.2.1:53 ',
      '192.0.2.1:53\n',
    ].map(invalid),
    ...[
      '::1:53',
      '[::1]',
      '[::1]53',
      '[::1]:',
      '[]:53',
      '[[::1]]:53',
      '[fe80::1%]:53',
      '::1',
      'localhost:53',
      '[localhost]:53',
    ].map(invalid),
    ...[
      '256.0.0.1:53',
      '1.2.3:53',
      '01.2.3.4:53',
      '127.1:53',
      '0x7f.0.0.1:53',
      '1.2.3.4.5:53',
      '2130706433:53',
      '[1::2::3]:53',
      '[12345::]:53',
      '[::g]:53',
    ].map(invalid),
    ...['[::1]:123456', '[fe80::1%no-such-interface]:53', '[::ffff:256.0.0.1]:1'].map(invalid),
    ['192.0.2.1:65536', 'ERR_OUT_OF_RANGE'],
    ['[fe80::1%0]:53', 'ERR_OUT_OF_RANGE'],
    ['[fe80::1%4294967296]:53', 'ERR_OUT_OF_RANGE'],
    [{ address: 'localhost', port: 53 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: '[::1]', port: 53 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: '', port: 53 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: '::1', port: 65536 }, 'ERR_OUT_OF_RANGE'],
    [{ address: '::1', port: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ address: '::1', port: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ address: '::1', port: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ address: '::1', port: '53' }, 'ERR_INVALID_ARG_TYPE'],
    [{ address: '::1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ address: '::1', port: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ address: 1, port: 53 }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: 53 }, 'ERR_INVALID_ARG_TYPE'],
    [{ address: '::1', port: 1, flowlabel: 0x100000 }, 'ERR_OUT_OF_RANGE'],
    [{ address: '::1', port: 1, flowlabel: '1' }, 'ERR_INVALID_ARG_TYPE'],
    ...[undefined, null, 53, true, 1n, Symbol('x'), [], () => 1].map(
      (value) => [value, 'ERR_INVALID_ARG_TYPE'] as [unknown, string],
    ),
  ])('Endpoint.from(%o) throws %s', (value, code) => {
    expect(() => Endpoint.from(value as never)).toThrow(expect.objectContaining({ code }));
  });

  test('errors of Endpoint.from name the argument', () => {
    expect(() => Endpoint.from('x', 'options.remote')).toThrow('options.remote');
    expect(() => Endpoint.from({ address: '::1', port: -1 }, 'options.remote')).toThrow('options.remote.port');
    expect(() => Endpoint.from(null as never, 'options.remote')).toThrow('options.remote');
  });

  test('from(any text) returns an Endpoint with the same text or throws an error with a code', () => {
    const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^\[?[0-9a-f:.%]{0,20}\]?:?\d{0,6}$/));
    fc.assert(
      fc.property(text, (value) => {
        try {
          const endpoint = Endpoint.from(value);
          expect(
            Endpoint.from(endpoint.mapped ? `[::ffff:${endpoint.address}]:${endpoint.port}` : endpoint.toString()),
          ).toEqual(endpoint);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_/) as string });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('decode', () => {
  test('decode(any bytes) never throws and never reads outside of them', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 28, maxLength: 28 })),
        fc.constantFrom(2, 10, undefined),
        fc.integer({ min: -5, max: 200 }),
        (bytes, family, length) => {
          if (family !== undefined && bytes.length > 1) bytes.set([family, 0]);
          const inside = new Uint8Array(bytes.length + 32).fill(0xa5);
          inside.set(bytes, 8);
          const alone = Endpoint.decode(bytes, length);
          expect(Endpoint.decode(inside.subarray(8, 8 + bytes.length), length)).toEqual(alone);
          if (alone !== undefined)
            expect(Math.min(length, bytes.length)).toBeGreaterThanOrEqual(
              alone.family === 'ipv4' && !alone.mapped ? 16 : 28,
            );
        },
      ),
      { numRuns: 1000, examples: [[new Uint8Array(28).fill(0xff), 10, 28]] },
    );
  });

  test('decode returns undefined for another family and a truncated sockaddr', () => {
    for (const family of [0, 1, 3, 11, 16, 255])
      expect(Endpoint.decode(Uint8Array.of(family, ...new Uint8Array(27)))).toBeUndefined();
    const whole = Endpoint.from('[2001:db8::1]:1').sockaddr();
    for (let length = 0; length < 28; length++) expect(Endpoint.decode(whole, length)).toBeUndefined();
    expect(Endpoint.decode(whole, 28)?.address).toBe('2001:db8::1');
  });
});

function invalid(text: string): [unknown, string] {
  return [text, 'ERR_INVALID_ARG_VALUE'];
}

function sockaddr6(address: Uint8Array, port: number): Uint8Array {
  const sockaddr = new Uint8Array(28);
  sockaddr.set([10, 0, port >> 8, port & 0xff]);
  sockaddr.set(address, 8);
  return sockaddr;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}

describe('Endpoint.fromLocal', () => {
  test.each<[LocalEndpointLike, string]>([
    ['192.0.2.1', '192.0.2.1:0'],
    ['[2001:db8::1]', '[2001:db8::1]:0'],
    ['192.0.2.1:53', '192.0.2.1:53'],
    ['[2001:db8::1]:53', '[2001:db8::1]:53'],
    [{ address: '192.0.2.1' }, '192.0.2.1:0'],
    [{ address: '2001:db8::1', port: undefined }, '[2001:db8::1]:0'],
    [{ address: '2001:db8::1', port: 53 }, '[2001:db8::1]:53'],
    [Endpoint.from('192.0.2.1:53'), '192.0.2.1:53'],
  ])('Endpoint.fromLocal of %o is %s, with port 0 by default', (value, text) => {
    expect(Endpoint.fromLocal(value).toString()).toBe(text);
  });

  test('Endpoint.fromLocal keeps the flow label of an address without a port', () => {
    expect(Endpoint.fromLocal({ address: '2001:db8::1', flowlabel: 7 }).flowlabel).toBe(7);
  });

  test.each<[unknown, string]>([
    ['2001:db8::1', 'ERR_INVALID_ARG_VALUE'], // its last group might be meant as a port
    ['192.0.2.1:', 'ERR_INVALID_ARG_VALUE'],
    ['localhost', 'ERR_INVALID_ARG_VALUE'],
    [':53', 'ERR_INVALID_ARG_VALUE'],
    [{ address: '::1', port: null }, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [53, 'ERR_INVALID_ARG_TYPE'],
  ])('Endpoint.fromLocal of %o throws %s', (value, code) => {
    expect(() => Endpoint.fromLocal(value as never)).toThrow(expect.objectContaining({ code }));
  });
});
