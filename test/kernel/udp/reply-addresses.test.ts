// Replies come from the address that the datagram was sent to: hosts with several addresses, AnyIP, link-local and mapped
// addresses. Tested with a client that is connected to that address, so that it receives from no other.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  NativeSocket,
  setOption,
  UdpSocket,
  type MessageInfo,
  type ReceivedBatch,
  type ReplyInfo,
  type SyscallError,
  type UdpSocketOptions,
} from '../../../src/index.js';
import { errorOf } from '../../support/sockets.js';
import { PATHS } from '../../support/udp-receive.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

beforeAll(() => {
  const ip = (...args: string[]) => execFileSync('ip', args);
  ip('addr', 'add', '10.1.0.1/24', 'dev', 'lo');
  ip('addr', 'add', '10.1.0.2/24', 'dev', 'lo');
  ip('addr', 'add', 'fd01::1/64', 'dev', 'lo', 'nodad');
  ip('addr', 'add', 'fd01::2/64', 'dev', 'lo', 'nodad');
  ip('route', 'add', 'local', '192.0.2.0/24', 'dev', 'lo');
  ip('-6', 'route', 'add', 'local', '2001:db8:53::/48', 'dev', 'lo');
});

function server(options: UdpSocketOptions, address?: string): UdpSocket {
  const udp = UdpSocket.create(options);
  open.push(udp);
  if (address === undefined) udp.bind();
  else udp.bind({ address, port: 0 });
  return udp;
}

/** Hears only what comes from where it asks. */
function client(address: string, port: number, from?: string): NativeSocket {
  const socket = NativeSocket.create({ family: address.includes(':') ? 'ipv6' : 'ipv4', type: 'dgram' });
  open.push(socket);
  if (from !== undefined) socket.bind({ address: from, port: 0 });
  socket.connect({ address, port });
  return socket;
}

async function answer(socket: NativeSocket): Promise<string> {
  await socket.readable();
  const buffer = Buffer.alloc(2000);
  const message = socket.recvmsg({ buffers: [buffer] });
  return buffer.toString('utf8', 0, message?.bytes ?? 0);
}

async function asked(udp: UdpSocket): Promise<{ data: Buffer; info: MessageInfo }> {
  const [data, info] = (await once(udp, 'message')) as [Buffer, MessageInfo];
  return { data, info };
}

const TARGETS = {
  ipv4: ['127.0.0.1', '127.9.9.9', '10.1.0.1', '10.1.0.2', '192.0.2.1', '192.0.2.200'],
  ipv6: ['::1', 'fd01::1', 'fd01::2', '2001:db8:53::1', '2001:db8:53:ffff::9'],
} as const;

describe.each(PATHS)('$path', ({ family, from }) => {
  describe.each<[string, Partial<UdpSocketOptions>]>([
    ['pktinfo', { pktinfo: true }],
    ['originalDestination', { originalDestination: true }],
    ['both', { pktinfo: true, originalDestination: true }],
  ])('with %s', (_, options) => {
    test.each(TARGETS[from])('a reply by reply() or addReply() comes from %s', async (address) => {
      const udp = server({ family, ...options });
      const peer = client(address, udp.local.port);

      peer.sendmsg({ data: Buffer.from('one') });
      const { data, info } = await asked(udp);
      expect(udp.reply(info, Buffer.concat([Buffer.from('re '), data]))).toBe(true);
      expect(await answer(peer)).toBe('re one');

      peer.sendmsg({ data: Buffer.from('two') });
      await udp.readable();
      const received = udp.createReceiveBatch();
      expect(udp.receiveBatch(received)).toBe(1);
      expect(udp.reply(received, 0, Buffer.from('re two'))).toBe(true);
      expect(await answer(peer)).toBe('re two');

      const batch = udp.createSendBatch();
      expect(batch.addReply(received, 0, Buffer.from('re three'))).toBe(true);
      expect(batch.addReply(received, 0, Buffer.from('re fourre four!'), { segmentSize: 7 })).toBe(true);
      expect(udp.sendBatch(batch)).toBe(2);
      expect([await answer(peer), await answer(peer), await answer(peer), await answer(peer)]).toEqual([
        ...['re three', 're four', 're four', '!'],
      ]);
      expect(udp.stats.replies).toEqual({ errors: 0, sockets: 0 });
    });
  });

  test('the ECN bits of a message can be sent back with reply()', async () => {
    const udp = server({ family, pktinfo: true, ecn: true });
    const peer = client(TARGETS[from][2], udp.local.port);
    setOption(peer, from === 'ipv4' ? 'IP_RECVTOS' : 'IPV6_RECVTCLASS', true);
    for (const ecn of [0, 1, 2, 3]) {
      setOption(peer, from === 'ipv4' ? 'IP_TOS' : 'IPV6_TCLASS', (46 << 2) | ecn);
      peer.sendmsg({ data: Buffer.from('?') });
      const { info } = await asked(udp);
      expect(info).toMatchObject({ ecn, tos: (46 << 2) | ecn });
      expect(udp.reply(info, Buffer.from('!'), { ecn: info.ecn ?? 0 })).toBe(true);
      await peer.readable();
      const message = peer.recvmsg({ buffers: [Buffer.alloc(1)], controlLength: 64 });
      expect(message?.control.map((one) => ('value' in one ? one.value : undefined))).toEqual([ecn]);
    }
  });

  test('reply() of a socket bound to one address needs no option', async () => {
    for (const address of TARGETS[from].slice(0, 3)) {
      const udp = server({ family }, family === from ? address : `::ffff:${address}`);
      const peer = client(address, udp.local.port);
      peer.sendmsg({ data: Buffer.from('?') });
      const { info } = await asked(udp);
      expect(udp.reply(info, Buffer.from('!'))).toBe(true);
      expect(await answer(peer)).toBe('!');
    }
  }, 20_000);

  test('reply() of a socket on all addresses without pktinfo throws, and the error names the options', async () => {
    const udp = server({ family });
    const peer = client(TARGETS[from][2], udp.local.port);
    peer.sendmsg({ data: Buffer.from('?') });
    const { info } = await asked(udp);
    const error = await errorOf(() => udp.reply(info, Buffer.from('!')));
    expect(error).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(error.message).toContain('pktinfo: true');
    // Connected, it has one address.
    udp.connect({ address: family === from ? info.address : `::ffff:${info.address}`, port: info.port });
    expect(udp.reply(info, Buffer.from('!'))).toBe(true);
    udp.disconnect();
    expect((await errorOf(() => udp.reply(info, Buffer.from('!')))).code).toBe('ERR_INVALID_STATE');
    expect(udp.stats.replies.errors).toBe(0);
  });
});

describe('datagrams to many receivers', () => {
  test('a reply to a broadcast datagram comes from the address of the interface', async () => {
    execFileSync('ip', ['link', 'add', 'br1', 'type', 'bridge']);
    execFileSync('ip', ['addr', 'add', '10.2.0.1/24', 'brd', '10.2.0.255', 'dev', 'br1']);
    execFileSync('ip', ['link', 'set', 'br1', 'up']);
    const udp = server({ family: 'ipv4', pktinfo: true, originalDestination: true });
    const peer = NativeSocket.create({ family: 'ipv4', type: 'dgram', sockopts: { SO_BROADCAST: true } });
    open.push(peer);
    peer.bind({ address: '10.2.0.1', port: 0 });
    peer.sendmsg({ data: Buffer.from('?'), to: { address: '10.2.0.255', port: udp.local.port } });
    const { info } = await asked(udp);
    expect(info.destination?.address).toBe('10.2.0.255');
    expect(udp.reply(info, Buffer.from('!'))).toBe(true);
    await peer.readable();
    expect(peer.recvmsg({ buffers: [Buffer.alloc(9)] })?.source?.address).toBe('10.2.0.1');
    execFileSync('ip', ['link', 'del', 'br1']);
  });
});

describe('replies that cannot be sent', () => {
  const failing = (udp: UdpSocket) => {
    const events: { error: SyscallError; info: ReplyInfo }[] = [];
    udp.on('sendError', (error, info) => events.push({ error, info }));
    return events;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test.each(PATHS)(
    "$path: a reply to port 0 or without a route emits 'sendError' and is counted, and reply() does not throw",
    async (path) => {
      const { family, from } = path;
      const udp = server({ family, pktinfo: true });
      const peer = client(TARGETS[from][2], udp.local.port);
      peer.sendmsg({ data: Buffer.from('?') });
      const { info } = await asked(udp);
      const events = failing(udp);
      const nobody = from === 'ipv4' ? '203.0.113.9' : '2001:db8:99::1';
      const unreachable = { ...info, source: { address: nobody, port: 53 } as never };
      expect(udp.reply({ ...info, source: info.source.withPort(0) }, Buffer.from('!'))).toBe(false);
      expect(udp.reply(unreachable, Buffer.from('!'))).toBe(false);
      await turn();
      expect(events.map(({ error }) => [error.code, error.address])).toEqual([
        ['EINVAL', info.address],
        ['ENETUNREACH', nobody],
      ]);
      expect(events[0]?.info.destination?.address).toBe(TARGETS[from][2]);
      expect(udp.stats.replies.errors).toBe(2);
    },
  );

  test('a failed reply without a sendError listener is only counted', async () => {
    const udp = server({ family: 'ipv4', pktinfo: true });
    const info = {
      source: { address: '203.0.113.9', port: 9 } as never,
      destination: { address: '10.1.0.1', port: 0 } as never,
    };
    expect(udp.reply(info, Buffer.from('!'))).toBe(false);
    await turn();
    expect(udp.stats.replies.errors).toBe(1);
  });

  test('a failed reply in a batch does not make sendBatch() throw, and the others are sent', async () => {
    const udp = server({ family: 'ipv4', pktinfo: true });
    const peer = client('10.1.0.2', udp.local.port, '127.0.0.1');
    const events = failing(udp);
    for (let i = 0; i < 3; i++) peer.sendmsg({ data: Buffer.from(`${i}`) });
    await udp.readable();
    const received = udp.createReceiveBatch();
    expect(udp.receiveBatch(received)).toBe(3);
    const batch = udp.createSendBatch();
    const nobody = { to: { address: '203.0.113.9', port: 9 } };
    expect(batch.addReply(received, 0, Buffer.from('a'))).toBe(true);
    expect(batch.addReply(received, 1, Buffer.alloc(1), { mark: 1 })).toBe(true);
    expect(batch.addReply(received, 2, Buffer.from('c'))).toBe(true);
    expect(batch.add(Buffer.from('x'), nobody)).toBe(true);
    expect(batch.addReply(received, 2, Buffer.from('d'))).toBe(true);
    // The second one is dropped.
    execFileSync('nft', [
      'add table ip t; add chain ip t o { type filter hook output priority 0; }; add rule ip t o meta mark 1 drop',
    ]);
    expect(udp.sendBatch(batch)).toBe(2);
    expect(batch.position).toBe(3);
    // Errors of messages that are not replies are thrown.
    expect((await errorOf(() => udp.sendBatch(batch))).code).toBe('ENETUNREACH');
    batch.skip();
    expect(udp.sendBatch(batch)).toBe(1);
    expect([await answer(peer), await answer(peer), await answer(peer)]).toEqual(['a', 'c', 'd']);
    expect(events.map(({ error, info }) => [error.code, info.source.port, info.destination?.address])).toEqual([
      ['EPERM', peer.local.port, '10.1.0.2'],
    ]);
    expect(udp.stats.replies.errors).toBe(1);
    batch.clear();
    expect(batch.add(Buffer.from('x'), nobody)).toBe(true);
    expect((await errorOf(() => udp.sendBatch(batch))).code).toBe('ENETUNREACH');
  });

  test("a reply to an IPv4 peer with dontFragment throws on an IPv4 socket, and emits 'sendError' on an IPv6 socket", async () => {
    for (const { family, from } of PATHS) {
      const udp = server({ family, pktinfo: true });
      const events = failing(udp);
      const peer = client(TARGETS[from][2], udp.local.port);
      peer.sendmsg({ data: Buffer.from('?') });
      const { info } = await asked(udp);
      const reply = () => udp.reply(info, Buffer.from('!'), { dontFragment: true });
      if (family === 'ipv4') expect((await errorOf(reply)).code).toBe('ERR_UNSUPPORTED');
      else expect(reply()).toBe(from === 'ipv6');
      await turn();
      expect(events.map(({ error }) => [error.code, error.reason])).toEqual(
        family !== from ? [['ENOTSUP', 'notForIPv4']] : [],
      );
    }
  });

  test('reply() throws for invalid arguments, and nothing is sent or counted', async () => {
    const udp = server({ family: 'ipv4', pktinfo: true });
    const peer = client('10.1.0.1', udp.local.port);
    peer.sendmsg({ data: Buffer.from('?') });
    await udp.readable();
    const received: ReceivedBatch = udp.createReceiveBatch();
    udp.receiveBatch(received);
    const info = { source: received.source(0), destination: received.destination(0) };
    const data = Buffer.from('!');
    const batch = udp.createSendBatch({ messages: 1 });
    const wrong: [string, () => unknown][] = [
      ['ERR_INVALID_ARG_TYPE', () => udp.reply(undefined as never, data)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply({} as never, data)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply({ source: 5 } as never, data)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply({ ...info, destination: 5 } as never, data)],
      ['ERR_OUT_OF_RANGE', () => udp.reply({ ...info, interface: 1.5 } as never, data)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply(info, 'text' as never)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply(info, data, null as never)],
      ['ERR_INVALID_ARG_VALUE', () => udp.reply(info, data, { to: info.source } as never)],
      ['ERR_INVALID_ARG_VALUE', () => udp.reply(info, data, { from: '10.1.0.1' } as never)],
      ['ERR_OUT_OF_RANGE', () => udp.reply(info, data, { ecn: 4 })],
      ['ERR_OUT_OF_RANGE', () => udp.reply(received, 1, data)],
      ['ERR_OUT_OF_RANGE', () => udp.reply(received, NaN, data)],
      ['ERR_INVALID_ARG_TYPE', () => udp.reply(received, 0, undefined as never)],
      ['ERR_INVALID_ARG_TYPE', () => batch.addReply(info as never, 0, data)],
      ['ERR_OUT_OF_RANGE', () => batch.addReply(received, 7, data)],
      ['ERR_INVALID_ARG_TYPE', () => batch.addReply(received, 0, 'text' as never)],
      ['ERR_INVALID_ARG_VALUE', () => batch.addReply(received, 0, data, { to: info.source } as never)],
    ];
    for (const [code, action] of wrong)
      expect([(await errorOf(action)).code, String(action)]).toEqual([code, String(action)]);
    expect(batch.length).toBe(0);
    expect(batch.addReply(received, 0, data)).toBe(true);
    expect(batch.addReply(received, 0, data)).toBe(false); // no room
    await udp.close();
    expect((await errorOf(() => udp.reply(info, data))).code).toBe('EBADF');
    expect(peer.recvmsg({ buffers: [Buffer.alloc(9)] })).toBeUndefined();
  });
});
