// UDP_GRO: datagrams merged by the kernel, which a batch shows merged and messages split.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { UdpSocket } from '../../../src/index.js';
import { nodeEnvironment } from '../../support/child.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { errorOf, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { nextBatch, nextMessages, PATHS, receiver, send } from '../../support/udp-receive.js';

checkDescriptors();

/** Bytes that say which datagram they are of. */
function segments(...sizes: number[]): Buffer {
  return Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, 'a'.charCodeAt(0) + (i % 26))));
}

/** How each entry of the next batch is made up. */
async function nextEntries(udp: UdpSocket): Promise<{ bytes: number; segmentSize: number; segments: number }[]> {
  return await nextBatch(udp, (received) =>
    Array.from({ length: received.length }, (_, i) => ({
      bytes: received.byteLength(i),
      segmentSize: received.segmentSize(i),
      segments: received.segments(i),
    })),
  );
}

describe.each(PATHS)('$path on loopback', (path) => {
  const cut = (value: number) => [{ type: 'UDP_SEGMENT', value }] as const;

  test('the minimum controlLength is enough for the segment size, whatever else is reported', async () => {
    await using udp = receiver({
      ...{ family: path.family, gro: 'require', controlLength: 216 },
      ...{ pktinfo: true, originalDestination: true, ecn: true, ttl: true },
      ...{ timestamps: true, dropCounter: true, receiveMark: true },
      sockopts: { SO_TIMESTAMPING: { flags: ['RX_SOFTWARE', 'SOFTWARE'] } },
    });
    using sender = plainUdp(path.from);
    send(sender, udp, segments(1200, 1200, 600), cut(1200));
    const seen = await nextBatch(udp, (received) => [received.segmentSize(0), received.controlTruncated(0)]);
    expect(seen).toEqual([1200, true]);
  });

  test.each([
    ['with a tail', [1200, 1200, 600], { bytes: 3000, segmentSize: 1200, segments: 3 }],
    ['with a tail of one byte', [1200, 1], { bytes: 1201, segmentSize: 1200, segments: 2 }],
    ['without a tail', [500, 500, 500, 500], { bytes: 2000, segmentSize: 500, segments: 4 }],
    ['of one byte each', Array<number>(100).fill(1), { bytes: 100, segmentSize: 1, segments: 100 }],
    ['as long as they can be', Array<number>(54).fill(1200), { bytes: 64_800, segmentSize: 1200, segments: 54 }],
  ])('a run of datagrams %s is received as one entry with its segment size', async (_, sizes, entry) => {
    await using udp = receiver({ family: path.family, gro: 'require' });
    using sender = plainUdp(path.from);
    const data = segments(...sizes);
    send(sender, udp, data, cut(sizes[0]!));
    send(sender, udp, Buffer.alloc(700));
    send(sender, udp, '');
    const rows = await nextBatch(udp, (received) => [
      Buffer.from(received.data(0)),
      ...[0, 1, 2].map((i) => ({
        bytes: received.byteLength(i),
        segmentSize: received.segmentSize(i),
        segments: received.segments(i),
      })),
    ]);
    expect(rows).toEqual([
      data,
      entry,
      { bytes: 700, segmentSize: 700, segments: 1 },
      { bytes: 0, segmentSize: 0, segments: 1 },
    ]);
    expect(udp.stats.received).toMatchObject({
      ...{ datagrams: sizes.length + 2, bytes: data.length + 700, syscalls: 1, truncated: 0, controlTruncated: 0 },
    });
  });

  test('messages and for await return merged datagrams one by one', async () => {
    await using udp = receiver({ family: path.family, gro: 'require', ttl: true, ecn: true });
    using sender = plainUdp(path.from);
    const sizes = [1000, 1000, 1000, 333];
    const whole = segments(...sizes);
    const expected = ['a'.repeat(1000), 'b'.repeat(1000), 'c'.repeat(1000), 'd'.repeat(333)];
    send(sender, udp, whole, cut(1000));
    expect(await nextMessages(udp, 4)).toEqual(expected);
    send(sender, udp, whole, cut(1000));
    const got: string[] = [];
    for await (const { data, info } of udp) {
      expect(info).toMatchObject({ size: data.length, port: sender.local.port, ttl: 64, ecn: 0 });
      if (got.push(data.toString()) === 4) break;
    }
    expect(got).toEqual(expected);
    expect(udp.stats.received).toMatchObject({ datagrams: 8, syscalls: 2 });
  });

  test('a consumer that stops in the middle of merged datagrams leaves the rest to the next one', async () => {
    await using udp = receiver({ family: path.family, gro: 'require' });
    using sender = plainUdp(path.from);
    send(sender, udp, 'first');
    send(sender, udp, segments(10, 10, 10, 10, 5), cut(10));
    send(sender, udp, segments(20, 20), cut(20));
    expect(await nextMessages(udp, 3)).toEqual(['first', 'a'.repeat(10), 'b'.repeat(10)]);
    const rest = await nextBatch(udp, (received) =>
      Array.from({ length: received.length }, (_, i) => [
        received.segmentSize(i),
        received.source(i).port,
        Buffer.from(received.data(i)).toString(),
      ]),
    );
    const { port } = sender.local;
    expect(rest).toEqual([
      [10, port, `${'c'.repeat(10)}${'d'.repeat(10)}${'e'.repeat(5)}`],
      [20, port, `${'a'.repeat(20)}${'b'.repeat(20)}`],
    ]);
  });

  test('pause() in the middle of merged datagrams, and resume() there', async () => {
    await using udp = receiver({ family: path.family, gro: 'require' });
    using sender = plainUdp(path.from);
    const got: string[] = [];
    const done = new Promise<void>((resolve) => {
      udp.on('message', (data) => {
        got.push(data.toString());
        udp.pause();
        setImmediate(() => udp.resume());
        if (got.length === 3) resolve();
      });
    });
    send(sender, udp, segments(10, 10, 5), cut(10));
    await done;
    expect(got).toEqual(['a'.repeat(10), 'b'.repeat(10), 'c'.repeat(5)]);
  });
});

test('without gro each datagram is a separate entry', async () => {
  await using udp = receiver({ family: 'ipv4' });
  using sender = plainUdp();
  send(sender, udp, segments(100, 100, 50), [{ type: 'UDP_SEGMENT', value: 100 }]);
  expect(await nextEntries(udp)).toEqual([
    { bytes: 100, segmentSize: 100, segments: 1 },
    { bytes: 100, segmentSize: 100, segments: 1 },
    { bytes: 50, segmentSize: 50, segments: 1 },
  ]);
});

describe.each(['ipv4', 'ipv6'] as const)('%s over a veth pair', (family) => {
  const [here, there] = family === 'ipv4' ? ['10.77.0.1', '10.77.0.2'] : ['fd00:77::1', 'fd00:77::2'];
  const prefix = family === 'ipv4' ? 24 : 64;

  test('data sent with segmentation offload is received merged, and split correctly', async () => {
    await using other = await NetworkNamespace.create();
    await other.link('current', { addresses: [`${there}/${prefix}`], peerAddresses: [`${here}/${prefix}`] });
    await using udp = receiver({ family, gro: 'require', recvBufferSize: 1 << 22, pktinfo: true });
    const script = `
      import { UdpSocket } from 'linux-sockets';
      const udp = UdpSocket.create({ family: '${family}', gso: 'require' });
      const data = Buffer.concat([1200, 1200, 1200, 77].map((size, i) => Buffer.alloc(size, 97 + i)));
      for (let i = 0; i < 20; i++) await udp.send(data, { to: { address: '${here}', port: ${udp.local.port} }, segmentSize: 1200 });
      await udp.close();
    `;
    const sender = other.spawn(process.execPath, ['--input-type=module', '--eval', script], { env: nodeEnvironment() });
    const ended = once(sender, 'exit');
    const got = await nextMessages(udp, 80);
    expect(await ended).toEqual([0, null]);
    const round = ['a', 'b', 'c'].map((letter) => letter.repeat(1200));
    expect(got).toEqual(Array.from({ length: 20 }, () => [...round, 'd'.repeat(77)]).flat());
    const { datagrams, bytes, truncated } = udp.stats.received;
    expect([datagrams, bytes, truncated]).toEqual([80, 20 * 3677, 0]);
  });
});

test('create() throws for invalid combinations of gro with other options', async () => {
  for (const gro of ['on', 1, null]) {
    expect((await errorOf(() => receiver({ family: 'ipv4', gro: gro as never }))).code).toBe('ERR_INVALID_ARG_TYPE');
  }
});
