// The four ways to receive with a UdpSocket: 'batch', 'message', for await, receiveBatch. One at a time, and each datagram
// is delivered once and in order.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { getOption, UdpSocket, type NativeSocket, type ReceivedBatch } from '../../../src/index.js';
import { boundUdp, closedPort, errorOf, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { nextBatch, nextMessages, PATHS, receiver, send, texts, turns, uncaught } from '../../support/udp-receive.js';

checkDescriptors();

const INVALID_STATE = { code: 'ERR_INVALID_STATE' };

/** Sends numbers, as texts. */
function sendNumbers(sender: NativeSocket, udp: UdpSocket, from: number, to: number): void {
  for (let i = from; i < to; i++) send(sender, udp, `${i}`);
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${from + i}`);
}

describe.each(PATHS)('$path: 10,000 datagrams are delivered once and in order', (path) => {
  const COUNT = 10_000;

  /** Keeps the receiver's queue filled, and never overfull. */
  async function feed(udp: UdpSocket, received: () => number): Promise<void> {
    using sender = plainUdp(path.from);
    for (let sent = 0; sent < COUNT;) {
      if (sent - received() < 200) send(sender, udp, `${sent++}`);
      else await turns(1);
    }
  }

  test("a 'batch' listener receives 10,000 datagrams once and in order", async () => {
    await using udp = receiver({ family: path.family });
    const got: string[] = [];
    let most = 0;
    udp.on('batch', (received) => {
      got.push(...texts(received));
      most = Math.max(most, received.length);
    });
    await feed(udp, () => got.length);
    while (got.length < COUNT) await turns(1);
    expect(got).toEqual(numbers(0, COUNT));
    expect(most, 'and many at a time').toBe(64);
    expect(udp.stats.received).toMatchObject({ datagrams: COUNT, drops: 0, truncated: 0, errors: 0 });
    expect(udp.stats.received.syscalls).toBeLessThan(COUNT / 2);
  });

  test("a 'message' listener receives 10,000 datagrams once and in order", async () => {
    await using udp = receiver({ family: path.family });
    const got: string[] = [];
    udp.on('message', (data) => got.push(data.toString()));
    await feed(udp, () => got.length);
    while (got.length < COUNT) await turns(1);
    expect(got).toEqual(numbers(0, COUNT));
  });

  test('for await receives 10,000 datagrams once and in order, also with a slow consumer', async () => {
    await using udp = receiver({ family: path.family });
    const got: string[] = [];
    const feeding = feed(udp, () => got.length);
    for await (const { data } of udp) {
      got.push(data.toString());
      if (got.length % 100 === 0) await turns(2);
      if (got.length === COUNT) break;
    }
    await feeding;
    expect(got).toEqual(numbers(0, COUNT));
  });

  test('receiveBatch() receives 10,000 datagrams once and in order', async () => {
    await using udp = receiver({ family: path.family });
    const batch = udp.createReceiveBatch();
    const got: string[] = [];
    const feeding = feed(udp, () => got.length);
    while (got.length < COUNT) {
      const count = udp.receiveBatch(batch);
      expect(batch.length).toBe(count);
      got.push(...texts(batch));
      if (count === 0) await udp.readable();
    }
    await feeding;
    expect(got).toEqual(numbers(0, COUNT));
    expect(udp.receiveBatch(batch)).toBe(0);
    expect(batch.length).toBe(0);
  });

  test('all consumers in turn, switching in the middle of a batch, receive 10,000 datagrams once and in order', async () => {
    await using udp = receiver({ family: path.family });
    using sender = plainUdp(path.from);
    const got: string[] = [];
    const rest = udp.createReceiveBatch();
    for (let start = 0; start < 1000; start += 100) {
      sendNumbers(sender, udp, start, start + 100);
      // Each takes some of the first 64, which one system call has read, and the last takes the rest.
      got.push(...(await nextMessages(udp, 7)));
      for await (const { data } of udp) if (got.push(data.toString()) % 100 === 14) break;
      got.push(...(await nextMessages(udp, 6)));
      if (start % 200 === 0) {
        const [count] = [udp.receiveBatch(rest), got.push(...texts(rest))];
        expect(count).toBe(44);
      } else got.push(...(await nextBatch(udp, texts)));
      expect(got).toHaveLength(start + 64);
      while (got.length < start + 100) got.push(...(await nextBatch(udp, texts)));
    }
    expect(got).toEqual(numbers(0, 1000));
    expect(udp.stats.received.datagrams).toBe(1000);
  });
});

describe('only one consumer at a time', () => {
  const noop = (): void => undefined;

  test('a second kind of consumer is refused, and no listener is added', async () => {
    await using udp = receiver({ family: 'ipv4' });
    const batch = udp.createReceiveBatch();
    const forms: Record<string, () => unknown> = {
      on: () => udp.on('batch', noop),
      once: () => udp.once('message', noop),
      addListener: () => udp.addListener('batch', noop),
      prependListener: () => udp.prependListener('message', noop),
      prependOnceListener: () => udp.prependOnceListener('batch', noop),
      iterator: () => udp[Symbol.asyncIterator](),
      receiveBatch: () => udp.receiveBatch(batch),
    };
    const refusedNow = async (): Promise<string[]> => {
      const refused: string[] = [];
      for (const [name, form] of Object.entries(forms)) {
        try {
          form();
        } catch (error) {
          expect(error).toMatchObject(INVALID_STATE);
          refused.push(name);
        }
      }
      await turns(1);
      return refused;
    };
    const iterator = udp[Symbol.asyncIterator]();
    expect(await refusedNow()).toEqual(Object.keys(forms));
    expect(udp.eventNames()).toEqual([]);
    await iterator.return?.();
    udp.on('message', noop);
    expect(await refusedNow()).toEqual(['on', 'addListener', 'prependOnceListener', 'iterator', 'receiveBatch']);
    expect(udp.listenerCount('batch')).toBe(0);
    udp.removeAllListeners('message');
    udp.on('batch', noop);
    expect(await refusedNow()).toEqual(['once', 'prependListener', 'iterator', 'receiveBatch']);
    udp.removeAllListeners();
    expect(udp.receiveBatch(batch)).toBe(0);
  });

  test('several listeners of the same event all get the datagrams', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    const got: string[] = [];
    udp.on('batch', (received) => got.push(...texts(received)));
    udp.prependListener('batch', (received) => got.push(`first ${received.length}`));
    send(sender, udp, 'x');
    await nextBatch(udp, texts);
    expect(got).toEqual(['first 1', 'x']);
  });

  test('on() refuses anything but a function, and does not start listening', async () => {
    await using udp = receiver({ family: 'ipv4' });
    for (const event of ['batch', 'message'] as const) {
      expect((await errorOf(() => udp.on(event, 'x' as never))).code).toBe('ERR_INVALID_ARG_TYPE');
      expect((await errorOf(() => udp.once(event, undefined as never))).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect(udp.receiveBatch(udp.createReceiveBatch())).toBe(0);
  });

  test('nothing is read before the first listener is added, or after the last is removed', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    sendNumbers(sender, udp, 0, 3);
    await turns(3);
    expect(udp.stats.received.syscalls).toBe(0);
    expect(await nextBatch(udp, texts)).toEqual(['0', '1', '2']);
    sendNumbers(sender, udp, 3, 5);
    await turns(3);
    expect(udp.stats.received.syscalls).toBe(1);
    const first = once(udp, 'message');
    expect(String((await first)[0])).toBe('3');
    expect(await nextMessages(udp, 1)).toEqual(['4']);
  });
});

describe('receiveBatch', () => {
  test('receiveBatch() accepts only batches of createReceiveBatch with the same number of slots', async () => {
    await using udp = receiver({ family: 'ipv4' });
    await using fewer = receiver({ family: 'ipv4', slots: 8 });
    for (const wrong of [undefined, null, {}, [], new Uint8Array(8)]) {
      expect((await errorOf(() => udp.receiveBatch(wrong as never))).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect((await errorOf(() => udp.receiveBatch(fewer.createReceiveBatch()))).code).toBe('ERR_INVALID_ARG_VALUE');
  });

  test('receiveBatch() fills several batches, each valid until it is filled again, also one batch for several sockets', async () => {
    await using udp = receiver({ family: 'ipv4', slots: 2 });
    await using other = receiver({ family: 'ipv6', slots: 2, maxDatagram: 100 });
    using sender = plainUdp();
    sendNumbers(sender, udp, 0, 5);
    send(sender, other, 'other');
    const [a, b] = [udp.createReceiveBatch(), udp.createReceiveBatch()];
    expect([udp.receiveBatch(a), udp.receiveBatch(b), texts(a), texts(b)]).toEqual([2, 2, ['0', '1'], ['2', '3']]);
    expect([other.receiveBatch(a), texts(a), texts(b)]).toEqual([1, ['other'], ['2', '3']]);
    expect([udp.receiveBatch(b), texts(b)]).toEqual([1, ['4']]);
    expect([udp.receiveBatch(b), b.length]).toEqual([0, 0]);
  });

  test('receiveBatch() allocates new memory if the old was transferred to another thread', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    const batch = udp.createReceiveBatch();
    for (const text of ['first', 'second']) {
      send(sender, udp, text);
      await udp.readable();
      expect([udp.receiveBatch(batch), texts(batch)]).toEqual([1, [text]]);
      structuredClone(batch.slab.buffer, { transfer: [batch.slab.buffer as ArrayBuffer] });
    }
    send(sender, udp, 'in a callback');
    await nextBatch(udp, (received) => {
      structuredClone(received.slab.buffer, { transfer: [received.slab.buffer as ArrayBuffer] });
    });
    send(sender, udp, 'after');
    expect(await nextBatch(udp, texts)).toEqual(['after']);
  });
});

describe('pause() and resume()', () => {
  test.each(['batch', 'message'] as const)("pause() and resume() lose no datagram: '%s'", async (event) => {
    await using udp = receiver({ family: 'ipv4', slots: 8 });
    using sender = plainUdp();
    const got: string[] = [];
    const handlers = {
      batch: (received: ReceivedBatch) => {
        got.push(...texts(received));
        udp.pause();
      },
      message: (data: Buffer) => {
        got.push(data.toString());
        if (got.length % 3 === 0) udp.pause();
      },
    };
    udp.on(event, handlers[event] as never);
    sendNumbers(sender, udp, 0, 50);
    for (let pauses = 0; got.length < 50; pauses++) {
      while (!udp.isPaused() && got.length < 50) await turns(1);
      const before = got.length;
      await turns(3);
      expect(got.length, 'nothing comes while it is paused').toBe(before);
      expect(before % (event === 'batch' ? 8 : 3) === 0 || before === 50).toBe(true);
      if (pauses % 2 === 0) udp.pause(); // twice is once
      udp.resume().resume();
    }
    expect(got).toEqual(numbers(0, 50));
  });

  test('pause() stops for await, also in the middle of a batch', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    sendNumbers(sender, udp, 0, 4);
    const iterator = udp[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.data.toString()).toBe('0');
    udp.pause();
    let arrived = false;
    const next = iterator.next().then((result) => {
      arrived = true;
      return result.value?.data.toString();
    });
    await turns(3);
    expect(arrived).toBe(false);
    udp.resume();
    expect(await next).toBe('1');
    expect((await iterator.next()).value?.data.toString()).toBe('2');
    await iterator.return?.();
    expect(await nextBatch(udp, texts)).toEqual(['3']);
  });

  test('pause() works before a listener is added', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    udp.pause();
    send(sender, udp, 'x');
    const got: string[] = [];
    udp.on('batch', (received) => got.push(...texts(received)));
    await turns(3);
    expect(got).toEqual([]);
    udp.resume();
    while (got.length === 0) await turns(1);
    expect(got).toEqual(['x']);
  });
});

describe('an error thrown by a listener', () => {
  test("an error thrown by a 'batch' listener is an uncaughtException, and the socket continues", async () => {
    await using udp = receiver({ family: 'ipv4', slots: 4 });
    using sender = plainUdp();
    const got: string[] = [];
    udp.on('batch', (received) => {
      got.push(...texts(received));
      if (got.length <= 8) throw new Error(`at ${got.length}`);
    });
    sendNumbers(sender, udp, 0, 10);
    expect(await uncaught()).toMatchObject({ message: 'at 4' });
    expect(await uncaught()).toMatchObject({ message: 'at 8' });
    while (got.length < 10) await turns(1);
    expect(got).toEqual(numbers(0, 10));
  });

  test("an error thrown by a 'message' listener is an uncaughtException, and later messages are delivered", async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    const got: string[] = [];
    udp.on('message', (data) => {
      got.push(data.toString());
      if (['2', '5'].includes(data.toString())) throw new Error(`at ${data.toString()}`);
    });
    sendNumbers(sender, udp, 0, 10);
    expect(await uncaught()).toMatchObject({ message: 'at 2' });
    expect(await uncaught()).toMatchObject({ message: 'at 5' });
    while (got.length < 10) await turns(1);
    expect(got).toEqual(numbers(0, 10));
  });

  test("an error thrown by a 'pendingError' listener is an uncaughtException", async () => {
    await using udp = await refusedSocket();
    udp.on('pendingError', (error) => {
      throw new Error(`thrown: ${error.code}`);
    });
    udp.on('batch', () => undefined);
    expect(await uncaught()).toMatchObject({ message: 'thrown: ECONNREFUSED' });
  });
});

describe('for await', () => {
  test('for await ends when the socket closes, also while next() is pending', async () => {
    const udp = receiver({ family: 'ipv4' });
    const iterator = udp[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next()];
    await turns(1);
    await udp.close();
    expect(await Promise.all(waiting)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ]);
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  test('several pending next() resolve in order', async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    const iterator = udp[Symbol.asyncIterator]();
    const waiting = Array.from({ length: 5 }, () => iterator.next());
    sendNumbers(sender, udp, 0, 5);
    const results = await Promise.all(waiting);
    expect(results.map(({ value }) => value!.data.toString())).toEqual(numbers(0, 5));
  });

  test('return() ends the iterator while next() is pending, and allows another consumer', async () => {
    await using udp = receiver({ family: 'ipv4' });
    const iterator = udp[Symbol.asyncIterator]();
    const waiting = iterator.next();
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true });
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true });
    udp.on('message', () => undefined);
    expect(await iterator.return?.(), 'not the one of somebody else').toEqual({ value: undefined, done: true });
    expect(await errorOf(() => udp.receiveBatch(udp.createReceiveBatch()))).toMatchObject(INVALID_STATE);
  });

  test('for await leaves datagrams that were not requested in the kernel', async () => {
    await using udp = receiver({ family: 'ipv4', slots: 4 });
    using sender = plainUdp();
    sendNumbers(sender, udp, 0, 40);
    const iterator = udp[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) await iterator.next();
    await turns(10);
    expect(udp.stats.received, 'one system call').toMatchObject({ datagrams: 4, syscalls: 1 });
    await iterator.return?.();
  });

  test('for await returns copies', async () => {
    await using udp = receiver({ family: 'ipv4', slots: 1 });
    using sender = plainUdp();
    const kept: Buffer[] = [];
    sendNumbers(sender, udp, 0, 5);
    for await (const { data, info } of udp) {
      expect(info.size).toBe(data.length);
      if (kept.push(data) === 5) break;
    }
    expect(kept.map(String)).toEqual(numbers(0, 5));
  });
});

describe('errors caused by a peer', () => {
  test.each(['batch', 'message', 'iterator', 'receiveBatch'] as const)(
    "an error caused by a peer emits 'pendingError', is counted, and has no other effect: %s",
    async (form) => {
      await using udp = await refusedSocket();
      const told = once(udp, 'pendingError');
      const batch = udp.createReceiveBatch();
      if (form === 'iterator') void udp[Symbol.asyncIterator]().next();
      else if (form === 'receiveBatch') expect(udp.receiveBatch(batch)).toBe(0);
      else udp.on(form, () => undefined);
      const [error] = (await told) as [Error];
      expect(error).toMatchObject({ name: 'SyscallError', code: 'ECONNREFUSED', errno: -111, syscall: 'recvmmsg' });
      expect(udp.stats.received.errors).toBe(1);
      expect(udp.closed).toBe(false);
    },
  );

  test('errors caused by a peer need no listener', async () => {
    await using udp = await refusedSocket();
    udp.on('batch', () => undefined);
    while (udp.stats.received.errors === 0) await turns(1);
    await turns(2);
    expect(udp.closed).toBe(false);
  });

  test('an error caused by a peer resolves readable() once', async () => {
    await using udp = await refusedSocket();
    await udp.readable();
    expect(udp.stats.received.errors, 'the wait has read it').toBe(1);
    let again = false;
    void udp.readable().then(
      () => (again = true),
      () => undefined,
    );
    await turns(5);
    expect(again).toBe(false);
  });

  test('datagrams that arrive after an error are still delivered', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4' });
    udp.bind('127.0.0.1:0');
    const port = closedPort();
    udp.connect({ address: '127.0.0.1', port });
    udp.trySend(Buffer.from('refused'));
    using peer = plainUdp();
    peer.bind({ address: '127.0.0.1', port });
    sendNumbers(peer, udp, 0, 3);
    expect(await nextMessages(udp, 3)).toEqual(numbers(0, 3));
    expect(udp.stats.received.errors).toBe(1);
  });

  test('the error queue is drained, so that it does not keep waking the event loop', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', errorQueue: 'require' });
    udp.bind('127.0.0.1:0');
    udp.on('batch', () => undefined);
    for (let i = 0; i < 200; i++) udp.trySend(Buffer.from('x'), { to: { address: '127.0.0.1', port: closedPort() } });
    while (udp.stats.received.errors === 0) await turns(1);
    await turns(20);
    const before = performance.eventLoopUtilization();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(
      performance.eventLoopUtilization(before).utilization,
      'a poll that never rests would make it 1',
    ).toBeLessThan(0.5);
    expect(getOption(udp, 'SO_ERROR')).toBe(0);
    using peer = boundUdp();
    send(peer, udp, 'x');
    await nextBatch(udp, texts);
  });
});

test('a busy socket does not starve another one', async () => {
  await using busy = receiver({ family: 'ipv4', recvBufferSize: 1 << 24 });
  await using quiet = receiver({ family: 'ipv4' });
  using sender = plainUdp();
  sendNumbers(sender, busy, 0, 3000);
  send(sender, quiet, 'x');
  const order: string[] = [];
  busy.on('batch', (received) => order.push(`busy ${received.length}`));
  const heard = once(quiet, 'batch');
  await heard;
  const before = order.length;
  while (busy.stats.received.datagrams < 3000) await turns(1);
  expect(before, 'batches of the busy one before').toBeLessThanOrEqual(4);
  expect(order.length).toBe(Math.ceil(3000 / 64));
});

test('a consumer that never stops does not starve timers', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4' });
  udp.bind('127.0.0.1:0');
  const { local } = udp;
  for (let i = 0; i < 64; i++) udp.trySend(Buffer.from('again'), { to: local });
  let ran = false;
  setImmediate(() => (ran = true));
  let count = 0;
  udp.on('batch', (received) => {
    for (let i = 0; i < received.length; i++) udp.trySend(received.data(i), { to: local });
    count += received.length;
  });
  while (!ran) await turns(1);
  await turns(10);
  expect(count).toBeGreaterThan(64);
  udp.removeAllListeners('batch');
  let left = 0;
  for await (const { data } of udp) {
    udp.trySend(data, { to: local });
    if (++left === 1000) break;
  }
});

/** A connected socket with a pending error: nothing listens on the port that it has sent to. */
async function refusedSocket(): Promise<UdpSocket> {
  const udp = UdpSocket.create({ family: 'ipv4' });
  udp.connect({ address: '127.0.0.1', port: 1 }); // outside of the range that its own port is from: it would talk to itself
  expect(udp.trySend(Buffer.from('x'))).toBe(1); // loopback answers at once
  return await Promise.resolve(udp);
}
