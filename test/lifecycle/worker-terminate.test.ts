// A worker that is terminated leaks no descriptor and does not affect the process, whatever it was doing.
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';
import { repeats } from '../support/repeats.js';
import { NOTHING_LEFT, terminateWorkers } from '../support/worker-rounds.js';

/** What a worker holds: a hundred sockets of each kind. */
const HOLD = `
  const { NativeSocket, reserve } = await import('linux-sockets');
  const { native } = await import('./lib/binding.js');
  const { parentPort } = require('node:worker_threads');
  const sockets = Array.from({ length: 100 }, () => {
    const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    socket.bind('127.0.0.1:0');
    return socket;
  });
  const reservations = Array.from({ length: 100 }, (_, i) => reserve({ remote: '127.0.0.1:9', local: { address: '127.0.9.' + (i + 1) } }));
  globalThis.held = [sockets, reservations]; // out of the garbage collector's reach
  const ready = () => parentPort.postMessage('ready');
`;

/** What it does when it is terminated. */
const states: Record<string, string> = {
  'holding them': `ready(); setInterval(() => {}, 1 << 30);`,
  'waiting for all of them': `for (const socket of sockets) socket.readable().catch(() => {}); ready();`,
  'in readiness callbacks that never stop': `
    for (const socket of sockets.slice(0, 10)) (async () => { for (;;) await socket.writable(); })();
    await sockets[50].writable();
    ready();
  `,
  'busy inside a readiness callback': `
    sockets[0].readable().catch(() => {});
    await sockets[1].writable();
    ready();
    for (;;);
  `,
  'busy inside a native callback': `
    const handle = globalThis.handle = new (native().Handle)();
    handle.socket(2, 2, 0);
    const poll = new (native().Poll)(() => { ready(); for (;;); });
    poll.open(handle);
    poll.start(2);
  `,
  'throwing inside a native callback, again and again': `
    process.on('uncaughtException', () => {});
    const handle = globalThis.handle = new (native().Handle)();
    handle.socket(2, 2, 0);
    const poll = new (native().Poll)(() => { throw new Error('from the callback'); });
    poll.open(handle);
    poll.start(2);
    ready();
  `,
  'in the middle of a handshake': `
    const listener = NativeSocket.create({ family: 'ipv4', type: 'stream' });
    listener.bind('127.0.0.1:0');
    listener.listen(0);
    const clients = Array.from({ length: 4 }, () => NativeSocket.create({ family: 'ipv4', type: 'stream' }));
    for (const client of clients) { client.connect(listener.local); client.connected().catch(() => {}); }
    const reservation = reserve({ remote: listener.local });
    reservation.activate().catch(() => {});
    globalThis.more = [listener, clients];
    ready();
  `,
  'closing and making sockets': `
    ready();
    for (let i = 0; ; i = (i + 1) % 100) {
      sockets[i].close();
      sockets[i] = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      const waiting = sockets[i].readable().catch(() => {});
      await sockets[i].writable();
    }
  `,
  'calling without a pause': `
    const listener = NativeSocket.create({ family: 'ipv4', type: 'stream' });
    listener.listen();
    ready();
    for (;;) {
      const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      socket.bind('127.0.0.1:0');
      socket.sendmsg({ data: [Buffer.from('x'), Buffer.from('y')], to: socket.local, control: [{ type: 'IP_TTL', value: 9 }] });
      socket.recvmsg({ buffers: [Buffer.alloc(1), Buffer.alloc(1)], controlLength: 64 });
      listener.accept();
      reserve({ remote: '127.0.0.1:9' }).release();
      socket.close();
    }
  `,
};

/** The states in which the exact moment matters. */
const often = [
  'holding them',
  'in readiness callbacks that never stop',
  'busy inside a readiness callback',
  'busy inside a native callback',
  'closing and making sockets',
  'calling without a pause',
];

test.each(Object.entries(states))('a worker that is terminated repeatedly while %s', async (name, state) => {
  const times = repeats(often.includes(name) ? 100 : 20);
  expect(await terminateWorkers(HOLD + state, { times, held: 200 })).toEqual(NOTHING_LEFT);
});

test('a worker that ends by itself or by an error leaks no descriptor, and the error is reported', async () => {
  const script = `
    import { readdirSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    const fds = () => readdirSync('/proc/self/fd').length;
    const run = (state) => new Promise((resolve) => {
      const source = '(async () => {' + ${JSON.stringify(HOLD)} + state + '})();';
      const seen = [];
      new Worker(source, { eval: true, execArgv: [] })
        .on('error', (error) => seen.push(error.message))
        .on('exit', (code) => resolve([...seen, code].join(' ')));
    });
    const states = [
      '',
      'process.exit(3);',
      'await sockets[0].writable(); process.exit(4);',
      'await sockets[0].writable(); throw new Error("thrown");',
      'await sockets[0].writable(); queueMicrotask(() => { throw new Error("in a microtask"); });',
      \`
        const handle = globalThis.handle = new (native().Handle)();
        handle.socket(2, 2, 0);
        const poll = new (native().Poll)(() => { throw new Error('in a native callback'); });
        poll.open(handle);
        poll.start(2);
      \`,
    ];
    await run('');
    const before = fds();
    for (const state of states) console.log(await run(state));
    console.log(fds() - before);
  `;
  const { stdout, stderr } = await runNode(script);
  expect(stderr).toBe('');
  expect(stdout.trim().split('\n')).toEqual([
    '0',
    '3',
    '4',
    'thrown 1',
    'in a microtask 1',
    'in a native callback 1',
    '0',
  ]);
});
