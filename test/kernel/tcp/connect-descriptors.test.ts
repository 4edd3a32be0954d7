// No descriptor leaks, however a connection ends: killed peers, removed routes, refusals, terminated workers.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../../src/index.js';
import { nodeEnvironment, runNode, startNode } from '../../support/child.js';
import { countSockets, expectNoNewFds } from '../../support/fds.js';
import { testWith } from '../../support/kernel.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { addOtherAddresses, blackHole, checkDescriptors, ip, IPV4, refusing, until } from '../../support/fixtures.js';
import { closed, connected, peer } from '../../support/connect.js';

let far: NetworkNamespace;
let near: string;

beforeAll(async () => {
  addOtherAddresses();
  far = await NetworkNamespace.create();
  ({ peerName: near } = await far.link('current', { addresses: ['10.78.0.2/24'], peerAddresses: ['10.78.0.1/24'] }));
});
afterAll(() => far[Symbol.asyncDispose]());
checkDescriptors();

const SINK = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(0, '10.78.0.2', () => console.log(server.address().port));
`;

/** Connects `count` times to a process in the other namespace, and logs how each connection ends. */
async function busy(
  count: number,
): Promise<{ sockets: Socket[]; ends: string[]; child: ReturnType<NetworkNamespace['spawn']> }> {
  const child = far.spawn(process.execPath, ['-e', SINK]);
  const [line] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
  const ends: string[] = [];
  const options = {
    host: '10.78.0.2',
    port: Number(line),
    localAddress: '10.78.0.1',
    sockopts: { TCP_USER_TIMEOUT: 300 },
  };
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await connected(connect(options));
      socket.on('error', (error: NodeJS.ErrnoException) => ends.push(`error ${error.code}`));
      socket.on('close', () => ends.push('close'));
      socket.resume();
      return socket;
    }),
  );
  return { sockets, ends, child };
}

async function ended(child: { kill(signal: NodeJS.Signals): boolean }): Promise<void> {
  const closing = once(child as never, 'close');
  child.kill('SIGKILL');
  await closing;
}

test('connect() sockets whose upstream process is killed end, each with its own events', async () => {
  const { sockets, ends, child } = await busy(20);
  const writing = setInterval(() => sockets.forEach((socket) => socket.destroyed || socket.write('x'.repeat(1000))), 1);
  await ended(child);
  await until(() => ends.filter((end) => end === 'close').length === 20);
  clearInterval(writing);
  expect(sockets.every(({ destroyed }) => destroyed)).toBe(true);
});

test('connect() sockets whose route goes away end with an error each', async () => {
  const { sockets, ends, child } = await busy(20);
  for (const socket of sockets) socket.write('x');
  ip('link', 'set', near, 'down');
  try {
    for (const socket of sockets) socket.write('y');
    await until(() => ends.filter((end) => end === 'close').length === 20);
    expect(ends.filter((end) => end.startsWith('error'))).toHaveLength(20);
    const refused = await Promise.all(
      Array.from({ length: 5 }, () => once(connect({ host: '10.78.0.2', port: 9 }), 'error')),
    );
    for (const [error] of refused) expect(error).toMatchObject({ code: 'ENETUNREACH', reason: 'noRoute' });
  } finally {
    ip('link', 'set', near, 'up');
    await ended(child);
  }
});

test('connect() sockets of a killed client end at the peer', async () => {
  let open = 0;
  await using server = await peer('127.0.0.1', 0, (socket) => {
    open++;
    socket.on('close', () => open--).resume();
  });
  const client = startNode(`
    import { connect } from 'linux-sockets';
    const options = { host: '127.0.0.1', port: ${server.port}, localAddress: '127.0.0.6' };
    for (let i = 0; i < 20; i++) connect(options).on('connect', () => console.log('one'));
  `);
  await client.printed(/(one\s+){20}/);
  await until(() => open === 20);
  await client[Symbol.asyncDispose]();
  await until(() => open === 0);
});

test('connect() leaves no descriptor after refusals, failures before connect, and destruction at each stage', async () => {
  using dead = refusing(IPV4);
  using hole = await blackHole(IPV4);
  await using server = await peer('127.0.0.1');
  const there = { host: '127.0.0.1', localAddress: '127.0.0.6' };
  const lookup = (_name: string, _options: unknown, callback: (error: Error) => void): void =>
    callback(new Error('none'));
  await expectNoNewFds(async () => {
    for (let i = 0; i < 30; i++) {
      const sockets = [
        connect({ ...there, port: dead.local.port }),
        connect({ ...there, port: 9, localAddress: '192.0.2.1' }),
        connect({ ...there, port: 9, device: 'nope0' }),
        connect({ host: 'name', port: 9, lookup: lookup as never }),
        connect({ ...there, port: hole.local.port, timeout: 5 }).on('timeout', function (this: Socket) {
          this.destroy();
        }),
        connect({ ...there, port: hole.local.port, signal: AbortSignal.timeout(5) }),
        connect({ ...there, port: server.port }).destroy(),
        connect({ ...there, port: server.port }).on('connectionAttempt', function (this: Socket) {
          setImmediate(() => this.destroy());
        }),
        connect({ ...there, port: server.port }).on('connect', function (this: Socket) {
          this.resetAndDestroy();
        }),
      ];
      await Promise.all(
        sockets.map((socket) => {
          socket.on('error', () => undefined);
          return new Promise((resolve) => socket.on('close', resolve));
        }),
      );
    }
  });
});

test('connect() without a free descriptor fails with EMFILE of socket', async () => {
  const { stdout } = await runNode(`
      import { connect } from 'linux-sockets';
      import { openSync } from 'node:fs';
      import { createServer } from 'node:net';
      const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1', () => {
        const options = { host: '127.0.0.1', port: server.address().port };
        const first = connect(options, () => {
          const held = [];
          try { for (;;) held.push(openSync('/dev/null')); } catch {}
          connect(options).on('error', (error) => {
            console.log(error.code, error.syscall);
            process.exit();
          });
        });
      });
    `);
  expect(stdout).toBe('EMFILE socket\n');
});

test('connect() in a worker that is terminated leaves no descriptor', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { stdout } = await runNode(`
    import { Worker } from 'node:worker_threads';
    import { readdirSync } from 'node:fs';
    const sockets = () => readdirSync('/proc/self/fd').length;
    const code = \`
      const { parentPort } = require('node:worker_threads');
      import('linux-sockets').then(({ connect }) => {
        const options = { host: '127.0.0.1', port: ${port}, localAddress: '127.0.0.6' };
        for (let i = 0; i < 50; i++) connect(options).on('error', () => {});
        const range = { localPortRange: [45300, 45300], waitForLocalPort: true };
        for (let i = 0; i < 10; i++) connect({ ...options, ...range }).on('error', () => {});
        setTimeout(() => parentPort.postMessage('go'), Number(process.env.AFTER));
      });
    \`;
    const run = async (after) => {
      const worker = new Worker(code, { eval: true, execArgv: [], env: { ...process.env, AFTER: String(after) } });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    };
    await run(0);
    const before = sockets();
    for (const after of [0, 1, 5, 20]) await run(after);
    console.log(sockets() - before);
  `);
  expect(stdout).toBe('0\n');
  server.close();
  await once(server, 'close');
});

test('connect() two thousand times in turn leaves no descriptor', async () => {
  await using server = await peer('127.0.0.1');
  const before = countSockets();
  for (let i = 0; i < 2000; i += 20) {
    const sockets = Array.from({ length: 20 }, () =>
      connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.6' }),
    );
    await Promise.all(sockets.map(connected));
    await Promise.all(
      sockets.map(async (socket) => {
        socket.resetAndDestroy();
        await closed(socket);
      }),
    );
  }
  await until(() => countSockets() === before);
  expect(server.seen).toHaveLength(2000);
});

testWith({ tools: ['setpriv'] })(
  'connect() without capabilities reports the capability that mark, transparent, an option or a low port needs',
  async () => {
    const script = `
    import { connect } from 'linux-sockets';
    for (const option of [{ mark: 1 }, { transparent: true }, { sockopts: { SO_RCVBUFFORCE: 9999 } }, { localPort: 80 }]) {
      const socket = connect({ host: '127.0.0.1', port: 9, ...option });
      const error = await new Promise((resolve) => socket.on('error', resolve));
      console.log(error.code, error.syscall, error.option, error.reason, /needs CAP_\\w+/.test(error.message));
    }
  `;
    const unprivileged = ['--bounding-set', '-all', '--inh-caps', '-all', '--ambient-caps', '-all'];
    const { stdout } = await promisify(execFile)(
      'setpriv',
      [...unprivileged, process.execPath, '--input-type=module', '--eval', script],
      { env: nodeEnvironment() },
    );
    expect(stdout.trim().split('\n')).toEqual([
      'EPERM setsockopt SO_MARK notPermitted true',
      'EPERM setsockopt IP_TRANSPARENT notPermitted true',
      'EPERM setsockopt SO_RCVBUFFORCE notPermitted true',
      'EACCES bind undefined notPermitted true',
    ]);
  },
);
