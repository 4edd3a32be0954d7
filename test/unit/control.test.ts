// Control messages: encoding a list as the bytes of msg_control, and decoding. Exact sizes, alignment, and invalid bytes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Endpoint, type ControlMessage } from '../../src/index.js';
import { decodeControl, encodeControl } from '../../src/wire/control.js';
import { CONTROL_MESSAGES } from '../../src/wire/control-messages.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const rawMessage = fc.record({ level: int32, type: int32, data: fc.uint8Array({ maxLength: 70 }) });
const knownNumbers = new Set(Object.values(CONTROL_MESSAGES).map(({ level, type }) => `${level}/${type}`));

/** Control messages that are sent, with the bytes of their values. */
const encoded: [ControlMessage, number, number, number[]][] = [
  [{ type: 'UDP_SEGMENT', value: 1200 }, 17, 103, [0xb0, 0x04]],
  [{ type: 'UDP_SEGMENT', value: 65535 }, 17, 103, [0xff, 0xff]],
  [{ type: 'IP_TOS', value: 255 }, 0, 1, [255, 0, 0, 0]],
  [{ type: 'IP_TTL', value: 1 }, 0, 2, [1, 0, 0, 0]],
  [{ type: 'IP_PKTINFO', value: {} }, 0, 8, Array<number>(12).fill(0)],
  [
    { type: 'IP_PKTINFO', value: { interface: 258, source: '192.0.2.1' } },
    0,
    8,
    [2, 1, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0],
  ],
  [{ type: 'IP_PKTINFO', value: { source: '::ffff:192.0.2.1' } }, 0, 8, [0, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0]],
  [{ type: 'IPV6_TCLASS', value: -1 }, 41, 67, [255, 255, 255, 255]],
  [{ type: 'IPV6_HOPLIMIT', value: 7 }, 41, 52, [7, 0, 0, 0]],
  [
    { type: 'IPV6_PKTINFO', value: { source: '2001:db8::1', interface: 3 } },
    41,
    50,
    [0x20, 1, 0x0d, 0xb8, ...Array<number>(11).fill(0), 1, 3, 0, 0, 0],
  ],
  [
    { type: 'IPV6_PKTINFO', value: { source: 'fe80::1%7' } },
    41,
    50,
    [0xfe, 0x80, ...Array<number>(13).fill(0), 1, 7, 0, 0, 0],
  ],
  [
    { type: 'IPV6_PKTINFO', value: { source: '192.0.2.1' } },
    41,
    50,
    [...Array<number>(10).fill(0), 255, 255, 192, 0, 2, 1, 0, 0, 0, 0],
  ],
  [{ type: 'IPV6_DONTFRAG', value: 1 }, 41, 62, [1, 0, 0, 0]],
  [{ type: 'IPV6_HOPOPTS', value: Uint8Array.of(1, 2, 3) }, 41, 54, [1, 2, 3]],
  [{ type: 'IPV6_DSTOPTS', value: new Uint8Array(0) }, 41, 59, []],
  [{ type: 'IPV6_RTHDR', value: Buffer.from('abcdefgh') }, 41, 57, [...Buffer.from('abcdefgh')]],
  [{ type: 'IPV6_FLOWINFO', value: 0x0abcdef1 }, 41, 11, [0x0a, 0xbc, 0xde, 0xf1]],
  [{ type: 'SO_MARK', value: 0xfedc_ba98 }, 1, 36, [0x98, 0xba, 0xdc, 0xfe]],
  [{ type: 'SO_PRIORITY', value: 6 }, 1, 12, [6, 0, 0, 0]],
  [{ type: 'SO_TIMESTAMPING', value: 2 }, 1, 37, [2, 0, 0, 0]],
  [{ type: 'SCM_TXTIME', value: 0x0102030405060708n }, 1, 61, [8, 7, 6, 5, 4, 3, 2, 1]],
];

/** Values as the kernel gives them, with what they mean. */
const decoded: [string, number, number, number[], unknown][] = [
  ['UDP_GRO', 17, 104, [0xb0, 4, 0, 0], 1200],
  ['TCP_CM_INQ', 6, 36, [5, 0, 0, 0], 5],
  ['IP_TOS', 0, 1, [0xb9], 0xb9],
  ['IP_TTL', 0, 2, [64, 0, 0, 0], 64],
  ['IPV6_TCLASS', 41, 67, [0xb9, 0, 0, 0], 0xb9],
  ['IPV6_HOPLIMIT', 41, 52, [255, 0, 0, 0], 255],
  ['IP_RECVFRAGSIZE', 0, 25, [0xdc, 5, 0, 0], 1500],
  [
    'IP_PKTINFO',
    0,
    8,
    [2, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 255],
    { interface: 2, source: '10.0.0.1', destination: '10.0.0.255' },
  ],
  ['IPV6_PKTINFO', 41, 50, [...Array<number>(15).fill(0), 1, 1, 0, 0, 0], { interface: 1, source: '::1' }],
  ['IPV6_FLOWINFO', 41, 11, [0, 1, 0x23, 0x45], 0x12345],
  ['IPV6_HOPOPTS', 41, 54, [1, 2, 3], Uint8Array.of(1, 2, 3)],
  ['SO_RXQ_OVFL', 1, 40, [255, 255, 255, 255], 0xffff_ffff],
  ['SO_MARK', 1, 36, [1, 0, 0, 0xf0], 0xf000_0001],
  ['SO_PRIORITY', 1, 12, [6, 0, 0, 0], 6],
  ['SCM_TIMESTAMP', 1, 29, [...int64(1_700_000_000n), ...int64(999_999n)], 1_700_000_000_999_999_000n],
  ['SCM_TIMESTAMPNS', 1, 35, [...int64(1_700_000_000n), ...int64(1n)], 1_700_000_000_000_000_001n],
  [
    'SCM_TIMESTAMPING',
    1,
    37,
    [...int64(1n), ...int64(2n), ...Array<number>(16).fill(0), ...int64(3n), ...int64(4n)],
    { software: 1_000_000_002n, hardware: 3_000_000_004n },
  ],
  ['SCM_TIMESTAMPING', 1, 37, Array<number>(48).fill(0), {}],
  ['IP_ORIGDSTADDR', 0, 20, [2, 0, 0, 53, 192, 0, 2, 1, ...Array<number>(8).fill(0)], Endpoint.from('192.0.2.1:53')],
  ['IPV6_ORIGDSTADDR', 41, 74, [...Endpoint.from('[2001:db8::1]:53').sockaddr()], Endpoint.from('[2001:db8::1]:53')],
  [
    'IPV6_PATHMTU',
    41,
    61,
    [...Endpoint.from('[2001:db8::1]:0').sockaddr(), 0, 5, 0, 0],
    { mtu: 1280, destination: Endpoint.from('[2001:db8::1]:0') },
  ],
  [
    'IP_RECVERR',
    0,
    11,
    [111, 0, 0, 0, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 1, ...Array<number>(8).fill(0)],
    {
      code: 'ECONNREFUSED',
      errno: -111,
      origin: 'icmp',
      type: 3,
      icmpCode: 3,
      info: 0,
      data: 0,
      offender: Endpoint.from('10.0.0.1:0'),
    },
  ],
  [
    'IP_RECVERR',
    0,
    11,
    [0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
    { code: 'none', errno: 0, origin: 'timestamping', type: 0, icmpCode: 0, info: 1, data: 2 },
  ],
  [
    'IPV6_RECVERR',
    41,
    25,
    [90, 0, 0, 0, 99, 0, 0, 0, 0xdc, 5, 0, 0, 0, 0, 0, 0],
    { code: 'EMSGSIZE', errno: -90, origin: 'unknown', type: 0, icmpCode: 0, info: 1500, data: 0 },
  ],
];

describe('encoding', () => {
  test.each(encoded)('encodeControl encodes %o', (message, level, type, data) => {
    const bytes = encodeControl([message]);
    expect([...bytes]).toEqual([
      ...header(data.length, level, type),
      ...data,
      ...Array<number>((8 - (data.length % 8)) % 8).fill(0),
    ]);
    expect(bytes).toHaveLength(controlSpace(data.length));
  });

  test('the tables of this file have every name of CONTROL_MESSAGES', () => {
    const sent = Object.entries(CONTROL_MESSAGES).filter(([, row]) => 'encode' in row);
    expect([...new Set(encoded.map(([{ type }]) => type))].sort()).toEqual(sent.map(([name]) => name).sort());
    const received = Object.entries(CONTROL_MESSAGES).filter(([, row]) => 'decode' in row);
    const same = ['IPV6_DSTOPTS', 'IPV6_RTHDR', 'IPV6_RECVFRAGSIZE']; // read as IPV6_HOPOPTS and IP_RECVFRAGSIZE are
    expect([...new Set(decoded.map(([name]) => name)), ...same].sort()).toEqual(received.map(([name]) => name).sort());
  });

  test('encodeControl of no messages is empty', () => {
    expect(encodeControl(undefined)).toHaveLength(0);
    expect(encodeControl([])).toHaveLength(0);
  });

  test.each<[unknown, string]>([
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    ['IP_TTL', 'ERR_INVALID_ARG_TYPE'],
    [[undefined], 'ERR_INVALID_ARG_TYPE'],
    [[[]], 'ERR_INVALID_ARG_TYPE'],
    [[{ type: 'UDP_SEGMENT', value: 0 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'UDP_SEGMENT', value: 65536 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IP_TOS', value: 256 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IP_TTL', value: 0 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IP_TTL', value: NaN }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IPV6_HOPLIMIT', value: -2 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IPV6_FLOWINFO', value: 0x10000000 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'SO_MARK', value: -1 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'SO_MARK', value: 2 ** 32 }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'SCM_TXTIME', value: 1 }], 'ERR_INVALID_ARG_TYPE'],
    [[{ type: 'SCM_TXTIME', value: -1n }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'SCM_TXTIME', value: 2n ** 64n }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IPV6_HOPOPTS', value: [1] }], 'ERR_INVALID_ARG_TYPE'],
    [[{ type: 'IP_PKTINFO', value: null }], 'ERR_INVALID_ARG_TYPE'],
    [[{ type: 'IP_PKTINFO', value: { interface: -1 } }], 'ERR_OUT_OF_RANGE'],
    [[{ type: 'IP_PKTINFO', value: { source: '2001:db8::1' } }], 'ERR_INVALID_ARG_VALUE'],
    [[{ type: 'IP_PKTINFO', value: { source: 'localhost' } }], 'ERR_INVALID_ARG_VALUE'],
    [[{ type: 'UDP_GRO', value: 1 }], 'ERR_INVALID_ARG_VALUE'],
    [[{ type: 'IP_RECVERR', value: {} }], 'ERR_INVALID_ARG_VALUE'],
    [[{ type: '__proto__', value: 1 }], 'ERR_INVALID_ARG_VALUE'],
    [[{ level: 2 ** 31, type: 1, data: new Uint8Array(1) }], 'ERR_OUT_OF_RANGE'],
    [[{ level: 1, type: 0.5, data: new Uint8Array(1) }], 'ERR_OUT_OF_RANGE'],
    [[{ level: 1, type: 1, data: 'x' }], 'ERR_INVALID_ARG_TYPE'],
    [[{ level: 1, type: 1 }], 'ERR_INVALID_ARG_TYPE'],
  ])('encodeControl(%o) throws %s', (messages, code) => {
    expect(() => encodeControl(messages as never)).toThrow(expect.objectContaining({ code }));
  });
});

describe('decoding', () => {
  test.each(decoded)('decodeControl decodes %s (%i/%i) from %j', (type, level, number, data, value) => {
    expect(decodeControl(Uint8Array.from([...header(data.length, level, number), ...data]))).toEqual([{ type, value }]);
  });

  test('decodeControl returns a known message with an unexpected size raw', () => {
    const sizes: Record<string, number[]> = {
      IP_RECVERR: [0, 15],
      IPV6_RECVERR: [0, 15],
      IP_ORIGDSTADDR: [0, 15],
      IPV6_ORIGDSTADDR: [0, 15, 27],
    };
    for (const [name, level, type] of decoded) {
      if (['IPV6_HOPOPTS'].includes(name)) continue; // of any size
      for (const size of sizes[name] ?? [0, 3, 5, 7, 11, 13, 19, 21, 47, 49]) {
        const data = new Uint8Array(size).fill(name.includes('ORIGDST') ? 10 : 1);
        const control = Uint8Array.from([...header(size, level, type), ...data]);
        expect(decodeControl(control), `${name} of ${size} bytes`).toEqual([{ level, type, data }]);
      }
    }
  });

  test('decodeControl copies the data, so that later messages do not change it', () => {
    const control = Uint8Array.from([...header(3, 41, 54), 1, 2, 3, 0, 0, 0, 0, 0, ...header(2, 9999, 1), 4, 5]);
    const messages = decodeControl(control);
    control.fill(0xff);
    expect(messages).toEqual([
      { type: 'IPV6_HOPOPTS', value: Uint8Array.of(1, 2, 3) },
      { level: 9999, type: 1, data: Uint8Array.of(4, 5) },
    ]);
  });

  test('decodeControl reads only the given number of bytes', () => {
    const control = encodeControl([
      { type: 'IP_TTL', value: 1 },
      { type: 'IP_TOS', value: 2 },
    ]);
    expect(control).toHaveLength(48);
    const both = [
      { type: 'IP_TTL', value: 1 },
      { type: 'IP_TOS', value: 2 },
    ];
    const expected = (length: number): unknown[] => (length >= 44 ? both : length >= 20 ? both.slice(0, 1) : []);
    for (let length = -1; length <= 60; length++)
      expect(decodeControl(control, length), `${length}`).toEqual(expected(length));
    expect(decodeControl(control)).toEqual(both);
  });

  test.each([0n, 1n, 15n, 17n + 4n, 1n << 32n, (1n << 32n) + 20n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n])(
    'decodeControl ends at a header with a length of %d, and reads nothing outside of the bytes',
    (size) => {
      const control = new Uint8Array(20);
      new DataView(control.buffer).setBigUint64(0, size, true);
      expect(decodeControl(control)).toEqual([]);
    },
  );

  test('decodeControl decodes an address with an impossible zone', () => {
    const data = Endpoint.from('[fe80::1]:53').sockaddr().slice().fill(0xff, 24);
    expect(decodeControl(Uint8Array.from([...header(28, 41, 74), ...data]))).toMatchObject([
      { type: 'IPV6_ORIGDSTADDR', value: { address: 'fe80::1%4294967295', port: 53, scopeId: 0xffff_ffff } },
    ]);
  });

  test('decodeControl never throws and never reads outside of the given bytes', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      // Headers that may be right, with data that may be short.
      fc
        .array(
          fc.tuple(
            fc.integer({ min: 0, max: 80 }),
            fc.constantFrom(...Object.values(CONTROL_MESSAGES)),
            fc.uint8Array({ maxLength: 64 }),
          ),
          { maxLength: 4 },
        )
        .map((parts) =>
          Uint8Array.from(
            parts.flatMap(([size, { level, type }, data]) => [...header(size - 16, level, type), ...data]),
          ),
        ),
    );
    fc.assert(
      fc.property(hostile, fc.option(fc.integer({ min: -1, max: 300 }), { nil: undefined }), (bytes, length) => {
        const around = new Uint8Array(bytes.length + 64).fill(0x10);
        around.set(bytes, 33); // not aligned, and with headers of its own around it
        const messages = decodeControl(bytes, length);
        expect(decodeControl(around.subarray(33, 33 + bytes.length), length)).toEqual(messages);
        expect(messages.length).toBeLessThanOrEqual(bytes.length / 16);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('encodeControl and decodeControl', () => {
  test('raw messages of any size survive a round trip, each aligned to eight bytes', () => {
    fc.assert(
      fc.property(
        fc.array(
          rawMessage.filter(({ level, type }) => !knownNumbers.has(`${level}/${type}`)),
          { maxLength: 6 },
        ),
        (messages) => {
          const control = encodeControl(messages);
          expect(control.length % 8).toBe(0);
          expect(control.length).toBe(messages.reduce((sum, { data }) => sum + controlSpace(data.length), 0));
          expect(decodeControl(control)).toEqual(messages);
        },
      ),
    );
  });

  test('named messages survive a round trip if the kernel sends and receives them in the same form', () => {
    const both = fc.oneof(
      fc.record({ type: fc.constant('IP_TOS'), value: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ type: fc.constant('IP_TTL'), value: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ type: fc.constant('IPV6_TCLASS'), value: fc.integer({ min: -1, max: 255 }) }),
      fc.record({ type: fc.constant('IPV6_HOPLIMIT'), value: fc.integer({ min: -1, max: 255 }) }),
      fc.record({ type: fc.constant('IPV6_FLOWINFO'), value: fc.integer({ min: 0, max: 0x0fffffff }) }),
      fc.record({ type: fc.constant('SO_MARK'), value: fc.integer({ min: 0, max: 0xffffffff }) }),
      fc.record({ type: fc.constant('IPV6_RTHDR'), value: fc.uint8Array({ maxLength: 40 }) }),
      fc.record({
        type: fc.constant('IP_PKTINFO'),
        value: fc.record({ interface: fc.nat(), source: fc.ipV4(), destination: fc.constant('0.0.0.0') }),
      }),
    );
    fc.assert(
      fc.property(fc.array(both, { maxLength: 6 }), (messages) => {
        expect(decodeControl(encodeControl(messages as ControlMessage[]))).toEqual(messages);
      }),
    );
  });
});

/** CMSG_SPACE */
function controlSpace(size: number): number {
  return 16 + Math.ceil(size / 8) * 8;
}

/** struct cmsghdr of a message with so many bytes of data. */
function header(size: number, level: number, type: number): number[] {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt.asUintN(64, BigInt(size + 16)), true);
  view.setInt32(8, level, true);
  view.setInt32(12, type, true);
  return [...bytes];
}

function int64(value: bigint): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return [...bytes];
}
