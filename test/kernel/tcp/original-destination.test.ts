// originalDestination: what a client in another namespace dialled, with this namespace as its router and nft rules in between.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import net from 'node:net';
import type tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NativeSocket, originalDestination, reserve, setOption, type ListenOptions } from '../../../src/index.js';
import { until } from '../../support/fixtures.js';
import { missingNeeds } from '../../support/kernel.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { accepted, errorOf, tcp, tcpPair, udp } from '../../support/sockets.js';
import { KINDS, listening } from '../../support/listen.js';

const missing = missingNeeds({ tools: ['nft', 'ip'] });
const SERVICE = { ipv4: '203.0.113.5', ipv6: '2001:db8:5::5' } as const;
let client: NetworkNamespace;

beforeAll(async () => {
  client = await NetworkNamespace.create();
  const peerAddresses = ['10.9.0.1/24', 'fd09::1/64'];
  await client.link('current', { addresses: ['10.9.0.2/24', 'fd09::2/64'], peerAddresses });
  await client.run('ip', 'route', 'add', 'default', 'via', '10.9.0.1');
  await client.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd09::1');
});

afterEach(() => {
  if (missing === undefined) execFileSync('nft', ['flush', 'ruleset']);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
});

/** How the proxy listens, and the address that the client then dials. */
const WAYS = [
  ['IPv4', '0.0.0.0', SERVICE.ipv4, 'ipv4'],
  ['IPv6', '::', SERVICE.ipv6, 'ipv6'],
  ['IPv4 on an IPv6 socket', '::', SERVICE.ipv4, 'ipv4'],
] as const;

describe.skipIf(missing !== undefined)(
  `originalDestination() with nft${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    describe.each(WAYS)('%s', (_, address, dialled, family) => {
      test('originalDestination() returns the dialled address behind REDIRECT, from connection tracking', async () => {
        await using proxy = await telling({ host: address });
        redirect(proxy.port);
        expect(await dial(dialled, 80)).toEqual({ address: dialled, port: 80, family, method: 'redirect' });
      });

      test('originalDestination() returns the dialled address for a NativeSocket behind REDIRECT', async () => {
        using listener = tcp(address === '::' ? 'ipv6' : 'ipv4');
        listener.bind({ address, port: 0 });
        listener.listen();
        redirect(listener.local.port);
        const answer = dial(dialled, 80);
        using socket = await accepted(listener);
        const destination = originalDestination(socket);
        expect(destination).toEqual({ address: dialled, port: 80, family, method: 'redirect' });
        socket.sendmsg({ data: Buffer.from(JSON.stringify(destination)) });
        socket.close();
        await answer;
      });

      test('originalDestination() returns the dialled address behind DNAT', async () => {
        await using proxy = await telling({ host: address });
        const [to, ip] = family === 'ipv4' ? ['10.9.0.1', 'ip'] : ['[fd09::1]', 'ip6'];
        nft(`add table inet t
           add chain inet t pre { type nat hook prerouting priority dstnat; }
           add rule inet t pre tcp dport 443 dnat ${ip} to ${to}:${proxy.port}`);
        expect(await dial(dialled, 443)).toEqual({ address: dialled, port: 443, family, method: 'redirect' });
      });

      test('originalDestination() returns the local address behind TPROXY', async () => {
        await using proxy = await telling({ host: address, transparent: true });
        using _ = tproxy(proxy.port);
        expect(await dial(dialled, 80)).toEqual({ address: dialled, port: 80, family, method: 'local' });
      });

      test("originalDestination() returns the proxy's address for a client that dials the proxy itself, which reveals loops", async () => {
        await using proxy = await telling({ host: address });
        redirect(proxy.port); // connection tracking has an entry with the same destination
        const own = family === 'ipv4' ? '10.9.0.1' : 'fd09::1';
        expect(await dial(own, proxy.port)).toEqual({ address: own, port: proxy.port, family, method: 'local' });
      });
    });

    test('originalDestination() of a TLS socket behind REDIRECT is the dialled address', async () => {
      let seen: unknown;
      await using proxy = await listening(KINDS['tls']!.make(), { host: '0.0.0.0' });
      proxy.server.on('secureConnection', (socket: tls.TLSSocket) => (seen = originalDestination(socket)));
      redirect(proxy.port);
      await run(`
      const socket = require('node:tls').connect({ host: '${SERVICE.ipv4}', port: 80, rejectUnauthorized: false });
      socket.pipe(process.stdout);
    `);
      expect(seen).toEqual({ address: SERVICE.ipv4, port: 80, family: 'ipv4', method: 'redirect' });
    });

    test('originalDestination() of the sockets of http and http2 is the dialled address', async () => {
      const seen: unknown[] = [];
      await using web = await listening(KINDS['http']!.make(), { host: '0.0.0.0' });
      web.server.on('request', ({ socket }: IncomingMessage) => seen.push(originalDestination(socket)));
      redirect(web.port);
      await run(`require('node:http').get('http://${SERVICE.ipv4}/', (response) => response.resume());`);
      execFileSync('nft', ['flush', 'ruleset']);
      await using web2 = await listening(KINDS['http2']!.make(), { host: '0.0.0.0' });
      web2.server.on('session', ({ socket }: ServerHttp2Session) => seen.push(originalDestination(socket)));
      redirect(web2.port);
      await run(`
      const session = require('node:http2').connect('http://${SERVICE.ipv4}');
      session.request().resume().on('end', () => session.close());
    `);
      expect(seen).toEqual(Array(2).fill({ address: SERVICE.ipv4, port: 80, family: 'ipv4', method: 'redirect' }));
    });

    test('originalDestination() of an outgoing connection is its local address, whatever connection tracking has', async () => {
      nft(`add table inet t
         add chain inet t out { type nat hook output priority -100; }
         add rule inet t out tcp dport 7 redirect to :8`); // so that connections are tracked
      using pair = await tcpPair();
      expect(originalDestination(pair.client)).toMatchObject({ port: pair.client.local.port, method: 'local' });
      expect(originalDestination(pair.server)).toMatchObject({ port: pair.listener.local.port, method: 'local' });
      await using server = await listening(net.createServer(), { host: '127.0.0.1' });
      const socket = net.connect(server.port, '127.0.0.1');
      await once(socket, 'connect');
      expect(originalDestination(socket)).toMatchObject({ port: socket.localPort, method: 'local' });
      socket.destroy();
    });
  },
);

test('originalDestination() without a rule is the local address without its zone', async () => {
  using listener = tcp('ipv6');
  listener.bind({ address: '::', port: 0 });
  listener.listen();
  const [, zone] = /: (veth\d+|\S+)@/.exec(execFileSync('ip', ['-o', 'link', 'show', 'type', 'veth']).toString()) ?? [];
  const [, linkLocal] = /inet6 (fe80::[0-9a-f:]+)/.exec(execFileSync('ip', ['-6', 'addr', 'show', zone!]).toString())!;
  // During duplicate address detection a connection to it leaves from another address.
  await until(() => !execFileSync('ip', ['-6', 'addr', 'show', zone!]).toString().includes('tentative'));
  using socket = tcp('ipv6');
  socket.connect({ address: `${linkLocal!}%${zone!}`, port: listener.local.port });
  await socket.connected();
  using other = await accepted(listener);
  expect(other.local.address).toContain('%');
  const { port } = listener.local;
  expect(originalDestination(other)).toEqual({ address: linkLocal, port, family: 'ipv6', method: 'local' });
});

describe('originalDestination()', () => {
  test('originalDestination() throws for a socket that is not connected, a listener and a reservation', async () => {
    using open = tcp();
    using listener = tcp();
    listener.bind('127.0.0.1:0');
    listener.listen();
    using reservation = reserve({ remote: '127.0.0.1:9' });
    using reserved = NativeSocket.adopt(reservation.detach().fd);
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    for (const socket of [open, listener, reserved, new net.Socket(), server]) {
      expect((await errorOf(() => originalDestination(socket as net.Socket))).code).toBe('ERR_INVALID_STATE');
    }
    server.close();
  });

  test('originalDestination() throws for a closed socket, a datagram socket and a value that is not a socket', async () => {
    const closed = tcp();
    closed.close();
    expect(await errorOf(() => originalDestination(closed))).toMatchObject({ code: 'EBADF', syscall: 'getsockopt' });
    using datagrams = udp();
    expect(await errorOf(() => originalDestination(datagrams))).toMatchObject({ syscall: 'getsockopt' });
    for (const value of [undefined, null, 'x', {}, () => undefined]) {
      expect((await errorOf(() => originalDestination(value as never))).code).toBe('ERR_INVALID_ARG_TYPE');
    }
  });

  test('originalDestination() does not throw for a connection that was reset', async () => {
    using pair = await tcpPair();
    setOption(pair.client, 'SO_LINGER', 0);
    pair.client.close();
    await pair.server.readable();
    expect(originalDestination(pair.server)).toMatchObject({ port: pair.listener.local.port });
  });
});

/** A server that sends each client what it dialled. */
async function telling(options: ListenOptions): Promise<{ port: number } & AsyncDisposable> {
  const server = net.createServer((socket) => socket.end(JSON.stringify(originalDestination(socket))));
  return await listening(server, options);
}

function redirect(port: number): void {
  nft(`add table inet t
       add chain inet t pre { type nat hook prerouting priority dstnat; }
       add rule inet t pre tcp dport 80 redirect to :${port}`);
}

function tproxy(port: number): Disposable {
  const rules = ['-4', '-6'].flatMap((family) => [
    [family, 'rule', 'VERB', 'fwmark', '1', 'lookup', '100'],
    [family, 'route', 'VERB', 'local', 'default', 'dev', 'lo', 'table', '100'],
  ]);
  const ip = (verb: string): void => {
    for (const rule of rules)
      execFileSync(
        'ip',
        rule.map((word) => (word === 'VERB' ? verb : word)),
      );
  };
  ip('add');
  nft(`add table inet t
       add chain inet t pre { type filter hook prerouting priority mangle; }
       add rule inet t pre tcp dport 80 tproxy to :${port} meta mark set 1 accept`);
  return { [Symbol.dispose]: () => ip('del') };
}

function nft(script: string): void {
  execFileSync('nft', ['-f', '-'], { input: script });
}

/** Connects from the client's namespace, and returns what the server sends. */
async function dial(address: string, port: number): Promise<unknown> {
  return JSON.parse(await run(`require('node:net').connect(${port}, '${address}').pipe(process.stdout);`));
}

async function run(script: string): Promise<string> {
  return await client.run(process.execPath, '--eval', script);
}
