// Unreferenced UdpSockets: the garbage collector closes them, with a warning, but never one that listens or waits.
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const PROLOGUE = `
  import { existsSync, readlinkSync } from 'node:fs';
  import { UdpSocket } from 'linux-sockets';
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning));
  const make = () => { const udp = UdpSocket.create({ family: 'ipv4' }); udp.bind('127.0.0.1:0'); return udp; };
  const open = (fd) => existsSync('/proc/self/fd/' + fd) && readlinkSync('/proc/self/fd/' + fd).startsWith('socket:');
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const until = async (condition) => {
    for (let i = 0; i < 200; i++) { if (condition()) return; gc(); await turn(); }
    throw new Error('it was never so: ' + condition);
  };
  const collect = async () => { for (let i = 0; i < 20; i++) { gc(); await turn(); } };
  const sender = make();
  const send = (to, text = 'x') => sender.trySend(Buffer.from(text), { to });
`;

async function run(script: string): Promise<unknown[]> {
  const { stdout } = await runNode(
    `${PROLOGUE} console.log(JSON.stringify(await (async () => { ${script} })())); process.exit();`,
    {
      execArgv: ['--expose-gc', '--no-warnings'],
    },
  );
  return JSON.parse(stdout) as unknown[];
}

test.each([
  ['that never had a listener', `return make().fd;`],
  [
    'that had a listener',
    `const udp = make(); const f = () => {}; udp.on('batch', f); udp.off('batch', f); return udp.fd;`,
  ],
  ['that is paused', `const udp = make(); udp.on('message', () => {}); udp.pause(); return udp.fd;`],
  ['that was waited for', `const udp = make(); udp.writable().then(() => {}); return udp.fd;`],
  ['with batches', `const udp = make(); udp.createReceiveBatch(); udp.createSendBatch(); return udp.fd;`],
  [
    'whose iterator was left',
    `const udp = make(); const i = udp[Symbol.asyncIterator](); i.next(); i.return(); return udp.fd;`,
  ],
])('an unreferenced UdpSocket %s is closed, with a warning', async (_, script) => {
  const [codes, stillOpen] = await run(`
    const fd = (() => { ${script} })();
    await until(() => !open(fd) && warnings.length > 0);
    await collect();
    return [warnings.map(({ code }) => code), open(fd)];
  `);
  expect([codes, stillOpen]).toEqual([['LINUX_SOCKETS_NOT_CLOSED'], false]);
});

test.each([
  ['a batch listener', `udp.on('batch', (received) => got.push(Buffer.from(received.data(0)).toString()));`],
  ['a message listener', `udp.on('message', (data) => got.push(String(data)));`],
  ['a message listener after unref()', `udp.on('message', (data) => got.push(String(data))); udp.unref();`],
  ['for await', `(async () => { for await (const { data } of udp) got.push(String(data)); })();`],
  [
    'readable()',
    `udp.readable().then(() => { const b = udp.createReceiveBatch(); udp.receiveBatch(b); got.push(Buffer.from(b.data(0)).toString()); });`,
  ],
])('an otherwise unreferenced UdpSocket with %s is kept, and receives', async (_, script) => {
  const [kept, early, got] = await run(`
    const got = [];
    const [fd, local] = (() => { const udp = make(); ${script} return [udp.fd, udp.local]; })();
    await collect();
    const [kept, early] = [open(fd), warnings.length];
    send(local, 'heard');
    for (let i = 0; i < 1000 && got.length === 0; i++) await turn();
    return [kept, early, got];
  `);
  expect([kept, early, got]).toEqual([true, 0, ['heard']]);
});

test('closed UdpSockets are collected without a warning, and their memory is freed', async () => {
  const [codes, external] = await run(`
    for (let i = 0; i < 200; i++) {
      const udp = UdpSocket.create({ family: 'ipv4', slots: 1 + (i % 100) });
      udp.bind('127.0.0.1:0');
      const got = new Promise((resolve) => udp.once('batch', resolve));
      send(udp.local);
      await got;
      await udp.close();
    }
    await collect();
    return [warnings.map(({ code }) => code), process.memoryUsage().arrayBuffers];
  `);
  expect(codes).toEqual([]);
  expect(external, 'bytes; a hundred shapes would be 330 MB').toBeLessThan(20e6);
});
