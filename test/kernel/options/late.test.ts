// Options that the kernel accepts and silently ignores once a local port is assigned: refused by name, not by number.
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  getOption,
  NativeSocket,
  OPTIONS,
  setOption,
  type Family,
  type OptionRow,
  type RawOption,
} from '../../../src/index.js';
import { LEVELS, socketsOf, type SocketType } from '../../../src/options/row.js';
import { codeOf, create, get, set } from '../../support/options.js';
import { boundUdp, errorOf, listening, LOOPBACK, tcp, tcpPair, udp } from '../../support/sockets.js';
import { SAMPLES } from '../../support/option-samples/samples.js';

const samples = SAMPLES as Readonly<
  Record<string, { set?: unknown; test?: unknown; missing?: () => string | undefined }>
>;
const RANGE = [41_000, 41_000] as const;
const NO_PORT_RAW: RawOption = { level: 0, name: 24 };
const RANGE_RAW: RawOption = { level: 0, name: 51 };
const PACKED = Uint8Array.of(0x28, 0xa0, 0x28, 0xa0); // 41000, 41000

const late = Object.entries<OptionRow>(OPTIONS).filter(([, row]) => row.late === 'portAssigned');

test('every option with `late` has a test in this file', () => {
  expect(late.map(([name]) => name)).toEqual(['IP_BIND_ADDRESS_NO_PORT', 'IP_LOCAL_PORT_RANGE']);
  const connected = Object.entries<OptionRow>(OPTIONS).filter(([, row]) => row.late === 'connected');
  expect(connected.map(([name]) => name)).toEqual(['TCP_MAXSEG', 'TCP_SYNCNT', 'TCP_DEFER_ACCEPT', 'TCP_SAVE_SYN']);
});

describe.each(late)('%s by name', (name, row) => {
  const sample = samples[name]?.set;
  const raw = { level: LEVELS[row.level], name: row.name };

  test.each<[string, () => NativeSocket]>([
    ['a bound TCP socket', () => bound('stream', 'ipv4')],
    ['a bound TCP socket over IPv6', () => bound('stream', 'ipv6')],
    ['a bound UDP socket', boundUdp],
    ['a listener', listening],
    ['a UDP socket to which connect gave a port', () => connectedUdp('ipv4')],
    ['a UDP socket over IPv6 to which connect gave a port', () => connectedUdp('ipv6')],
    ['a UDP socket to which a send gave a port', () => sent()],
    ['a reservation', () => deferred()],
  ])('a late option set on %s throws ERR_OPTION_TOO_LATE and changes nothing', async (_, make) => {
    using socket = make();
    expect(socket.local.port).toBeGreaterThan(0);
    const before = getOption(socket, raw);
    for (const target of [socket, socket.fd]) {
      const error = await errorOf(() => set(target, name, sample));
      expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_OPTION_TOO_LATE' });
      expect(error.message).toContain(name);
    }
    expect(getOption(socket, raw)).toEqual(before);
  });

  test.each(['ipv4', 'ipv6'] as const)(
    'a late option takes effect on a new %s socket, and after a bind that left the port open',
    (family) => {
      for (const type of ['stream', 'dgram'] as const) {
        using fresh = NativeSocket.create({ family, type });
        set(fresh, name, sample);
        expect(getOption(fresh, name as 'IP_LOCAL_PORT_RANGE')).toEqual(sample);
        using open = NativeSocket.create({ family, type, sockopts: { IP_BIND_ADDRESS_NO_PORT: true } });
        open.bind({ address: LOOPBACK[family], port: 0 });
        expect(open.local.port).toBe(0);
        set(open, name, sample);
        set(open.fd, name, sample);
        expect(getOption(open, name as 'IP_LOCAL_PORT_RANGE')).toEqual(sample);
      }
    },
  );

  test('a late option reports an invalid value and a closed socket before ERR_OPTION_TOO_LATE', async () => {
    using socket = boundUdp();
    expect((await errorOf(() => set(socket, name, 'x'))).code).toBe('ERR_INVALID_ARG_TYPE');
    socket.close();
    expect((await errorOf(() => set(socket, name, sample))).code).toBe('EBADF');
  });

  test('a late option set on a raw socket is refused by the kernel', async () => {
    // A path that is longer than the address of an IP socket.
    const server = createServer().listen(join(tmpdir(), `linux-sockets-late-${process.pid}-${'x'.repeat(30)}`));
    await once(server, 'listening');
    expect(await errorOf(() => set(server, name, sample))).toMatchObject({
      name: 'SyscallError',
      syscall: 'setsockopt',
      errno: -95,
    });
    server.close();
    await once(server, 'close');
  });
});

describe('IP_LOCAL_PORT_RANGE', () => {
  test.each(['ipv4', 'ipv6'] as const)(
    'IP_LOCAL_PORT_RANGE set before connect over %s restricts the port that connect picks',
    async (family) => {
      for (const bind of [false, true]) {
        using listener = listening(family);
        using client = tcp(family, { IP_BIND_ADDRESS_NO_PORT: true });
        if (bind) client.bind({ address: LOOPBACK[family], port: 0 });
        const range = bind ? RANGE : ([41_001, 41_001] as const);
        setOption(client, 'IP_LOCAL_PORT_RANGE', range);
        client.connect(listener.local);
        await client.connected();
        expect(client.local.port).toBe(range[0]);
      }
    },
  );

  test('IP_LOCAL_PORT_RANGE set by number after the port is assigned succeeds and keeps the port', async () => {
    using listener = listening();
    using client = bound('stream', 'ipv4');
    const { port } = client.local;
    expect(port).not.toBe(RANGE[0]);
    setOption(client, RANGE_RAW, PACKED);
    expect(getOption(client, 'IP_LOCAL_PORT_RANGE')).toEqual([...RANGE]); // so it says
    client.connect(listener.local);
    await client.connected();
    expect(client.local.port).toBe(port);
  });
});

describe('IP_BIND_ADDRESS_NO_PORT', () => {
  test('IP_BIND_ADDRESS_NO_PORT set before bind lets two destinations share a port', async () => {
    using first = listening();
    using second = listening();
    const options = { IP_BIND_ADDRESS_NO_PORT: true, IP_LOCAL_PORT_RANGE: [41_002, 41_002] } as const;
    using one = tcp('ipv4', options);
    using two = tcp('ipv4', options);
    for (const [client, listener] of [
      [one, first],
      [two, second],
    ] as const) {
      client.bind('127.0.0.1:0');
      expect(client.local.port).toBe(0);
      client.connect(listener.local);
      await client.connected();
    }
    expect([one.local.port, two.local.port]).toEqual([41_002, 41_002]);
  });

  test('IP_BIND_ADDRESS_NO_PORT set by number after bind succeeds, and no other socket can share the port', async () => {
    using listener = listening();
    using one = bound('stream', 'ipv4');
    const { port } = one.local;
    setOption(one, NO_PORT_RAW, 1);
    expect(getOption(one, 'IP_BIND_ADDRESS_NO_PORT')).toBe(true); // so it says
    one.connect(listener.local);
    await one.connected();
    expect(one.local.port).toBe(port);
    using other = tcp('ipv4', { IP_BIND_ADDRESS_NO_PORT: true, IP_LOCAL_PORT_RANGE: [port, port] });
    other.bind('127.0.0.1:0');
    using elsewhere = listening();
    expect(await errorOf(() => other.connect(elsewhere.local))).toMatchObject({ code: 'EADDRNOTAVAIL' });
  });
});

describe('TCP_MAXSEG', () => {
  const raw = { level: 6, name: 2 };

  test.each(['ipv4', 'ipv6'] as const)(
    'TCP_MAXSEG set before connect over %s limits the segments of both sides',
    async (family) => {
      using pair = await tcpPair(family, { TCP_MAXSEG: 1000 });
      expect(getOption(pair.client, 'TCP_INFO').sndMss).toBeLessThanOrEqual(1000);
      expect(getOption(pair.server, 'TCP_INFO').sndMss).toBeLessThanOrEqual(1000);
    },
  );

  test.each(['ipv4', 'ipv6'] as const)(
    'TCP_MAXSEG set by number on a connection over %s succeeds and changes nothing',
    async (family) => {
      using pair = await tcpPair(family);
      const { sndMss } = getOption(pair.client, 'TCP_INFO');
      expect(sndMss).toBeGreaterThan(10_000); // over loopback
      setOption(pair.client, raw, 1000);
      setOption(pair.server, raw, 1000);
      for (let round = 0; round < 3; round++) {
        pair.client.sendmsg({ data: Buffer.alloc(10_000) });
        await pair.server.readable();
        pair.server.recvmsg({ buffers: [Buffer.alloc(10_000)] });
      }
      const info = getOption(pair.client, 'TCP_INFO');
      expect(info.sndMss).toBeGreaterThanOrEqual(sndMss);
      expect(info.dataSegsOut).toBe(3); // and not thirty
      expect(getOption(pair.client, 'TCP_MAXSEG')).toBeGreaterThanOrEqual(sndMss);
    },
  );

  test('TCP_MAXSEG set by name throws ERR_OPTION_TOO_LATE on a connection, and succeeds before it and on a listener', async () => {
    using pair = await tcpPair();
    for (const target of [pair.client, pair.server, pair.client.fd]) {
      expect(codeOf(() => setOption(target, 'TCP_MAXSEG', 1000))).toBe('ERR_OPTION_TOO_LATE');
    }
    setOption(pair.listener, 'TCP_MAXSEG', 1000);
    using bare = bound('stream', 'ipv4');
    setOption(bare, 'TCP_MAXSEG', 1000);
    using reserved = deferred();
    setOption(reserved, 'TCP_MAXSEG', 1000);
    pair.client.close();
    expect(codeOf(() => setOption(pair.client, 'TCP_MAXSEG', 1000))).toBe('EBADF');
  });
});

describe('an option without `late`', () => {
  const rows = Object.entries<OptionRow>(OPTIONS).filter(
    ([name, { late, access }]) =>
      late === undefined &&
      access === undefined &&
      samples[name]?.test === undefined &&
      samples[name]?.missing?.() === undefined,
  );

  test.each(rows)('%s, set on a bound socket, reads back as on a new one, or the kernel refuses it', (name, row) => {
    for (const [family, type] of socketsOf(row)) {
      using socket = boundTo(family, type);
      const refusal = codeOf(() => set(socket, name, samples[name]?.set));
      if (refusal !== undefined) expect(KERNEL_SAYS_NO[name], `${family} ${type}`).toBe(refusal);
      else {
        using fresh = create(family, type, { [name]: samples[name]?.set });
        expect(get(socket, name), `${family} ${type}`).toEqual(get(fresh, name));
      }
    }
  });
});

/** What the kernel refuses once a socket is bound. */
const KERNEL_SAYS_NO: Readonly<Record<string, string>> = {
  IPV6_V6ONLY: 'EINVAL',
};

test('an option without `late` takes effect when it is set after bind', async () => {
  using pair = await tcpPair();
  setOption(pair.client, 'TCP_NODELAY', true);
  expect(getOption(pair.client, 'TCP_NODELAY')).toBe(true);
  using receiver = boundUdp('ipv4');
  setOption(receiver, 'IP_RECVTTL', true);
  using sender = boundUdp('ipv4');
  setOption(sender, 'IP_TTL', 11);
  sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
  await receiver.readable();
  expect(receiver.recvmsg({ buffers: [Buffer.alloc(1)], controlLength: 64 })?.control).toEqual([
    { type: 'IP_TTL', value: 11 },
  ]);
});

function boundTo(family: Family, type: SocketType): NativeSocket {
  const socket = create(family, type);
  socket.bind({ address: LOOPBACK[family], port: 0 });
  return socket;
}

function bound(type: 'stream' | 'dgram', family: Family): NativeSocket {
  const socket = NativeSocket.create({ family, type });
  socket.bind({ address: LOOPBACK[family], port: 0 });
  return socket;
}

function connectedUdp(family: Family): NativeSocket {
  const socket = udp(family);
  socket.connect({ address: LOOPBACK[family], port: 9 });
  return socket;
}

function sent(): NativeSocket {
  const socket = udp();
  socket.sendmsg({ data: Buffer.from('x'), to: '127.0.0.1:9' });
  return socket;
}

function deferred(): NativeSocket {
  const socket = tcp('ipv4', { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true });
  socket.connect('127.0.0.1:9');
  return socket;
}

describe.each([
  ['TCP_SYNCNT', 7, 3],
  ['TCP_DEFER_ACCEPT', 9, 1],
  ['TCP_SAVE_SYN', 27, 1],
] as const)('%s', (name, number, value) => {
  test.each(['ipv4', 'ipv6'] as const)(
    `${name} over %s is too late on a connection, on both of its ends`,
    async (family) => {
      using pair = await tcpPair(family);
      for (const target of [pair.client, pair.server, pair.client.fd]) {
        expect(codeOf(() => set(target, name, value))).toBe('ERR_OPTION_TOO_LATE');
      }
      setOption(pair.client, { level: 6, name: number }, value); // the kernel accepts it
    },
  );

  test(`${name} is in time on a new socket, a bound one, a listener and a reservation`, () => {
    using fresh = tcp('ipv4');
    using open = bound('stream', 'ipv4');
    using listener = listening();
    using reserved = deferred();
    for (const target of [fresh, open, listener, reserved])
      expect(codeOf(() => set(target, name, value))).toBeUndefined();
  });
});

test('TCP_SAVE_SYN set on an accepted socket in raw form saves no SYN; set on its listener it does', async () => {
  using pair = await tcpPair('ipv4');
  setOption(pair.server, { level: 6, name: 27 }, 1);
  expect(getOption(pair.server, 'TCP_SAVED_SYN')).toHaveLength(0);
  setOption(pair.listener, 'TCP_SAVE_SYN', 1);
  using client = tcp('ipv4');
  client.connect(pair.listener.local);
  await client.connected();
  await pair.listener.readable();
  using server = pair.listener.accept()!.socket;
  expect(getOption(server, 'TCP_SAVED_SYN').length).toBeGreaterThan(0);
});
