// Each datagram once and in order, while a real kernel refuses some of them: every form of sending, over IPv4 and IPv6, to a
// peer in another namespace. Every datagram has arrived, or its send has failed.
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SyscallError, UdpSocket, type Endpoint, type Family, type SendOptions } from '../../../src/index.js';
import type { NetworkNamespace } from '../../support/namespace.js';
import { createNeighbour, neighbourAddresses } from '../../support/neighbour.js';
import { UdpPeer } from '../../support/udp-peer.js';

const PORT = 9000;
const PEER = neighbourAddresses(79);
/** Bytes of a datagram that is all right, and of one that a firewall knows. */
const [SIZE, MARKED] = [100, 150];

let namespace: NetworkNamespace;
let peer: UdpPeer;
beforeAll(async () => {
  namespace = await createNeighbour(79);
  // As many ICMP errors as there are reasons for.
  await namespace.run(
    'sh',
    '-c',
    'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit',
  );
  peer = await UdpPeer.start(namespace, 'far', PORT);
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  await namespace[Symbol.asyncDispose]();
});

/** One datagram, or several by segmentation. */
interface Item {
  readonly data: Buffer;
  readonly options: SendOptions;
}

/** What to do with a refused item: skip it, or send it again. */
type Policy = 'skip' | 'again';
type Send = (
  udp: UdpSocket,
  items: readonly Item[],
  refused: (error: unknown, item: Item) => Promise<Policy>,
) => Promise<void>;

const forms: Record<string, Send> = {
  trySend: async (udp, items, refused) => {
    for (const item of items) {
      for (let sent = 0; sent < item.data.length;) {
        try {
          const bytes = udp.trySend(item.data.subarray(sent), item.options);
          if (bytes === 0) await udp.writable();
          sent += bytes;
        } catch (error) {
          if ((await refused(error, item)) === 'skip') break;
        }
      }
    }
  },
  sendBatch: async (udp, items, refused) => {
    const batch = udp.createSendBatch({ messages: 256, bytes: 1 << 20 });
    for (const { data, options } of items) expect(batch.add(data, options)).toBe(true);
    expect(batch.length, 'an item is a message').toBe(items.length);
    while (batch.remaining > 0) {
      try {
        if (udp.sendBatch(batch) === 0) await udp.writable();
      } catch (error) {
        if ((await refused(error, items[batch.position]!)) === 'skip') batch.skip();
      }
    }
  },
  'send, one after the other': async (udp, items, refused) => {
    for (const item of items) {
      for (let sent = 0; sent < item.data.length;) {
        try {
          await udp.send(item.data.subarray(sent), item.options);
          break;
        } catch (error) {
          if ((await refused(error, item)) === 'skip') break;
          sent += (error as { bytesSent?: number }).bytesSent ?? 0;
        }
      }
    }
  },
};

/** Numbered items, some of several segments, and every fifth as `odd` makes it. */
function items(count: number, odd: (data: Buffer, options: SendOptions) => Item, options: SendOptions): Item[] {
  let number = 0;
  const datagram = (size: number) => {
    const data = Buffer.alloc(size);
    data.writeUInt32BE(number++);
    return data;
  };
  return Array.from({ length: count }, (_, i) => {
    if (i % 5 === 3) return odd(datagram(MARKED), options);
    if (i % 5 !== 1) return { data: datagram(SIZE), options };
    const segments = Array.from({ length: 1 + (i % 7) }, () => datagram(SIZE));
    return { data: Buffer.concat(segments), options: { ...options, segmentSize: SIZE } };
  });
}

function numbersOf(item: Item): number[] {
  const size = item.options.segmentSize ?? item.data.length;
  return Array.from({ length: Math.ceil(item.data.length / size) }, (_, i) => item.data.readUInt32BE(i * size));
}

describe.each<Family>(['ipv4', 'ipv6'])('%s', (family) => {
  const to = { address: PEER[family], port: PORT };
  const arrivedNumbers = async () => {
    const { datagrams } = await peer.collect(PEER[family], PORT);
    return datagrams.map((data) => data.readUInt32BE());
  };
  const udpHeader = 8;

  describe.each(Object.entries(forms))('%s', (_name, send) => {
    const undo: (() => unknown)[] = [];
    afterEach(async () => {
      for (const action of undo.splice(0)) await action();
    });

    /** Sends the items, skips those that are refused, and checks their errors. */
    const run = async (
      connected: boolean,
      odd: (data: Buffer, options: SendOptions) => Item,
      expected: { readonly code?: string; readonly lost: boolean },
    ) => {
      await using udp = UdpSocket.create({ family });
      if (connected) udp.connect(to);
      const list = items(200, odd, connected ? {} : { to });
      const codes = new Set<string>();
      const refusedItems = new Set<Item>();
      await send(udp, list, (error, item) => {
        expect(error).toBeInstanceOf(SyscallError);
        codes.add((error as SyscallError).code);
        refusedItems.add(item);
        return Promise.resolve('skip');
      });
      const isOdd = (item: Item) => list.indexOf(item) % 5 === 3;
      expect([...codes]).toEqual(expected.code === undefined ? [] : [expected.code]);
      expect([...refusedItems].flatMap(numbersOf), 'those that could not go, all of them, and no others').toEqual(
        expected.code === undefined ? [] : list.filter(isOdd).flatMap(numbersOf),
      );
      const wanted = list.filter((item) => !(expected.lost && isOdd(item))).flatMap(numbersOf);
      expect(await arrivedNumbers()).toEqual(wanted);
      return udp.stats.sent;
    };

    test.each([false, true])(
      'datagrams that a local firewall drops fail with EPERM, the others arrive once and in order (connected: %s)',
      async (connected) => {
        execFileSync('nft', ['add table inet own; add chain inet own out { type filter hook output priority 0; }']);
        undo.push(() => execFileSync('nft', ['delete table inet own']));
        execFileSync('nft', [`add rule inet own out udp dport ${PORT} udp length ${MARKED + udpHeader} drop`]);
        await run(connected, (data, options) => ({ data, options }), { code: 'EPERM', lost: true });
      },
    );

    test('datagrams that follow one the peer refuses arrive once and in order', async () => {
      await namespace.run('nft', 'add table inet t; add chain inet t in { type filter hook input priority 0; }');
      undo.push(() => namespace.run('nft', 'delete table inet t'));
      const rule = `udp dport ${PORT} udp length ${MARKED + udpHeader} reject with icmpx port-unreachable`;
      await namespace.run('nft', `add rule inet t in ${rule}`);
      const stats = await run(true, (data, options) => ({ data, options }), { lost: true });
      // An error after messages that were sent is never reported: sendmmsg returns their number and clears the error.
      if (_name === 'sendBatch') expect(stats.syscalls, 'it was stopped').toBeGreaterThan(20);
      else expect(stats.pendingErrors, 'errors stood in the way').toBeGreaterThan(20);
    });

    test.each([false, true])(
      'datagrams that are too long fail with EMSGSIZE, the others arrive once and in order (connected: %s)',
      async (connected) => {
        const tooLong = (data: Buffer, options: SendOptions) => {
          return { data: Buffer.concat([data, Buffer.alloc(65_528 - data.length)]), options };
        };
        if (_name !== 'sendBatch') await run(connected, tooLong, { code: 'EMSGSIZE', lost: true });
        else {
          // A batch of a megabyte has no room for forty of them: segments that are longer than the MTU do as well.
          const segments = (data: Buffer, options: SendOptions) => {
            return { data: Buffer.concat([data, Buffer.alloc(3000)]), options: { ...options, segmentSize: 1500 } };
          };
          await run(connected, segments, { code: 'EMSGSIZE', lost: true });
        }
      },
    );

    test('datagrams without a route fail with ENETUNREACH, the others arrive once and in order', async () => {
      const nowhere = { address: family === 'ipv4' ? '192.0.2.1' : '2001:db8::1', port: PORT };
      await run(false, (data, options) => ({ data, options: { ...options, to: nowhere } }), {
        code: 'ENETUNREACH',
        lost: true,
      });
    });

    test.each([false, true])(
      'datagrams for a missing interface fail with ENODEV, the others arrive once and in order (connected: %s)',
      async (connected) => {
        const odd = (data: Buffer, options: SendOptions) => ({
          data,
          options: { ...options, from: { interface: 99_999 } },
        });
        await run(connected, odd, { code: 'ENODEV', lost: true });
      },
    );

    test('a full device queue fails with ENOBUFS, and datagrams that are sent again arrive once and in order', async () => {
      execFileSync('tc', 'qdisc replace dev near root tbf rate 20mbit burst 3000 limit 4000'.split(' '));
      undo.push(() => execFileSync('tc', ['qdisc', 'del', 'dev', 'near', 'root']));
      // Without an error queue the kernel does not report that the device has dropped it.
      await using udp = UdpSocket.create({ family, errorQueue: 'require' });
      const list = items(200, (data, options) => ({ data, options }), { to }).filter((_item, i) => i % 5 !== 1);
      let full = 0;
      await send(udp, list, async (error) => {
        expect(error).toMatchObject({ code: 'ENOBUFS' });
        full++;
        await new Promise((resolve) => setTimeout(resolve, 1)); // for the device there is no event
        return 'again';
      });
      expect(full).toBeGreaterThan(0);
      execFileSync('tc', 'qdisc replace dev near root tbf rate 1gbit burst 30000 limit 400000'.split(' '));
      expect(await arrivedNumbers()).toEqual(list.flatMap(numbersOf));
    });
  });
});

describe('batches to many peers', () => {
  test('each peer of a batch gets its datagrams once and in order, although other peers are gone', async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', sockopts: { IP_RECVERR: true } });
    udp.bind();
    const receivers = Array.from({ length: 20 }, () => {
      const receiver = UdpSocket.create({ family: 'ipv4' });
      receiver.bind({ address: '127.0.0.1', port: 0 });
      return receiver;
    });
    const targets: Endpoint[] = receivers.map(({ local }) => local);
    for (const receiver of receivers.filter((_, i) => i % 4 === 1)) await receiver.close();
    let number = 0;
    for (let round = 0; round < 10; round++) {
      const batch = udp.createSendBatch();
      for (let i = 0; i < 60; i++) {
        const data = Buffer.alloc(8);
        data.writeUInt32BE(number++);
        data.writeUInt32BE(number++, 4);
        expect(batch.add(data, { to: targets[i % 20]!, segmentSize: 4 })).toBe(true);
      }
      while (batch.remaining > 0) if (udp.sendBatch(batch) === 0) await udp.writable();
    }
    expect(udp.stats.sent.syscalls, 'errors of those that are not there have stopped it').toBeGreaterThan(20);
    for (const [i, receiver] of receivers.entries()) {
      if (receiver.closed) continue;
      const batch = receiver.createReceiveBatch();
      const numbers: number[] = [];
      while (receiver.receiveBatch(batch) > 0) {
        for (let n = 0; n < batch.length; n++) numbers.push(Buffer.from(batch.data(n)).readUInt32BE());
      }
      const expected = Array.from({ length: 30 }, (_, k) => 2 * (20 * k + i)).flatMap((n) => [n, n + 1]);
      expect(numbers).toEqual(expected);
      await receiver.close();
    }
  });
});
