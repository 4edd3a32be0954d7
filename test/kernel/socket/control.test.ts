// NativeSocket: control messages, each verified by its effect on the kernel or by what the kernel reports in it.
import { describe, expect, test } from 'vitest';
import {
  getOption,
  setOption,
  type ControlMessage,
  type Family,
  type NativeSocket,
  type ReceivedMessage,
  type SocketOptions,
} from '../../../src/index.js';
import { boundUdp, errorOf, LOOPBACK, udp } from '../../support/sockets.js';

const LO = 1;
const [MSG_CTRUNC, MSG_TRUNC] = [0x8, 0x20];

describe('UDP_SEGMENT as control message', () => {
  test.each(['ipv4', 'ipv6'] as const)('UDP_SEGMENT splits one send into datagrams over %s', async (family) => {
    using receiver = boundUdp(family);
    using sender = udp(family);
    const data = Buffer.alloc(3000, 'x');
    expect(sender.sendmsg({ data, to: receiver.local, control: [{ type: 'UDP_SEGMENT', value: 1200 }] })).toBe(3000);
    await receiver.readable();
    expect([receive(receiver).bytes, receive(receiver).bytes, receive(receiver).bytes]).toEqual([1200, 1200, 600]);
    expect(receiver.recvmsg({ buffers: [data] })).toBeUndefined();
  });

  test('UDP_SEGMENT is received as UDP_GRO when datagrams are merged', async () => {
    using receiver = boundUdp('ipv4', { UDP_GRO: true });
    using sender = udp();
    sender.sendmsg({ data: Buffer.alloc(3000), to: receiver.local, control: [{ type: 'UDP_SEGMENT', value: 1200 }] });
    await receiver.readable();
    const message = receive(receiver);
    expect(message.bytes).toBe(3000);
    expect(message.control).toEqual([{ type: 'UDP_GRO', value: 1200 }]);
  });

  test('UDP_SEGMENT is sent as two bytes, and the kernel refuses four', async () => {
    using receiver = boundUdp();
    using sender = udp();
    const send = (data: Uint8Array) =>
      sender.sendmsg({ data: Buffer.alloc(30), to: receiver.local, control: [{ level: 17, type: 103, data }] });
    expect(await errorOf(() => send(Uint8Array.of(10, 0, 0, 0)))).toMatchObject({ code: 'EINVAL', syscall: 'sendmsg' });
    expect(send(Uint8Array.of(10, 0))).toBe(30);
    expect(receive(receiver).bytes).toBe(10);
  });
});

describe('IP_PKTINFO and IPV6_PKTINFO', () => {
  test('IP_PKTINFO reports where an IPv4 datagram arrived', async () => {
    using receiver = udp('ipv4', { IP_PKTINFO: true });
    receiver.bind('0.0.0.0:0');
    using sender = udp();
    sender.sendmsg({ data: Buffer.from('x'), to: { address: '127.0.0.9', port: receiver.local.port } });
    await receiver.readable();
    expect(receive(receiver).control).toEqual([
      { type: 'IP_PKTINFO', value: { interface: LO, source: '127.0.0.9', destination: '127.0.0.9' } },
    ]);
  });

  test('IPV6_PKTINFO reports where an IPv6 datagram arrived', async () => {
    using receiver = udp('ipv6', { IPV6_RECVPKTINFO: true });
    receiver.bind('[::]:0');
    using sender = udp('ipv6');
    sender.sendmsg({ data: Buffer.from('x'), to: { address: '::1', port: receiver.local.port } });
    await receiver.readable();
    expect(receive(receiver).control).toEqual([{ type: 'IPV6_PKTINFO', value: { interface: LO, source: '::1' } }]);
  });

  test('IP_PKTINFO sets the source of an IPv4 datagram', async () => {
    using receiver = boundUdp();
    using sender = udp();
    const send = (value: ControlMessage & { type: 'IP_PKTINFO' }) =>
      sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control: [value] });
    send({ type: 'IP_PKTINFO', value: { source: '127.0.0.7' } });
    send({ type: 'IP_PKTINFO', value: { source: '127.0.0.8', interface: LO } });
    send({ type: 'IP_PKTINFO', value: {} });
    await receiver.readable();
    const sources = [receive(receiver), receive(receiver), receive(receiver)].map(({ source }) => source?.address);
    expect(sources).toEqual(['127.0.0.7', '127.0.0.8', '127.0.0.1']);
    expect(await errorOf(() => send({ type: 'IP_PKTINFO', value: { interface: 999 } }))).toMatchObject({
      code: 'ENODEV',
    });
  });

  test('IPV6_PKTINFO sets the source of an IPv6 datagram, and of one to a mapped address', async () => {
    using receiver = udp('ipv6');
    receiver.bind('[::]:0');
    const { port } = receiver.local;
    using sender = udp('ipv6');
    const data = Buffer.from('x');
    sender.sendmsg({
      data,
      to: { address: '::1', port },
      control: [{ type: 'IPV6_PKTINFO', value: { source: '::1' } }],
    });
    const mapped: ControlMessage = { type: 'IPV6_PKTINFO', value: { source: '::ffff:127.0.0.7', interface: LO } };
    sender.sendmsg({ data, to: { address: '::ffff:127.0.0.1', port }, control: [mapped] });
    await receiver.readable();
    expect(receive(receiver).source).toMatchObject({ address: '::1', mapped: false });
    expect(receive(receiver).source).toMatchObject({ address: '127.0.0.7', mapped: true });
    const stranger: ControlMessage = { type: 'IPV6_PKTINFO', value: { source: '2001:db8::1' } };
    expect(
      await errorOf(() => sender.sendmsg({ data, to: { address: '::1', port }, control: [stranger] })),
    ).toMatchObject({
      ...{ code: 'EINVAL', syscall: 'sendmsg' },
    });
  });
});

describe('control messages that set packet fields', () => {
  test.each<[Family, SocketOptions, ControlMessage[]]>([
    ['ipv4', { IP_RECVTOS: true }, [{ type: 'IP_TOS', value: 0xb9 }]],
    ['ipv4', { IP_RECVTTL: true }, [{ type: 'IP_TTL', value: 7 }]],
    ['ipv6', { IPV6_RECVTCLASS: true }, [{ type: 'IPV6_TCLASS', value: 0xb9 }]],
    ['ipv6', { IPV6_RECVHOPLIMIT: true }, [{ type: 'IPV6_HOPLIMIT', value: 7 }]],
    [
      'ipv4',
      { IP_RECVTOS: true, IP_RECVTTL: true },
      [
        { type: 'IP_TTL', value: 255 },
        { type: 'IP_TOS', value: 2 },
      ],
    ],
    [
      'ipv6',
      { IPV6_RECVHOPLIMIT: true, IPV6_RECVTCLASS: true },
      [
        { type: 'IPV6_HOPLIMIT', value: 0 },
        { type: 'IPV6_TCLASS', value: 255 },
      ],
    ],
  ])('a control message arrives as it was sent over %s with %o: %o', async (family, options, control) => {
    using receiver = boundUdp(family, options);
    using sender = udp(family);
    expect(sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control })).toBe(1);
    await receiver.readable();
    expect(receive(receiver).control).toEqual(control);
  });

  test('control messages by number and by name are the same', async () => {
    using receiver = boundUdp('ipv4', { IP_RECVTTL: true });
    using sender = udp();
    const control = [{ level: 0, type: 2, data: Uint8Array.of(9, 0, 0, 0) }];
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control });
    await receiver.readable();
    expect(receive(receiver).control).toEqual([{ type: 'IP_TTL', value: 9 }]);
  });
});

describe('the original destination as control message', () => {
  test('the original destination is received as an Endpoint with the port', async () => {
    using receiver = udp('ipv4', { IP_RECVORIGDSTADDR: true });
    receiver.bind('0.0.0.0:0');
    const to = { address: '127.0.0.9', port: receiver.local.port };
    using sender = udp();
    sender.sendmsg({ data: Buffer.from('x'), to });
    await receiver.readable();
    expect(receive(receiver).control).toMatchObject([{ type: 'IP_ORIGDSTADDR', value: { ...to, family: 'ipv4' } }]);
  });

  test('the original destination is also received over IPv6, and cannot be sent', async () => {
    using receiver = boundUdp('ipv6', { IPV6_RECVORIGDSTADDR: true });
    using sender = udp('ipv6');
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
    await receiver.readable();
    const { control } = receive(receiver);
    expect(control).toMatchObject([{ type: 'IPV6_ORIGDSTADDR', value: { address: '::1', port: receiver.local.port } }]);
    const error = await errorOf(() =>
      sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control: control as ControlMessage[] }),
    );
    expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
  });
});

describe('control messages without a name', () => {
  test('control messages without a name are received as numbers and bytes', async () => {
    using receiver = boundUdp();
    setOption(receiver, { level: 1, name: 63 }, 1); // SO_TIMESTAMP_NEW
    using sender = udp();
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
    await receiver.readable();
    const [message] = receive(receiver).control;
    expect(message).toMatchObject({ level: 1, type: 63 });
    if (message === undefined || !('data' in message)) throw new Error('it is not raw');
    expect(message.data).toBeInstanceOf(Uint8Array);
    expect(message.data).toHaveLength(16); // struct __kernel_sock_timeval
    const seconds = Number(new DataView(message.data.buffer, message.data.byteOffset).getBigInt64(0, true));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
  });

  test('control messages without a name are sent as numbers and bytes, and the kernel decides', async () => {
    using receiver = boundUdp();
    using sender = udp();
    const send = (control: ControlMessage[]) => sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control });
    expect(await errorOf(() => send([{ level: 0, type: 9999, data: new Uint8Array(4) }]))).toMatchObject({
      ...{ code: 'EINVAL', errno: -22, syscall: 'sendmsg', address: '127.0.0.1' },
    });
    expect(send([{ level: 4242, type: 1, data: new Uint8Array(40) }]), 'levels of others are passed over').toBe(1);
    // SO_MARK
    expect(send([{ level: 1, type: 36, data: Uint8Array.of(7, 0, 0, 0) }])).toBe(1);
  });
});

describe('controlLength', () => {
  test.each([
    ['none', 0, []],
    ['not enough for a header', 8, []],
    ['enough for the first', 24, [{ type: 'IP_TTL', value: 64 }]],
    [
      'enough for both',
      48,
      [
        { type: 'IP_TTL', value: 64 },
        { type: 'IP_TOS', value: 0 },
      ],
    ],
  ])(
    'a controlLength of %s: truncated control messages are left out, and controlTruncated is set',
    async (_, controlLength, control) => {
      using receiver = boundUdp('ipv4', { IP_RECVTTL: true, IP_RECVTOS: true });
      using sender = udp();
      sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
      await receiver.readable();
      const message = receiver.recvmsg({ buffers: [Buffer.alloc(8)], controlLength })!;
      expect(message.control).toEqual(control);
      expect(message.controlTruncated).toBe(control.length < 2);
      expect(message.flags & MSG_CTRUNC).toBe(control.length < 2 ? MSG_CTRUNC : 0);
      expect(message).toMatchObject({ bytes: 1, truncated: false });
    },
  );

  test('controlLength truncates control messages independently of data', async () => {
    using receiver = boundUdp('ipv4', { IP_RECVTTL: true });
    using sender = udp();
    for (let i = 0; i < 2; i++) sender.sendmsg({ data: Buffer.from('0123456789'), to: receiver.local });
    await receiver.readable();
    const buffers = [Buffer.alloc(4)];
    const whole = receiver.recvmsg({ buffers, controlLength: 64 })!;
    expect(whole).toMatchObject({ truncated: true, controlTruncated: false, control: [{ type: 'IP_TTL', value: 64 }] });
    expect(receiver.recvmsg({ buffers })).toMatchObject({ truncated: true, controlTruncated: true, control: [] });
  });

  test('a control message that does not fit controlLength as a whole is left out', async () => {
    using receiver = udp('ipv4', { IP_PKTINFO: true });
    receiver.bind('127.0.0.1:0');
    using sender = udp();
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
    await receiver.readable();
    const message = receiver.recvmsg({ buffers: [Buffer.alloc(4)], controlLength: 20 })!; // 4 of 12 bytes
    expect(message.controlTruncated).toBe(true);
    for (const part of message.control) expect(part).not.toMatchObject({ type: 'IP_PKTINFO' });
  });
});

test.each<[string, unknown]>([
  ['an unknown name', { type: 'IP_NO_SUCH', value: 1 }],
  ['a name of Object.prototype', { type: 'constructor', value: 1 }],
  ['no type', { value: 1 }],
  ['no value', { type: 'IP_TTL' }],
  ['a value out of range', { type: 'IP_TTL', value: 256 }],
  ['a segment size of 0', { type: 'UDP_SEGMENT', value: 0 }],
  ['a segment size of 65536', { type: 'UDP_SEGMENT', value: 65536 }],
  ['a value in text', { type: 'UDP_SEGMENT', value: '1200' }],
  ['a type that only the kernel sends', { type: 'UDP_GRO', value: 1200 }],
  ['an IPv6 source in IP_PKTINFO', { type: 'IP_PKTINFO', value: { source: '::1' } }],
  ['a name as the source', { type: 'IP_PKTINFO', value: { source: 'localhost' } }],
  ['raw without data', { level: 0, type: 1 }],
  ['raw with text as data', { level: 0, type: 1, data: 'x' }],
  ['raw without level', { type: 1, data: new Uint8Array(4) }],
  ['null', null],
  ['a number', 1],
])('sendmsg refuses a wrong control message before anything is sent: %s', async (_, message) => {
  using socket = udp();
  const error = await errorOf(() =>
    socket.sendmsg({ data: Buffer.from('x'), to: '127.0.0.1:9', control: [message as ControlMessage] }),
  );
  expect(error.code).toMatch(/^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
  expect(error.message).toContain('control[0]');
  expect(socket.local.port).toBe(0);
});

test('control messages do not change the options of the socket', () => {
  using receiver = boundUdp();
  using sender = udp();
  sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control: [{ type: 'IP_TTL', value: 9 }] });
  expect(getOption(sender, 'IP_TTL')).toBe(64);
  expect(LOOPBACK.ipv4).toBe(receiver.local.address);
});

/** The next message, with room for all control messages. */
function receive(socket: NativeSocket): ReceivedMessage {
  const message = socket.recvmsg({ buffers: [Buffer.alloc(65536)], controlLength: 256 });
  if (message === undefined) throw new Error('there is no message');
  expect(message.flags & (MSG_TRUNC | MSG_CTRUNC)).toBe(0);
  return message;
}
