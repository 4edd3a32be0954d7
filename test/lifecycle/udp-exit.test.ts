// What keeps a process with UdpSockets alive, and what does not. Each script exits by itself, or the test times out.
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const PROLOGUE = `
  import { UdpSocket } from 'linux-sockets';
  const make = (options) => { const udp = UdpSocket.create({ family: 'ipv4', ...options }); udp.bind('127.0.0.1:0'); return udp; };
  const udp = make();
  const send = (text) => udp.trySend(Buffer.from(text), { to: udp.local });
`;

async function output(script: string): Promise<string> {
  return (await runNode(`${PROLOGUE} ${script}`)).stdout;
}

test.each([
  ['a socket', ``],
  ['a socket with data waiting', `send('x');`],
  ['a paused listener with data waiting', `send('x'); udp.on('batch', () => console.log('no')); udp.pause();`],
  ['a listener that was removed', `const f = () => {}; udp.on('message', f); udp.off('message', f);`],
  ['a listener after unref()', `udp.on('message', () => {}); udp.unref();`],
  ['a listener that is added after unref()', `udp.unref(); udp.on('batch', () => {});`],
  [
    'a refusal that is never read',
    `const c = UdpSocket.create({ family: 'ipv4' }); c.connect('127.0.0.1:1'); c.trySend(Buffer.from('x'));`,
  ],
  [
    'an error queue without an iterator',
    `const c = make({ errorQueue: true }); c.trySend(Buffer.from('x'), { to: '127.0.0.1:1' });`,
  ],
  ['a closed socket with a listener', `udp.on('batch', () => {}); udp.close();`],
  ['an iterator without a pending next()', `udp.unref(); udp[Symbol.asyncIterator]();`],
])('the process exits with %s', async (_, script) => {
  expect(await output(script)).toBe('');
});

test.each([
  [
    'a listener',
    `udp.on('message', (data) => { console.log(String(data)); udp.close(); }); setTimeout(() => send('heard'), 100).unref();`,
  ],
  [
    'for await',
    `setTimeout(() => send('heard'), 100).unref(); for await (const { data } of udp) { console.log(String(data)); break; } udp.close();`,
  ],
  [
    'readable(), also after unref()',
    `udp.unref(); setTimeout(() => send('x'), 100).unref(); await udp.readable(); console.log('heard');`,
  ],
  [
    'a listener after ref()',
    `udp.unref(); udp.on('batch', () => { console.log('heard'); udp.close(); }); udp.ref(); setTimeout(() => send('x'), 100).unref();`,
  ],
  [
    'a resumed listener',
    `udp.on('batch', () => { console.log('heard'); udp.close(); }); udp.pause(); udp.resume(); setTimeout(() => send('x'), 100).unref();`,
  ],
])('the process stays alive with %s until it has received', async (_, script) => {
  expect(await output(script)).toBe('heard\n');
});

test('a listener that receives nothing uses no CPU time', async () => {
  const text = await output(`
    udp.on('batch', () => {});
    const before = [performance.eventLoopUtilization(), process.cpuUsage()];
    await new Promise((resolve) => setTimeout(resolve, 300));
    console.log(performance.eventLoopUtilization(before[0]).utilization < 0.2, process.cpuUsage(before[1]).user < 60_000);
    udp.close();
  `);
  expect(text).toBe('true true\n');
});

test('rejected waits and refused sends do not end a process that handles them', async () => {
  const text = await output(`
    process.on('unhandledRejection', () => console.log('unhandled')).on('uncaughtException', () => console.log('uncaught'));
    const c = UdpSocket.create({ family: 'ipv4' });
    c.connect('127.0.0.1:1');
    c.on('message', () => {});
    for (let i = 0; i < 20; i++) {
      c.send(Buffer.from('x'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log(c.stats.received.errors + c.stats.sent.pendingErrors > 0);
    await c.close();
    udp.close();
  `);
  expect(text).toBe('true\n');
});

test('on a runtime that cannot wait for sockets, only calls that wait throw', async () => {
  const { stdout } = await runNode(`
    Object.defineProperty(process, 'versions', { value: { ...process.versions, bun: '1.0.0' } });
    const { UdpSocket } = await import('linux-sockets');
    const udp = UdpSocket.create({ family: 'ipv4' });
    udp.bind('127.0.0.1:0');
    udp.trySend(Buffer.from('x'), { to: udp.local });
    const batch = udp.createReceiveBatch();
    console.log(udp.receiveBatch(batch), String.fromCharCode(batch.data(0)[0]));
    const tries = {
      batch: () => udp.on('batch', () => {}),
      message: () => udp.once('message', () => {}),
      iterator: () => udp[Symbol.asyncIterator](),
      readable: () => udp.readable(),
      writable: () => udp.writable(),
    };
    for (const [name, attempt] of Object.entries(tries)) {
      try { await attempt(); } catch (error) { console.log(name, error.code, udp.eventNames().length); }
    }
    console.log(udp.receiveBatch(batch));
    await udp.close();
  `);
  expect(stdout.trim().split('\n')).toEqual([
    '1 x',
    ...['batch', 'message', 'iterator', 'readable', 'writable'].map((name) => `${name} ERR_UNSUPPORTED 0`),
    '0',
  ]);
});
