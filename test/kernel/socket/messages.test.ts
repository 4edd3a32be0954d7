// NativeSocket: sendmsg and recvmsg. Scatter-gather, flags, calls that would block, and arguments. See control.test.ts for control
// messages.
import { describe, expect, test } from 'vitest';
import { Endpoint, getOption, type NativeSocket, type ReceiveOptions, type SendMessage } from '../../../src/index.js';
import { boundUdp, closedPort, errorOf, tcpPair, udp } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { resizableBuffer } from '../../support/buffers.js';

const [MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_MORE] = [0x2, 0x20, 0x40, 0x8000];

describe.each(['ipv4', 'ipv6'] as const)('datagrams over %s', (family) => {
  test('datagrams are gathered from several buffers and scattered into several', async () => {
    using receiver = boundUdp(family);
    using sender = boundUdp(family);
    const data = [Buffer.from('ab'), new Uint8Array(0), Buffer.from('cdefg'), Buffer.from('h')];
    expect(sender.sendmsg({ data, to: receiver.local })).toBe(8);
    await receiver.readable();
    const buffers = [Buffer.alloc(3, '.'), Buffer.alloc(0), Buffer.alloc(1, '.'), Buffer.alloc(10, '.')];
    const message = receiver.recvmsg({ buffers })!;
    expect(buffers.map(String)).toEqual(['abc', '', 'd', 'efgh......']);
    expect(message).toMatchObject({ bytes: 8, control: [], truncated: false, controlTruncated: false });
    expect(message.source).toEqual(sender.local);
    expect(message.source).toBeInstanceOf(Endpoint);
  });

  test('datagrams keep their boundaries, and may be empty', async () => {
    using receiver = boundUdp(family);
    using sender = boundUdp(family);
    for (const data of ['one', '', 'three']) expect(send(sender, data, receiver.local)).toBe(data.length);
    await receiver.readable();
    expect([receive(receiver), receive(receiver), receive(receiver)]).toEqual(['one', '', 'three']);
    expect(receiver.recvmsg({ buffers: [new Uint8Array(8)] })).toBeUndefined();
  });

  test('datagrams need no destination on a connected socket', async () => {
    using receiver = boundUdp(family);
    using sender = udp(family);
    sender.connect(receiver.local);
    expect(send(sender, 'x')).toBe(1);
    await receiver.readable();
    expect(receive(receiver)).toBe('x');
  });
});

describe('flags of sendmsg and recvmsg', () => {
  test('MSG_PEEK leaves the message in the queue', async () => {
    using receiver = boundUdp();
    using sender = udp();
    send(sender, 'again', receiver.local);
    await receiver.readable();
    const buffers = [Buffer.alloc(5)];
    expect(receiver.recvmsg({ buffers, flags: MSG_PEEK })?.bytes).toBe(5);
    expect(receiver.recvmsg({ buffers, flags: MSG_PEEK })?.bytes).toBe(5);
    expect(receiver.recvmsg({ buffers })?.bytes).toBe(5);
    expect(receiver.recvmsg({ buffers })).toBeUndefined();
  });

  test('a datagram longer than the buffers is truncated, and MSG_TRUNC reports its length', async () => {
    using receiver = boundUdp();
    using sender = udp();
    send(sender, '0123456789', receiver.local);
    await receiver.readable();
    const buffer = Buffer.alloc(4);
    expect(receiver.recvmsg({ buffers: [buffer], flags: MSG_PEEK })).toMatchObject({ bytes: 4, truncated: true });
    const message = receiver.recvmsg({ buffers: [buffer], flags: MSG_TRUNC })!;
    expect(message).toMatchObject({ bytes: 10, truncated: true, controlTruncated: false });
    expect(message.flags & MSG_TRUNC).toBe(MSG_TRUNC);
    expect(buffer.toString()).toBe('0123');
    expect(receiver.recvmsg({ buffers: [buffer] })).toBeUndefined(); // the rest is gone
  });

  test('MSG_MORE gathers several sends into one datagram', async () => {
    using receiver = boundUdp();
    using sender = udp();
    sender.connect(receiver.local);
    expect(sender.sendmsg({ data: Buffer.from('one '), flags: MSG_MORE })).toBe(4);
    expect(receiver.recvmsg({ buffers: [new Uint8Array(8)] })).toBeUndefined();
    expect(sender.sendmsg({ data: Buffer.from('two') })).toBe(3);
    await receiver.readable();
    expect(receive(receiver)).toBe('one two');
  });

  test('a socket is non-blocking with and without MSG_DONTWAIT', () => {
    using receiver = boundUdp();
    for (const flags of [0, MSG_DONTWAIT])
      expect(receiver.recvmsg({ buffers: [new Uint8Array(1)], flags })).toBeUndefined();
  });
});

describe('a stream', () => {
  test.each(['ipv4', 'ipv6'] as const)(
    'a stream over %s has no message boundaries, no source, and an end',
    async (family) => {
      using pair = await tcpPair(family);
      const { client, server } = pair;
      expect(client.sendmsg({ data: [Buffer.from('abc'), Buffer.from('def')] })).toBe(6);
      expect(client.sendmsg({ data: Buffer.from('gh') })).toBe(2);
      client.close();
      await server.readable();
      const [first, rest] = [Buffer.alloc(4), Buffer.alloc(10)];
      expect(server.recvmsg({ buffers: [first] })).toMatchObject({ bytes: 4, source: undefined, truncated: false });
      expect(server.recvmsg({ buffers: [rest] })).toMatchObject({ bytes: 4, source: undefined });
      expect(`${String(first)}|${rest.toString('utf8', 0, 4)}`).toBe('abcd|efgh');
      await server.readable();
      expect(server.recvmsg({ buffers: [rest] })).toMatchObject({ bytes: 0, source: undefined });
      expect(server.recvmsg({ buffers: [rest] })?.bytes).toBe(0); // and again
    },
  );

  test('sendmsg on a full stream returns undefined until the other side has read', async () => {
    using pair = await tcpPair();
    const { client, server } = pair;
    const data = Buffer.alloc(1 << 20, 'x');
    let sent = 0;
    for (;;) {
      const bytes = client.sendmsg({ data });
      if (bytes === undefined) break;
      expect(bytes).toBeGreaterThan(0);
      sent += bytes;
    }
    expect(sent % data.length, 'the last one was partial').not.toBe(0);
    let woken = false;
    const writable = client.writable().then(() => (woken = true));
    let received = 0;
    const buffers = [Buffer.alloc(1 << 20)];
    while (received < sent) {
      await server.readable();
      received += server.recvmsg({ buffers })?.bytes ?? 0;
    }
    await writable;
    expect(woken).toBe(true);
    expect(received).toBe(sent);
    expect(client.sendmsg({ data: Buffer.from('x') })).toBe(1);
  });

  test('sendmsg on a stream whose other side is gone fails with EPIPE or ECONNRESET, and the process survives', async () => {
    using pair = await tcpPair();
    const { client, server } = pair;
    client.sendmsg({ data: Buffer.from('unread') });
    await server.readable();
    server.close(); // with unread data: a reset
    await client.readable();
    const error = await errorOf(() => client.recvmsg({ buffers: [new Uint8Array(1)] }));
    expect(error).toMatchObject({ name: 'SyscallError', code: 'ECONNRESET', errno: -104, syscall: 'recvmsg' });
    expect((await errorOf(() => client.sendmsg({ data: Buffer.from('x') }))).code).toBe('EPIPE');
  });
});

describe('errors of sendmsg and recvmsg', () => {
  test('sendmsg without a destination fails with EDESTADDRREQ', async () => {
    using socket = udp();
    expect(await errorOf(() => send(socket, 'x'))).toMatchObject({
      ...{ name: 'SyscallError', code: 'EDESTADDRREQ', errno: -89, syscall: 'sendmsg' },
    });
  });

  test('sendmsg errors carry the destination', async () => {
    using socket = udp();
    expect(await errorOf(() => socket.sendmsg({ data: new Uint8Array(70_000), to: '127.0.0.1:9' }))).toMatchObject({
      ...{ code: 'EMSGSIZE', errno: -90, syscall: 'sendmsg', address: '127.0.0.1', port: 9 },
    });
    expect(await errorOf(() => send(socket, 'x', '192.0.2.1:9'))).toMatchObject({
      ...{ code: 'ENETUNREACH', syscall: 'sendmsg', address: '192.0.2.1', port: 9 },
    });
  });

  // The kernel's errno for that is EAGAIN, and waiting would not help.
  test('sendmsg of a datagram that gets no local port throws instead of reporting that it would block', async () => {
    const port = closedPort();
    using _ = setSysctl('net.ipv4.ip_local_port_range', `${port} ${port}`);
    using holder = udp();
    holder.bind({ address: '0.0.0.0', port });
    using socket = udp();
    expect(await errorOf(() => send(socket, 'x', '127.0.0.1:9'))).toMatchObject({ code: 'EAGAIN', syscall: 'sendmsg' });
    holder.close();
    expect(send(socket, 'x', '127.0.0.1:9')).toBe(1);
    expect(socket.local.port).toBe(port);
  });

  test('a refusal by ICMP is reported once, by the next call, and the socket stays usable', async () => {
    const port = closedPort();
    using socket = udp();
    socket.connect({ address: '127.0.0.1', port });
    send(socket, 'x');
    await socket.readable();
    expect(getOption(socket, 'SO_TYPE')).toBe(2);
    expect(await errorOf(() => socket.recvmsg({ buffers: [new Uint8Array(1)] }))).toMatchObject({
      ...{ code: 'ECONNREFUSED', syscall: 'recvmsg' },
    });
    expect(socket.recvmsg({ buffers: [new Uint8Array(1)] })).toBeUndefined();
    using listener = udp();
    listener.bind({ address: '127.0.0.1', port });
    expect(send(socket, 'y')).toBe(1);
    await listener.readable();
    expect(receive(listener)).toBe('y');
  });
});

describe('arguments of sendmsg and recvmsg', () => {
  test('1024 buffers are accepted as one message, and 1025 are refused', async () => {
    using receiver = boundUdp();
    using sender = udp();
    const one = Buffer.from('x');
    expect(sender.sendmsg({ data: Array<Buffer>(1024).fill(one), to: receiver.local })).toBe(1024);
    await receiver.readable();
    const buffers = Array.from({ length: 1024 }, () => Buffer.alloc(1));
    expect(receiver.recvmsg({ buffers })?.bytes).toBe(1024);
    expect(Buffer.concat(buffers).toString()).toBe('x'.repeat(1024));
    const code = 'ERR_OUT_OF_RANGE';
    expect(
      await errorOf(() => sender.sendmsg({ data: Array<Buffer>(1025).fill(one), to: receiver.local })),
    ).toMatchObject({ code });
    expect(await errorOf(() => receiver.recvmsg({ buffers: Array<Buffer>(1025).fill(one) }))).toMatchObject({ code });
  });

  const moved = new Uint8Array(8);
  structuredClone(moved.buffer, { transfer: [moved.buffer] });
  const resizable = resizableBuffer(16);
  const shrunk = new Uint8Array(resizable, 8, 8);
  resizable.resize(4);
  const noBytes: unknown[] = [
    ...['text', 1, null, {}, new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)],
    ...[new Proxy(new Uint8Array(4), {}), moved, shrunk, [undefined], ['text'], [[new Uint8Array(1)]]],
    ...[[new Uint8Array(1), moved], [new Uint8Array(1), shrunk], [new Uint8Array(1), new Int8Array(1)], Array(2)],
  ];

  test.each(noBytes.map((value, index) => [index, value]))(
    'sendmsg and recvmsg refuse values that are not bytes: case %i',
    async (_, value) => {
      using receiver = boundUdp();
      using sender = udp();
      const code = expect.stringMatching(/^ERR_INVALID_ARG_(TYPE|VALUE)$/) as string;
      expect(await errorOf(() => sender.sendmsg({ data: value as never, to: receiver.local }))).toMatchObject({ code });
      const buffers = (Array.isArray(value) ? value : [value]) as never;
      expect(await errorOf(() => receiver.recvmsg({ buffers }))).toMatchObject({ code });
      expect(receiver.recvmsg({ buffers: [new Uint8Array(8)] }), 'not even an empty datagram was sent').toBeUndefined();
    },
  );

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['bytes alone', Buffer.from('x')],
    ['no data', { to: '127.0.0.1:9' }],
    ['a misspelt option', { data: Buffer.from('x'), too: '127.0.0.1:9' }],
    ['a name for an address', { data: Buffer.from('x'), to: 'localhost:9' }],
    ['a number for an address', { data: Buffer.from('x'), to: 9 }],
    ['an IPv6 address on an IPv4 socket', { data: Buffer.from('x'), to: '[::1]:9' }],
    ['flags that are no int32', { data: Buffer.from('x'), to: '127.0.0.1:9', flags: 2 ** 32 }],
    ['flags that are NaN', { data: Buffer.from('x'), to: '127.0.0.1:9', flags: NaN }],
    ['flags in text', { data: Buffer.from('x'), to: '127.0.0.1:9', flags: '2' }],
    ['control that is no array', { data: Buffer.from('x'), to: '127.0.0.1:9', control: { type: 'IP_TTL', value: 1 } }],
  ])('sendmsg refuses %s', async (_, message) => {
    using socket = udp();
    expect((await errorOf(() => socket.sendmsg(message as SendMessage))).code).toMatch(
      /^ERR_(INVALID_ARG_|OUT_OF_RANGE)/,
    );
    expect(socket.local.port, 'nothing was sent').toBe(0);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a buffer alone', Buffer.alloc(1)],
    ['no buffers', {}],
    ['one buffer that is no array', { buffers: Buffer.alloc(1) }],
    ['a misspelt option', { buffers: [Buffer.alloc(1)], control: 100 }],
    ['a negative control length', { buffers: [Buffer.alloc(1)], controlLength: -1 }],
    ['a huge control length', { buffers: [Buffer.alloc(1)], controlLength: 2 ** 32 }],
    ['flags that are no int32', { buffers: [Buffer.alloc(1)], flags: 2 ** 31 }],
  ])('recvmsg refuses %s', async (_, options) => {
    using receiver = boundUdp();
    using sender = udp();
    send(sender, 'x', receiver.local);
    expect((await errorOf(() => receiver.recvmsg(options as ReceiveOptions))).code).toMatch(
      /^ERR_(INVALID_ARG_|OUT_OF_RANGE)/,
    );
    expect(receive(receiver), 'it still waits').toBe('x');
  });

  test('recvmsg without buffers takes a datagram and reports that it was truncated', () => {
    using receiver = boundUdp();
    using sender = udp();
    send(sender, 'x', receiver.local);
    expect(receiver.recvmsg({ buffers: [] })).toMatchObject({ bytes: 0, truncated: true });
    expect(receiver.recvmsg({ buffers: [] })).toBeUndefined();
  });
});

function send(socket: NativeSocket, text: string, to?: SendMessage['to']): number | undefined {
  return socket.sendmsg({ data: Buffer.from(text), ...(to !== undefined && { to }) });
}

function receive(socket: NativeSocket): string | undefined {
  const buffer = Buffer.alloc(2048);
  const message = socket.recvmsg({ buffers: [buffer] });
  return message && buffer.toString('utf8', 0, message.bytes);
}
