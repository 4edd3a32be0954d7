// A connection to a port of the local range on this host, where nobody listens: the kernel may pick that very port, and TCP
// then connects the socket to itself. connect(), pools and reservations never do.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { connect, EgressPool, reserve, reserveMany, type ConnectOptions } from '../../../src/index.js';
import { BOTH, checkDescriptors, rejection, thrown } from '../../support/fixtures.js';
import { peer } from '../../support/connect.js';
import { setSysctl } from '../../support/sysctl.js';

checkDescriptors();

const RANGE = 'net.ipv4.ip_local_port_range';
const TARGET = 46_101;

/** How a connection ended: 'ECONNREFUSED ' and its reason, or where it was connected to. */
async function outcome(socket: Socket): Promise<string> {
  const result = await new Promise<string>((resolve) => {
    socket.once('connect', () => resolve(`connected from ${String(socket.localPort)}`));
    socket.once('error', ({ code, reason = '' }: NodeJS.ErrnoException & { reason?: string }) =>
      resolve(`${String(code)} ${reason}`.trim()),
    );
  });
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
  return result;
}

describe.each(BOTH)('a port of the local range on this host, where nobody listens, over $family', ({ loopback }) => {
  const remote = { address: loopback, port: TARGET };
  const to = { host: loopback, port: TARGET };
  const pool = (options: object): EgressPool => new EgressPool({ sources: [loopback], ...options });

  test.each<[string, () => Socket]>([
    ['connect()', () => connect(to)],
    ['connect() from an address', () => connect({ ...to, localAddress: loopback })],
    ['connect() from the wildcard', () => connect({ ...to, localAddress: loopback.includes(':') ? '::' : '0.0.0.0' })],
    ['connect() to the wildcard', () => connect({ host: loopback.includes(':') ? '::' : '0.0.0.0', port: TARGET })],
    [
      'connect() to a mapped address',
      () => connect({ host: loopback === '::1' ? '::1' : '::ffff:127.0.0.1', port: TARGET }),
    ],
    ['connect() with a range', () => connect({ ...to, localPortRange: [TARGET - 1, TARGET + 1] })],
    ['connect() with shareLocalPort: false', () => connect({ ...to, localAddress: loopback, shareLocalPort: false })],
    ['EgressPool.connect()', () => pool({}).connect(to)],
    ['EgressPool.connect() with shareLocalPort: false', () => pool({ shareLocalPort: false }).connect(to)],
  ])('%s is refused each time, and never connected to itself', async (_, make) => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 1)}`);
    const seen = new Set<string>();
    for (let i = 0; i < 30; i++) seen.add(await outcome(make()));
    expect([...seen]).toEqual(['ECONNREFUSED']);
  });

  test.each<[string, Partial<ConnectOptions>]>([
    ['a range of that port alone', { localPortRange: [TARGET, TARGET] }],
    ['a shared localPort', { localPort: TARGET, localAddress: loopback, shareLocalPort: true }],
    ['localPort', { localPort: TARGET, localAddress: loopback }],
    ['localPort without an address', { localPort: TARGET }],
    [
      'a range of that port alone and TCP_FASTOPEN_CONNECT',
      {
        localPortRange: [TARGET, TARGET],
        sockopts: { TCP_FASTOPEN_CONNECT: true },
      },
    ],
  ])('connect() with %s is ECONNREFUSED with reason selfConnect, again and again', async (_, options) => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 1)}`);
    // A TIME-WAIT of the first one would make the second one fail otherwise.
    for (let i = 0; i < 3; i++) {
      expect(await outcome(connect({ ...to, ...options }))).toBe('ECONNREFUSED selfConnect');
    }
  });

  test('connect() is portRangeExhausted when all other ports are taken', async () => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 1)}`);
    const taken = [TARGET - 1, TARGET + 1].map((port) => reserve({ remote, local: { address: loopback, port } }));
    expect(await outcome(connect({ ...to, localAddress: loopback }))).toBe('EADDRNOTAVAIL portRangeExhausted');
    for (const reservation of taken) reservation.release();
  });

  test('connect() to a listener in the range takes all other ports of it', async () => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 2)}`);
    await using server = await peer(loopback, TARGET);
    const open = [1, 2, 3].map(() => connect({ host: loopback, port: server.port, localAddress: loopback }));
    await Promise.all(open.map((socket) => once(socket, 'connect')));
    expect(new Set(open.map(({ localPort }) => localPort))).toEqual(new Set([TARGET - 1, TARGET + 1, TARGET + 2]));
    for (const socket of open) socket.resetAndDestroy();
    await Promise.all(open.map((socket) => once(socket, 'close')));
  });

  test('reserveMany() takes the port of the destination last', () => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 2)}`);
    const held = reserveMany(4, { remote, local: { address: loopback } });
    expect(held.map(({ local }) => local.port).indexOf(TARGET)).toBe(3);
    for (const reservation of held) reservation.release();
  });

  test('activate() and toSocket() of a reservation toward itself are ECONNREFUSED, and free the port', async () => {
    using _range = setSysctl(RANGE, `${String(TARGET - 1)} ${String(TARGET + 1)}`);
    const itself = (to = remote): ReturnType<typeof reserve> =>
      reserve({ remote: to, local: { address: loopback, port: TARGET } });
    const refused = { code: 'ECONNREFUSED', syscall: 'connect', reason: 'selfConnect', localPort: TARGET };
    const first = itself();
    expect(await rejection(first.activate())).toMatchObject(refused);
    expect(first.state).toBe('released');
    const second = itself();
    expect(thrown(() => second.toSocket())).toMatchObject(refused);
    expect(second.state).toBe('released');
    const wildcard = itself({ address: loopback.includes(':') ? '::' : '0.0.0.0', port: TARGET });
    expect(await rejection(wildcard.activate())).toMatchObject({ code: 'ECONNREFUSED', reason: 'selfConnect' });
    itself().release();
  });
});
