// listen in worker threads: each has its own listening socket, and a terminated thread leaves none behind.
import net from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { runNode, startWorker } from '../support/child.js';
import { expectNoNewFds } from '../support/fds.js';

const LISTEN = `
  const net = require('node:net');
  const { once } = require('node:events');
  const { listen } = await import('linux-sockets');
  const server = net.createServer((socket) => socket.end('thread ' + require('node:worker_threads').threadId));
  await once(listen(server, workerData), 'listening');
  parentPort.postMessage(server.address().port);
`;

test('listen() with reusePort in threads shares the port; a terminated thread leaves it to the others', async () => {
  await expectNoNewFds(async () => {
    const workers: Worker[] = [];
    let port = 0;
    try {
      for (let i = 0; i < 3; i++) {
        const worker = startWorker(LISTEN, { host: '127.0.0.1', port, reusePort: true });
        workers.push(worker);
        [port] = (await once(worker, 'message')) as [number];
      }
      expect((await answers(port)).size).toBe(3);
      await workers.pop()!.terminate();
      expect((await answers(port)).size).toBe(2);
      await workers.pop()!.terminate();
      expect((await answers(port)).size).toBe(1);
    } finally {
      await Promise.all(workers.map(async (worker) => worker.terminate()));
    }
    await expect(text(net.connect(port, '127.0.0.1'))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

test('listen() lets the process exit once the server is closed, and at process.exit while listening', async () => {
  const prologue = `import net from 'node:net'; import { listen } from 'linux-sockets';`;
  for (const [body, code] of [
    ['listen(net.createServer(), {}, function () { this.close(); });', 0],
    ['listen(net.createServer(), {}).unref();', 0],
    ['listen(net.createServer(), {}, () => process.exit(7));', 7],
    ['listen(net.createServer(), {}); process.exit(7);', 7],
    ['listen(net.createServer(), { signal: AbortSignal.abort() });', 0],
  ] as const) {
    const ended = await runNode(`${prologue} ${body}`, { allowFailure: true });
    expect(ended, body).toEqual({ code, signal: null, stdout: '', stderr: '' });
  }
});

test('a server outlives the garbage collection of the socket that made its descriptor', async () => {
  const { stdout } = await runNode(
    `
    import net from 'node:net';
    import { once } from 'node:events';
    import { text } from 'node:stream/consumers';
    import { listen } from 'linux-sockets';
    const server = net.createServer((socket) => socket.end('hello'));
    await once(listen(server, { host: '127.0.0.1' }), 'listening');
    for (let i = 0; i < 5; i++) {
      globalThis.gc();
      await new Promise(setImmediate);
      console.log(await text(net.connect(server.address().port, '127.0.0.1')));
    }
    server.close();
    `,
    { execArgv: ['--expose-gc'] },
  );
  expect(stdout).toBe('hello\n'.repeat(5));
});

/** Which servers answer, over enough connections that each is reached (misses one in 10 ** 11 runs). */
async function answers(port: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < 64; i++) seen.add(await text(net.connect(port, '127.0.0.1')));
  return seen;
}
