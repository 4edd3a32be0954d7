// examples/egress-proxy and hostile clients: a thousand sessions that are split anywhere, send garbage, reset or send nothing.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startProxy, type RunningProxy } from '../support/egress-proxy.js';

const SESSIONS = 1000;
const AT_A_TIME = 40;
const upstream = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
let port: number;
beforeAll(async () => {
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  ({ port } = upstream.address() as AddressInfo);
});
afterAll(() => void upstream.close());

/** The messages of a good client. */
function socks(host = '127.0.0.1'): Buffer {
  const address = Buffer.from(host.split('.').map(Number));
  return Buffer.concat([
    Buffer.of(5, 1, 0, 5, 1, 0, 1),
    address,
    Buffer.of(port >> 8, port & 0xff),
    Buffer.from('hello'),
  ]);
}
function http(): Buffer {
  return Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nhost: x\r\n\r\nhello`);
}

describe.each(['http', 'socks'] as const)('%s', (protocol) => {
  const portOf = (proxy: RunningProxy): number => (protocol === 'http' ? proxy.httpPort : proxy.socksPort);
  const message = (): Buffer => (protocol === 'http' ? http() : socks());

  test(`${protocol}: a valid request reaches the destination however it is split`, async () => {
    await using proxy = await startProxy('--source', '127.0.0.5', '--quiet');
    const whole = message();
    const splits = Array.from({ length: whole.length - 1 }, (_, i) => [
      whole.subarray(0, i + 1),
      whole.subarray(i + 1),
    ]);
    for (const parts of [...splits, [...whole].map((byte) => Buffer.of(byte))]) {
      const client = connect(portOf(proxy), '127.0.0.1').setNoDelay(true);
      client.on('error', () => undefined);
      for (const part of parts) {
        client.write(part);
        await new Promise((resolve) => setImmediate(resolve));
      }
      let answer = '';
      for await (const chunk of client as AsyncIterable<Buffer>) {
        answer += chunk.toString('latin1');
        if (answer.endsWith('hello')) break;
      }
      expect(answer).toMatch(/hello$/);
    }
  });

  test(`${protocol}: a client that sends part of a request keeps nobody else waiting, and uses no CPU time`, async () => {
    await using proxy = await startProxy('--source', '127.0.0.5', '--quiet');
    const whole = message();
    const clients = [1, 2, 5, 8].map((length) => {
      const client = connect(portOf(proxy), '127.0.0.1').on('error', () => undefined);
      client.write(whole.subarray(0, length));
      return client;
    });
    (await proxy.tunnel(`127.0.0.1:${port}`)).destroy();
    const before = cpuTime(proxy);
    await wait(500); // what is measured
    expect(cpuTime(proxy) - before).toBeLessThan(10); // hundredths of a second; a busy loop takes 50
    for (const client of clients) client.destroy();
  });
});

test('after a thousand hostile sessions the proxy serves a good client, and holds no descriptor and little memory of them', async () => {
  await using proxy = await startProxy('--source', '127.0.0.5', '--quiet', '--max-connections', '200');
  (await proxy.tunnel(`127.0.0.1:${port}`)).destroy(); // loads what is loaded at first use
  await wait(200); // its sockets are closed in other processes
  const before = await proxy.fds();
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const random = randomOf(seed);
  let left = SESSIONS;
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      while (left-- > 0) await session(proxy, random);
    }),
  );
  const client = await proxy.tunnel(`127.0.0.1:${port}`);
  client.write('good');
  expect(String((await once(client, 'data'))[0])).toBe('good');
  client.destroy();
  // A refused client may stay for five seconds.
  const deadline = performance.now() + 15_000;
  while ((await proxy.fds()) > before && performance.now() < deadline) await wait(50);
  expect(await proxy.fds()).toBeLessThanOrEqual(before);
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.pid}/status`, 'utf8')) ?? [];
  expect(Number(kilobytes)).toBeLessThan(300_000);
}, 60_000);

test('clients that send no request are limited as well', async () => {
  await using proxy = await startProxy('--source', '127.0.0.5', '--quiet', '--max-connections', '3');
  const idle = Array.from({ length: 3 }, () => connect(proxy.socksPort, '127.0.0.1').on('error', () => undefined));
  await Promise.all(idle.map((client) => once(client, 'connect')));
  const more = connect(proxy.socksPort, '127.0.0.1');
  const [error] = (await once(more, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  for (const client of idle) client.destroy();
});

/** One client that does something wrong, chosen at random. */
async function session(proxy: RunningProxy, random: () => number): Promise<void> {
  const isHttp = random() < 0.5;
  const client: Socket = connect(isHttp ? proxy.httpPort : proxy.socksPort, '127.0.0.1');
  const closed = new Promise((resolve) => client.once('close', resolve));
  client.on('error', () => undefined).resume();
  const whole = isHttp ? http() : socks();
  const at = Math.floor(random() * whole.length);
  const garbage = Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256)));
  const bytes = [
    whole.subarray(0, at),
    garbage,
    Buffer.concat([whole.subarray(0, at), garbage]),
    whole,
    Buffer.from('CONNECT nowhere HTTP/1.1\r\nhost: x\r\n\r\n'),
    Buffer.alloc(0),
  ][Math.floor(random() * 6)]!;
  client.write(bytes);
  const end = Math.floor(random() * 4);
  if (end === 0) client.resetAndDestroy();
  else if (end === 1) client.once('connect', () => client.resetAndDestroy());
  else if (end === 2) client.end();
  else setTimeout(() => client.destroy(), Math.floor(random() * 20));
  if (end === 2) setTimeout(() => client.destroy(), 200);
  await closed;
}

/** User and system time in hundredths of a second. */
function cpuTime(proxy: RunningProxy): number {
  const fields = readFileSync(`/proc/${proxy.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
