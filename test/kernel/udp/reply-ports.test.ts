// Replies to datagrams for an address that is not local, or for a port other than the socket's (sk_lookup, TPROXY).
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { setUp } from '../../support/missing-tools.js';
import { NativeSocket, setOption, UdpSocket, type SyscallError, type UdpSocketOptions } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import type { NetworkNamespace } from '../../support/namespace.js';
import { missingForSteering, steer } from '../../support/sk-lookup.js';
import { UdpCapture } from '../../support/udp-capture.js';
import { errorOf } from '../../support/sockets.js';
import { ask, FAR, ip, makePeer, nft } from '../../support/udp-reply.js';

const missing = missingForSteering();
const steeringTest = (name: string, body: () => Promise<void>, timeout: number): void => {
  if (missing === undefined) test(name, body, timeout);
  else test.skip(`${name} (${missing})`);
};

let peer: NetworkNamespace;
setUp(async () => {
  peer = await makePeer();
  // AnyIP: routed locally.
  ip('route add local 192.0.2.0/24 dev lo');
  ip('-6 route add local 2001:db8:53::/48 dev lo');
  // TPROXY: addresses of other hosts, whose packets are delivered here.
  for (const family of ['-4', '-6']) {
    ip(`${family} rule add fwmark 1 lookup 100`);
    ip(`${family} route add local default dev lo table 100`);
  }
  nft(`
    table inet proxy {
      chain in {
        type filter hook prerouting priority mangle;
        ip daddr 198.51.100.0/24 udp dport 5353-5999 tproxy ip to :5353 meta mark set 1 accept
        ip6 daddr 2001:db8:100::/48 udp dport 5353-5999 tproxy ip6 to :5353 meta mark set 1 accept
      }
    }`);
}, 60_000);
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
});

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

/** Answers with what it was asked, and where. */
function echo(options: UdpSocketOptions, address: string, port: number): { udp: UdpSocket; errors: SyscallError[] } {
  const udp = UdpSocket.create(options);
  open.push(udp);
  udp.bind({ address, port });
  const errors: SyscallError[] = [];
  udp.on('sendError', (error) => errors.push(error));
  udp.on('message', (data, info) =>
    udp.reply(info, Buffer.from(`${data.toString()} at ${String(info.destination?.address)}`)),
  );
  return { udp, errors };
}

const WAYS = [
  { way: 'IPv4', family: 'ipv4', wildcard: '0.0.0.0', loopback: '127.0.0.1', any: '192.0.2.7', other: '198.51.100.7' },
  { way: 'IPv6', family: 'ipv6', wildcard: '::', loopback: '::1', any: '2001:db8:53::7', other: '2001:db8:100::7' },
  {
    way: 'mapped',
    family: 'ipv6',
    wildcard: '::',
    loopback: '::ffff:127.0.0.1',
    any: '192.0.2.7',
    other: '198.51.100.7',
  },
] as const;

describe.each(WAYS)('$way', ({ family, wildcard, loopback, any, other }) => {
  test('AnyIP over a veth pair: the reply comes from the address that the datagram was sent to', async () => {
    const { udp } = echo({ family, pktinfo: true }, wildcard, 4000);
    expect(await ask(peer, any, 4000, ['a', 'b'])).toEqual([`a at ${any}`, `b at ${any}`]);
    expect(udp.stats.replies).toEqual({ errors: 0, sockets: 0 });
  });

  test("TPROXY, same port: the reply comes from the other host's address", async () => {
    const { udp, errors } = echo(
      { family, pktinfo: true, originalDestination: true, transparent: true },
      wildcard,
      5353,
    );
    expect(await ask(peer, other, 5353, ['a', 'b'])).toEqual([`a at ${other}`, `b at ${other}`]);
    expect(errors).toEqual([]);
    expect(udp.stats.replies).toEqual({ errors: 0, sockets: 0 });
  });

  test.each([
    ['with packet information', { pktinfo: true }],
    ['without packet information', {}],
  ])(
    'TPROXY, other ports, %s: replies come from those ports, and their sockets receive nothing',
    async (_, options) => {
      await expectNoNewFds(async () => {
        const { udp, errors } = echo(
          { family, ...options, originalDestination: true, transparent: true },
          wildcard,
          5353,
        );
        const questions = ['a', 'b', 'c', 'd'];
        for (const port of [5400, 5401]) {
          expect(await ask(peer, other, port, questions)).toEqual(questions.map((text) => `${text} at ${other}`));
        }
        expect(errors).toEqual([]);
        const { replies, sent, received } = udp.stats;
        expect([replies, sent.datagrams, received.datagrams]).toEqual([{ errors: 0, sockets: 2 }, 8, 8]);
        await udp.close();
      });
    },
    30_000,
  );

  steeringTest(
    'sk_lookup: a socket on loopback answers for all addresses and ports that are steered to it',
    async () => {
      const options = { family, pktinfo: true, originalDestination: true } as const;
      const { udp, errors } = echo(options, loopback, 5300);
      await using _program = await steer([udp.fd], 5300, 5310);
      for (const port of [5300, 5301, 5310]) {
        expect(await ask(peer, any, port, ['a', 'b', 'c'])).toEqual(['a', 'b', 'c'].map((text) => `${text} at ${any}`));
      }
      expect(errors).toEqual([]);
      expect([udp.stats.replies, udp.stats.received.datagrams]).toEqual([{ errors: 0, sockets: 2 }, 9]);
    },
    60_000,
  );

  steeringTest(
    'sk_lookup: a reply with a loopback address as its source is refused, and nothing leaves',
    async () => {
      const { udp, errors } = echo({ family }, loopback, 5320);
      await using _program = await steer([udp.fd], 5320, 5320);
      using capture = new UdpCapture('near');
      expect(await ask(peer, any, 5320, ['a'], 300)).toEqual(['nothing']);
      await new Promise((resolve) => setImmediate(resolve));
      expect(errors.map(({ code, reason }) => [code, reason])).toEqual([['EINVAL', 'loopbackSource']]);
      expect(udp.stats.replies.errors).toBe(1);
      const left = () => capture.datagrams().filter(({ destinationPort }) => destinationPort !== 5320).length;
      expect(left()).toBe(0);
      if (loopback !== '::1') return;
      // The kernel itself would send it.
      udp.trySend(Buffer.from('leak'), { to: { address: FAR.ipv6, port: 9 } });
      expect(left()).toBe(1);
    },
    60_000,
  );
});

describe('sockets for other ports', () => {
  const OPTIONS = { family: 'ipv4', originalDestination: true, transparent: true } as const;
  const proxied = (options: Partial<UdpSocketOptions> = {}) => {
    const udp = UdpSocket.create({ ...OPTIONS, ...options });
    open.push(udp);
    udp.bind({ address: '0.0.0.0', port: 5353 });
    return udp;
  };
  const from = (port: number, address = '192.0.2.7') => ({
    source: { address: FAR.ipv4, port: 7 } as never,
    destination: { address, port } as never,
  });

  test('sockets for replies from other ports are limited: the least recently used one is closed', async () => {
    await expectNoNewFds(async () => {
      const udp = proxied({ replySockets: 2 });
      for (const port of [6001, 6002, 6001, 6003]) expect(udp.reply(from(port), Buffer.from('x'))).toBe(true);
      expect(udp.stats.replies).toEqual({ errors: 0, sockets: 2 });
      // Its port is in use, so the socket is open.
      const taken = [6001, 6002, 6003].filter((port) => {
        const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
        try {
          socket.bind({ address: '192.0.2.7', port });
          return false;
        } catch {
          return true;
        } finally {
          socket.close();
        }
      });
      expect(taken).toEqual([6001, 6003]);
      expect(udp.stats.sent.datagrams).toBe(4); // also those of the one that is closed
      await udp.close();
      expect(udp.stats.replies.sockets).toBe(0);
    });
  });

  test('sockets for replies from other ports receive no datagrams', () => {
    const udp = proxied();
    const other = UdpSocket.create({ family: 'ipv4', reuseAddr: true });
    open.push(other);
    other.bind({ address: '0.0.0.0', port: 6001 });
    expect(udp.reply(from(6001), Buffer.from('x'))).toBe(true);
    expect(udp.stats.replies.sockets).toBe(1);
    const client = UdpSocket.create({ family: 'ipv4' });
    open.push(client);
    for (const text of ['a', 'b']) client.trySend(Buffer.from(text), { to: { address: '192.0.2.7', port: 6001 } });
    expect(other.receiveBatch(other.createReceiveBatch())).toBe(2);
  });

  test('sockets for replies from other ports are closed after replySocketTimeout, and created again', async () => {
    const udp = proxied({ replySocketTimeout: 20 });
    udp.reply(from(6001), Buffer.from('x'));
    expect(udp.stats.replies.sockets).toBe(1);
    while (udp.stats.replies.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(udp.reply(from(6001), Buffer.from('x'))).toBe(true);
    expect(udp.stats.replies).toEqual({ errors: 0, sockets: 1 });
  });

  test('sockets for replies from other ports use the mark, TOS and hop limit of the UdpSocket', () => {
    const udp = proxied({ pathMtuDiscovery: 'do', mark: 7 });
    setOption(udp, 'IP_TTL', 9);
    setOption(udp, 'IP_TOS', 46 << 2);
    nft(
      'add table ip seen; add chain ip seen o { type filter hook output priority 0; }; ' +
        'add rule ip seen o udp sport 6001 meta mark 7 ip ttl 9 ip dscp 46 ip frag-off & 0x4000 != 0 drop',
    );
    expect(udp.reply(from(6001), Buffer.from('x'))).toBe(false); // EPERM: the rule matches
    expect(udp.reply(from(6002), Buffer.from('x'))).toBe(true);
    setOption(udp, 'IP_TTL', 10); // later ones
    expect(udp.reply(from(6003), Buffer.from('x'))).toBe(true);
    nft('delete table ip seen');
    expect(udp.stats.replies.errors).toBe(1);
  });

  test('a reply from a port that another socket holds emits sendError and leaves no descriptor open', async () => {
    const udp = proxied();
    const other = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    open.push(other);
    other.bind({ address: '192.0.2.7', port: 6010 });
    const errors: SyscallError[] = [];
    udp.on('sendError', (error) => errors.push(error));
    await expectNoNewFds(() => {
      expect(udp.reply(from(6010), Buffer.from('x'))).toBe(false);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toMatchObject([{ code: 'EADDRINUSE', syscall: 'bind', address: '192.0.2.7', port: 6010 }]);
    expect(errors[0]?.message).toContain('reuseAddr');
  });

  test('sockets for replies from other ports are not created for invalid arguments, or when the socket is closed', async () => {
    const udp = proxied();
    expect(udp.reply(from(5353), Buffer.from('x'))).toBe(true); // the own address is known from now on
    for (const [data, options] of [['text'], [Buffer.from('x'), { ttl: 256 }], [Buffer.from('x'), { misspelt: 1 }]]) {
      expect((await errorOf(() => udp.reply(from(6030), data as never, options as never))).code).toMatch(/^ERR_/);
    }
    expect(udp.stats.replies).toEqual({ errors: 0, sockets: 0 });
    await udp.close();
    await expectNoNewFds(async () => {
      expect((await errorOf(() => udp.reply(from(6030), Buffer.from('x')))).code).toBe('EBADF');
    });
    expect(udp.stats.replies).toEqual({ errors: 0, sockets: 0 });
  });

  test("a reply from another host's address without the privilege emits sendError", () => {
    const udp = UdpSocket.create({ family: 'ipv4', originalDestination: true }); // not transparent
    open.push(udp);
    udp.bind({ address: '0.0.0.0', port: 5353 });
    expect(udp.reply(from(6020, '198.51.100.7'), Buffer.from('x'))).toBe(false);
    expect(udp.stats.replies.errors).toBe(1);
  });

  test('addReply() sends a reply from another port at once', async () => {
    const udp = proxied();
    const client = ask(peer, '198.51.100.7', 5500, ['?']);
    await udp.readable();
    const received = udp.createReceiveBatch();
    expect(udp.receiveBatch(received)).toBe(1);
    const batch = udp.createSendBatch();
    expect(batch.addReply(received, 0, Buffer.from('!'))).toBe(true);
    expect(batch.length).toBe(0);
    expect(await client).toEqual(['!']);
  });
});

describe('link-local', () => {
  test('a reply to a link-local datagram uses the address and the link that it arrived on', async () => {
    ip('addr add fe80::77/64 dev near nodad');
    const { udp } = echo({ family: 'ipv6', pktinfo: true }, '::', 4100);
    expect(await ask(peer, 'fe80::77%far', 4100, ['a', 'b'])).toEqual(['a at fe80::77%near', 'b at fe80::77%near']);
    expect(udp.stats.replies.errors).toBe(0);
  });

  test('a reply from a link-local address also reaches a peer with a global address', async () => {
    await peer.run('ip', '-6', 'route', 'add', 'fe80::78', 'dev', 'far', 'src', FAR.ipv6);
    ip('addr add fe80::78/64 dev near nodad');
    const { udp } = echo({ family: 'ipv6', pktinfo: true, originalDestination: true }, '::', 4100);
    expect(await ask(peer, 'fe80::78%far', 4100, ['a'])).toEqual(['a at fe80::78%near']);
    expect(udp.stats.replies.errors).toBe(0);
  });
});

test('a reply to an IPv6 multicast datagram comes from an address that the kernel picks', async () => {
  const udp = UdpSocket.create({ family: 'ipv6', pktinfo: true, originalDestination: true });
  open.push(udp);
  udp.bind({ address: '::', port: 4200 });
  setOption(udp, 'IPV6_ADD_MEMBERSHIP', { address: 'ff02::1:77', interface: 'near' });
  const asked = new Promise<string | undefined>((resolve) => {
    udp.on('message', (_, info) => {
      udp.reply(info, Buffer.from('!'));
      resolve(info.destination?.address);
    });
  });
  const script = `
    const socket = require('node:dgram').createSocket('udp6');
    socket.once('message', (data, { address }) => { console.log(data + ' ' + address); process.exit(); });
    socket.send('?', 4200, 'ff02::1:77%far');
    setTimeout(() => process.exit(), 5000);
  `;
  const answer = await peer.run(process.execPath, '-e', script);
  expect(await asked).toBe('ff02::1:77%near');
  expect(answer).toMatch(/^! fe80::/);
  expect(udp.stats.replies.errors).toBe(0);
});
