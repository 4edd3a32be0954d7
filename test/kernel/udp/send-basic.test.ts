// trySend: single datagrams and segments, what is taken and what arrives, each exactly once.
import { describe, expect, test } from 'vitest';
import { Endpoint, type Family } from '../../../src/index.js';
import { boundUdp, errorOf, LOOPBACK, udp } from '../../support/sockets.js';
import { cut, pattern, received, testSender } from '../../support/udp-sender.js';

const BIG = { SO_RCVBUF: 4 << 20 };

describe.each<[string, Family, 'connected' | 'unconnected', boolean]>([
  ['over IPv4, connected', 'ipv4', 'connected', false],
  ['over IPv4, not connected', 'ipv4', 'unconnected', false],
  ['over IPv6, connected', 'ipv6', 'connected', false],
  ['over IPv6, not connected', 'ipv6', 'unconnected', false],
  ['to a mapped address, connected', 'ipv6', 'connected', true],
  ['to a mapped address, not connected', 'ipv6', 'unconnected', true],
])('%s', (_, family, how, mapped) => {
  const make = () => {
    const receiver = boundUdp(mapped ? 'ipv4' : family, BIG);
    const { address, port } = receiver.local;
    const to = Endpoint.from({ address: mapped ? `::ffff:${address}` : address, port });
    const test = testSender(family, how === 'connected' ? { connect: to } : {});
    const options = how === 'connected' ? {} : { to };
    return {
      ...{ receiver, options, sender: test.sender, stats: test.sender.stats },
      [Symbol.dispose]: () => {
        test[Symbol.dispose]();
        receiver.close();
      },
    };
  };

  test.each([1, 100, 1472, 9000, mapped || family === 'ipv4' ? 65507 : 65527])(
    'trySend() of %i bytes sends one datagram',
    (length) => {
      using it = make();
      const data = pattern(length);
      expect(it.sender.trySend(data, it.options)).toBe(length);
      expect(received(it.receiver)).toEqual([data]);
      expect(it.stats).toMatchObject({ datagrams: 1, bytes: length, syscalls: 1, gsoFallbacks: 0 });
    },
  );

  test('trySend() of an empty datagram returns 1', () => {
    using it = make();
    expect(it.sender.trySend(new Uint8Array(0), it.options)).toBe(1);
    expect(received(it.receiver)).toEqual([Buffer.alloc(0)]);
  });

  test('trySend() of one byte more than a datagram can hold fails with EMSGSIZE', async () => {
    using it = make();
    const data = pattern((mapped || family === 'ipv4' ? 65507 : 65527) + 1);
    const error = await errorOf(() => it.sender.trySend(data, it.options));
    expect(error).toMatchObject({ code: 'EMSGSIZE', syscall: 'sendmsg', reason: 'tooLong', ...addressOf(it.receiver) });
    expect(received(it.receiver)).toEqual([]);
  });

  test.each([
    ['the last segment is shorter', 3000, 1200, 1],
    ['equal segments', 2400, 1200, 1],
    ['one short segment', 700, 1200, 1],
    ['exactly one segment', 1200, 1200, 1],
    ['segments of one byte', 128, 1, 1],
    ['128 segments', 128 * 100, 100, 1],
    ['128 segments and a tail', 128 * 100 + 1, 100, 2],
    ['129 segments', 129 * 100, 100, 2],
    ['54 segments of 1200 bytes', 54 * 1200, 1200, 1],
    ['54 segments of 1200 bytes and a tail', 65_507, 1200, 1],
    ['55 segments of 1200 bytes, more than one message holds', 55 * 1200, 1200, 2],
    ['500,000 bytes', 500_000, 1000, 8],
  ])('segmentSize splits the data with one system call: %s', (_name, length, segmentSize, messages) => {
    using it = make();
    const data = pattern(length);
    expect(it.sender.trySend(data, { ...it.options, segmentSize })).toBe(length);
    const datagrams = received(it.receiver);
    expect(datagrams.map((datagram) => datagram.length)).toEqual(cut(data, segmentSize).map((part) => part.length));
    expect(Buffer.concat(datagrams).equals(data), 'the data, in its order').toBe(true);
    expect(it.stats).toMatchObject({ datagrams: Math.ceil(length / segmentSize), bytes: length, gsoFallbacks: 0 });
    expect(it.stats.syscalls, 'system calls: one, or sendmmsg for up to 64 messages').toBe(1);
    const batch = it.sender.createSendBatch({ bytes: length });
    batch.add(data, { ...it.options, segmentSize });
    expect(batch.length, 'messages').toBe(messages);
    expect(it.sender.sendBatch(batch)).toBe(messages);
    expect(Buffer.concat(received(it.receiver)).equals(data), 'the same in a batch').toBe(true);
  });

  test('trySend() of several buffers sends them as one piece of data', () => {
    using it = make();
    const data = pattern(3000);
    const parts = [data.subarray(0, 7), data.subarray(7, 7), data.subarray(7, 2000), data.subarray(2000)];
    expect(it.sender.trySend(parts, it.options)).toBe(3000);
    expect(it.sender.trySend(parts, { ...it.options, segmentSize: 1000 })).toBe(3000);
    expect(it.sender.trySend([], it.options)).toBe(1);
    expect(received(it.receiver)).toEqual([data, ...cut(data, 1000), Buffer.alloc(0)]);
    const long = pattern(200_000);
    expect(it.sender.trySend([long.subarray(0, 99), long.subarray(99)], { ...it.options, segmentSize: 1000 })).toBe(
      200_000,
    );
    expect(Buffer.concat(received(it.receiver)).equals(long)).toBe(true);
  });
});

function addressOf(socket: { readonly local: Endpoint }): { address: string; port: number } {
  return { address: socket.local.address, port: socket.local.port };
}

test('sendBatch() fails with EDESTADDRREQ for a message without a destination, and the error has no address of another message', async () => {
  using it = testSender();
  using receiver = boundUdp();
  const batch = it.sender.createSendBatch();
  batch.add(pattern(4));
  batch.add(pattern(4), { to: receiver.local });
  const error = await errorOf(() => it.sender.sendBatch(batch));
  expect([error.code, error['address'], error['port']]).toEqual(['EDESTADDRREQ', undefined, undefined]);
});

test('trySend() without a destination fails with EDESTADDRREQ, and the message says how to set one', async () => {
  using it = testSender();
  const error = await errorOf(() => it.sender.trySend(pattern(1)));
  expect(error).toMatchObject({ code: 'EDESTADDRREQ', syscall: 'sendmsg' });
  expect(error.message).toContain('connect');
});

test('trySend() on a connected socket sends to the destination in the options', () => {
  using receiver = boundUdp();
  using other = boundUdp();
  using it = testSender('ipv4', { connect: receiver.local });
  it.sender.trySend(pattern(4), { to: other.local });
  expect(received(receiver)).toEqual([]);
  expect(received(other)).toEqual([pattern(4)]);
  expect(LOOPBACK.ipv4).toBe('127.0.0.1');
});

test('trySend() and send() on a closed socket fail with EBADF', async () => {
  const it = testSender();
  it[Symbol.dispose]();
  expect(await errorOf(() => it.sender.trySend(pattern(1), { to: '127.0.0.1:9' }))).toMatchObject({ code: 'EBADF' });
  await expect(it.sender.send(pattern(1), { to: '127.0.0.1:9' })).rejects.toMatchObject({ code: 'EBADF' });
  using receiver = udp();
  expect(receiver.fd).toBeGreaterThan(2);
});
