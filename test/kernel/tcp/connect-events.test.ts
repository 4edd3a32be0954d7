// connect and net.connect side by side: the same scenario, the same events in the same order, the same errors.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { request } from 'node:http';
import { BlockList, connect as netConnect, createServer, type Socket, type TcpNetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { connect, EgressPool, NativeSocket } from '../../../src/index.js';
import {
  address,
  addOtherAddresses,
  blackHole,
  checkDescriptors,
  IPV4,
  refusing,
  thrown,
} from '../../support/fixtures.js';
import { closed, connected, peer } from '../../support/connect.js';

beforeAll(addOtherAddresses);
checkDescriptors();

type Connect = (options: TcpNetConnectOpts, listener?: () => void) => Socket;

const EVENTS = [
  'lookup',
  'connectionAttempt',
  'connectionAttemptFailed',
  'connectionAttemptTimeout',
  'connect',
  'ready',
  'timeout',
  'data',
  'end',
  'finish',
  'error',
  'close',
] as const;

/** Everything observable of a connection from its start to its 'close', without what differs from run to run. */
async function logOf(
  make: Connect,
  options: TcpNetConnectOpts & Record<string, unknown>,
  act?: (socket: Socket) => void,
): Promise<string[]> {
  const log: string[] = [];
  const socket = make(options, () => log.push('listener'));
  log.push(`returned: connecting ${socket.connecting}, pending ${socket.pending}, ${socket.readyState}`);
  for (const name of EVENTS) {
    socket.on(name, (...args: unknown[]) => {
      log.push(`${name}(${args.map(show).join(', ')}) ${socket.connecting} ${socket.readyState} ${socket.destroyed}`);
    });
  }
  act?.(socket);
  // Not `once`, which would reject with the error; `socket.closed` is true before the event.
  await new Promise((resolve) => socket.on('close', resolve));
  log.push(`attempted ${String(socket.autoSelectFamilyAttemptedAddresses)}`);
  return log;
}

function show(value: unknown): string {
  if (!(value instanceof Error)) return String(value);
  const { code, errno, syscall, address, port, errors } = value as NodeJS.ErrnoException & Record<string, unknown>;
  // Our message continues after Node's, and local ports are the kernel's choice.
  const message = value.message.split('. ')[0]?.replace(/:\d+\)/g, ':*)');
  const inner = Array.isArray(errors) ? ` [${errors.map(show).join('; ')}]` : '';
  return `${value.name} ${String(code)} ${String(errno)} ${String(syscall)} ${String(address)} ${String(port)} ${String(message)}${inner}`;
}

async function same(
  options: TcpNetConnectOpts & Record<string, unknown>,
  act?: (socket: Socket) => void,
): Promise<string[]> {
  const nodes = await logOf(netConnect, options, act);
  const ours = await logOf(connect, options, act);
  expect(ours).toEqual(nodes);
  return ours;
}

const lookupOf =
  (...addresses: { address: string; family: number }[]): NonNullable<TcpNetConnectOpts['lookup']> =>
  (_name, options, callback) => {
    process.nextTick(() => {
      const [first] = addresses;
      if (options.all === true) callback(null, addresses);
      else callback(null, first!.address, first!.family);
    });
  };

const V4 = { address: '127.0.0.1', family: 4 };
const V6 = { address: '::1', family: 6 };

test('connect() emits what net.connect emits for an address of each family, a name, and data both ways', async () => {
  await using server = await peer('::', 0, (socket) => socket.end('bye'));
  const { port } = server;
  const quiet = (socket: Socket): void => void socket.end('hello');
  for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) await same({ host, port }, quiet);
  for (const localAddress of ['127.0.0.1', '127.0.0.5']) await same({ host: '127.0.0.1', port, localAddress }, quiet);
  await same({ host: 'localhost', port, family: 4 }, quiet);
  await same({ host: 'name', port, lookup: lookupOf(V4) }, quiet);
  await same({ host: 'name', port, lookup: lookupOf(V4), localAddress: '127.0.0.5' }, quiet);
  await same({ host: 'name', port, lookup: lookupOf(V6, V4) }, quiet);
  await same({ host: 'name', port, lookup: lookupOf(V6, V4), autoSelectFamily: false }, quiet);
  await same({ host: 'name', port, lookup: lookupOf(V4, V4) }, quiet);
});

test('connect() emits what net.connect emits for a refusal of one and of several addresses', async () => {
  using peer4 = refusing(IPV4);
  const { port } = peer4.local;
  await same({ host: '127.0.0.1', port });
  await same({ host: '127.0.0.1', port, localAddress: '127.0.0.5' });
  await same({ host: '127.0.0.1', port, localAddress: '127.0.0.5', localPort: 21_000 });
  await same({ host: 'name', port, lookup: lookupOf(V4) });
  await same({ host: 'name', port, lookup: lookupOf(V4, V6) });
  await same({ host: 'name', port, lookup: lookupOf(V4, V6, { address: '127.0.0.6', family: 4 }) });
});

test('connect() emits what net.connect emits for failures of bind and connect', async () => {
  await same({ host: '127.0.0.1', port: 9, localAddress: '192.0.2.1' });
  await same({ host: '::1', port: 9, localAddress: '127.0.0.1' });
  await same({ host: '127.0.0.1', port: 9, localAddress: '::1' });
  await same({ host: '198.51.100.1', port: 9 });
  await same({
    host: 'name',
    port: 9,
    lookup: lookupOf({ address: '198.51.100.1', family: 4 }, { address: 'fd00:5::1', family: 6 }),
  });
  using taken = refusing(IPV4);
  await same({ host: '127.0.0.1', port: 9, localAddress: '127.0.0.1', localPort: taken.local.port });
});

test('connect() emits what net.connect emits for a lookup that fails or returns nonsense', async () => {
  const fails = { host: 'name', port: 9 };
  const error = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  await same({ ...fails, lookup: (_n, _o, callback) => process.nextTick(callback, error, '', 4) });
  await same({ ...fails, family: 4, lookup: (_n, _o, callback) => process.nextTick(callback, error, '', 4) });
  await same({ ...fails, family: 4, lookup: (_n, _o, callback) => process.nextTick(callback, null, 'nonsense', 4) });
  await same({ ...fails, family: 4, lookup: (_n, _o, callback) => process.nextTick(callback, null, '127.0.0.1', 5) });
  await same({
    ...fails,
    lookup: (_n, _o, callback) => process.nextTick(callback, null, [{ address: 'x', family: 4 }]),
  });
});

test('connect() throws what net.connect throws for a lookup that throws', () => {
  const boom = new Error('boom');
  const options: TcpNetConnectOpts = {
    host: 'name',
    port: 9,
    lookup: () => {
      throw boom;
    },
  };
  expect(thrown(() => netConnect(options))).toBe(boom);
  expect(thrown(() => connect(options))).toBe(boom);
});

test('connect() emits what net.connect emits when destroyed at once, during lookup, and between events', async () => {
  await using server = await peer('::', 0, (socket) => socket.end('bye'));
  const there = { host: '127.0.0.1', port: server.port };
  const name = { host: 'name', port: server.port, lookup: lookupOf(V4, V6) };
  for (const options of [there, name]) {
    await same(options, (socket) => socket.destroy());
    await same(options, (socket) => socket.destroy(new Error('mine')));
    await same(options, (socket) => process.nextTick(() => socket.destroy()));
    await same(options, (socket) => setImmediate(() => socket.destroy()));
    await same(options, (socket) => void socket.on('connect', () => socket.destroy()));
    await same(options, (socket) => void socket.on('lookup', () => socket.destroy()));
    await same(options, (socket) => socket.resetAndDestroy());
  }
});

test('socket.connect() called again before the first is done behaves as in net', async () => {
  using hole = await blackHole(IPV4);
  const there = { host: '127.0.0.1', port: hole.local.port };
  const from = { ...there, localAddress: '127.0.0.5' };
  for (const options of [there, from]) {
    const again = (socket: Socket): void =>
      void socket.once('connectionAttempt', () => setImmediate(() => socket.connect(options)));
    await same(options, again);
  }
});

test('connect() with an AbortSignal behaves as net.connect, before and during', async () => {
  using hole = await blackHole(IPV4);
  const there = { host: '127.0.0.1', port: hole.local.port };
  // Node connects all the same, after 'close', and leaves the descriptor open.
  const log = await logOf(connect, { ...there, signal: AbortSignal.abort() });
  expect(log.slice(1, -1).map((line) => line.split(' ')[0])).toEqual(['error(AbortError', 'close()']);
  await Promise.all(
    [netConnect as Connect, connect].map(async (make) => {
      const controller = new AbortController();
      const during = await logOf(make, { ...there, signal: controller.signal }, (socket) => {
        socket.on('connectionAttempt', () => setImmediate(() => controller.abort()));
      });
      expect(during.some((line) => line.startsWith('error(AbortError ABORT_ERR'))).toBe(true);
    }),
  );
});

test('connect() with an aborted signal still throws for wrong arguments, and looks nothing up', async () => {
  const signal = AbortSignal.abort();
  const pool = new EgressPool({ sources: ['127.0.0.5'] });
  for (const make of [connect, pool.connect.bind(pool)] as Connect[]) {
    for (const [wrong, code] of [
      [{ port: 99_999 }, 'ERR_SOCKET_BAD_PORT'],
      [{ port: 9, host: 'name.test', lookup: 7 }, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      expect(thrown(() => make({ signal, ...wrong } as never))).toMatchObject({ code });
    }
  }
  for (const make of [connect, pool.connect.bind(pool)] as Connect[]) {
    const socket = make({
      ...{ port: 9, host: 'name.test', signal },
      lookup: () => expect.unreachable('nobody waits for an answer'),
    });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.name).toBe('AbortError');
  }
  expect(pool.stats).toMatchObject({ held: 0, total: 0, failed: 0 });
});

test('connect() emits what net.connect emits for timeouts of the socket and of an attempt', async () => {
  using hole = await blackHole(IPV4);
  await same({ host: '127.0.0.1', port: hole.local.port, timeout: 30 }, (socket) => {
    socket.on('timeout', () => socket.destroy(new Error('too slow')));
  });
  const lookup = lookupOf(V4, V6);
  const log = await same({ host: 'name', port: hole.local.port, lookup, autoSelectFamilyAttemptTimeout: 20 });
  expect(log.join()).toContain('connectionAttemptTimeout');
});

test('connect() honours noDelay, keepAlive, allowHalfOpen and onread', async () => {
  await using server = await peer('::', 0, (socket) => socket.end('bye'));
  const there = { host: '127.0.0.1', port: server.port };
  for (const make of [netConnect as Connect, connect]) {
    const socket = make({ ...there, noDelay: true, keepAlive: true, keepAliveInitialDelay: 7000, allowHalfOpen: true });
    await once(socket, 'connect');
    const { getOption } = await import('../../../src/index.js');
    expect(getOption(socket, 'TCP_NODELAY')).toBe(true);
    expect(getOption(socket, 'SO_KEEPALIVE')).toBe(true);
    expect(getOption(socket, 'TCP_KEEPIDLE')).toBe(7);
    socket.resume();
    await once(socket, 'end');
    expect(socket.writable).toBe(true);
    await closed(socket);

    let buffers = 0;
    const texts: string[] = [];
    const reading = make({
      ...there,
      onread: {
        buffer: () => {
          buffers++;
          return Buffer.alloc(2);
        },
        callback: (length, buffer) => {
          texts.push(Buffer.from(buffer).toString('latin1', 0, length));
          return true;
        },
      },
    });
    reading.on('data', () => texts.push('never'));
    await once(reading, 'end');
    expect([texts.join(''), buffers]).toEqual(['bye', buffers]);
    expect(buffers).toBeGreaterThanOrEqual(2);
    await closed(reading);
  }
});

test('connect() honours a BlockList on a Node that has it', async () => {
  await using server = await peer('::');
  const blockList = new BlockList();
  blockList.addAddress('127.0.0.1');
  const end = (socket: Socket): void => void socket.on('connect', () => socket.destroy());
  await same({ host: '127.0.0.1', port: server.port, blockList }, end);
  await same({ host: 'name', port: server.port, lookup: lookupOf(V4, V6), blockList }, end);
});

test('connect() sends what was written before it connected, and honours pause and resume', async () => {
  await using server = await peer('::', 0, (socket) => socket.pipe(socket));
  const socket = connect({ host: '127.0.0.1', port: server.port });
  socket.pause();
  socket.write('one, ');
  socket.end('two');
  await once(socket, 'finish');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  expect(text).toBe('one, two');
});

test('connect() accepts the forms of net.connect', async () => {
  using _ = address('10.88.0.1/32'); // getaddrinfo omits families for which the host has no address
  await using server = await peer('::');
  const { port } = server;
  const forms = [
    (done: () => void) => connect(port, done),
    (done: () => void) => connect(port, '127.0.0.1', done),
    (done: () => void) => connect({ port }, done),
    (done: () => void) => connect(String(port) as unknown as number, done),
  ];
  for (const form of forms) {
    await new Promise<void>((resolve) => {
      const socket = form(() => {
        void closed(socket).then(resolve);
      });
    });
  }
  expect(server.seen).toHaveLength(forms.length);
});

test('connect({ path }) is passed to net.connect', async () => {
  const path = join(tmpdir(), `linux-sockets-connect-${process.pid}.sock`);
  const server = createServer((socket) => socket.end('by path')).listen(path);
  await once(server, 'listening');
  for (const make of [() => connect(path), () => connect({ path } as never)]) {
    const socket = make();
    expect(String((await once(socket, 'data'))[0])).toBe('by path');
    await closed(socket);
  }
  server.close();
  await once(server, 'close');
});

test('connect({ fd }) is passed to net.connect, and a handle that is not one is not', async () => {
  await using server = await peer('127.0.0.1');
  const there = { host: '127.0.0.1', port: server.port };
  const raw = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  raw.bind({ address: '127.0.0.7', port: 0 });
  const socket = await connected(connect({ ...there, fd: raw.detach() }));
  expect(await server.next()).toMatch(/^127\.0\.0\.7:/);
  await closed(socket);
  for (const handle of [null, false]) {
    const none = connect({ ...there, localAddress: '127.255.255.255', handle } as never);
    const [error] = (await once(none, 'error')) as [Error];
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', reason: 'notUnicast' }); // net.connect leaves from elsewhere
  }
  expect(server.seen).toHaveLength(1);
});

test('connect() publishes each socket once to net.client.socket', async () => {
  await using server = await peer('::');
  const heard: unknown[] = [];
  const listener = (message: unknown): void => void heard.push((message as { socket: unknown }).socket);
  subscribe('net.client.socket', listener);
  try {
    const sockets = [1, 2, 3].map(() => connect({ host: '127.0.0.1', port: server.port }));
    expect(heard).toEqual(sockets);
    for (const socket of sockets) await closed(await connected(socket));
    expect(heard).toHaveLength(3);
  } finally {
    unsubscribe('net.client.socket', listener);
  }
});

test('connect() emits events in the async context of the caller', async () => {
  await using server = await peer('::');
  const storage = new AsyncLocalStorage<string>();
  // Node emits in the context of connect; a listener that was added outside of it proves that.
  const socket = storage.run('mine', () => connect({ host: '127.0.0.1', port: server.port }));
  const seen = await new Promise((resolve) => socket.on('connect', () => resolve(storage.getStore())));
  expect(seen).toBe('mine');
  await closed(socket);
});

test('connect() works as createConnection of http.request', async () => {
  const { createServer: createHttpServer } = await import('node:http');
  const server = createHttpServer((incoming, outgoing) => outgoing.end(incoming.socket.remoteAddress));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const outgoing = request({
    host: '127.0.0.1',
    port,
    createConnection: (options) => connect({ ...(options as TcpNetConnectOpts), localAddress: '127.0.0.5' }),
  }).end();
  const [incoming] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
  let text = '';
  for await (const chunk of incoming) text += String(chunk);
  expect(text).toBe('127.0.0.5');
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

test('connect(): a reset while the end is being sent, which libuv refuses, closes the descriptor all the same', async () => {
  await using server = await peer('127.0.0.1', 0, (accepted) => accepted.pause());
  const socket = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.end();
  socket.resetAndDestroy().destroy(); // a second error of a tunnel, say
  await closed;
});
