// The error queue: errors for sent datagrams from ICMP and from the kernel, which are always read.
import { execFileSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { UdpSocket, type NetworkError, type SyscallError, type UdpSocketOptions } from '../../../src/index.js';
import { ErrorEntries } from '../../../src/udp/error-entries.js';
import { runNode } from '../../support/child.js';
import { setSysctl } from '../../support/sysctl.js';
import { boundUdp, closedPort, errorOf } from '../../support/sockets.js';
import { PATHS } from '../../support/udp-receive.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const socket of open.splice(0)) await socket.close();
});

beforeAll(() => {
  const ip = (command: string) => execFileSync('ip', command.split(' '));
  // Somewhere whose MTU is less than loopback's, for errors that this host makes itself.
  ip('link add wire0 type veth peer name wire1');
  ip('addr add 10.9.0.1/24 dev wire0');
  ip('link set wire0 up');
  ip('link set wire1 up');
});

function make(options: Partial<UdpSocketOptions> = {}): UdpSocket {
  const udp = UdpSocket.create({ family: 'ipv4', errorQueue: true, ...options });
  open.push(udp);
  return udp;
}

/** An error of this host's own, at once. */
function tooLong(udp: UdpSocket): void {
  expect(() => udp.trySend(Buffer.alloc(1473), { to: '10.9.0.2:9' })).toThrow('EMSGSIZE');
}

async function first(udp: UdpSocket): Promise<NetworkError> {
  for await (const error of udp.errorQueue) return error;
  throw new Error('the queue ended');
}

describe.each(PATHS)('$path', ({ family, from, address }) => {
  test('an entry has the destination, the offender and the data of the datagram', async () => {
    const udp = make({ family });
    const port = closedPort(from);
    const to = { address: family === from ? address : `::ffff:${address}`, port };
    udp.trySend(Buffer.from('hello'), { to });
    const error = await first(udp);
    expect(error).toMatchObject({
      ...{ code: 'ECONNREFUSED', errno: -111, mtu: undefined },
      ...(from === 'ipv4' ? { origin: 'icmp', type: 3, icmpCode: 3 } : { origin: 'icmp6', type: 1, icmpCode: 4 }),
      destination: { address, port },
      offender: { address, port: 0 },
      extended: { code: 'ECONNREFUSED' },
    });
    expect(error.data.toString()).toBe('hello');
    expect(udp.stats.errorQueue).toEqual({ entries: 1, dropped: 0 });
  });

  test('errors for other peers do not affect sends: each datagram arrives, and nothing is thrown', async () => {
    const udp = make({ family });
    const target = boundUdp(from);
    open.push(target);
    const to = (port: number) => ({ address: family === from ? address : `::ffff:${address}`, port });
    const closed = to(closedPort(from));
    const pending: SyscallError[] = [];
    udp.on('pendingError', (error) => pending.push(error));
    for (let i = 0; i < 20; i++) {
      udp.trySend(Buffer.from('lost'), { to: closed });
      expect(udp.trySend(Buffer.from(`${i}`), { to: to(target.local.port) })).toBe(`${i}`.length);
    }
    const arrived: string[] = [];
    const buffer = Buffer.alloc(10);
    for (let got = target.recvmsg({ buffers: [buffer] }); got; got = target.recvmsg({ buffers: [buffer] })) {
      arrived.push(buffer.toString('latin1', 0, got.bytes));
    }
    expect(arrived).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    await first(udp);
    expect(pending.length).toBeGreaterThan(0);
  });
});

test('return() of a finished iterator does not end a later one', async () => {
  const udp = make({ pathMtuDiscovery: 'do' });
  const over = udp.errorQueue[Symbol.asyncIterator]();
  await over.return?.();
  const next = udp.errorQueue[Symbol.asyncIterator]().next();
  await over.return?.();
  tooLong(udp);
  expect(await next).toMatchObject({ done: false, value: { code: 'EMSGSIZE' } });
});

describe('an error queue without an iterator', () => {
  test('an error queue without an iterator is drained, and then does not wake the event loop', async () => {
    const drain = vi.spyOn(ErrorEntries.prototype, 'drain');
    const udp = make({ pathMtuDiscovery: 'do' });
    for (let i = 0; i < 10; i++) tooLong(udp);
    while (udp.stats.errorQueue.entries < 10) await wait(1);
    const calls = drain.mock.calls.length;
    expect(calls).toBeLessThan(5);
    await wait(50);
    expect(drain.mock.calls.length).toBe(calls);
    // Also while the socket listens.
    udp.on('message', () => undefined);
    for (let i = 0; i < 10; i++) tooLong(udp);
    while (udp.stats.errorQueue.entries < 20) await wait(1);
    await wait(50);
    expect(drain.mock.calls.length - calls).toBeLessThan(5);
  });

  test('the newest 128 entries are kept, in order', async () => {
    using _burst = setSysctl('net.ipv4.icmp_msgs_burst', 100_000);
    using _rate = setSysctl('net.ipv4.icmp_msgs_per_sec', 100_000);
    const udp = make();
    const to = { address: '127.0.0.1', port: closedPort() };
    for (let i = 0; i < 200; i++) {
      expect(udp.trySend(Buffer.from(`${i}`), { to })).toBe(`${i}`.length);
      if (i % 20 === 0) await wait(1); // the kernel's own queue is bounded by the receive buffer
    }
    while (udp.stats.errorQueue.entries < 200) await wait(1);
    expect(udp.stats.errorQueue).toEqual({ entries: 200, dropped: 72 });
    const kept: (string | undefined)[] = [];
    for (let entry = udp.errorQueue.take(); entry; entry = udp.errorQueue.take()) kept.push(entry.data.toString());
    expect(kept).toEqual(Array.from({ length: 128 }, (_, i) => `${72 + i}`));
  });

  test('a full error queue in the kernel does not spin, and sends continue', async () => {
    const drain = vi.spyOn(ErrorEntries.prototype, 'drain');
    const udp = make({ pathMtuDiscovery: 'do', recvBufferSize: 0 });
    for (let i = 0; i < 1000; i++) tooLong(udp);
    const target = boundUdp();
    open.push(target);
    expect(udp.trySend(Buffer.from('x'), { to: target.local })).toBe(1);
    expect(target.recvmsg({ buffers: [Buffer.alloc(1)] })?.bytes).toBe(1);
    await wait(20);
    const calls = drain.mock.calls.length;
    await wait(50);
    expect(drain.mock.calls.length).toBe(calls);
    expect(calls).toBeLessThan(20);
  });
});

test('EMSGSIZE entries of this host have the MTU, also for unconnected sockets', async () => {
  const udp = make({ pathMtuDiscovery: 'do' });
  tooLong(udp);
  expect(await first(udp)).toMatchObject({
    ...{ code: 'EMSGSIZE', origin: 'local', mtu: 1500, destination: { address: '10.9.0.2' } },
  });
});

test('an error queue has one iterator at a time, which close() and return() end', async () => {
  const udp = make();
  const iterator = udp.errorQueue[Symbol.asyncIterator]();
  expect((await errorOf(() => udp.errorQueue[Symbol.asyncIterator]())).code).toBe('ERR_INVALID_STATE');
  const waiting = iterator.next();
  await iterator.return?.();
  expect(await waiting).toEqual({ value: undefined, done: true });
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
  const second = udp.errorQueue[Symbol.asyncIterator]();
  const pending = [second.next(), second.next()];
  await udp.close();
  expect(await Promise.all(pending)).toEqual([
    { value: undefined, done: true },
    { value: undefined, done: true },
  ]);
  expect(await second.next()).toEqual({ value: undefined, done: true });
});

test('errorQueue throws if the socket was created without the option', async () => {
  const udp = make({ errorQueue: false });
  const error = await errorOf(() => udp.errorQueue);
  expect(error).toMatchObject({ code: 'ERR_INVALID_STATE' });
  expect(error.message).toContain('errorQueue: true');
  expect(udp.stats.errorQueue).toEqual({ entries: 0, dropped: 0 });
});

test('watching the error queue does not keep the process alive, waiting for an entry does', async () => {
  const script = (body: string) => `
    import { UdpSocket } from 'linux-sockets';
    const udp = UdpSocket.create({ family: 'ipv4', errorQueue: true });
    udp.bind({ address: '127.0.0.1', port: 0 });
    process.on('exit', () => console.log('exit'));
    ${body}
  `;
  expect((await runNode(script(''))).stdout).toBe('exit\n');
  const waiting = `
    setTimeout(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:9' }), 50).unref();
    for await (const { code } of udp.errorQueue) { console.log(code); break; }
  `;
  expect((await runNode(script(waiting))).stdout).toBe('ECONNREFUSED\nexit\n');
});
