// NativeSocket: addresses to and from the kernel. Zones, flow labels, IPv4-mapped addresses, both families.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Endpoint, setOption } from '../../../src/index.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { accepted, boundUdp, errorOf, listening, tcp, udp } from '../../support/sockets.js';

describe('NativeSocket with a link-local address', () => {
  let peer: NetworkNamespace;
  const name = 'here';
  let index: number;

  beforeAll(async () => {
    peer = await NetworkNamespace.create();
    await peer.link('current', {
      addresses: ['fe80::2/64'],
      peerAddresses: ['fe80::1/64'],
      name: 'there',
      peerName: name,
    });
    index = indexOf(name);
  });
  afterAll(async () => peer[Symbol.asyncDispose]());

  test('NativeSocket reports the zone of its link-local address by name and by number', () => {
    for (const zone of [name, String(index)]) {
      using socket = udp('ipv6');
      socket.bind(`[fe80::1%${zone}]:0`);
      expect(socket.local).toMatchObject({ address: `fe80::1%${name}`, scopeId: index, family: 'ipv6' });
      expect(Endpoint.from(socket.local.toString())).toEqual(socket.local);
    }
  });

  test('NativeSocket reports the zone of a link-local sender, and can reply to it', async () => {
    using server = udp('ipv6');
    server.bind('[::]:0');
    using client = udp('ipv6');
    const { port } = server.local;
    client.sendmsg({ data: Buffer.from('x'), to: `[fe80::1%${name}]:${port}` });
    await server.readable();
    const { source } = server.recvmsg({ buffers: [Buffer.alloc(1)] })!;
    expect(source).toMatchObject({ address: `fe80::1%${name}`, scopeId: index, port: client.local.port });
    server.sendmsg({ data: Buffer.from('y'), to: source! });
    await client.readable();
    expect(client.recvmsg({ buffers: [Buffer.alloc(1)] })?.source?.port).toBe(port);
  });

  test('NativeSocket connects link-local addresses over TCP, and both ends have the zone', async () => {
    using listener = tcp('ipv6');
    listener.bind(`[fe80::1%${name}]:0`);
    listener.listen();
    using client = tcp('ipv6');
    client.connect(listener.local);
    await client.connected();
    using server = await accepted(listener);
    for (const end of [client.local, client.remote, server.local, server.remote]) {
      expect(end).toMatchObject({ address: `fe80::1%${name}`, scopeId: index });
    }
  });

  test('NativeSocket refuses a link-local address without a zone, or with the zone of no interface', async () => {
    using socket = udp('ipv6');
    expect(await errorOf(() => socket.bind('[fe80::1]:0'))).toMatchObject({ code: 'EINVAL', address: 'fe80::1' });
    const code = 'ERR_INVALID_ARG_VALUE';
    expect(await errorOf(() => socket.bind('[fe80::1%no-such]:0'))).toMatchObject({ code });
    expect(await errorOf(() => socket.bind('[fe80::1%0]:0'))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await errorOf(() => socket.bind('[fe80::1%4294967296]:0'))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect((await errorOf(() => socket.bind('[fe80::1%12345]:0'))).syscall).toBe('bind');
  });

  // Such names are common (br_lan, wlan0_ap), and what the kernel reports must be usable.
  test.each(['with_underscore', 'with.dot', 'with-dash', 'with@at'])(
    'NativeSocket converts the zone of an interface called %s both ways',
    (zone) => {
      execFileSync('ip', ['link', 'set', name, 'down']);
      execFileSync('ip', ['link', 'set', name, 'name', zone]);
      try {
        execFileSync('ip', ['link', 'set', zone, 'up']);
        execFileSync('ip', ['addr', 'replace', 'fe80::1/64', 'dev', zone, 'nodad']);
        using socket = udp('ipv6');
        socket.bind(`[fe80::1%${index}]:0`);
        const { local } = socket;
        expect(local.address).toBe(`fe80::1%${zone}`);
        expect(Endpoint.from(structuredClone(local))).toEqual(local);
        expect(Endpoint.from(local.toString())).toEqual(local);
      } finally {
        execFileSync('ip', ['link', 'set', zone, 'down']);
        execFileSync('ip', ['link', 'set', zone, 'name', name]);
        execFileSync('ip', ['link', 'set', name, 'up']);
        execFileSync('ip', ['addr', 'replace', 'fe80::1/64', 'dev', name, 'nodad']);
      }
    },
  );
});

describe('NativeSocket with a flow label', () => {
  const IPV6_FLOWINFO_SEND = { level: 41, name: 33 };
  const IPV6_FLOWINFO = { level: 41, name: 11 };
  const flowlabel = 0xabcde;

  test('NativeSocket sends a flow label in the packet, and reads it from received packets', async () => {
    using receiver = boundUdp('ipv6');
    setOption(receiver, IPV6_FLOWINFO, 1);
    using sender = udp('ipv6');
    setOption(sender, IPV6_FLOWINFO_SEND, 1);
    sender.sendmsg({ data: Buffer.from('x'), to: { address: '::1', port: receiver.local.port, flowlabel } });
    await receiver.readable();
    const message = receiver.recvmsg({ buffers: [Buffer.alloc(1)], controlLength: 64 });
    expect(message?.control).toEqual([{ type: 'IPV6_FLOWINFO', value: flowlabel }]);
  });

  test('NativeSocket reports the flow label of a connected socket in its remote endpoint', () => {
    using receiver = boundUdp('ipv6');
    using sender = udp('ipv6');
    setOption(sender, IPV6_FLOWINFO_SEND, 1);
    sender.connect({ address: '::1', port: receiver.local.port, flowlabel });
    expect(sender.remote).toMatchObject({ address: '::1', flowlabel });
    expect(sender.remote?.withPort(1).flowlabel).toBe(flowlabel);
  });
});

describe('NativeSocket with an IPv4-mapped address', () => {
  test('NativeSocket reports an IPv4-mapped sender as IPv4 with mapped: true, and can reply to it', async () => {
    using server = udp('ipv6');
    server.bind('[::]:0');
    using client = boundUdp('ipv4');
    client.sendmsg({ data: Buffer.from('x'), to: { address: '127.0.0.1', port: server.local.port } });
    await server.readable();
    const { source } = server.recvmsg({ buffers: [Buffer.alloc(1)] })!;
    expect(source).toMatchObject({ address: '127.0.0.1', port: client.local.port, family: 'ipv4', mapped: true });
    expect(server.sendmsg({ data: Buffer.from('y'), to: source! })).toBe(1);
    await client.readable();
    expect(client.recvmsg({ buffers: [Buffer.alloc(1)] })?.source).toMatchObject({
      port: server.local.port,
      mapped: false,
    });
  });

  test.each(['[::ffff:127.0.0.1]', '127.0.0.1', '[::ffff:7f00:1]'])(
    'NativeSocket.connect to an IPv4-mapped address uses IPv4 when it is written as %s',
    async (text) => {
      using listener = listening('ipv4');
      using client = tcp('ipv6');
      client.connect(`${text}:${listener.local.port}`);
      await client.connected();
      expect(client.remote).toMatchObject({ address: '127.0.0.1', port: listener.local.port, mapped: true });
      expect(client.local).toMatchObject({ address: '127.0.0.1', mapped: true });
      using server = await accepted(listener);
      expect(server.remote).toMatchObject({ address: '127.0.0.1', port: client.local.port, mapped: false });
    },
  );

  test('NativeSocket reports mapped: true for an IPv4 connection that a dual-stack listener accepts', async () => {
    using listener = tcp('ipv6', { IPV6_V6ONLY: false });
    listener.bind('[::]:0');
    listener.listen();
    using client = tcp('ipv4');
    client.connect({ address: '127.0.0.1', port: listener.local.port });
    await client.connected();
    await listener.readable();
    const connection = listener.accept()!;
    using server = connection.socket;
    expect(connection.remote).toMatchObject({ address: '127.0.0.1', port: client.local.port, mapped: true });
    expect(server.local).toMatchObject({ address: '127.0.0.1', mapped: true });
  });

  test('NativeSocket accepts an IPv4-mapped address on an IPv4 socket as the IPv4 address', async () => {
    using receiver = boundUdp('ipv4');
    using sender = udp('ipv4');
    expect(sender.sendmsg({ data: Buffer.from('x'), to: `[::ffff:127.0.0.1]:${receiver.local.port}` })).toBe(1);
    await receiver.readable();
    expect(receiver.recvmsg({ buffers: [Buffer.alloc(1)] })?.bytes).toBe(1);
  });

  test('NativeSocket fails for an IPv4-mapped address on an IPv6-only socket with the error of the kernel', async () => {
    using socket = udp('ipv6', { IPV6_V6ONLY: true });
    const error = await errorOf(() => socket.sendmsg({ data: Buffer.from('x'), to: '[::ffff:127.0.0.1]:9' }));
    expect(error).toMatchObject({ code: 'ENETUNREACH', syscall: 'sendmsg', address: '127.0.0.1', port: 9 });
  });
});

test('an IPv6 address on an IPv4 NativeSocket is refused before the kernel is called', async () => {
  using socket = tcp('ipv4');
  const code = 'ERR_INVALID_ARG_VALUE';
  expect(await errorOf(() => socket.bind('[::1]:0'))).toMatchObject({ code });
  expect(await errorOf(() => socket.connect('[::1]:9'))).toMatchObject({ code });
  expect(socket.state).toBe('open');
});

test('NativeSocket.bind of either wildcard reports the wildcard', () => {
  using four = udp('ipv4');
  four.bind('0.0.0.0:0');
  expect(four.local).toMatchObject({ address: '0.0.0.0', family: 'ipv4', mapped: false });
  using six = udp('ipv6');
  six.bind('[::]:0');
  expect(six.local).toMatchObject({ address: '::', family: 'ipv6', mapped: false });
  using both = udp('ipv6');
  both.bind('[::ffff:0.0.0.0]:0');
  expect(both.local).toMatchObject({ address: '0.0.0.0', family: 'ipv4', mapped: true });
});

test('NativeSocket.bind with freebind reports the given address as local', () => {
  using four = tcp('ipv4', { IP_FREEBIND: true });
  four.bind('192.0.2.1:0');
  expect(four.local.address).toBe('192.0.2.1');
  using six = tcp('ipv6', { IPV6_FREEBIND: true });
  six.bind('[2001:db8::1]:0');
  expect(six.local.address).toBe('2001:db8::1');
});

function indexOf(name: string): number {
  const [found] = /^\d+/.exec(execFileSync('ip', ['-o', 'link', 'show', name], { encoding: 'utf8' })) ?? [];
  return Number(found);
}
