// Control messages by name, both ways through this kernel: a message that is sent arrives with its value.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  NativeSocket,
  setOption,
  type ControlMessage,
  type ReceivedControlMessage,
  type SocketOptions,
} from '../../../src/index.js';

const MSG_ERRQUEUE = 0x2000;
const addresses = { ipv4: '127.0.0.1', ipv6: '::1' } as const;
const families = ['ipv4', 'ipv6'] as const;
type Family = (typeof families)[number];

function bound(family: Family, sockopts: SocketOptions = {}): NativeSocket {
  const socket = NativeSocket.create({ family, type: 'dgram', sockopts });
  socket.bind({ address: addresses[family], port: 0 });
  return socket;
}

async function received(socket: NativeSocket, flags = 0): Promise<readonly ReceivedControlMessage[]> {
  await socket.readable();
  const message = socket.recvmsg({ buffers: [new Uint8Array(70_000)], controlLength: 512, flags });
  expect(message?.controlTruncated).toBe(false);
  return message?.control ?? [];
}

/** Sends one datagram with a control message, and returns the control messages that arrived with it. */
async function through(family: Family, sockopts: SocketOptions, control: ControlMessage[], size = 4) {
  using receiver = bound(family, sockopts);
  using sender = NativeSocket.create({ family, type: 'dgram' });
  sender.sendmsg({ data: new Uint8Array(size), to: receiver.local, control });
  return await received(receiver);
}

function valueOf(messages: readonly ReceivedControlMessage[], type: string): unknown {
  const found = messages.find((message) => message.type === type);
  expect(found, `${type} among ${JSON.stringify(messages.map((message) => message.type))}`).toBeDefined();
  return (found as { value?: unknown }).value;
}

describe.each(families)('%s', (family) => {
  test.each([
    ['SO_TIMESTAMP', 'SCM_TIMESTAMP'],
    ['SO_TIMESTAMPNS', 'SCM_TIMESTAMPNS'],
  ] as const)('%s reports the time of arrival in nanoseconds', async (option, type) => {
    const before = BigInt(Date.now() - 1) * 1_000_000n;
    const time = valueOf(await through(family, { [option]: true }, []), type) as bigint;
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1_000_000n);
  });

  test('SO_MARK is received with SO_RCVMARK', async () => {
    const messages = await through(family, { SO_RCVMARK: true }, [{ type: 'SO_MARK', value: 0xfedcba98 }]);
    expect(valueOf(messages, 'SO_MARK')).toBe(0xfedcba98);
  });

  test('SO_PRIORITY is received with SO_RCVPRIORITY', async () => {
    const messages = await through(family, { SO_RCVPRIORITY: true }, [{ type: 'SO_PRIORITY', value: 5 }]);
    expect(valueOf(messages, 'SO_PRIORITY')).toBe(5);
  });

  test('SO_RXQ_OVFL counts the datagrams dropped for lack of buffer space', async () => {
    using receiver = bound(family, { SO_RXQ_OVFL: true, SO_RCVBUF: 4096 });
    using sender = NativeSocket.create({ family, type: 'dgram' });
    for (let i = 0; i < 100; i++) sender.sendmsg({ data: new Uint8Array(500), to: receiver.local });
    const room = new Uint8Array(500);
    let taken = 0;
    while (receiver.recvmsg({ buffers: [room] }) !== undefined) taken++;
    sender.sendmsg({ data: new Uint8Array(1), to: receiver.local });
    expect(valueOf(await received(receiver), 'SO_RXQ_OVFL')).toBe(100 - taken);
  });

  test('IP_RECVERR and IPV6_RECVERR report an error with its origin', async () => {
    const name = family === 'ipv4' ? 'IP_RECVERR' : 'IPV6_RECVERR';
    using closed = bound(family);
    const nobody = closed.local;
    closed.close();
    using socket = NativeSocket.create({ family, type: 'dgram', sockopts: { [name]: true } });
    socket.connect(nobody);
    socket.sendmsg({ data: new Uint8Array(3) });
    expect(valueOf(await received(socket, MSG_ERRQUEUE), name)).toMatchObject({
      code: 'ECONNREFUSED',
      errno: -111,
      origin: family === 'ipv4' ? 'icmp' : 'icmp6',
      type: family === 'ipv4' ? 3 : 1,
      icmpCode: family === 'ipv4' ? 3 : 4,
      offender: { address: addresses[family] },
    });
  });

  test('SCM_TXTIME is accepted with SO_TXTIME and fails with EINVAL without', () => {
    using receiver = bound(family);
    using sender = NativeSocket.create({ family, type: 'dgram' });
    const send = () =>
      sender.sendmsg({ data: new Uint8Array(1), to: receiver.local, control: [{ type: 'SCM_TXTIME', value: 1n }] });
    expect(send).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    setOption(sender, 'SO_TXTIME', { clock: 'CLOCK_MONOTONIC' });
    expect(send()).toBe(1);
  });
});

describe('control messages of IPv6 only', () => {
  const padding = Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0); // the kernel writes the next header

  test.each([
    ['IPV6_HOPOPTS', 'IPV6_RECVHOPOPTS'],
    ['IPV6_DSTOPTS', 'IPV6_RECVDSTOPTS'],
  ] as const)('the control message %s is sent unchanged', async (type, option) => {
    const messages = await through('ipv6', { [option]: true }, [{ type, value: padding }]);
    expect((valueOf(messages, type) as Uint8Array).subarray(1)).toEqual(padding.subarray(1));
  });

  test('IPV6_FLOWINFO carries the flow label', async () => {
    const messages = await through('ipv6', { IPV6_FLOWINFO: true }, [{ type: 'IPV6_FLOWINFO', value: 0x12345 }]);
    expect((valueOf(messages, 'IPV6_FLOWINFO') as number) & 0xfffff).toBe(0x12345);
  });

  test('IPV6_DONTFRAG makes a long datagram fail with EMSGSIZE, and IPV6_PATHMTU and IPV6_RECVFRAGSIZE report the largest packet', async () => {
    execFileSync('ip', ['link', 'set', 'lo', 'mtu', '1500']);
    try {
      const fragmented = await through('ipv6', { IPV6_RECVFRAGSIZE: true }, [], 3000);
      expect(valueOf(fragmented, 'IPV6_RECVFRAGSIZE')).toBeLessThanOrEqual(1500);
      using sender = NativeSocket.create({ family: 'ipv6', type: 'dgram', sockopts: { IPV6_RECVPATHMTU: true } });
      sender.connect('[::1]:9');
      const send = () => sender.sendmsg({ data: new Uint8Array(3000), control: [{ type: 'IPV6_DONTFRAG', value: 1 }] });
      expect(send).toThrow(expect.objectContaining({ code: 'EMSGSIZE' }));
      // It does not make the socket readable: read it after EMSGSIZE.
      const message = sender.recvmsg({ buffers: [new Uint8Array(1)], controlLength: 64 });
      expect(valueOf(message?.control ?? [], 'IPV6_PATHMTU')).toMatchObject({
        mtu: 1500,
        destination: { address: '::1' },
      });
    } finally {
      execFileSync('ip', ['link', 'set', 'lo', 'mtu', '65536']);
    }
  });
});

test('TCP_CM_INQ reports how many bytes are left in the receive queue', async () => {
  using listener = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  listener.bind('127.0.0.1:0');
  listener.listen();
  using client = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  client.connect(listener.local);
  await listener.readable();
  const accepted = listener.accept();
  if (accepted === undefined) throw new Error('no connection waits');
  using socket = accepted.socket;
  setOption(socket, 'TCP_INQ', true);
  await client.connected();
  client.sendmsg({ data: new Uint8Array(10) });
  await socket.readable();
  const message = socket.recvmsg({ buffers: [new Uint8Array(4)], controlLength: 64 });
  expect(valueOf(message?.control ?? [], 'TCP_CM_INQ')).toBe(6);
});

test('SO_TIMESTAMPING on a message requests a transmit timestamp on the error queue', async () => {
  using receiver = bound('ipv4');
  using sender = NativeSocket.create({
    family: 'ipv4',
    type: 'dgram',
    sockopts: { SO_TIMESTAMPING: { flags: ['SOFTWARE'] } },
  });
  const TX_SOFTWARE = 2;
  sender.sendmsg({
    data: new Uint8Array(1),
    to: receiver.local,
    control: [{ type: 'SO_TIMESTAMPING', value: TX_SOFTWARE }],
  });
  const messages = await received(sender, MSG_ERRQUEUE);
  expect(valueOf(messages, 'SCM_TIMESTAMPING')).toMatchObject({ software: expect.any(BigInt) as bigint });
  expect(valueOf(messages, 'IP_RECVERR')).toMatchObject({ origin: 'timestamping' });
});
