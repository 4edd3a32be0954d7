// Replies of sockets on ::1: peers on this host get them whatever their address is, and nothing is sent to other hosts with
// ::1 as its source.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NativeSocket, setOption, UdpSocket, type MessageInfo, type UdpSocketOptions } from '../../../src/index.js';
import type { NetworkNamespace } from '../../support/namespace.js';
import { errorOf } from '../../support/sockets.js';
import { UdpCapture } from '../../support/udp-capture.js';
import { FAR, ip, makePeer, NEAR } from '../../support/udp-reply.js';
import { turns } from '../../support/udp-receive.js';

let peer: NetworkNamespace;
beforeAll(async () => {
  peer = await makePeer();
  ip(`-6 route add default via ${FAR.ipv6} dev near`);
  ip('-6 route add local fd66::/64 dev lo'); // AnyIP: nothing in the main table
  // Rules before the local table's, as routers have them.
  ip('-6 rule add pref 10 lookup local');
  ip('-6 rule del pref 0');
  ip('-6 rule add pref 5 fwmark 7 lookup main');
  ip('-6 rule add pref 6 ipproto udp sport 5301 lookup main');
}, 60_000);
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
});

let capture: UdpCapture;
const open: { close(): unknown }[] = [];
beforeEach(() => (capture = new UdpCapture('near')));
afterEach(async () => {
  expect(capture.datagrams(), 'nothing leaves').toEqual([]);
  capture[Symbol.dispose]();
  for (const socket of open.splice(0)) await socket.close();
});

/** A socket on ::1, a client on this host that has asked it, and the question. */
async function asked(
  from: string,
  options: Partial<UdpSocketOptions> = {},
  port = 0,
): Promise<{ udp: UdpSocket; client: NativeSocket; info: MessageInfo; reasons: (string | undefined)[] }> {
  const udp = UdpSocket.create({ family: 'ipv6', ...options });
  const client = NativeSocket.create({ family: 'ipv6', type: 'dgram', sockopts: { IPV6_FREEBIND: true } });
  open.push(udp, client);
  udp.bind({ address: '::1', port });
  client.bind({ address: from, port: 0 });
  const question = new Promise<MessageInfo>((resolve) => udp.once('message', (_, info) => resolve(info)));
  client.sendmsg({ data: Buffer.from('?'), to: udp.local });
  const reasons: (string | undefined)[] = [];
  udp.on('sendError', ({ reason }) => reasons.push(reason));
  return { udp, client, info: await question, reasons };
}

function answer(client: NativeSocket): string | undefined {
  const buffer = Buffer.alloc(9);
  const message = client.recvmsg({ buffers: [buffer] });
  return message && `${buffer.toString('latin1', 0, message.bytes)} from ${String(message.source?.address)}`;
}

const answers = Buffer.from('!');

describe.each(['::1', NEAR.ipv6, 'fd66::7'])('a client at %s', (address) => {
  test.each<[string, Partial<UdpSocketOptions>]>([
    ['without packet information', {}],
    ['with packet information', { pktinfo: true }],
  ])('receives a reply from ::1, %s', async (_, options) => {
    const { udp, client, info, reasons } = await asked(address, options);
    expect(udp.reply(info, answers)).toBe(true);
    expect(answer(client)).toBe('! from ::1');
    // Of a batch as well.
    client.sendmsg({ data: Buffer.from('?'), to: udp.local });
    const received = udp.createReceiveBatch();
    expect(udp.receiveBatch(received)).toBe(1);
    const batch = udp.createSendBatch();
    batch.addReply(received, 0, answers);
    expect([udp.sendBatch(batch), answer(client)]).toEqual([1, '! from ::1']);
    await turns(1);
    expect(reasons).toEqual([]);
  });
});

describe('a reply from ::1 that would leave this host is refused', () => {
  const refused = async (
    action: (udp: UdpSocket, info: MessageInfo) => boolean,
    from = 'fd66::7',
    port = 0,
  ): Promise<void> => {
    const { udp, client, info, reasons } = await asked(from, {}, port);
    expect(action(udp, info)).toBe(false);
    await turns(1);
    expect(reasons).toEqual(['loopbackSource']);
    expect(answer(client)).toBeUndefined();
  };

  test('a reply from ::1 is refused if the address of the peer is no longer local', async () => {
    ip('-6 addr add fd67::1/128 dev lo');
    await refused((udp, info) => {
      ip('-6 addr del fd67::1/128 dev lo');
      return udp.reply(info, answers);
    }, 'fd67::1');
  });

  test('a reply from ::1 is refused if the mark of the socket routes it elsewhere', async () => {
    await refused((udp, info) => {
      setOption(udp, 'SO_MARK', 7);
      return udp.reply(info, answers);
    });
  });

  test('a reply from ::1 is refused if the mark of the datagram routes it elsewhere', async () => {
    await refused((udp, info) => udp.reply(info, answers, { mark: 7 }));
  });

  test('a reply from ::1 is refused if a rule for its port routes it elsewhere', async () => {
    await refused((udp, info) => udp.reply(info, answers), 'fd66::7', 5301);
  });

  test('a reply from ::1 is refused if the socket is bound to a device', async () => {
    await refused((udp, info) => {
      setOption(udp, 'SO_BINDTODEVICE', 'near');
      return udp.reply(info, answers);
    });
  });
});

test('reply() throws for invalid options even if nothing would be sent', async () => {
  const { udp, info } = await asked('fd66::7');
  for (const wrong of [null, { mark: -1 }, { misspelt: 1 }]) {
    expect((await errorOf(() => udp.reply(info, answers, wrong as never))).code).toMatch(/^ERR_/);
  }
  expect(udp.stats.replies.errors).toBe(0);
});
