// listen in the workers of a cluster: each has its own listening socket, or that of the primary.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { runNode, startNode } from '../support/child.js';

const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-cluster-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** cluster forks a file, not source text. */
function script(name: string, body: string): string {
  const path = join(directory, `${name}.mjs`);
  const library = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href);
  writeFileSync(
    path,
    `
    import cluster from 'node:cluster';
    import { once } from 'node:events';
    import { readdirSync, readlinkSync } from 'node:fs';
    import http from 'node:http';
    import net from 'node:net';
    import { getOption, listen } from ${library};
    const sockets = () => readdirSync('/proc/self/fd').filter((fd) => {
      try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; }
    }).length;
    ${body}
    `,
  );
  return path;
}

test('listen() with reusePort in cluster workers shares the port, and each worker accepts connections', async () => {
  const path = script(
    'shared',
    `
    if (cluster.isPrimary) {
      const workers = [cluster.fork(), cluster.fork(), cluster.fork()];
      await Promise.all(workers.map((worker) => once(worker, 'message'))); // they are ready for messages
      const port = 47110;
      for (const worker of workers) {
        worker.send(port);
        const [answer] = await once(worker, 'message');
        console.log(JSON.stringify(answer));
      }
      console.log('ready ' + port);
      process.once('message', () => { for (const worker of workers) worker.kill(); });
      await Promise.all(workers.map((worker) => once(worker, 'exit')));
      process.disconnect();
    } else {
      process.once('message', async (port) => {
        const before = sockets();
        const server = http.createServer((request, response) => response.end('worker ' + cluster.worker.id));
        listen(server, { host: '127.0.0.1', port, reusePort: true, freebind: true });
        await once(server, 'listening');
        process.send({
          opened: sockets() - before,
          port: server.address().port,
          freebind: getOption(server, 'IP_FREEBIND'),
          reusePort: getOption(server, 'SO_REUSEPORT'),
        });
      });
      process.send('started');
    }
    `,
  );
  await using running = startNode(path, { ipc: true });
  const [, port = ''] = await running.printed(/ready (\d+)/);
  const answers = new Set<string>();
  for (let i = 0; i < 64; i++) {
    const socket = net.connect(Number(port), '127.0.0.1');
    socket.end('GET / HTTP/1.0\r\n\r\n');
    answers.add(/worker \d/.exec(await text(socket))?.[0] ?? 'none');
  }
  expect([...answers].sort()).toEqual(['worker 1', 'worker 2', 'worker 3']);
  running.child.send('end');
  const { stdout, stderr } = await running.result;
  expect(stderr).toBe('');
  const workers = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as unknown);
  expect(workers).toEqual(Array(3).fill({ opened: 1, port: Number(port), freebind: true, reusePort: true }));
});

test('listen() without reusePort in a second cluster worker fails with EADDRINUSE and a remedy', async () => {
  const path = script(
    'clash',
    `
    if (cluster.isPrimary) {
      const workers = [];
      for (let i = 0; i < 2; i++) {
        workers.push(cluster.fork());
        const [answer] = await once(workers[i], 'message');
        console.log(JSON.stringify(answer));
      }
      for (const worker of workers) worker.kill();
    } else {
      const server = net.createServer();
      listen(server, { host: '127.0.0.1', port: 47111, exclusive: true });
      server.on('listening', () => process.send('listening'));
      server.on('error', ({ code, syscall, reason, message }) => process.send({ code, syscall, reason, message }));
    }
    `,
  );
  const { stdout } = await runNode(path);
  const [first, second] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(first).toBe('listening');
  expect(second).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', reason: 'portInUse' });
  expect((second as { message: string }).message).toContain('reusePort: true');
});

test('listen() with exclusive: false is refused in a cluster worker, and ignored elsewhere', async () => {
  const path = script(
    'exclusive',
    `
    if (cluster.isPrimary) {
      const alone = listen(net.createServer(), { host: '127.0.0.1', exclusive: false });
      await once(alone, 'listening');
      alone.close();
      const worker = cluster.fork();
      const [answer] = await once(worker, 'message');
      console.log(answer);
      cluster.disconnect();
    } else {
      try {
        listen(net.createServer(), { exclusive: false });
        process.send('listens');
      } catch (error) {
        process.send(error.code);
      }
    }
    `,
  );
  expect((await runNode(path)).stdout.trim()).toBe('ERR_INVALID_ARG_VALUE');
});

test('cluster.disconnect ends workers that close their servers, as the guide documents', async () => {
  const path = script(
    'disconnect',
    `
    if (cluster.isPrimary) {
      const worker = cluster.fork();
      await once(worker, 'message');
      cluster.disconnect();
      const [code, signal] = await once(worker, 'exit');
      console.log(JSON.stringify({ code, signal }));
    } else {
      const server = listen(net.createServer(), { host: '127.0.0.1' }, () => process.send('listening'));
      cluster.worker.on('disconnect', () => server.close());
    }
    `,
  );
  expect(JSON.parse((await runNode(path)).stdout)).toEqual({ code: 0, signal: null });
});

test('a server of the primary can be sent to cluster workers, with the options of its socket', async () => {
  const path = script(
    'owned',
    `
    if (cluster.isPrimary) {
      const server = net.createServer();
      await once(listen(server, { host: '192.0.2.44', freebind: true, backlog: 7 }), 'listening');
      const { port } = server.address();
      const workers = [cluster.fork(), cluster.fork()];
      await Promise.all(workers.map((worker) => once(worker, 'message'))); // they are ready for messages
      for (const worker of workers) {
        worker.send('server', server);
        const [answer] = await once(worker, 'message');
        console.log(JSON.stringify(answer));
      }
      server.close(); // the workers accept
      console.log('ready ' + port);
      process.once('message', () => { for (const worker of workers) worker.kill(); });
      await Promise.all(workers.map((worker) => once(worker, 'exit')));
      process.disconnect();
    } else {
      process.once('message', (_, server) => {
        server.on('connection', (socket) => socket.end('worker ' + cluster.worker.id));
        process.send({ address: server.address().address, freebind: getOption(server, 'IP_FREEBIND') });
      });
      process.send('started');
    }
    `,
  );
  await using running = startNode(path, { ipc: true });
  const [, port = ''] = await running.printed(/ready (\d+)/);
  execFileSync('ip', ['route', 'add', 'local', '192.0.2.44', 'dev', 'lo']);
  for (let i = 0; i < 8; i++) expect(await text(net.connect(Number(port), '192.0.2.44'))).toMatch(/^worker \d$/);
  running.child.send('end');
  const { stdout } = await running.result;
  expect(stdout.match(/\{.*\}/g)).toEqual(Array(2).fill('{"address":"192.0.2.44","freebind":true}'));
});
