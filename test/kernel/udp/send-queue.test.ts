// send: ordered, of bounded size, with an independent result for each promise.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Handle } from '../../../src/binding.js';
import { SyscallError } from '../../../src/index.js';
import { boundUdp, errorOf } from '../../support/sockets.js';
import {
  cut,
  pattern,
  play,
  received,
  testSender,
  type Step,
  type TestSenderOptions,
} from '../../support/udp-sender.js';

const [EAGAIN, EIO, ENOBUFS] = [-11, -5, -105];
const IP_TOS = 1;

/** A socket with a port, whose calls are simulated, and which becomes writable when the test says so. */
function blockable(steps: readonly Step[], options: TestSenderOptions = {}) {
  const { wrap, calls } = play(...steps);
  const waiting: (() => void)[] = [];
  const writable = () => new Promise<void>((resolve) => waiting.push(resolve));
  const receiver = boundUdp('ipv4', { SO_RCVBUF: 4 << 20 });
  const it = testSender('ipv4', { wrap, writable, ...options });
  it.socket.bind('127.0.0.1:0');
  const open = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const dispose = () => {
    it[Symbol.dispose]();
    open();
    receiver.close();
  };
  return { ...it, receiver, to: receiver.local, calls, open, waiting, [Symbol.dispose]: dispose };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  await new Promise((resolve) => setImmediate(resolve));
  return await Promise.race([promise.then(() => false), Promise.resolve(true)]);
}

test('send() sends at once if the kernel has room', async () => {
  using it = blockable([]);
  const sent = it.sender.send(pattern(3000), { to: it.to, segmentSize: 1000 });
  expect(received(it.receiver)).toEqual(cut(pattern(3000), 1000));
  await sent;
  await it.sender.send(new Uint8Array(0), { to: it.to });
  expect(received(it.receiver)).toEqual([Buffer.alloc(0)]);
  expect(it.waiting, 'nobody waits').toEqual([]);
});

test('queued sends are sent in order, and later ones do not overtake them', async () => {
  using it = blockable([EAGAIN]);
  const { to } = it;
  const first = it.sender.send(pattern(4), { to });
  const second = it.sender.send([pattern(4), pattern(8)], { to });
  const third = it.sender.send(new Uint8Array(0), { to });
  const batch = it.sender.createSendBatch();
  batch.add(pattern(20), { to });
  expect(it.sender.trySend(pattern(16), { to }), 'the queue is first').toBe(0);
  expect(it.sender.sendBatch(batch)).toBe(0);
  expect(it.sender.queuedBytes).toBe(3 * 256 + 16);
  expect(await isPending(first)).toBe(true);
  const writable = it.sender.writable();
  it.open();
  await Promise.all([first, second, third]);
  expect(it.sender.queuedBytes).toBe(0);
  expect(await isPending(writable)).toBe(true);
  it.open();
  await writable;
  expect(it.sender.trySend(pattern(16), { to })).toBe(16);
  expect(it.sender.sendBatch(batch)).toBe(1);
  expect(received(it.receiver)).toEqual([
    ...[pattern(4), Buffer.concat([pattern(4), pattern(8)]), Buffer.alloc(0), pattern(16), pattern(20)],
  ]);
});

describe.each<[string, Step[], number]>([
  ['EAGAIN twice', [EAGAIN, EAGAIN], 2],
  ['EIO, then two of five, then EAGAIN', [EIO, EIO, { most: 2 }, EAGAIN], 1],
  ['EAGAIN, then EIO, then three of five, then EAGAIN', [EAGAIN, EIO, EIO, { most: 3 }, EAGAIN], 2],
  ['ENOBUFS behind two of five', [EIO, EIO, { most: 2 }, ENOBUFS], 1],
])('%s', (_, steps, turns) => {
  test.each([
    ['one buffer', (data: Buffer) => data],
    ['several buffers', (data: Buffer) => [data.subarray(0, 77), data.subarray(77)]],
  ])('the rest of a send is sent when the socket is writable: %s', async (_name, shape) => {
    using it = blockable(steps);
    const data = pattern(4900);
    const sent = it.sender.send(shape(data), { to: it.to, segmentSize: 1000, ttl: 9 });
    for (let i = 0; i < turns; i++) {
      expect(await isPending(sent)).toBe(true);
      it.open();
    }
    await sent;
    expect(received(it.receiver)).toEqual(cut(data, 1000));
    expect(it.sender.stats).toMatchObject({ datagrams: 5, bytes: 4900 });
  });
});

test('an error rejects only its own send, with bytesSent', async () => {
  using it = blockable([EIO, EIO, { most: 2 }, EAGAIN, ENOBUFS, ENOBUFS]);
  const { to } = it;
  const failing = it.sender.send(pattern(4900), { to, segmentSize: 1000 });
  const next = it.sender.send(pattern(8), { to });
  it.open();
  expect(await errorOf(() => failing)).toMatchObject({ code: 'ENOBUFS', bytesSent: 2000 });
  expect(await errorOf(() => next)).toMatchObject({ code: 'ENOBUFS' });
  await it.sender.send(pattern(12), { to });
  expect(received(it.receiver)).toEqual([...cut(pattern(2000), 1000), pattern(12)]);
});

test('send() uses the options as they were at the call', async () => {
  using it = blockable([EAGAIN]);
  using other = boundUdp();
  const from = { address: '127.0.0.7' };
  const options = { to: it.to, segmentSize: 4, ttl: 9, ecn: 1, dscp: 3, from };
  const sent = it.sender.send(pattern(8), options);
  Object.assign(options, { to: other.local, segmentSize: 2, ttl: 1 });
  from.address = '127.0.0.8';
  it.open();
  await sent;
  const message = it.receiver.recvmsg({ buffers: [Buffer.alloc(10)] });
  expect(message).toMatchObject({ bytes: 4, source: { address: '127.0.0.7' } });
  expect(received(it.receiver)).toEqual([pattern(8).subarray(4)]);
  expect(received(other)).toEqual([]);
});

describe('the bounds of the send queue', () => {
  test("'drain' is emitted when the queue was filled beyond its mark and is empty", async () => {
    using it = blockable([EAGAIN], { sendHighWaterMark: 1000 });
    const { to } = it;
    const sends = [it.sender.send(pattern(400), { to })];
    expect(it.sender.writableNeedDrain).toBe(false);
    sends.push(it.sender.send(pattern(400), { to }));
    expect(it.sender.writableNeedDrain).toBe(true);
    it.open();
    await Promise.all(sends);
    await it.next();
    expect(it.events).toEqual([['drain']]);
    expect(it.sender.writableNeedDrain).toBe(false);
  });

  test("'drain' is not emitted while more sends are queued", async () => {
    using it = blockable([EAGAIN, 'ok', EAGAIN], { sendHighWaterMark: 1000 });
    const { to } = it;
    const first = it.sender.send(pattern(1000), { to });
    it.open();
    await first;
    const second = it.sender.send(pattern(1000), { to });
    expect(it.sender.queuedBytes).toBeGreaterThan(1000);
    await new Promise((resolve) => setImmediate(resolve));
    expect([it.events, it.sender.writableNeedDrain]).toEqual([[], true]);
    it.open();
    await second;
    await new Promise((resolve) => setImmediate(resolve));
    expect([it.events, it.sender.writableNeedDrain]).toEqual([[['drain']], false]);
  });

  test("'drain' is not emitted if the queue stayed below its mark", async () => {
    using it = blockable([EAGAIN]);
    const sent = it.sender.send(pattern(400), { to: it.to });
    it.open();
    await sent;
    await new Promise((resolve) => setImmediate(resolve));
    expect(it.events).toEqual([]);
  });

  test('a send beyond maxQueueBytes is refused as a whole, and empty sends count as well', async () => {
    using it = blockable([EAGAIN], { maxQueueBytes: 1000 });
    const { to } = it;
    const sends = [it.sender.send(pattern(400), { to }), it.sender.send(new Uint8Array(0), { to })];
    expect(await errorOf(() => it.sender.send(pattern(400), { to }))).toMatchObject({ code: 'ERR_SEND_QUEUE_FULL' });
    expect(await errorOf(() => it.sender.send(pattern(400), { to }))).toMatchObject({ name: 'SocketError' });
    it.open();
    await Promise.all(sends);
    expect(received(it.receiver)).toEqual([pattern(400), Buffer.alloc(0)]);
  });

  test('a send may exceed maxQueueBytes if the queue is empty', async () => {
    using it = blockable([EAGAIN], { maxQueueBytes: 1000 });
    const sent = it.sender.send(pattern(5000), { to: it.to, segmentSize: 1000 });
    expect(await errorOf(() => it.sender.send(pattern(4), { to: it.to }))).toMatchObject({
      code: 'ERR_SEND_QUEUE_FULL',
    });
    it.open();
    await sent;
    expect(received(it.receiver)).toEqual(cut(pattern(5000), 1000));
  });

  test('a long queue is sent over several turns of the event loop', async () => {
    using it = blockable([EAGAIN], { maxQueueBytes: 2 ** 30 });
    const data = pattern(60_000);
    const sends = Array.from({ length: 40 }, () => it.sender.send(data, { to: it.to }));
    let turns = 0;
    while (it.sender.queuedBytes > 0) {
      it.open();
      turns++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sends);
    expect(turns, '2.4 MB, 1 MiB a turn').toBeGreaterThanOrEqual(3);
    expect(received(it.receiver)).toHaveLength(40);
  });

  test('10,000 queued sends are sent in order', async () => {
    using it = blockable([EAGAIN]);
    const sends = Array.from({ length: 10_000 }, (_, i) => it.sender.send(Buffer.from([i, i >> 8]), { to: it.to }));
    const seen: number[] = [];
    while (it.sender.queuedBytes > 0) {
      it.open();
      await new Promise((resolve) => setImmediate(resolve));
      for (const data of received(it.receiver)) seen.push(data.readUInt16LE());
    }
    await Promise.all(sends);
    for (const data of received(it.receiver)) seen.push(data.readUInt16LE());
    expect(seen.length, 'none was lost to the receive buffer').toBe(10_000);
    expect(seen).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });
});

test.each([
  ['detached', (buffer: ArrayBuffer) => void structuredClone(buffer, { transfer: [buffer] })],
  ['shrunk', (buffer: ArrayBuffer) => (buffer as ArrayBuffer & { resize(size: number): void }).resize(4)],
])('a queued send whose buffer is %s meanwhile is rejected, and the next is sent', async (_, spoil) => {
  using it = blockable([EAGAIN]);
  const Resizable = ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer;
  const buffer = new Resizable(8, { maxByteLength: 16 });
  const { to } = it;
  const spoiled = it.sender.send(new Uint8Array(buffer), { to });
  const several = it.sender.send([pattern(4), new Uint8Array(buffer)], { to });
  const next = it.sender.send(pattern(12), { to });
  spoil(buffer);
  it.open();
  expect((await errorOf(() => spoiled)).code).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
  expect((await errorOf(() => several)).code).toMatch(/^ERR_INVALID_(STATE|ARG_VALUE)$/);
  await next;
  expect(received(it.receiver)).toEqual([pattern(12)]);
});

test('close() rejects each queued send once', async () => {
  const it = blockable([EAGAIN], { sendHighWaterMark: 1 });
  const sends = [it.sender.send(pattern(4), { to: it.to }), it.sender.send(pattern(4), { to: it.to })];
  it[Symbol.dispose]();
  for (const sent of sends) {
    expect(await errorOf(() => sent)).toMatchObject({ code: 'EBADF', syscall: 'sendmsg' });
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(it.events, 'no drain of what was thrown away').toEqual([]);
});

test.each([
  ['close', undefined],
  ['a wait that fails', new SyscallError('poll', -9)],
])('%s reports to each queued send how much of it was sent', async (_, reason) => {
  const { wrap } = play({ most: 2 }, EAGAIN);
  using it = testSender('ipv4', {
    wrap,
    writable: () => (reason === undefined ? new Promise<never>(() => undefined) : Promise.reject(reason)),
    gso: 'off',
  });
  using receiver = boundUdp();
  const { local: to } = receiver;
  const sends = [it.sender.send(pattern(4000), { to, segmentSize: 1000 }), it.sender.send(pattern(4), { to })];
  if (reason === undefined) it.sender.close();
  const errors = await Promise.all(sends.map((sent) => errorOf(() => sent)));
  expect(errors.map(({ code, bytesSent }) => [code, bytesSent])).toEqual([
    ['EBADF', 2000],
    ['EBADF', undefined],
  ]);
  expect(received(receiver)).toHaveLength(2);
});

test('if waiting for the socket fails, all queued sends fail', async () => {
  const { wrap } = play(EAGAIN);
  using it = testSender('ipv4', { wrap, writable: () => Promise.reject(new Error('cannot wait')) });
  it.socket.bind('127.0.0.1:0');
  const to = it.socket.local;
  const sends = [it.sender.send(pattern(4), { to }), it.sender.send(pattern(4), { to })];
  for (const sent of sends) await expect(sent).rejects.toThrow('cannot wait');
  await it.sender.send(pattern(4), { to }); // and the next is a new start
});

describe('a full send buffer of the kernel', () => {
  // A slow queueing discipline keeps the send buffer full; loopback alone never does.
  const slow = (rate: string) => execFileSync('tc', ['qdisc', 'replace', 'dev', 'lo', 'root', ...rate.split(' ')]);
  const options = { sockopts: { SO_SNDBUF: 32 << 10 } };
  beforeAll(() => slow('tbf rate 40mbit burst 16kb limit 16mb'));
  afterAll(() => execFileSync('tc', ['qdisc', 'del', 'dev', 'lo', 'root']));

  test.each([undefined, 1000])(
    'send() with a full send buffer: everything arrives once, in order (segments: %s)',
    async (segmentSize) => {
      using receiver = boundUdp('ipv4', { SO_RCVBUF: 8 << 20 });
      using it = testSender('ipv4', { ...options, connect: receiver.local });
      const size = segmentSize === undefined ? 1000 : 10_000;
      const sends = [];
      for (let i = 0; i < 300; i++) {
        sends.push(it.sender.send(Buffer.alloc(size, i), segmentSize === undefined ? {} : { segmentSize }));
      }
      expect(it.sender.queuedBytes, 'it was full').toBeGreaterThan(0);
      const seen: number[] = [];
      const collect = () => received(receiver).forEach((data) => seen.push(data[999]!));
      for (const sent of sends) {
        await sent;
        collect();
      }
      const expected = Array.from({ length: (300 * size) / 1000 }, (_, i) => Math.floor((i * 1000) / size) & 255);
      while (seen.length < expected.length) {
        await receiver.readable();
        collect();
      }
      expect(seen).toEqual(expected);
      expect(it.sender.stats.blocked).toBeGreaterThan(0);
    },
  );

  test('sendBatch() with a full send buffer: everything arrives once, in order', async () => {
    using receiver = boundUdp('ipv4', { SO_RCVBUF: 8 << 20 });
    using it = testSender('ipv4', { ...options, connect: receiver.local });
    const batch = it.sender.createSendBatch({ messages: 600, bytes: 2 << 20 });
    for (let i = 0; i < 300; i++) {
      batch.add(Buffer.alloc(1000, i));
      batch.add(Buffer.alloc(3000, i), { segmentSize: 1000 });
    }
    let blocked = 0;
    const seen: number[] = [];
    const collect = () => received(receiver).forEach((data) => seen.push(data[999]!));
    while (batch.remaining > 0) {
      if (it.sender.sendBatch(batch) === 0) {
        blocked++;
        await it.sender.writable();
      }
      collect();
    }
    while (seen.length < 1200) {
      await receiver.readable();
      collect();
    }
    expect(seen).toEqual(Array.from({ length: 1200 }, (_, i) => Math.floor(i / 4) & 255));
    expect(blocked).toBeGreaterThan(0);
  });
});

test('the options of a queued send are read and encoded once, however often it is retried', async () => {
  let [reads, asked] = [0, 0];
  const { wrap } = play(EAGAIN, EAGAIN, EAGAIN);
  const counting = (handle: Handle): Handle =>
    new Proxy(wrap(handle), {
      get: (target, name: keyof Handle) =>
        name === 'getsockopt'
          ? (...[level, option, value]: Parameters<Handle['getsockopt']>) => {
              if (option === IP_TOS) asked++;
              return target.getsockopt(level, option, value);
            }
          : (Reflect.get(target, name) as unknown),
    });
  using it = blockable([], { wrap: counting });
  const options = {
    to: it.to,
    get ttl() {
      reads++;
      return 9;
    },
    ecn: 1, // its other six bits are those of the socket, which is asked for them
  };
  const sent = it.sender.send(pattern(4), options);
  const before = [reads, asked];
  for (let i = 0; i < 3; i++) {
    expect(await isPending(sent)).toBe(true);
    it.open();
  }
  await sent;
  expect([reads, asked]).toEqual(before);
  expect(reads).toBe(1);
  expect(received(it.receiver)).toEqual([pattern(4)]);
});

test('a queued send with options is refused when the socket is connected to the other family before it goes', async () => {
  const { wrap } = play(EAGAIN);
  const waiting: (() => void)[] = [];
  using it = testSender('ipv6', { wrap, writable: () => new Promise((resolve) => waiting.push(resolve)) });
  using four = boundUdp();
  using six = boundUdp('ipv6');
  it.socket.connect(six.local);
  const sent = it.sender.send(pattern(4), { ttl: 9 });
  const plain = it.sender.send(pattern(8));
  it.socket.connect({ address: `::ffff:${four.local.address}`, port: four.local.port });
  for (const resolve of waiting) resolve();
  expect(await errorOf(() => sent)).toMatchObject({ code: 'ERR_INVALID_STATE' });
  await plain;
  expect(received(four)).toEqual([pattern(8)]);
});
