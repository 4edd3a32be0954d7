// `segmentSize` as an option of the socket: the default for every form of sending; and UDP_SEGMENT, which a UdpSocket
// refuses as an option.
import { describe, expect, test } from 'vitest';
import { getOption, setOption, UdpSocket, type Endpoint, type Family, type SendOptions } from '../../../src/index.js';
import type { Sender } from '../../../src/udp/send/sender.js';
import { boundUdp, errorOf } from '../../support/sockets.js';
import { nextBatch, receiver as receivingUdp } from '../../support/udp-receive.js';
import { cut, pattern, play, received, testSender } from '../../support/udp-sender.js';

const BIG = { SO_RCVBUF: 4 << 20 };

type Form = (sender: Sender, to: Endpoint, data: Buffer, options: SendOptions) => void;
const FORMS: readonly (readonly [string, Form])[] = [
  ['trySend', (sender, to, data, options) => void sender.trySend(data, { to, ...options })],
  [
    'trySend with other control messages',
    (sender, to, data, options) => void sender.trySend(data, { to, ttl: 9, ecn: 1, ...options }),
  ],
  [
    'trySend of a list',
    (sender, to, data, options) => {
      const middle = Math.min(7, data.length);
      sender.trySend([data.subarray(0, middle), data.subarray(middle)], { to, ...options });
    },
  ],
  [
    'sendBatch',
    (sender, to, data, options) => {
      const batch = sender.createSendBatch({ bytes: 1 << 20, messages: 1024 });
      batch.add(data, { to, ttl: 9, ...options });
      while (batch.remaining > 0) sender.sendBatch(batch);
    },
  ],
];

describe.each<Family>(['ipv4', 'ipv6'])('over %s', (family) => {
  describe.each(FORMS)('%s', (_form, run) => {
    test.each([
      ['an empty datagram', 0],
      ['data shorter than a segment', 99],
      ['one segment', 100],
      ['several segments', 250],
      ['more segments than one message holds', 100 * 130 + 1],
    ])('the segment size of the socket applies to %s', (_, length) => {
      using receiver = boundUdp(family, BIG);
      using it = testSender(family, { segmentSize: 100 });
      const data = pattern(length);
      run(it.sender, receiver.local, data, {});
      const expected = length === 0 ? [data] : cut(data, 100);
      expect(received(receiver)).toEqual(expected);
      expect(it.sender.stats).toMatchObject({ bytes: length, datagrams: expected.length });
    });

    test('segmentSize of a send overrides that of the socket', () => {
      using receiver = boundUdp(family, BIG);
      using it = testSender(family, { segmentSize: 100 });
      for (const segmentSize of [30, 200, 1000]) {
        run(it.sender, receiver.local, pattern(500), { segmentSize });
        expect(received(receiver), `${segmentSize}`).toEqual(cut(pattern(500), segmentSize));
      }
    });

    test('segmentSize: 0 sends one datagram, also on a socket with a segment size', () => {
      using receiver = boundUdp(family, BIG);
      for (const segmentSize of [0, 100]) {
        using it = testSender(family, { segmentSize });
        for (const length of [500, 0]) {
          run(it.sender, receiver.local, pattern(length), { segmentSize: 0 });
          expect(received(receiver)).toEqual([pattern(length)]);
        }
        expect(it.sender.stats).toMatchObject({ bytes: 500, datagrams: 2 });
      }
    });
  });

  test('trySend() without options on a connected socket uses the segment size of the socket', () => {
    using receiver = boundUdp(family, BIG);
    using it = testSender(family, { segmentSize: 100, connect: receiver.local });
    expect(it.sender.trySend(pattern(250))).toBe(250);
    expect(received(receiver)).toEqual(cut(pattern(250), 100));
  });

  test('the segment size of the socket falls back to single datagrams where the kernel refuses offload', async () => {
    using receiver = boundUdp(family, BIG);
    const { wrap } = play(-5, -5);
    using it = testSender(family, { segmentSize: 100, wrap });
    const heard = it.next();
    expect(it.sender.trySend(pattern(250), { to: receiver.local })).toBe(250);
    expect(received(receiver)).toEqual(cut(pattern(250), 100));
    await heard;
    expect(it.events).toMatchObject([['gsoDisabled', { reason: 'path', code: 'EIO' }]]);
  });
});

test('a queued send uses the segment size of its call', async () => {
  using receiver = boundUdp('ipv4', BIG);
  const { wrap } = play(-11, -11);
  using it = testSender('ipv4', { segmentSize: 100, wrap });
  it.socket.bind('127.0.0.1:0');
  const sends = [{}, { segmentSize: 60 }, { segmentSize: 0 }].map((options) =>
    it.sender.send(pattern(250), { to: receiver.local, ...options }),
  );
  await Promise.all(sends);
  expect(received(receiver)).toEqual([...cut(pattern(250), 100), ...cut(pattern(250), 60), pattern(250)]);
});

test('empty data with a segment size of the send is refused at once, also while sends are queued', async () => {
  using receiver = boundUdp();
  const { wrap } = play(-11);
  using it = testSender('ipv4', { wrap });
  it.socket.bind('127.0.0.1:0');
  const queued = it.sender.send(pattern(4), { to: receiver.local });
  const options = { to: receiver.local, segmentSize: 4 };
  for (const send of [
    () => it.sender.trySend(new Uint8Array(0), options),
    () => it.sender.send(new Uint8Array(0), options),
    () => it.sender.createSendBatch().add(new Uint8Array(0), options),
  ]) {
    expect((await errorOf(send)).code).toBe('ERR_INVALID_ARG_VALUE');
  }
  await queued;
});

test.each([-1, 1.5, NaN, 65_536])('UdpSocket.create refuses a segmentSize of %s', async (segmentSize) => {
  const error = await errorOf(() => UdpSocket.create({ family: 'ipv4', segmentSize }));
  expect(error).toMatchObject({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('segmentSize') as unknown });
});

test('the segment size of a UdpSocket applies to sends, replies and batches, and is not set on the descriptor', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4', segmentSize: 4 });
  udp.bind('127.0.0.1:0');
  expect(getOption(udp, 'UDP_SEGMENT')).toBe(0);
  await using peer = receivingUdp({ family: 'ipv4' });
  peer.trySend(Buffer.from('?'), { to: udp.local });
  await nextBatch(udp, (got) => {
    expect(udp.reply(got, 0, Buffer.from('reply'))).toBe(true);
    const batch = udp.createSendBatch();
    batch.addReply(got, 0, Buffer.from('batch'));
    batch.addReply(got, 0, Buffer.from('whole'), { segmentSize: 0 });
    expect(udp.sendBatch(batch)).toBe(2);
  });
  const got: string[] = [];
  while (got.length < 5) {
    await nextBatch(peer, (batch) => {
      for (let i = 0; i < batch.length; i++) got.push(Buffer.from(batch.data(i)).toString());
    });
  }
  expect(got).toEqual(['repl', 'y', 'batc', 'h', 'whole']);
});

describe('UDP_SEGMENT as an option of a UdpSocket', () => {
  test.each<[string, (udp: UdpSocket) => void]>([
    ['by name', (udp) => setOption(udp, 'UDP_SEGMENT' as never, 100 as never)],
    ['by numbers', (udp) => setOption(udp, { level: 17, name: 103 }, 100)],
    ['by numbers, with bytes', (udp) => setOption(udp, { level: 17, name: 103 }, Uint8Array.of(100, 0, 0, 0))],
    ['by the numbers of UDP-Lite', (udp) => setOption(udp, { level: 136, name: 103 }, 100)],
  ])('UDP_SEGMENT is refused by setOption %s with an error that names segmentSize', async (_, set) => {
    await using udp = UdpSocket.create({ family: 'ipv4' });
    const error = await errorOf(() => set(udp));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('segmentSize') as unknown,
    });
    expect(getOption(udp, 'UDP_SEGMENT')).toBe(0);
  });

  test('UDP_SEGMENT is refused in sockopts with an error that names segmentSize', async () => {
    const error = await errorOf(() =>
      UdpSocket.create({ family: 'ipv4', sockopts: { ['UDP_SEGMENT' as string]: 100 } }),
    );
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining('segmentSize') as unknown,
    });
  });
});
