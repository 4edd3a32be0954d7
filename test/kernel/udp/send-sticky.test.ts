// A socket that cuts by itself (setsockopt UDP_SEGMENT), and sends that have a segment size of their own: theirs counts, also
// for data that is one segment, which has no control message otherwise.
import { describe, expect, test } from 'vitest';
import { setOption, type Endpoint, type Family } from '../../../src/index.js';
import { UdpSocket } from '../../../src/index.js';
import type { Sender } from '../../../src/udp/send/sender.js';
import { boundUdp, errorOf } from '../../support/sockets.js';
import { cut, pattern, play, received, testSender } from '../../support/udp-sender.js';

const BIG = { SO_RCVBUF: 4 << 20 };
const STICKY = { sockopts: { UDP_SEGMENT: 100 } } as const;

type Form = (sender: Sender, to: Endpoint, data: Buffer, segmentSize: number) => void;
const FORMS: readonly (readonly [string, Form])[] = [
  ['trySend', (sender, to, data, segmentSize) => void sender.trySend(data, { to, segmentSize })],
  [
    'trySend with other control messages',
    (sender, to, data, segmentSize) => void sender.trySend(data, { to, segmentSize, ttl: 9, ecn: 1 }),
  ],
  [
    'trySend of a list',
    (sender, to, data, segmentSize) => {
      sender.trySend([data.subarray(0, 7), data.subarray(7)], { to, segmentSize });
    },
  ],
  [
    'a batch',
    (sender, to, data, segmentSize) => {
      const batch = sender.createSendBatch({ bytes: 1 << 20, messages: 1024 });
      batch.add(data, { to, segmentSize, ttl: 9 });
      batch.add(data, { to, segmentSize });
      while (batch.remaining > 0) sender.sendBatch(batch);
    },
  ],
];

describe.each<Family>(['ipv4', 'ipv6'])('%s', (family) => {
  describe.each(FORMS)('%s', (form, run) => {
    test.each([
      ['one segment', 500, 1000],
      ['one segment that is full', 1000, 1000],
      ['several segments in one message', 2500, 1000],
      ['two messages, and one of a single segment', 2 * 65_000 + 500, 1000],
      ['messages of a single segment each', 2 * 40_000 + 500, 40_000],
      ['segments shorter than those of the socket', 250, 30],
    ])('%s', (_, length, segmentSize) => {
      using receiver = boundUdp(family, BIG);
      using it = testSender(family, STICKY);
      const data = pattern(length);
      run(it.sender, receiver.local, data, segmentSize);
      const expected = cut(data, segmentSize);
      expect(received(receiver)).toEqual(form === 'a batch' ? [...expected, ...expected] : expected);
      expect(it.sender.stats).toMatchObject({
        bytes: expected.length === 0 ? 0 : length * (form === 'a batch' ? 2 : 1),
      });
    });
  });
});

test('what has no segment size is cut as the socket says', () => {
  using receiver = boundUdp();
  using it = testSender('ipv4', STICKY);
  expect(it.sender.trySend(pattern(250), { to: receiver.local })).toBe(250);
  expect(received(receiver)).toEqual(cut(pattern(250), 100));
});

test('refused by the kernel, it is not cut after all', async () => {
  using receiver = boundUdp();
  using it = testSender('ipv4', { ...STICKY, wrap: play(-22, -22).wrap });
  const options = { to: receiver.local, segmentSize: 1000 };
  expect(await errorOf(() => it.sender.trySend(pattern(500), options))).toMatchObject({ code: 'EINVAL' });
  expect(received(receiver)).toEqual([]);
});

test('of a UdpSocket, set at any time', async () => {
  using receiver = boundUdp();
  await using udp = UdpSocket.create({ family: 'ipv4' });
  const options = { to: receiver.local, segmentSize: 1000 };
  udp.trySend(pattern(500), options);
  setOption(udp, 'UDP_SEGMENT', 100);
  udp.trySend(pattern(500), options);
  setOption(udp, { level: 17, name: 103 }, 50);
  udp.trySend(pattern(90), options);
  expect(received(receiver)).toEqual([pattern(500), pattern(500), pattern(90)]);
});
