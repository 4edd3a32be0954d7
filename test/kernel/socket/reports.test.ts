// NativeSocket: what the kernel reports with the data. The error queue, timestamps, counters, marks, extension headers.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  setOption,
  type ControlMessage,
  type Endpoint,
  type NativeSocket,
  type ReceivedControlMessage,
  type ReceivedMessage,
} from '../../../src/index.js';
import { kernel } from '../../support/kernel.js';
import { boundUdp, closedPort, errorOf, LOOPBACK, tcpPair, udp } from '../../support/sockets.js';

const SOL_SOCKET = 1;
const MSG_ERRQUEUE = 0x2000;

describe.each([
  ['ipv4', 'IP_RECVERR', 'icmp', 3, 3],
  ['ipv6', 'IPV6_RECVERR', 'icmp6', 1, 4],
] as const)('the error queue over %s', (family, option, origin, type, icmpCode) => {
  test('the error queue reports which host refused which datagram', async () => {
    const to = { address: LOOPBACK[family], port: closedPort(family) };
    using socket = udp(family, { [option]: true });
    socket.sendmsg({ data: Buffer.from('refused'), to });
    await socket.readable(); // an error on the socket is an event as well
    const buffer = Buffer.alloc(16);
    const message = socket.recvmsg({ buffers: [buffer], controlLength: 128, flags: MSG_ERRQUEUE })!;
    expect(buffer.toString('utf8', 0, message.bytes)).toBe('refused');
    expect(message.flags & MSG_ERRQUEUE).toBe(MSG_ERRQUEUE);
    expect(message.source).toMatchObject(to);
    expect(message.control).toMatchObject([
      {
        type: option,
        value: {
          code: 'ECONNREFUSED',
          errno: -111,
          origin,
          type,
          icmpCode,
          offender: { address: to.address, port: 0 },
        },
      },
    ]);
    expect(socket.recvmsg({ buffers: [buffer], flags: MSG_ERRQUEUE })).toBeUndefined();
  });
});

test('a datagram that is too long is on the error queue with the MTU, with local origin', async () => {
  using _ = mtuOfLo(1500);
  using socket = udp('ipv4', { IP_RECVERR: true, IP_MTU_DISCOVER: 2 });
  const data = Buffer.alloc(1500);
  expect(await errorOf(() => socket.sendmsg({ data, to: '127.0.0.1:9' }))).toMatchObject({ code: 'EMSGSIZE' });
  const message = socket.recvmsg({ buffers: [Buffer.alloc(8)], controlLength: 128, flags: MSG_ERRQUEUE })!;
  expect(message.control).toMatchObject([
    { type: 'IP_RECVERR', value: { code: 'EMSGSIZE', errno: -90, origin: 'local', info: 1500 } },
  ]);
});

test.each([
  ['ipv4', 'IP_RECVFRAGSIZE', 0, 25],
  ['ipv6', 'IPV6_RECVFRAGSIZE', 41, 77],
] as const)('the largest fragment received over %s is reported', async (family, type, level, name) => {
  using _ = mtuOfLo(1500);
  using receiver = boundUdp(family);
  setOption(receiver, { level, name }, 1);
  using sender = udp(family, { IP_MTU_DISCOVER: 0, ...(family === 'ipv6' && { IPV6_MTU_DISCOVER: 0 }) });
  sender.sendmsg({ data: Buffer.alloc(4000), to: receiver.local });
  await receiver.readable();
  const [message] = receive(receiver).control;
  expect(message).toMatchObject({ type });
  expect((message as { value: number }).value).toBeGreaterThan(1400);
  expect((message as { value: number }).value).toBeLessThanOrEqual(1500);
});

describe('timestamps as control messages', () => {
  const SO_TIMESTAMP = 29;
  const SO_TIMESTAMPNS = 35;
  const SO_TIMESTAMPING = 37;
  const RX_SOFTWARE = 8 | 16;

  test.each([
    [SO_TIMESTAMP, 1, 'SCM_TIMESTAMP'],
    [SO_TIMESTAMPNS, 1, 'SCM_TIMESTAMPNS'],
  ] as const)('option %i reports the time of arrival in nanoseconds since 1970', async (name, value, type) => {
    using receiver = boundUdp();
    setOption(receiver, { level: SOL_SOCKET, name }, value);
    const before = BigInt(Date.now() - 1) * 1_000_000n;
    const [message] = await deliver(receiver);
    const after = BigInt(Date.now() + 1) * 1_000_000n;
    expect(message).toMatchObject({ type });
    const time = (message as { value: bigint }).value;
    expect(time).toBeTypeOf('bigint');
    expect(time >= before && time <= after, `${before} <= ${time} <= ${after}`).toBe(true);
    if (type === 'SCM_TIMESTAMP') expect(time % 1000n).toBe(0n);
  });

  test('SO_TIMESTAMPING reports a software timestamp, and no hardware timestamp on loopback', async () => {
    using receiver = boundUdp();
    setOption(receiver, { level: SOL_SOCKET, name: SO_TIMESTAMPING }, RX_SOFTWARE);
    const before = BigInt(Date.now() - 1) * 1_000_000n;
    // The kernel enables timestamps a moment later (netstamp_needed_key), so the first datagrams may have none.
    let message: ReceivedControlMessage | undefined;
    for (let tries = 0; message === undefined && tries < 10_000; tries++) [message] = await deliver(receiver);
    expect(message).toMatchObject({ type: 'SCM_TIMESTAMPING' });
    const { value } = message as { value: { software?: bigint; hardware?: bigint } };
    expect(Object.keys(value)).toEqual(['software']);
    expect(value.software! >= before).toBe(true);
  });

  test('a control message requests the transmit time of a datagram', async () => {
    using receiver = boundUdp();
    using sender = udp();
    const [TX_SOFTWARE, SOFTWARE, OPT_TSONLY] = [2, 16, 2048];
    setOption(sender, { level: SOL_SOCKET, name: SO_TIMESTAMPING }, SOFTWARE | OPT_TSONLY);
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
    expect(sender.recvmsg({ buffers: [], controlLength: 256, flags: MSG_ERRQUEUE })).toBeUndefined();
    const control: ControlMessage[] = [{ type: 'SO_TIMESTAMPING', value: TX_SOFTWARE }];
    sender.sendmsg({ data: Buffer.from('x'), to: receiver.local, control });
    await sender.readable();
    const report = sender.recvmsg({ buffers: [], controlLength: 256, flags: MSG_ERRQUEUE })!;
    expect(report.control).toMatchObject([
      { type: 'SCM_TIMESTAMPING', value: { software: expect.any(BigInt) as bigint } },
      { type: 'IP_RECVERR', value: { origin: 'timestamping' } },
    ]);
  });
});

test('SO_RXQ_OVFL counts dropped datagrams', async () => {
  using receiver = boundUdp('ipv4', { SO_RCVBUF: 2048 });
  setOption(receiver, { level: SOL_SOCKET, name: 40 }, 1);
  using sender = udp();
  const data = Buffer.alloc(1000);
  for (let i = 0; i < 50; i++) sender.sendmsg({ data, to: receiver.local });
  let received = 0;
  while (receiver.recvmsg({ buffers: [data] }) !== undefined) received++;
  expect(received).toBeLessThan(50);
  expect(await deliver(receiver)).toEqual([{ type: 'SO_RXQ_OVFL', value: 50 - received }]);
});

describe('marks and priorities as control messages', () => {
  test.skipIf(!kernel(5, 19))("SO_MARK sets all 32 bits of the packet's mark", async () => {
    using receiver = boundUdp();
    setOption(receiver, { level: SOL_SOCKET, name: 75 }, 1); // SO_RCVMARK
    const control: ControlMessage[] = [{ type: 'SO_MARK', value: 0xf000_0001 }];
    expect(await deliver(receiver, control)).toEqual(control);
  });

  test.skipIf(!kernel(6, 14))("SO_PRIORITY sets the packet's priority", async () => {
    using receiver = boundUdp();
    setOption(receiver, { level: SOL_SOCKET, name: 82 }, 1); // SO_RCVPRIORITY
    const control: ControlMessage[] = [{ type: 'SO_PRIORITY', value: 5 }];
    expect(await deliver(receiver, control)).toEqual(control);
  });

  test('SCM_TXTIME without SO_TXTIME is refused by the kernel', async () => {
    using receiver = boundUdp();
    const control: ControlMessage[] = [{ type: 'SCM_TXTIME', value: 2n ** 63n }];
    expect(await errorOf(async () => deliver(receiver, control))).toMatchObject({ code: 'EINVAL', syscall: 'sendmsg' });
  });
});

describe('IPv6 headers as control messages', () => {
  // A header of 8 bytes: no next header (the kernel fills it in), length 0, PadN for the rest.
  const options = Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0);

  test.each([
    ['IPV6_HOPOPTS', 53],
    ['IPV6_DSTOPTS', 58],
  ] as const)('%s is sent unchanged', async (type, receiveOption) => {
    using receiver = boundUdp('ipv6');
    setOption(receiver, { level: 41, name: receiveOption }, 1);
    const [message] = await deliver(receiver, [{ type, value: options }]);
    expect(message).toMatchObject({ type });
    const { value } = message as { value: Uint8Array };
    expect([...value.subarray(1)]).toEqual([...options.subarray(1)]);
  });

  test('IPV6_FLOWINFO reports the flow label and the traffic class', async () => {
    using receiver = boundUdp('ipv6');
    setOption(receiver, { level: 41, name: 11 }, 1);
    const [message] = await deliver(receiver, [
      { type: 'IPV6_TCLASS', value: 0x20 },
      { type: 'IPV6_FLOWINFO', value: 0x12345 },
    ]);
    expect(message).toMatchObject({ type: 'IPV6_FLOWINFO' });
    expect((message as { value: number }).value & 0xfffff).toBe(0x12345);
  });

  test('IPV6_DONTFRAG makes a long datagram fail with EMSGSIZE instead of being fragmented', async () => {
    using receiver = boundUdp('ipv6');
    using sender = udp('ipv6', { IPV6_MTU_DISCOVER: 0 });
    sender.connect(receiver.local);
    setOption(sender, { level: 41, name: 24 }, 1280); // IPV6_MTU, which can be set although the table only reads it
    const data = Buffer.alloc(2000);
    expect(sender.sendmsg({ data, control: [{ type: 'IPV6_DONTFRAG', value: 0 }] })).toBe(2000);
    expect(await errorOf(() => sender.sendmsg({ data, control: [{ type: 'IPV6_DONTFRAG', value: 1 }] }))).toMatchObject(
      {
        ...{ code: 'EMSGSIZE', syscall: 'sendmsg' },
      },
    );
  });

  test('a path MTU that became smaller is reported', async () => {
    using sender = udp('ipv6', { IPV6_MTU_DISCOVER: 0 });
    setOption(sender, { level: 41, name: 60 }, 1); // IPV6_RECVPATHMTU
    setOption(sender, { level: 41, name: 62 }, 1); // IPV6_DONTFRAG
    sender.bind('[::1]:0');
    using receiver = boundUdp('ipv6');
    sender.connect(receiver.local);
    setOption(sender, { level: 41, name: 24 }, 1280);
    await errorOf(() => sender.sendmsg({ data: Buffer.alloc(2000) }));
    const message = sender.recvmsg({ buffers: [Buffer.alloc(8)], controlLength: 256 });
    expect(message?.control).toMatchObject([
      { type: 'IPV6_PATHMTU', value: { mtu: 1280, destination: { address: '::1' } } },
    ]);
  });
});

test('TCP_CM_INQ reports how many bytes are left in the queue', async () => {
  using pair = await tcpPair();
  setOption(pair.server, { level: 6, name: 36 }, 1); // TCP_INQ
  pair.client.sendmsg({ data: Buffer.from('0123456789') });
  await pair.server.readable();
  const message = pair.server.recvmsg({ buffers: [Buffer.alloc(4)], controlLength: 64 })!;
  expect(message).toMatchObject({ bytes: 4, control: [{ type: 'TCP_CM_INQ', value: 6 }] });
});

/** Sets another MTU of lo until the end of the scope. */
function mtuOfLo(mtu: number): Disposable {
  const set = (value: number): void => {
    execFileSync('ip', ['link', 'set', 'lo', 'mtu', String(value)]);
  };
  const before = Number(readFileSync('/proc/sys/net/ipv6/conf/lo/mtu', 'utf8'));
  set(mtu);
  return {
    [Symbol.dispose]: () => {
      set(before);
    },
  };
}

/** Sends one datagram to the socket and returns the control messages that came with it. */
async function deliver(
  receiver: NativeSocket,
  control: ControlMessage[] = [],
): Promise<readonly ReceivedControlMessage[]> {
  using sender = udp(receiver.family);
  const to: Endpoint = receiver.local;
  sender.sendmsg({ data: Buffer.from('x'), to, control });
  await receiver.readable();
  return receive(receiver).control;
}

function receive(socket: NativeSocket): ReceivedMessage {
  const message = socket.recvmsg({ buffers: [Buffer.alloc(65536)], controlLength: 512 });
  if (message === undefined) throw new Error('there is no message');
  expect(message.controlTruncated).toBe(false);
  return message;
}
