// Names with several addresses: every attempt leaves from the requested source, or is not made.
import { once } from 'node:events';
import { connect as netConnect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type ConnectOptions } from '../../../src/index.js';
import { runNode } from '../../support/child.js';
import { Capture } from '../../support/capture.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { closeAll, resolving, witness } from '../../support/egress.js';
import { addOtherAddresses, checkDescriptors, ip, IPV4, refusing } from '../../support/fixtures.js';
import { closed, connected, failing, holding, peer } from '../../support/connect.js';

/** Never answers: the peer's namespace drops what arrives for this address. */
const HOLE = '10.77.0.9';
const LIVE = '10.77.0.2';
const LIVE6 = 'fd00:77::2';
let far: NetworkNamespace;
let near: string;

beforeAll(async () => {
  addOtherAddresses();
  far = await NetworkNamespace.create();
  const link = await far.link('current', {
    addresses: [`${LIVE}/24`, `${LIVE6}/64`],
    peerAddresses: ['10.77.0.1/24', '10.77.0.3/24', 'fd00:77::1/64', 'fd00:77::3/64'],
  });
  near = link.peerName;
  // Resolved, and dropped on arrival, since no interface there has the address.
  const [, mac = ''] = /link\/ether (\S+)/.exec(await far.run('ip', 'link', 'show', link.name)) ?? [];
  ip('neigh', 'add', HOLE, 'lladdr', mac, 'dev', near);
});
afterAll(() => far[Symbol.asyncDispose]());
checkDescriptors();

interface Address {
  address: string;
  family: number;
}
const four = (address: string): Address => ({ address, family: 4 });
const six = (address: string): Address => ({ address, family: 6 });

function to(addresses: readonly Address[], port: number): ConnectOptions {
  return {
    host: 'name.test',
    port,
    lookup: (_name, options, callback) => {
      process.nextTick(() => {
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, addresses[0]!.address, addresses[0]!.family);
      });
    },
    autoSelectFamilyAttemptTimeout: 50,
  };
}

test('connect() to a name whose first address is dead sends both SYNs from the range and connects to the second', async () => {
  const listener = far.spawn(process.execPath, ['-e', SERVER, LIVE6]);
  const [line] = (await once(listener.stdout!.setEncoding('utf8'), 'data')) as [string];
  const port = Number(line);
  using capture = Capture.start(near);
  const socket = connect({ ...to([four(HOLE), six(LIVE6)], port), localPortRange: [46_000, 46_009], mark: 7 });
  const attempts: unknown[] = [];
  socket.on('connectionAttempt', (address) => attempts.push(address));
  socket.on('connectionAttemptTimeout', (address) => attempts.push(`timeout ${address}`));
  const [data] = (await once(socket, 'data')) as [Buffer];
  expect(attempts).toEqual([HOLE, `timeout ${HOLE}`, LIVE6]);
  expect(String(data)).toMatch(/^fd00:77::[13] 4600\d$/);
  const syns = (await capture.frames()).filter(({ flags }) => flags.join() === 'SYN');
  expect(new Set(syns.map(({ destination }) => destination.address))).toEqual(new Set([HOLE, LIVE6]));
  for (const { source } of syns) expect(source.port).toSatisfy((p: number) => 46_000 <= p && p <= 46_009);
  await closed(socket);
  listener.kill();
  await once(listener, 'close');
});

test('connect() with localAddress tries the first address only, as Node does, from that source', async () => {
  await using server = await peer('::');
  const socket = await connected(
    connect({ ...to([four('127.0.0.1'), six('::1')], server.port), localAddress: '127.0.0.8' }),
  );
  expect(await server.next()).toMatch(/^127\.0\.0\.8:/);
  await closed(socket);
  const error = await failing(
    connect({ ...to([six('::1'), four('127.0.0.1')], server.port), localAddress: '127.0.0.8' }),
  );
  expect(error).toMatchObject({ code: 'EINVAL', syscall: 'bind', reason: 'familyMismatch' });
  expect(server.seen).toHaveLength(1);
});

test('connect() with localPort to several addresses uses that port for each', async () => {
  using dead = refusing(IPV4);
  await using server = await peer('::1', dead.local.port);
  const socket = await connected(connect({ ...to([four('127.0.0.1'), six('::1')], server.port), localPort: 22_345 }));
  expect(await server.next()).toBe('::1:22345');
  await closed(socket);
});

test('connect() to several addresses that fail reports each failure, and all of them in the AggregateError', async () => {
  using held = holding();
  await using server = await peer('::');
  const range = [46_020, 46_020] as const;
  await connected(held.add(connect({ host: '127.0.0.1', port: server.port, localPortRange: range })));
  await connected(held.add(connect({ host: '::1', port: server.port, localPortRange: range })));
  const socket = connect({ ...to([four('127.0.0.1'), six('::1')], server.port), localPortRange: range });
  const attempts: Error[] = [];
  socket.on('connectionAttemptFailed', (_address, _port, _family, error) => attempts.push(error));
  const error = await failing(socket);
  expect(error.name).toBe('AggregateError');
  expect(error.errors?.map(({ code, reason, address }) => [code, reason, address])).toEqual([
    ['EADDRNOTAVAIL', 'portRangeExhausted', '127.0.0.1'],
    ['EADDRNOTAVAIL', 'portRangeExhausted', '::1'],
  ]);
  expect(attempts).toEqual(error.errors);
});

test('connect() to several addresses without a free descriptor reports EMFILE once for each', async () => {
  const { stdout } = await runNode(`
    import { connect } from 'linux-sockets';
    import { openSync } from 'node:fs';
    const lookup = (host, options, answer) =>
      process.nextTick(answer, null, [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]);
    const held = [];
    connect({ port: 9 }).destroy(); // the addon is loaded from here on
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    connect({ host: 'name.test', port: 9, lookup }).on('error', ({ errors }) => {
      console.log(JSON.stringify(errors.map(({ code, syscall, message }) => [code, syscall, message.split('ulimit').length])));
    });
  `);
  expect(JSON.parse(stdout)).toEqual([
    ['EMFILE', 'socket', 2],
    ['EMFILE', 'socket', 2],
  ]);
});

test('connect() to several addresses fails each attempt whose options cannot be set, and sends nothing', async () => {
  await using server = await peer('::');
  const socket = connect({ ...to([four('127.0.0.1'), six('::1')], server.port), device: 'nope0' });
  const attempts: unknown[] = [];
  socket.on('connectionAttemptFailed', (_address, _port, _family, error) => attempts.push(error.message));
  const error = await failing(socket);
  expect(error.errors).toHaveLength(2);
  for (const one of error.errors ?? []) {
    expect(one).toMatchObject({ code: 'ENODEV', syscall: 'setsockopt', option: 'SO_BINDTODEVICE', reason: 'noDevice' });
  }
  expect(attempts).toEqual(error.errors?.map(({ message }) => message));
  expect(server.seen).toEqual([]);
});

test('connect() works with a lookup that calls back synchronously', async () => {
  await using server = await peer('::1');
  const make = (connecting: (options: TcpNetConnectOpts) => Socket): Socket =>
    connecting({
      host: 'name.test',
      port: server.port,
      lookup: (_name, _options, callback) => callback(null, [four('127.0.0.1'), six('::1')]),
    });
  const socket = await connected(make((options) => connect({ ...options, localPortRange: [46_030, 46_039] })));
  expect(await server.next()).toMatch(/^::1:4603\d$/);
  await closed(socket);
  await closed(await connected(make(netConnect)));
});

test('connect() leaves nothing behind for losing attempts and destroyed sockets', async () => {
  await using server = await peer('::');
  for (let i = 0; i < 20; i++) {
    const socket = connect({ ...to([four(HOLE), six('::1')], server.port), localPortRange: [46_040, 46_099] });
    socket.on('error', () => undefined);
    if (i % 2 === 0)
      await new Promise((resolve) =>
        socket.on(i % 4 === 0 ? 'connectionAttempt' : 'connectionAttemptTimeout', resolve),
      );
    else await connected(socket);
    await closed(socket);
  }
});

const SERVER = `
  const server = require('node:net').createServer((socket) => socket.end(socket.remoteAddress + ' ' + socket.remotePort));
  server.listen(0, process.argv[1], () => console.log(server.address().port));
`;

test('connect() from an IPv4 address to a name whose first address is IPv6 connects to its IPv4 address', async () => {
  await using server = await witness('127.0.0.1');
  const to = { host: 'both.test', port: server.port, lookup: resolving('::1', '127.0.0.1') };
  const socket = connect({ ...to, localAddress: '127.0.0.9' });
  await once(socket, 'connect');
  expect(socket).toMatchObject({ remoteAddress: '127.0.0.1', localAddress: '127.0.0.9' });
  await closeAll(socket);
});
