// Option values without a kernel: the exact bytes of every kind, and that every wrong value is refused before setsockopt.
import { describe, expect, test } from 'vitest';
import { getOption, OPTIONS, setOption, steerByCpu, type OptionName, type OptionRow } from '../../src/index.js';
import { KINDS, type Kind } from '../../src/options/kinds.js';
import type { Codec } from '../../src/options/kinds/codec.js';
import { LEVELS, type SocketType } from '../../src/options/row.js';
import { optionAccess, socketType, type OptionAccess, type OwnSocket } from '../../src/options/target.js';

type Call = readonly [call: string, level: number, name: number, bytes: string];

/** A socket that takes every option and notes it. */
class Recorder implements OptionAccess, OwnSocket {
  declare readonly [socketType]: SocketType;
  readonly calls: Call[] = [];

  get [optionAccess](): OptionAccess {
    return this;
  }

  setsockopt(level: number, name: number, value: Uint8Array | number): number {
    this.calls.push(['setsockopt', level, name, hex(value)]);
    return 0;
  }

  attachFilter(level: number, name: number, program: Uint8Array): number {
    this.calls.push(['attachFilter', level, name, hex(program)]);
    return 0;
  }

  getsockopt(): number {
    return -92;
  }

  getsockname(): number {
    return -9;
  }
}

const set = setOption as (target: Recorder, name: string, value: unknown) => void;

describe('bytes of option values', () => {
  const V4 = '0200000000000000'; // sockaddr_in: AF_INET, port 0 …
  const storage = (address: string): string => address.padEnd(256, '0');
  const v4 = (address: string): string => storage(`02000000${address}`);
  const v6 = (address: string): string => storage(`0a00000000000000${address}`);
  const LOOPBACK6 = '0'.repeat(30) + '01';

  test.each<[name: OptionName, value: unknown, bytes: string]>([
    ['SO_KEEPALIVE', true, '01000000'],
    ['SO_DETACH_FILTER', true, '01000000'],
    ['IPV6_UNICAST_HOPS', -1, 'ffffffff'],
    ['SO_MARK', 0xffff_fffe, 'feffffff'],
    ['SO_MAX_PACING_RATE', 1, '0100000000000000'],
    ['SO_MAX_PACING_RATE', Infinity, 'ffffffffffffffff'],
    ['SO_MAX_PACING_RATE', 2 ** 40, '0000000000010000'],
    ['IP_LOCAL_PORT_RANGE', [40000, 60000], '409c60ea'],
    ['SO_LINGER', 7, '0100000007000000'],
    ['SO_LINGER', false, '0000000000000000'],
    ['SO_RCVTIMEO', 1500, '010000000000000020a1070000000000'],
    ['TCP_CONGESTION', 'bbr', '626272'],
    ['IP_UNICAST_IF', 2, '00000002'],
    ['IPV6_MULTICAST_IF', 2, '02000000'],
    ['IPV6_PKTINFO', 3, `${'00'.repeat(16)}03000000`],
    ['IP_ADD_MEMBERSHIP', { group: '239.1.2.3', address: '10.0.0.1', interface: 5 }, 'ef0102030a00000105000000'],
    ['IP_BLOCK_SOURCE', { group: '239.1.2.3', source: '192.0.2.1' }, 'ef01020300000000c0000201'],
    [
      'IP_MSFILTER',
      { group: '239.1.2.3', mode: 'include', sources: ['192.0.2.1', '192.0.2.2'] },
      'ef010203000000000100000002000000c0000201c0000202',
    ],
    ['IP_MULTICAST_IF', { interface: 5 }, '000000000000000005000000'],
    ['IPV6_ADD_MEMBERSHIP', { address: 'ff02::1', interface: 7 }, `ff02${'0'.repeat(27)}107000000`],
    ['MCAST_JOIN_GROUP', { group: '239.1.2.3', interface: 1 }, `0100000000000000${v4('ef010203')}`],
    [
      'MCAST_JOIN_SOURCE_GROUP',
      { group: 'ff02::1', source: '::1' },
      `0000000000000000${v6(`ff02${'0'.repeat(27)}1`)}${v6(LOOPBACK6)}`,
    ],
    [
      'MCAST_MSFILTER',
      { group: '239.1.2.3', mode: 'exclude', sources: [] },
      `0000000000000000${v4('ef010203')}${'0'.repeat(16)}${storage('')}`,
    ],
    ['SO_TIMESTAMPING', { flags: ['RX_SOFTWARE', 'SOFTWARE'] }, '18000000'],
    ['SO_TIMESTAMPING', { flags: ['BIND_PHC'], bindPhc: 2 }, '0080000002000000'],
    ['SO_TXTIME', { clock: 'CLOCK_TAI', reportErrors: true }, '0b00000002000000'],
    ['SO_ATTACH_REUSEPORT_CBPF', steerByCpu(3), '2000000024f0ffff94000000030000001600000000000000'],
    ['SO_ATTACH_BPF', 7, '07000000'],
    ['TCP_REPAIR', 'off-without-probe', 'ffffffff'],
    ['TCP_REPAIR_QUEUE', 'send', '02000000'],
    [
      'TCP_REPAIR_OPTIONS',
      { mss: 1460, windowScale: { send: 7, receive: 8 }, sackPermitted: true, timestamps: true },
      '02000000b40500000300000007000800' + '0400000000000000' + '0800000000000000',
    ],
    [
      'TCP_REPAIR_WINDOW',
      { sndWl1: 1, sndWnd: 2, maxWindow: 3, rcvWnd: 4, rcvWup: 4_294_967_295 },
      '01000000020000000300000004000000ffffffff',
    ],
    [
      'TCP_MD5SIG',
      { peer: '192.0.2.1', key: Buffer.from('abc') },
      `${v4('c0000201')}0000030000000000${'616263'.padEnd(160, '0')}`,
    ],
    [
      'TCP_MD5SIG_EXT',
      { peer: '2001:db8::', key: new Uint8Array(0), prefixLength: 32, interface: 9 },
      `${v6('20010db8'.padEnd(32, '0'))}0320000009000000${'0'.repeat(160)}`,
    ],
    [
      'TCP_AO_ADD_KEY',
      {
        ...{ peer: '192.0.2.1', prefixLength: 24, algorithm: 'hmac(sha1)', key: Buffer.from('abc') },
        ...{ sendId: 1, receiveId: 2, macLength: 16, excludeOptions: true, setCurrent: true, setNext: true },
      },
      `${v4('c0000201')}${Buffer.from('hmac(sha1)').toString('hex').padEnd(128, '0')}` +
        `00000000030000000000180102100203${'616263'.padEnd(160, '0')}`,
    ],
    [
      'TCP_AO_DEL_KEY',
      { peer: '192.0.2.1', prefixLength: 32, sendId: 1, receiveId: 2, next: 5, async: true },
      `${v4('c0000201')}00000000060000000000200102000500`,
    ],
    ['TCP_AO_INFO', { current: 3, required: true, acceptIcmps: true }, `1500000000000300${'0'.repeat(80)}`],
    ['TCP_AO_REPAIR', { sentIsn: 1, receivedIsn: 2, sentSne: 3, receivedSne: 4 }, '00000001000000020300000004000000'],
    [
      'IPV6_FLOWLABEL_MGR',
      { action: 'get', destination: '::1', label: 0x12345, share: 'any', create: true, expires: 2, linger: 3 },
      `${LOOPBACK6}0001234500ff01000200030000000000`,
    ],
    ['IPV6_FLOWLABEL_MGR', { action: 'put', label: 1 }, `${'0'.repeat(32)}000000010100${'0'.repeat(20)}`],
  ])('%s encodes %o as the bytes of the header', (name, value, bytes) => {
    expect(V4).toHaveLength(16);
    const socket = new Recorder();
    set(socket, name, value);
    const call = KINDS[(OPTIONS[name] as OptionRow).kind].call ?? 'setsockopt';
    expect(socket.calls).toHaveLength(1);
    const [called, level, number, written] = socket.calls[0]!;
    expect([called, number, written]).toEqual([call, OPTIONS[name].name, bytes]);
    const { groupLevel } = OPTIONS[name] as OptionRow;
    const isIPv6 = groupLevel !== undefined && JSON.stringify(value).includes('ff02');
    expect(level).toBe(LEVELS[isIPv6 ? groupLevel : OPTIONS[name].level]);
  });
});

describe('round trips of option values', () => {
  test.each<[Kind, unknown]>([
    ['rate', Infinity],
    ['rate', 12_345],
    ['timestamping', { flags: ['TX_SOFTWARE', 'BIND_PHC'], bindPhc: 3 }],
    ['transmitTime', { clock: 'CLOCK_TAI', deadline: true, reportErrors: false }],
    ['filter', steerByCpu(7)],
    ['repairQueue', 'receive'],
    ['repairWindow', { sndWl1: 1, sndWnd: 2, maxWindow: 3, rcvWnd: 4, rcvWup: 5 }],
    ['aoRepair', { sentIsn: 0xdead_beef, receivedIsn: 2, sentSne: 3, receivedSne: 4 }],
    ['unicastInterface', 77],
    ['bytes', Uint8Array.of(1, 2, 3)],
  ])('the kind %s decodes what it encodes: %o', (kind, value) => {
    const codec = KINDS[kind] as Codec<unknown, unknown>;
    const written = Uint8Array.from(Buffer.from(hex(codec.encode(value, kind, {})), 'hex'));
    expect(codec.decode(written, written.length, {})).toEqual(value);
  });

  test('TCP_AO_INFO also decodes fields that cannot be set', () => {
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0b10110 : i === 7 ? 9 : i === 8 ? 200 : 0));
    const counters = { good: 200n, bad: 0n, keyNotFound: 0n, required: 0n, droppedIcmp: 0n };
    const expected = { next: 9, required: true, acceptIcmps: true, counters };
    expect(KINDS.aoInfo.decode(bytes, 48, {})).toEqual(expected);
  });
});

/** Wrong for every option, whatever its kind, unless it is listed below. */
const HOSTILE: readonly (readonly [text: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['NaN', NaN],
  ['1.5', 1.5],
  ['1e99', 1e99],
  ['-1e99', -1e99],
  ['2 ** 32', 2 ** 32],
  ['a bigint', 1n],
  ['a symbol', Symbol('x')],
  ['a function', (): number => 1],
  ["'\\0'", '\0'],
  ['a long text', 'x'.repeat(100)],
  ['[]', []],
  ['[1]', [1]],
  ['{}', {}],
  ['{ bogus }', { bogus: 1 }],
  ['an object with hostile getters', Object.create({ group: 1, peer: 1, flags: 1 })],
  ['a Date', new Date(0)],
  ['a Map', new Map()],
  ['7 bytes', new Uint8Array(7)],
  ['a DataView', new DataView(new ArrayBuffer(8))],
  ['100000 bytes', new Uint8Array(100_000)],
];

/** Objects without a property of their own. */
const EMPTY = ['{}', 'an object with hostile getters', 'a Date', 'a Map', 'a DataView'];

/** What is right after all: an empty set of settings, say. */
const FINE: Readonly<Partial<Record<OptionName, readonly string[]>>> = {
  SO_MAX_PACING_RATE: ['2 ** 32'],
  IP_OPTIONS: ['7 bytes'],
  IP_MULTICAST_IF: EMPTY,
  TCP_AO_INFO: EMPTY,
  TCP_REPAIR_OPTIONS: EMPTY,
};

const writable = Object.entries<OptionRow>(OPTIONS).filter(([, { access }]) => access !== 'get') as [
  OptionName,
  OptionRow,
][];

test.each(writable)('%s refuses every wrong value, before setsockopt', (name) => {
  for (const [text, value] of HOSTILE) {
    const socket = new Recorder();
    let code: unknown;
    try {
      set(socket, name, value);
    } catch (error) {
      code = (error as NodeJS.ErrnoException).code;
      expect(error instanceof TypeError || error instanceof RangeError, `${text}: ${String(error)}`).toBe(true);
      expect((error as Error).message, text).toContain(name);
    }
    if (FINE[name]?.includes(text)) expect(code, text).toBeUndefined();
    else expect(code, text).toMatch(/^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/);
    expect(socket.calls.length, text).toBe(code === undefined ? 1 : 0);
  }
});

test.each(writable.filter(([, { kind, min, max }]) => kind === 'int' && (min ?? max) !== undefined))(
  '%s refuses values beyond its bounds',
  (name, { min, max }) => {
    for (const value of [min === undefined ? undefined : min - 1, max === undefined ? undefined : max + 1]) {
      if (value === undefined) continue;
      const socket = new Recorder();
      expect(() => set(socket, name, value)).toThrow(RangeError);
      expect(socket.calls).toEqual([]);
    }
  },
);

describe('values of struct options', () => {
  test.each<[OptionName, unknown, code: string]>([
    ['IP_ADD_MEMBERSHIP', { group: 'ff02::1' }, 'ERR_INVALID_ARG_VALUE'],
    ['IP_ADD_MEMBERSHIP', { group: '239.1.2.3', interface: 'no-such-interface' }, 'ERR_INVALID_ARG_VALUE'],
    ['IP_ADD_MEMBERSHIP', { group: '239.1.2.3', interface: -1 }, 'ERR_OUT_OF_RANGE'],
    ['IP_MSFILTER', { group: '239.1.2.3', mode: 'both', sources: [] }, 'ERR_INVALID_ARG_VALUE'],
    ['IP_MSFILTER', { group: '239.1.2.3', mode: 'include', sources: ['x'] }, 'ERR_INVALID_ARG_VALUE'],
    ['IPV6_ADD_MEMBERSHIP', { address: '239.1.2.3' }, 'ERR_INVALID_ARG_VALUE'],
    ['MCAST_JOIN_SOURCE_GROUP', { group: 'ff02::1', source: '192.0.2.1' }, 'ERR_INVALID_ARG_VALUE'],
    ['MCAST_MSFILTER', { group: 'ff02::1', mode: 'include', sources: 'x' }, 'ERR_INVALID_ARG_TYPE'],
    ['SO_TIMESTAMPING', { flags: ['RX_SOFTWARES'] }, 'ERR_INVALID_ARG_VALUE'],
    ['SO_TXTIME', { clock: 'CLOCK_BOOTTIME' }, 'ERR_INVALID_ARG_VALUE'],
    ['SO_TXTIME', { clock: 'CLOCK_TAI', deadline: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['SO_ATTACH_FILTER', [{ code: 65536, jt: 0, jf: 0, k: 0 }], 'ERR_OUT_OF_RANGE'],
    ['SO_ATTACH_FILTER', [{ code: 0, jt: 256, jf: 0, k: 0 }], 'ERR_OUT_OF_RANGE'],
    ['SO_ATTACH_FILTER', [{ code: 0, jt: 0, jf: 0, k: -1 }], 'ERR_OUT_OF_RANGE'],
    ['SO_ATTACH_FILTER', [{ code: 0, jt: 0, jf: 0, k: 0, x: 0 }], 'ERR_INVALID_ARG_VALUE'],
    ['SO_ATTACH_FILTER', Array(4097).fill({ code: 0, jt: 0, jf: 0, k: 0 }), 'ERR_OUT_OF_RANGE'],
    ['TCP_MD5SIG', { peer: '192.0.2.1', key: new Uint8Array(81) }, 'ERR_OUT_OF_RANGE'],
    ['TCP_MD5SIG', { peer: '192.0.2.1', key: 'secret' }, 'ERR_INVALID_ARG_TYPE'],
    ['TCP_MD5SIG_EXT', { peer: '192.0.2.1', key: new Uint8Array(1), prefixLength: 33 }, 'ERR_OUT_OF_RANGE'],
    [
      'TCP_AO_ADD_KEY',
      { peer: '::1', prefixLength: 128, algorithm: '', key: new Uint8Array(1), sendId: 0, receiveId: 0 },
      'ERR_INVALID_ARG_VALUE',
    ],
    ['TCP_REPAIR_OPTIONS', { windowScale: { send: 15, receive: 0 } }, 'ERR_OUT_OF_RANGE'],
    ['TCP_REPAIR_OPTIONS', { windowScale: { send: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    ['IPV6_FLOWLABEL_MGR', { action: 'get', label: 0x100000 }, 'ERR_OUT_OF_RANGE'],
    ['IPV6_HOPOPTS', new Uint8Array(12), 'ERR_OUT_OF_RANGE'],
    ['TCP_FASTOPEN_KEY', new Uint8Array(24), 'ERR_OUT_OF_RANGE'],
    ['SO_DETACH_FILTER', false, 'ERR_INVALID_ARG_VALUE'],
    ['SO_BINDTODEVICE', 'x'.repeat(16), 'ERR_OUT_OF_RANGE'],
  ])('%s refuses %o with %s', (name, value, code) => {
    const socket = new Recorder();
    expect(() => set(socket, name, value)).toThrow(expect.objectContaining({ code }) as Error);
    expect(socket.calls).toEqual([]);
  });
});

test('write-only options cannot be read, and read-only options cannot be set', () => {
  const get = getOption as unknown as (target: Recorder, name: string) => unknown;
  const refused = expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }) as Error;
  for (const [name, { access }] of Object.entries<OptionRow>(OPTIONS)) {
    if (access === 'set') expect(() => get(new Recorder(), name), name).toThrow(refused);
    if (access === 'get') expect(() => set(new Recorder(), name, 1), name).toThrow(refused);
  }
});

test.each(['steerByCpu', 'steerRandomly', 'steerByHash'] as const)('%s accepts 1 to 65535 sockets', async (name) => {
  const { [name]: steer } = await import('../../src/index.js');
  for (const count of [0, 65536, 1.5, NaN]) expect(() => steer(count)).toThrow(RangeError);
  expect(() => steer('2' as never)).toThrow(TypeError);
  expect(steer(65535)[1]?.k).toBe(65535);
});

/** An int as the native call writes it. */
function hex(value: Uint8Array | number): string {
  return Buffer.from(typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value).toString('hex');
}
