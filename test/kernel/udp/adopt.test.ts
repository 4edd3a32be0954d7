// UdpSocket.adopt and detach: a descriptor changes its owner and keeps its options; a failure changes nothing.
import { openSync, closeSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import {
  getOption,
  NativeSocket,
  setOption,
  UdpSocket,
  type Family,
  type OptionName,
  type UdpAdoptOptions,
} from '../../../src/index.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { boundUdp, errorOf, LOOPBACK, tcp, udp as plainUdp } from '../../support/sockets.js';
import { nextBatch, nextMessages, receiver, send, texts } from '../../support/udp-receive.js';
import { IPPROTO_UDPLITE, lacksUdpLite } from '../../support/udp-lite.js';

checkDescriptors();

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

function keep<T extends { close(): unknown }>(socket: T): T {
  open.push(socket);
  return socket;
}

const EBADF = { code: 'EBADF', errno: -9 };

type Refused = [name: string, make: () => NativeSocket, options: UdpAdoptOptions, error: object];

const udpLite = (): NativeSocket => NativeSocket.create({ family: 'ipv4', type: 'dgram', protocol: IPPROTO_UDPLITE });
const LITE: Refused[] = [['a UDP-Lite socket', udpLite, {}, { code: 'ERR_UNSUPPORTED' }]];

describe.each<Family>(['ipv4', 'ipv6'])('UdpSocket.adopt of an %s socket', (family) => {
  test('UdpSocket.adopt of a new socket returns a UdpSocket that can be bound and connected', async () => {
    const fd = plainUdp(family).detach();
    const udp = keep(UdpSocket.adopt(fd, { pktinfo: true, reuseAddr: true }));
    expect(udp).toMatchObject({ family, fd, remote: undefined, closed: false });
    expect(udp.features.pktinfo).toEqual({ on: true });
    expect(getOption(udp, 'SO_REUSEADDR')).toBe(true);
    udp.bind({ address: LOOPBACK[family], port: 0 });
    using peer = boundUdp(family);
    send(peer, udp, 'x');
    expect(await nextBatch(udp, (got) => got.destination(0)?.address)).toBe(LOOPBACK[family]);
  });

  test('UdpSocket.adopt of a bound socket receives the datagrams that wait already', async () => {
    const socket = boundUdp(family);
    const { local } = socket;
    using peer = boundUdp(family);
    peer.sendmsg({ data: Buffer.from('early'), to: local });
    const udp = keep(UdpSocket.adopt(socket.detach(), { family }));
    expect(udp.local).toEqual(local);
    expect(await nextBatch(udp, texts)).toEqual(['early']);
  });

  test('UdpSocket.adopt of a connected socket knows its peer, and keeps the port when it is disconnected', async () => {
    using peer = boundUdp(family);
    const socket = plainUdp(family);
    socket.connect(peer.local);
    const { local } = socket;
    const udp = keep(UdpSocket.adopt(socket.detach()));
    expect(udp.remote).toEqual(peer.local);
    expect(udp.trySend(Buffer.from('x'))).toBe(1);
    await peer.readable();
    udp.disconnect();
    expect(udp.local.port).toBe(local.port);
  });

  test('UdpSocket.adopt of a socket with UDP_SEGMENT turns it off, and sends with that segment size by default', () => {
    using peer = boundUdp(family);
    for (const [options, sizes] of [
      [{}, [4, 4, 2]],
      [{ segmentSize: 6 }, [6, 4]],
    ] as const) {
      const socket = plainUdp(family, { UDP_SEGMENT: 4 });
      const udp = keep(UdpSocket.adopt(socket.detach(), options));
      expect(getOption(udp, 'UDP_SEGMENT')).toBe(0);
      udp.trySend(Buffer.alloc(10), { to: peer.local });
      expect(sizes.map(() => peer.recvmsg({ buffers: [Buffer.alloc(99)] })?.bytes)).toEqual(sizes);
    }
  });
});

test('UdpSocket.adopt makes the descriptor non-blocking and close-on-exec, as create does', () => {
  const udp = keep(UdpSocket.adopt(boundUdp().detach()));
  const flags = Number.parseInt(
    /flags:\t(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${udp.fd}`, 'utf8'))?.[1] ?? '',
    8,
  );
  expect([flags & 0o4000, flags & 0o2000000]).toEqual([0o4000, 0o2000000]);
});

test('UdpSocket.adopt with gro accepts a descriptor that has UDP_GRO on', () => {
  const socket = boundUdp('ipv4', { UDP_GRO: true });
  const udp = keep(UdpSocket.adopt(socket.detach(), { gro: true }));
  expect(udp.features.gro).toEqual({ on: true });
});

describe('descriptors and options that UdpSocket.adopt refuses', () => {
  const READ = [
    'IP_PKTINFO',
    'IP_RECVTTL',
    'IP_RECVERR',
    'SO_RCVBUF',
    'UDP_SEGMENT',
    'UDP_GRO',
    'IP_TOS',
    'SO_REUSEADDR',
  ];

  test.each<Refused>([
    ['a TCP socket', () => tcp(), {}, { code: 'ERR_UNSUPPORTED' }],
    ...(lacksUdpLite === undefined ? LITE : []),
    [
      'a socket of another family than `family`',
      () => plainUdp('ipv4'),
      { family: 'ipv6' },
      { code: 'ERR_INVALID_ARG_VALUE' },
    ],
    [
      'a socket with UDP_GRO on, without gro',
      () => boundUdp('ipv4', { UDP_GRO: true }),
      {},
      { code: 'ERR_INVALID_STATE' },
    ],
    [
      'a socket with UDP_GRO on, with gro: false',
      () => boundUdp('ipv4', { UDP_GRO: true }),
      { gro: false },
      { code: 'ERR_INVALID_STATE' },
    ],
    ['reusePort for a bound socket', () => boundUdp(), { reusePort: true }, { code: 'ERR_INVALID_ARG_VALUE' }],
    ['freebind for a bound socket', () => boundUdp(), { freebind: true }, { code: 'ERR_INVALID_ARG_VALUE' }],
    ['a misspelt option', () => boundUdp(), { reuseAdr: true } as never, { code: 'ERR_INVALID_ARG_VALUE' }],
    [
      'UDP_SEGMENT in sockopts',
      () => boundUdp(),
      { sockopts: { ['UDP_SEGMENT' as string]: 4 } },
      { code: 'ERR_INVALID_ARG_VALUE' },
    ],
    [
      'an option that the kernel refuses, after others have been set',
      () => boundUdp('ipv4', { UDP_SEGMENT: 7, IP_TOS: 8, SO_RCVBUF: 5000 }),
      {
        ...{ pktinfo: true, ttl: true, errorQueue: true, recvBufferSize: 100_000, segmentSize: 9 },
        sockopts: { IP_TOS: 16, SO_BINDTODEVICE: 'no-such-if' },
      },
      { code: 'ENODEV', syscall: 'setsockopt', option: 'SO_BINDTODEVICE' },
    ],
  ])('UdpSocket.adopt refuses %s, and leaves the descriptor unchanged', async (_, make, options, expected) => {
    const socket = keep(make());
    const fdinfo = (): string => readFileSync(`/proc/self/fdinfo/${socket.fd}`, 'utf8');
    const values = (): unknown[] =>
      READ.map((name) => {
        try {
          return getOption(socket, name as OptionName as 'SO_TYPE');
        } catch (error) {
          return (error as { code: string }).code;
        }
      });
    const before = [fdinfo(), values(), socket.fd];
    expect(await errorOf(() => UdpSocket.adopt(socket.fd, options))).toMatchObject(expected);
    expect([fdinfo(), values(), socket.fd]).toEqual(before);
  });

  test('UdpSocket.adopt refuses the descriptor of a file', async () => {
    const fd = openSync('/dev/null', 'r');
    expect(await errorOf(() => UdpSocket.adopt(fd))).toMatchObject({ code: 'ENOTSOCK' });
    closeSync(fd);
  });

  test.each<[unknown, unknown, string]>([
    [-1, {}, 'ERR_OUT_OF_RANGE'],
    ['3', {}, 'ERR_INVALID_ARG_TYPE'],
    [2 ** 31 - 1, {}, 'EBADF'],
  ])('UdpSocket.adopt refuses the descriptor %j', async (fd, options, code) => {
    expect((await errorOf(() => UdpSocket.adopt(fd as number, options as never))).code).toBe(code);
  });

  test.each([null, 'options', 7])('UdpSocket.adopt refuses %j as options', async (options) => {
    const socket = keep(boundUdp());
    expect((await errorOf(() => UdpSocket.adopt(socket.fd, options as never))).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('UdpSocket.detach', () => {
  test("detach() returns the descriptor, closes the rest and emits 'close'", async () => {
    const udp = receiver({ family: 'ipv4', ttl: true });
    const { local, fd } = udp;
    const closed = new Promise((resolve) => udp.on('close', () => resolve('closed')));
    const waiting = errorOf(() => udp.readable());
    expect(udp.detach()).toBe(fd);
    expect(udp).toMatchObject({ fd: -1, closed: true });
    expect(await waiting).toMatchObject(EBADF);
    expect(await closed).toBe('closed');
    using back = NativeSocket.adopt(fd);
    expect(back.local).toEqual(local);
    expect(getOption(back, 'IP_RECVTTL')).toBe(true);
    expect(await errorOf(() => udp.detach())).toMatchObject({ ...EBADF, syscall: 'detach' });
  });

  test('detach() and adopt() keep the datagrams in the receive buffer', async () => {
    const first = receiver({ family: 'ipv4' });
    using peer = plainUdp();
    send(peer, first, 'waits');
    const second = keep(UdpSocket.adopt(first.detach()));
    expect(await nextBatch(second, texts)).toEqual(['waits']);
  });

  test('detach() throws while sends are queued, and the socket stays usable', async () => {
    const udp = keep(receiver({ family: 'ipv4', sendBufferSize: 0 }));
    await using sink = receiver({ family: 'ipv4', recvBufferSize: 1 << 22 });
    // More than fits into the smallest send buffer, so that some of it may be queued.
    const sends: Promise<void>[] = [];
    while (udp.queuedBytes === 0 && sends.length < 10_000)
      sends.push(udp.send(Buffer.alloc(60_000), { to: sink.local }));
    if (udp.queuedBytes > 0) {
      expect(await errorOf(() => udp.detach())).toMatchObject({ code: 'ERR_INVALID_STATE' });
      expect(udp.closed).toBe(false);
    }
    await Promise.all(sends);
    expect(udp.queuedBytes).toBe(0);
    using back = NativeSocket.adopt(udp.detach());
    expect(back.fd).toBeGreaterThan(2);
  });

  test('detach() throws while messages have been read but not delivered', async () => {
    const udp = keep(receiver({ family: 'ipv4' }));
    using peer = plainUdp();
    for (const text of ['a', 'b', 'c']) send(peer, udp, text);
    const first = new Promise<string>((resolve) => {
      udp.once('message', (data) => {
        udp.pause();
        resolve(String(data));
      });
    });
    expect(await first).toBe('a');
    expect(await errorOf(() => udp.detach())).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(udp.closed).toBe(false);
    udp.resume();
    expect(await nextMessages(udp, 2)).toEqual(['b', 'c']);
    using back = NativeSocket.adopt(udp.detach());
    expect(back.fd).toBeGreaterThan(2);
  });

  test('detach() of a socket with an error queue ends its iterators', async () => {
    const udp = keep(receiver({ family: 'ipv4', errorQueue: true }));
    const next = udp.errorQueue[Symbol.asyncIterator]().next();
    using back = NativeSocket.adopt(udp.detach());
    expect(await next).toEqual({ value: undefined, done: true });
    setOption(back, 'IP_RECVERR', false);
  });
});
