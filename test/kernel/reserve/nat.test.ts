// Masquerading on the host that reserves ports, as with Docker: NAT does not know of sockets, and gives forwarded flows any
// port. It keeps to a range of its own where the rule names one.
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect, reserve } from '../../../src/index.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { missingNeeds } from '../../support/kernel.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { setSysctl } from '../../support/sysctl.js';

const missing = missingNeeds({ tools: ['nft', 'ip'] });
checkDescriptors();

const PORT = 45_678;
const FAMILIES = [
  ['IPv4', { server: '10.94.2.2', own: '10.94.2.1', client: '10.94.1.2' }],
  ['IPv6', { server: 'fd94:2::2', own: 'fd94:2::1', client: 'fd94:1::2' }],
] as const;

/** Tells each client from where it sees the connection come. */
const SERVER = `
  require('node:net').createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(socket.remoteAddress + ' ' + socket.remotePort);
  }).listen(80, '::', () => console.log('up'));
`;

/** Connects from a given port through the router, prints what the server saw, and keeps the connection open. */
const CLIENT = `
  const [host, localAddress, localPort] = process.argv.slice(1);
  const socket = require('node:net').connect({ host, port: 80, localAddress, localPort: Number(localPort) });
  socket.on('data', (data) => console.log(String(data)));
`;

describe.skipIf(missing !== undefined)(`a host that masquerades${missing === undefined ? '' : ` (${missing})`}`, () => {
  let client: NetworkNamespace;
  let server: NetworkNamespace;
  let forwarding: Disposable[] = [];
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    client = await NetworkNamespace.create();
    server = await NetworkNamespace.create();
    const toClient = { addresses: ['10.94.1.2/24', 'fd94:1::2/64'], peerAddresses: ['10.94.1.1/24', 'fd94:1::1/64'] };
    const toServer = { addresses: ['10.94.2.2/24', 'fd94:2::2/64'], peerAddresses: ['10.94.2.1/24', 'fd94:2::1/64'] };
    await client.link('current', { ...toClient, peerName: 'natclient' });
    await server.link('current', { ...toServer, peerName: 'natserver' });
    await client.run('ip', 'route', 'add', 'default', 'via', '10.94.1.1');
    await client.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd94:1::1');
    forwarding = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'].map((name) => setSysctl(name, 1));
    const process_ = server.spawn(process.execPath, ['-e', SERVER]);
    running.push(process_);
    await once(process_.stdout!, 'data');
  });
  afterEach(() => execFileSync('nft', ['flush', 'ruleset']));
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    for (const setting of forwarding) setting[Symbol.dispose]();
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function masquerade(ports: string): void {
    const rule = (own: string) => `oifname "natserver" ${own} meta l4proto tcp masquerade ${ports}`;
    const rules = `${rule('ip saddr != 10.94.2.1')}\n${rule('ip6 saddr != fd94:2::1')}`;
    execFileSync('nft', [`table inet nat { chain post { type nat hook postrouting priority srcnat;\n${rules}\n}\n}`]);
  }

  /** What the server sees of a client behind this host that connects from the port. */
  async function forwarded(to: string, from: string): Promise<string> {
    const child = client.spawn(process.execPath, ['-e', CLIENT, to, from, String(PORT)]);
    running.push(child);
    const [seen] = (await once(child.stdout!, 'data')) as [Buffer];
    return String(seen).trim();
  }

  async function seen(socket: Socket): Promise<string> {
    const [data] = (await once(socket, 'data')) as [Buffer];
    return String(data);
  }

  async function end(socket: Socket): Promise<void> {
    socket.resetAndDestroy();
    await once(socket, 'close');
    for (const child of running.splice(1)) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  }

  test.each(FAMILIES)('plain masquerading gives a forwarded flow a reserved 4-tuple, over %s', async (_, ends) => {
    masquerade('');
    const mapped = ends.own.includes(':') ? ends.own : `::ffff:${ends.own}`;
    using reservation = reserve({
      remote: { address: ends.server, port: 80 },
      local: { address: ends.own, port: PORT },
    });
    expect(await forwarded(ends.server, ends.client)).toBe(`${mapped} ${String(PORT)}`);
    expect(reservation.verify()).toBe(true);
    for (const child of running.splice(1)) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  test.each(FAMILIES)('a port range for NAT leaves reserved ports alone, over %s', async (_, ends) => {
    masquerade('to :20000-30000');
    const mapped = ends.own.includes(':') ? ends.own : `::ffff:${ends.own}`;
    const reservation = reserve({
      remote: { address: ends.server, port: 80 },
      local: { address: ends.own, port: PORT },
    });
    const [, port] = (await forwarded(ends.server, ends.client)).split(' ');
    expect(Number(port)).toBeGreaterThanOrEqual(20_000);
    expect(Number(port)).toBeLessThanOrEqual(30_000);
    const socket = await reservation.activate({ timeout: 10_000 });
    expect(await seen(socket)).toBe(`${mapped} ${String(PORT)}`);
    await end(socket);
  });

  test.each(FAMILIES)('a port range for NAT leaves the port of connect() as it is, over %s', async (_, ends) => {
    masquerade('to :20000-30000');
    await forwarded(ends.server, ends.client);
    const socket = connect({ host: ends.server, port: 80, localAddress: ends.own, localPortRange: [PORT, PORT] });
    expect((await seen(socket)).split(' ')[1]).toBe(String(socket.localPort));
    await end(socket);
  });
});
