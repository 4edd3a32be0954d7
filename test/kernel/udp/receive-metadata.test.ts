// Metadata of received datagrams, compared with what was sent: every accessor of a batch, over IPv4, IPv6, and mapped.
import { describe, expect, test } from 'vitest';
import {
  NativeSocket,
  UdpSocket,
  type ControlMessage,
  type ReceivedBatch,
  type UdpSocketOptions,
} from '../../../src/index.js';
import { interfaceIndex } from '../../../src/kernel/interfaces.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { boundUdp, errorOf, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors, ip } from '../../support/fixtures.js';
import { nextBatch, PATHS, receiver, send, type Path } from '../../support/udp-receive.js';

checkDescriptors();

const LO = 1;
const [MSG_CTRUNC, MSG_TRUNC] = [0x8, 0x20];

const EVERYTHING = {
  pktinfo: 'require',
  originalDestination: 'require',
  ecn: 'require',
  ttl: 'require',
  timestamps: 'require',
  dropCounter: 'require',
  receiveMark: 'require',
} as const satisfies Partial<UdpSocketOptions>;

/** All that a batch says of one datagram. */
function all(received: ReceivedBatch, i: number) {
  return {
    data: Buffer.from(received.data(i)).toString(),
    inSlab: Buffer.from(
      received.slab.subarray(received.offset(i), received.offset(i) + received.byteLength(i)),
    ).toString(),
    source: received.source(i),
    key: received.sourceKey(i),
    destination: received.destination(i),
    local: received.local(i),
    interface: received.interface(i),
    ecn: received.ecn(i),
    tos: received.tos(i),
    ttl: received.ttl(i),
    segmentSize: received.segmentSize(i),
    segments: received.segments(i),
    timestamp: received.timestamp(i),
    drops: received.drops(i),
    mark: received.mark(i),
    flags: received.flags(i),
    truncated: received.truncated(i),
    controlTruncated: received.controlTruncated(i),
  };
}

/** The control messages with which a sender asks for these. */
function control(path: Path, tos: number, ttl: number, mark: number): ControlMessage[] {
  return [
    path.from === 'ipv4' ? { type: 'IP_TOS', value: tos } : { type: 'IPV6_TCLASS', value: tos },
    path.from === 'ipv4' ? { type: 'IP_TTL', value: ttl } : { type: 'IPV6_HOPLIMIT', value: ttl },
    { type: 'SO_MARK', value: mark },
  ];
}

describe.each(PATHS)('$path', (path) => {
  const mapped = path.path === 'mapped';

  test('every accessor reports what was sent, for each datagram in a batch', async () => {
    await using udp = receiver({ family: path.family, ...EVERYTHING });
    const { port } = udp.local;
    using first = boundUdp(path.from);
    using second = boundUdp(path.from);
    const before = BigInt(Date.now()) * 1_000_000n;
    send(first, udp, 'one', control(path, 0xb9, 7, 42));
    send(second, udp, '', control(path, 2, 255, 0xfffffff0));
    send(first, udp, 'three');
    const rows = await nextBatch(udp, (received) =>
      Array.from({ length: received.length }, (_, i) => all(received, i)),
    );
    const same = {
      destination: expect.objectContaining({ address: path.address, port, mapped }) as unknown,
      local: expect.objectContaining({ address: path.address, port: 0, mapped }) as unknown,
      ...{ interface: LO, segments: 1, drops: 0, truncated: false, controlTruncated: false },
    };
    const [a, b] = [first.local, second.local].map(({ address, port }) => ({ address, port, mapped }));
    expect(rows).toMatchObject([
      { ...same, data: 'one', inSlab: 'one', source: a, tos: 0xb9, ecn: 1, ttl: 7, mark: 42, segmentSize: 3 },
      { ...same, data: '', inSlab: '', source: b, tos: 2, ecn: 2, ttl: 255, mark: 0xfffffff0, segmentSize: 0 },
      { ...same, data: 'three', inSlab: 'three', source: a, tos: 0, ecn: 0, ttl: 64, mark: 0, segmentSize: 5 },
    ]);
    expect(rows.map(({ flags }) => flags & (MSG_TRUNC | MSG_CTRUNC))).toEqual([0, 0, 0]);
    expect(rows[0]!.key).toBe(rows[2]!.key);
    expect(rows[0]!.key).not.toBe(rows[1]!.key);
    expect(rows[0]!.source, 'the same object').toBe(rows[2]!.source);
    const times = rows.map(({ timestamp }) => timestamp!);
    expect(times).toEqual(times.toSorted((x, y) => (x < y ? -1 : 1)));
    for (const time of times) expect(Number(time - before)).toBeGreaterThan(-1e7);
    for (const time of times) expect(Number(BigInt(Date.now() + 1) * 1_000_000n - time)).toBeGreaterThan(0);
  });

  test("the info of a 'message' has the same metadata, in dgram's shape", async () => {
    await using udp = receiver({ family: path.family, ...EVERYTHING });
    using sender = boundUdp(path.from);
    send(sender, udp, 'hello', control(path, 3, 9, 5));
    const [data, info] = await new Promise<[Buffer, object]>((resolve) =>
      udp.once('message', (...args) => resolve(args)),
    );
    expect(data).toBeInstanceOf(Buffer);
    expect(data.toString()).toBe('hello');
    expect(info).toMatchObject({
      address: path.address,
      family: path.from === 'ipv4' ? 'IPv4' : 'IPv6',
      port: sender.local.port,
      size: 5,
      source: { address: path.address, port: sender.local.port, mapped },
      destination: { address: path.address, port: udp.local.port, mapped },
      local: { address: path.address, port: 0 },
      ...{ interface: LO, ecn: 3, tos: 3, ttl: 9, mark: 5, drops: 0, truncated: false, controlTruncated: false },
      timestamp: expect.any(BigInt) as unknown,
    });
  });

  test('no metadata is reported that was not requested', async () => {
    await using udp = receiver({ family: path.family });
    using sender = plainUdp(path.from);
    send(sender, udp, 'x');
    const row = await nextBatch(udp, (received) => ({ ...all(received, 0), control: received.control(0) }));
    const nothing = { destination: undefined, local: undefined, interface: undefined, ecn: undefined, tos: undefined };
    expect(row).toMatchObject({
      ...nothing,
      ...{ ttl: undefined, timestamp: undefined, drops: undefined, mark: undefined, segmentSize: 1, control: [] },
    });
  });

  test('pktinfo alone reports the address and the interface, and no port', async () => {
    await using udp = receiver({ family: path.family, pktinfo: true });
    using sender = plainUdp(path.from);
    send(sender, udp, 'x');
    const row = await nextBatch(udp, (received) => all(received, 0));
    expect(row).toMatchObject({ destination: { address: path.address, port: 0, mapped }, interface: LO });
  });

  test('originalDestination alone reports address and port', async () => {
    await using udp = receiver({ family: path.family, originalDestination: true });
    using sender = plainUdp(path.from);
    send(sender, udp, 'x');
    const row = await nextBatch(udp, (received) => all(received, 0));
    expect(row).toMatchObject({
      destination: { address: path.address, port: udp.local.port, mapped },
      interface: undefined,
    });
  });

  test('a datagram longer than maxDatagram is truncated, flagged and counted', async () => {
    await using udp = receiver({ family: path.family, maxDatagram: 4, ttl: true });
    using sender = plainUdp(path.from);
    for (const text of ['0123456789', '0123', '01234']) send(sender, udp, text);
    const rows = await nextBatch(udp, (received) => [0, 1, 2].map((i) => all(received, i)));
    expect(rows).toMatchObject([
      { data: '0123', truncated: true, controlTruncated: false, ttl: 64, segmentSize: 4, segments: 1 },
      { data: '0123', truncated: false },
      { data: '0123', truncated: true },
    ]);
    expect(rows.map(({ flags }) => flags & MSG_TRUNC)).toEqual([MSG_TRUNC, 0, MSG_TRUNC]);
    expect(udp.stats.received).toMatchObject({ datagrams: 3, bytes: 12, truncated: 2, controlTruncated: 0 });
    send(sender, udp, 'too long');
    const info = await new Promise((resolve) =>
      udp.once('message', (_, { size, truncated }) => resolve({ size, truncated })),
    );
    expect(info).toEqual({ size: 4, truncated: true });
  });

  test('control messages beyond controlLength are truncated, flagged and counted, and the data is complete', async () => {
    await using udp = receiver({ family: path.family, controlLength: 24, ttl: true, ecn: true });
    using sender = plainUdp(path.from);
    send(sender, udp, 'whole');
    const row = await nextBatch(udp, (received) => all(received, 0));
    expect(row).toMatchObject({ data: 'whole', truncated: false, controlTruncated: true, ttl: 64, ecn: undefined });
    expect(row.flags & MSG_CTRUNC).toBe(MSG_CTRUNC);
    expect(udp.stats.received).toMatchObject({ truncated: 0, controlTruncated: 1 });
    send(sender, udp, 'x');
    expect(await new Promise((resolve) => udp.once('message', (_, info) => resolve(info.controlTruncated)))).toBe(true);
  });

  test('with controlLength: 0 a message has only its data, and controlTruncated is set', async () => {
    await using udp = receiver({ family: path.family, controlLength: 0, ttl: true });
    using sender = plainUdp(path.from);
    send(sender, udp, 'x');
    const row = await nextBatch(udp, (received) => all(received, 0));
    expect(row).toMatchObject({ data: 'x', controlTruncated: true, ttl: undefined });
  });

  test('the longest datagram is received whole by default', async () => {
    await using udp = receiver({ family: path.family, recvBufferSize: 1 << 20 });
    using sender = plainUdp(path.from);
    const data = Buffer.alloc(path.from === 'ipv4' ? 65_507 : 65_527, 'x');
    send(sender, udp, data);
    const row = await nextBatch(udp, (received) => [received.truncated(0), Buffer.from(received.data(0))]);
    expect(row).toEqual([false, data]);
  });

  test('dropped datagrams are counted, by the batch and by stats', async () => {
    await using udp = receiver({ family: path.family, dropCounter: true, recvBufferSize: 0 });
    using sender = plainUdp(path.from);
    for (let i = 0; i < 50; i++) send(sender, udp, Buffer.alloc(500));
    const dropped = udp.stats.received.drops;
    expect(dropped).toBeGreaterThan(0);
    const kept = await nextBatch(udp, (received) => received.length);
    expect(kept + dropped).toBe(50);
    send(sender, udp, 'after');
    expect(await nextBatch(udp, (received) => received.drops(0))).toBe(dropped);
    expect(udp.stats.received.drops).toBe(dropped);
  });

  test('control(i) has all control messages, including those without an accessor', async () => {
    await using udp = receiver({ family: path.family, ttl: true, sockopts: { SO_RCVPRIORITY: true } });
    using sender = plainUdp(path.from);
    send(sender, udp, 'x', [{ type: 'SO_PRIORITY', value: 5 }]);
    const messages = await nextBatch(udp, (received) => received.control(0));
    expect(messages).toContainEqual({ type: 'SO_PRIORITY', value: 5 });
    expect(messages).toContainEqual({ type: path.from === 'ipv4' ? 'IP_TTL' : 'IPV6_HOPLIMIT', value: 64 });
  });
});

test('the key of a peer is the same in every batch, and differs by address, port and scope', async () => {
  await using udp = receiver({ family: 'ipv6' });
  const keys = new Map<string, string>();
  const senders = [
    ...Array.from({ length: 4 }, () => boundUdp('ipv4')),
    ...Array.from({ length: 4 }, () => boundUdp('ipv6')),
    ...['127.0.0.2', '127.0.0.3'].map((address) => {
      const socket = plainUdp('ipv4');
      socket.bind({ address, port: 0 });
      return socket;
    }),
  ];
  for (let round = 0; round < 3; round++) {
    for (const sender of senders) send(sender, udp, 'x');
    await nextBatch(udp, (received) => {
      for (let i = 0; i < received.length; i++) {
        const peer = received.source(i).toString();
        expect(keys.get(peer) ?? received.sourceKey(i)).toBe(received.sourceKey(i));
        keys.set(peer, received.sourceKey(i));
      }
    });
  }
  expect(keys.size).toBe(senders.length);
  expect(new Set(keys.values()).size).toBe(senders.length);
  for (const sender of senders) sender.close();
});

test('more peers than the endpoint cache holds are still distinguished', async () => {
  ip('addr', 'add', '10.9.0.1/16', 'dev', 'lo');
  await using udp = receiver({ family: 'ipv4', recvBufferSize: 1 << 24 });
  using sender = NativeSocket.create({ family: 'ipv4', type: 'dgram', sockopts: { IP_FREEBIND: true } });
  sender.bind('0.0.0.0:0');
  const expected = new Set<string>();
  const found = new Map<string, string>();
  const done = new Promise<void>((resolve) => {
    udp.on('batch', (received) => {
      for (let i = 0; i < received.length; i++) found.set(received.sourceKey(i), received.source(i).address);
      if (found.size >= 6000) resolve();
    });
  });
  for (let i = 0; i < 6000; i++) {
    const source = `127.1.${i >> 8}.${i & 255}`;
    expected.add(source);
    send(sender, udp, 'x', [{ type: 'IP_PKTINFO', value: { source } }]);
    if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  expect(new Set(found.values())).toEqual(expected);
});

test('for IPv4 multicast the destination is the group, and local the address of the interface', async () => {
  await using udp = receiver({
    family: 'ipv4',
    pktinfo: true,
    sockopts: { IP_ADD_MEMBERSHIP: { group: '239.1.2.3', interface: 'lo' } },
  });
  using sender = plainUdp('ipv4', { IP_MULTICAST_IF: { interface: 'lo' } });
  sender.sendmsg({ data: Buffer.from('x'), to: { address: '239.1.2.3', port: udp.local.port } });
  const row = await nextBatch(udp, (received) => all(received, 0));
  expect(row).toMatchObject({ destination: { address: '239.1.2.3' }, interface: LO });
  expect(row.local?.address).toMatch(/^(127\.0\.0\.1|10\.9\.0\.1)$/);
});

test('link-local peers, local addresses and groups have their scope; a group is never the local address', async () => {
  await using other = await NetworkNamespace.create();
  const { name, peerName } = await other.link('current', { addresses: ['fe80::1/64'], peerAddresses: ['fe80::2/64'] });
  const index = interfaceIndex(peerName)!;
  await using udp = receiver({
    family: 'ipv6',
    pktinfo: true,
    originalDestination: true,
    sockopts: { IPV6_ADD_MEMBERSHIP: { address: 'ff02::1:2', interface: peerName } },
  });
  const { port } = udp.local;
  for (const to of ['fe80::2', 'ff02::1:2']) {
    await other.run(process.execPath, '-e', SEND, `${to}%${name}`, String(port));
    const row = await nextBatch(udp, (received) => all(received, 0));
    // Which of its link-local addresses the kernel takes is its own choice.
    expect(row.source).toMatchObject({ scopeId: index });
    expect(row.source.address).toMatch(new RegExp(`^fe80::.*%${peerName}$`));
    expect(row.destination).toMatchObject({ address: `${to}%${peerName}`, scopeId: index, port });
    if (to === 'ff02::1:2') expect(row.local).toBeUndefined();
    else expect(row.local).toMatchObject({ address: `fe80::2%${peerName}`, scopeId: index, port: 0 });
    expect(row.interface).toBe(index);
  }
  const plain = nextBatch(udp, (received) => received.destination(0));
  await using six = UdpSocket.create({ family: 'ipv6' });
  six.trySend(Buffer.from('x'), { to: { address: '::1', port } });
  expect(await plain, 'a global address has none').toMatchObject({ address: '::1', scopeId: 0 });
});

describe('accessors', () => {
  const NAMES = [
    ...([
      'offset',
      'byteLength',
      'data',
      'source',
      'sourceKey',
      'destination',
      'local',
      'interface',
      'ecn',
      'tos',
    ] as const),
    ...(['ttl', 'segmentSize', 'segments', 'timestamp', 'drops', 'mark', 'flags', 'truncated'] as const),
    ...(['controlTruncated', 'control'] as const),
  ];

  test.each(NAMES)('the accessor %s throws for an index out of range', async (name) => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    send(sender, udp, 'x');
    await nextBatch(udp, (received) => {
      received[name](0);
      for (const wrong of [1, -1, 64, NaN, 0.5, '0', undefined, null, Infinity]) {
        expect(() => received[name](wrong as number), String(wrong)).toThrow(
          expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
        );
      }
    });
  });

  test('accessors throw after the callback', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    send(sender, udp, 'x');
    const kept = await nextBatch(udp, (received) => received);
    expect(kept.length).toBe(0);
    for (const name of NAMES) {
      expect(() => kept[name](0), name).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
    }
    expect(() => kept.slab).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
    expect(await errorOf(() => udp.receiveBatch(kept))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('the batch object is reused', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    const seen = new Set<ReceivedBatch>();
    for (let i = 0; i < 3; i++) {
      send(sender, udp, 'x');
      seen.add(await nextBatch(udp, (received) => received));
    }
    expect(seen.size).toBe(1);
  });
});

describe('debug', () => {
  test('with debug, received data is overwritten after the callback, and its memory is not reused', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', debug: true });
    udp.bind('127.0.0.1:0');
    using sender = plainUdp();
    const views: Uint8Array[] = [];
    for (const text of ['first', 'second']) {
      send(sender, udp, text);
      views.push(await nextBatch(udp, (received) => received.data(0)));
    }
    expect(views.map((view) => view.length)).toEqual([5, 6]);
    for (const view of views) expect([...view].every((byte) => byte === 0xdb)).toBe(true);
  });

  test('with debug, the data of a batch is overwritten when receiveBatch() fills it again', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', debug: true });
    udp.bind('127.0.0.1:0');
    using sender = plainUdp();
    const batch = udp.createReceiveBatch();
    send(sender, udp, 'first');
    await udp.readable();
    udp.receiveBatch(batch);
    const view = batch.data(0);
    expect(Buffer.from(view).toString()).toBe('first');
    expect(udp.receiveBatch(batch)).toBe(0);
    expect([...view].every((byte) => byte === 0xdb)).toBe(true);
  });
});

const SEND = `
  const socket = require('node:dgram').createSocket('udp6');
  socket.send('x', Number(process.argv[2]), process.argv[1], () => socket.close());
`;
