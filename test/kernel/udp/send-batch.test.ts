// SendBatch: many datagrams for many destinations, each with its own options, in one system call.
import { describe, expect, test } from 'vitest';
import { Endpoint, type SendBatch, type SendBatchOptions } from '../../../src/index.js';
import { boundUdp, errorOf, udp } from '../../support/sockets.js';
import { cut, pattern, play, received, testSender } from '../../support/udp-sender.js';

const BIG = { SO_RCVBUF: 4 << 20 };
const EAGAIN = -11;

test('sendBatch() sends 64 datagrams with one system call', () => {
  using receiver = boundUdp('ipv4', BIG);
  using it = testSender();
  const batch = it.sender.createSendBatch();
  const to = receiver.local;
  for (let i = 0; i < 64; i++) expect(batch.add(pattern(i), { to })).toBe(true);
  expect(batch.add(pattern(4), { to }), 'it is full').toBe(false);
  expect([batch.length, batch.remaining, batch.position]).toEqual([64, 64, 0]);
  expect(it.sender.sendBatch(batch)).toBe(64);
  expect([batch.length, batch.remaining, batch.position]).toEqual([64, 0, 64]);
  expect(it.sender.sendBatch(batch), 'nothing goes twice').toBe(0);
  expect(received(receiver)).toEqual(Array.from({ length: 64 }, (_, i) => pattern(i)));
  expect(it.sender.stats).toMatchObject({ datagrams: 64, syscalls: 1, bytes: (63 * 64) / 2 });
  batch.clear();
  expect([batch.length, batch.remaining, batch.position, batch.end]).toEqual([0, 0, 0, 0]);
  expect(batch.add(pattern(8), { to })).toBe(true);
  expect(it.sender.sendBatch(batch)).toBe(1);
  expect(received(receiver)).toEqual([pattern(8)]);
});

test('sendBatch() sends 1000 messages in order with one call', () => {
  using receiver = boundUdp('ipv4', BIG);
  using it = testSender('ipv4', { connect: receiver.local });
  const batch = it.sender.createSendBatch({ messages: 1000, bytes: 4000 });
  for (let i = 0; i < 1000; i++) batch.add(Buffer.from([i, i >> 8]));
  expect(it.sender.sendBatch(batch)).toBe(1000);
  expect(received(receiver).map((data) => data.readUInt16LE())).toEqual(Array.from({ length: 1000 }, (_, i) => i));
});

test('a batch has messages to several destinations and families, each with its own options', () => {
  using receiver4 = udp('ipv4', { IP_RECVTTL: true, IP_RECVTOS: true, IP_PKTINFO: true });
  receiver4.bind({ address: '0.0.0.0', port: 0 });
  using receiver6 = boundUdp('ipv6', { IPV6_RECVHOPLIMIT: true, IPV6_RECVTCLASS: true });
  using it = testSender('ipv6');
  const batch = it.sender.createSendBatch({ messages: 20 });
  const to4 = Endpoint.from({ address: '::ffff:127.0.0.1', port: receiver4.local.port });
  const other4 = { address: '127.0.0.9', port: receiver4.local.port };
  const to6 = receiver6.local;
  for (let i = 1; i <= 3; i++) {
    batch.add(pattern(10 * i), { to: to4, ttl: i, ecn: i });
    batch.add(pattern(30), { to: to6, ttl: 10 + i, ecn: i, dscp: 40 + i, segmentSize: 10 });
    batch.add(pattern(i), { to: other4, from: '127.0.0.7' });
  }
  expect(it.sender.sendBatch(batch)).toBe(9);
  const read = (socket: typeof receiver4) => {
    const messages: object[] = [];
    for (;;) {
      const message = socket.recvmsg({ buffers: [Buffer.alloc(100)], controlLength: 200 });
      if (message === undefined) return messages;
      const values: Record<string, unknown> = Object.fromEntries(
        message.control.map((one) => [one.type, 'value' in one ? one.value : undefined]),
      );
      messages.push({ bytes: message.bytes, source: message.source?.address, ...values });
    }
  };
  const info = { interface: 1 };
  expect(read(receiver4)).toMatchObject(
    [1, 2, 3].flatMap((i) => [
      { bytes: 10 * i, IP_TTL: i, IP_TOS: i, IP_PKTINFO: { ...info, destination: '127.0.0.1' } },
      { bytes: i, source: '127.0.0.7', IP_TTL: 64, IP_TOS: 0, IP_PKTINFO: { ...info, destination: '127.0.0.9' } },
    ]),
  );
  expect(read(receiver6)).toEqual(
    [1, 2, 3].flatMap((i) =>
      Array<object>(3).fill({ bytes: 10, source: '::1', IPV6_HOPLIMIT: 10 + i, IPV6_TCLASS: ((40 + i) << 2) | i }),
    ),
  );
});

describe('memory of a batch that is written in place', () => {
  test('reserve() returns memory, and commit() adds what was written', () => {
    using receiver = boundUdp();
    using it = testSender();
    const to = receiver.local;
    const batch = it.sender.createSendBatch({ bytes: 100 });
    const slot = batch.reserve(60)!;
    expect(slot).toHaveLength(60);
    slot.set(pattern(40));
    expect(batch.commit(40, { to })).toBe(true);
    expect(batch.end).toBe(40);
    expect(batch.reserve(61), 'no room').toBeUndefined();
    batch.reserve(60)!.set(pattern(16));
    expect(batch.commit(16, { to, segmentSize: 8 })).toBe(true);
    expect(batch.commit(0, { to }), 'an empty datagram').toBe(true);
    expect(it.sender.sendBatch(batch)).toBe(3);
    expect(received(receiver)).toEqual([pattern(40), ...cut(pattern(16), 8), Buffer.alloc(0)]);
  });

  test('commit() adds what was written to data after end', () => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const batch = it.sender.createSendBatch({ bytes: 100 });
    for (const length of [4, 8, 12]) {
      batch.data.set(pattern(length), batch.end);
      expect(batch.commit(length)).toBe(true);
    }
    expect(it.sender.sendBatch(batch)).toBe(3);
    expect(received(receiver)).toEqual([pattern(4), pattern(8), pattern(12)]);
  });

  test('commit() refuses more than was reserved or is available', async () => {
    using it = testSender();
    const batch = it.sender.createSendBatch({ bytes: 100 });
    batch.reserve(10);
    for (const length of [11, 101, -1, NaN, 1.5, '1' as unknown as number]) {
      expect((await errorOf(() => batch.commit(length))).code).toMatch(/^ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)$/);
    }
    expect((await errorOf(() => batch.reserve(101))).code).toBe('ERR_OUT_OF_RANGE');
    expect((await errorOf(() => batch.reserve(-1))).code).toBe('ERR_OUT_OF_RANGE');
    expect(batch.length).toBe(0);
  });

  test('add() overwrites memory that was reserved and not committed', () => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const batch = it.sender.createSendBatch({ bytes: 100 });
    batch.reserve(10)!.fill(1);
    batch.add(pattern(20));
    batch.commit(0);
    it.sender.sendBatch(batch);
    expect(received(receiver)).toEqual([pattern(20), Buffer.alloc(0)]);
  });
});

describe('the room of a batch', () => {
  test('add() adds nothing of data that does not fit', async () => {
    using it = testSender('ipv4', { connect: Endpoint.from('127.0.0.1:9') });
    const batch = it.sender.createSendBatch({ messages: 2, bytes: 100 });
    expect(batch.add(pattern(90))).toBe(true);
    expect(batch.add(pattern(11))).toBe(false);
    expect(batch.length).toBe(1);
    expect(batch.add(pattern(10))).toBe(true);
    expect(batch.add(new Uint8Array(0)), 'no message left').toBe(false);
    expect(batch.reserve(0)).toBeUndefined();
    expect((await errorOf(() => batch.add(pattern(101)))).code, 'it will never fit').toBe('ERR_OUT_OF_RANGE');
  });

  test('add() of data that makes several messages needs room for all of them', async () => {
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { connect: receiver.local });
    const batch = it.sender.createSendBatch({ messages: 3, bytes: 100_000 });
    const data = pattern(300);
    expect(batch.add(data, { segmentSize: 1 }), '128 segments a message').toBe(true);
    expect(batch.length).toBe(3);
    expect(batch.add(pattern(4))).toBe(false);
    expect(it.sender.sendBatch(batch)).toBe(3);
    expect(received(receiver)).toEqual(cut(data, 1));
    batch.clear();
    expect((await errorOf(() => batch.add(pattern(400), { segmentSize: 1 }))).code).toBe('ERR_OUT_OF_RANGE');
  });

  test('a batch has room for all options and a different destination in every message', () => {
    using receiver = udp('ipv6');
    receiver.bind({ address: '::', port: 0 });
    using it = testSender('ipv6', { sockopts: { SO_TXTIME: { clock: 'CLOCK_MONOTONIC' } } });
    const batch = it.sender.createSendBatch({ messages: 64 });
    for (let i = 0; i < 64; i++) {
      const to = { address: '::1', port: receiver.local.port };
      const options = { from: { address: '::1', interface: 'lo' }, ecn: 1, dscp: 1, ttl: 9, mark: 1, txTime: 1n };
      expect(batch.add(pattern(20), { to, segmentSize: 10, dontFragment: true, ...options })).toBe(true);
    }
    expect(it.sender.sendBatch(batch)).toBe(64);
    expect(received(receiver)).toHaveLength(128);
  });

  test.each<[string, SendBatchOptions]>([
    ['no messages', { messages: 0 }],
    ['too many messages', { messages: 65537 }],
    ['no bytes', { bytes: 0 }],
    ['half a byte', { bytes: 1.5 }],
    ['an unknown option', { size: 1 } as SendBatchOptions],
    ['null', null as unknown as SendBatchOptions],
  ])('createSendBatch() refuses %s', async (_, options) => {
    using it = testSender();
    expect((await errorOf(() => it.sender.createSendBatch(options))).code).toMatch(/^ERR_/);
  });
});

describe('the position of a batch', () => {
  test('a batch keeps its position when a call would block', () => {
    const { wrap } = play({ most: 3 }, EAGAIN, EAGAIN, { most: 1 }, EAGAIN);
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap, connect: receiver.local });
    const batch = it.sender.createSendBatch();
    for (let i = 1; i <= 10; i++) batch.add(pattern(4 * i));
    const counts = [];
    while (batch.remaining > 0) counts.push(it.sender.sendBatch(batch));
    expect(counts).toEqual([3, 0, 1, 6]);
    expect(received(receiver).map(({ length }) => length)).toEqual([4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
    expect(it.sender.stats.blocked).toBe(3);
  });

  test('messages may be added to a batch that was sent in part', () => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const batch = it.sender.createSendBatch();
    batch.add(pattern(4));
    expect(it.sender.sendBatch(batch)).toBe(1);
    batch.add(pattern(8));
    expect(it.sender.sendBatch(batch)).toBe(1);
    expect(received(receiver)).toEqual([pattern(4), pattern(8)]);
  });

  test('skip() skips a message, or the rest of one that was sent in part', async () => {
    const [EIO, EMSGSIZE] = [-5, -90];
    const { wrap } = play(EIO, { most: 2 }, EMSGSIZE, EMSGSIZE);
    using receiver = boundUdp('ipv4', BIG);
    using it = testSender('ipv4', { wrap, connect: receiver.local });
    const batch = it.sender.createSendBatch();
    batch.add(pattern(5000), { segmentSize: 1000 });
    batch.add(pattern(4));
    const error = await errorOf(() => it.sender.sendBatch(batch));
    expect(error).toMatchObject({ code: 'EMSGSIZE', bytesSent: 2000 });
    expect(batch.position).toBe(0);
    batch.skip();
    expect(it.sender.sendBatch(batch)).toBe(1);
    expect(received(receiver)).toEqual([...cut(pattern(2000), 1000), pattern(4)]);
    expect((await errorOf(() => batch.skip())).code).toBe('ERR_INVALID_STATE');
  });

  test('sendBatch() refuses a batch of another socket', async () => {
    using it = testSender();
    using other = testSender();
    const batch = other.sender.createSendBatch();
    expect((await errorOf(() => it.sender.sendBatch(batch))).code).toBe('ERR_INVALID_ARG_VALUE');
    expect((await errorOf(() => it.sender.sendBatch({} as unknown as SendBatch))).code).toBe('ERR_INVALID_ARG_TYPE');
  });
});

describe('Handle.sendmmsg', () => {
  const EMPTY = new Uint8Array(0);
  const record = (...words: number[]) =>
    new Uint8Array(Uint32Array.from([...words, ...Array<number>(8).fill(0)].slice(0, 8)).buffer);

  test.each<[string, Uint8Array, number, number]>([
    ['data beyond the memory', record(0, 11), 0, 1],
    ['data that begins beyond the memory', record(11, 0), 0, 1],
    ['an offset that overflows', record(2 ** 32 - 1, 2), 0, 1],
    ['an address beyond the memory', record(0, 1, 4, 16), 0, 1],
    ['an address that begins beyond the memory', record(0, 1, 2 ** 31, 0), 0, 1],
    ['control messages beyond the memory', record(0, 1, 0, 0, 8, 9), 0, 1],
    ['a tail of two bytes', record(0, 1, 0, 0, 0, 0, 2), 0, 1],
    ['a count beyond the records', record(0, 1), 0, 2],
    ['a first index beyond the records', record(0, 1), 1, 1],
    ['a negative first index', record(0, 1), -1, 1],
    ['a negative count', record(0, 1), 0, -1],
    ['a count that overflows', record(0, 1), 2 ** 31 - 1, 2 ** 31 - 1],
    ['half a record', record(0, 1).subarray(0, 16), 0, 1],
  ])('Handle.sendmmsg refuses %s, and sends nothing', (_, records, first, count) => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const { handle } = it;
    const call = () => handle.sendmmsg(new Uint8Array(10), new Uint8Array(16), records, first, count);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }) as Error);
    expect(received(receiver)).toEqual([]);
  });

  test('Handle.sendmmsg accepts unaligned records, and appends a tail', () => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const { handle } = it;
    const records = Buffer.alloc(1 + 64);
    records.set(record(2, 3), 1);
    records.set(record(0, 2, 0, 0, 0, 0, 1), 33);
    const sent = handle.sendmmsg(Buffer.from('abcde'), EMPTY, records.subarray(1), 0, 2);
    expect(sent).toBe(2);
    expect(received(receiver).map(String)).toEqual(['cde', 'ab\0']);
    expect(handle.sendmmsg(EMPTY, EMPTY, EMPTY, 0, 0)).toBe(0);
  });

  test.each<[string, number, number, number]>([
    ['an address beyond the memory', 41, 0, 0],
    ['a negative length of it', -1, 0, 0],
    ['control messages beyond it', 0, 32, 9],
    ['control messages that begin beyond it', 0, 41, 0],
    ['a negative offset', 0, -1, 0],
    ['a negative length', 0, 0, -1],
  ])('Handle.sendto refuses %s', (_, ...numbers) => {
    using receiver = boundUdp();
    using it = testSender('ipv4', { connect: receiver.local });
    const { handle } = it;
    expect(() => handle.sendto(new Uint8Array(4), new Uint8Array(40), ...numbers)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }) as Error,
    );
    expect(received(receiver)).toEqual([]);
  });
});

test('getters of options that add to the batch do not use memory that commit() has counted', async () => {
  using receiver = boundUdp();
  using it = testSender();
  const batch = it.sender.createSendBatch({ bytes: 100 });
  const options = {
    get to() {
      batch.add(pattern(50), { to: receiver.local });
      return receiver.local;
    },
  };
  expect(await errorOf(() => batch.commit(100, options))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  expect([batch.length, batch.end]).toEqual([1, 50]);
  it.sender.sendBatch(batch);
  expect(received(receiver)).toEqual([pattern(50)]);
});
