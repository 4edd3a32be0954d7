// Garbage per datagram on the batch path: only what is requested. The limit is 16 bytes.
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

/** Bytes of heap that a datagram costs, by what a listener reads of it. */
async function garbage(read: string, options = ''): Promise<number> {
  // A young generation that holds all garbage of the run, so that nothing is collected in between.
  const execArgv = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
  const { stdout } = await runNode(
    `
      import { Worker } from 'node:worker_threads';
      import { UdpSocket } from 'linux-sockets';
      const udp = UdpSocket.create({ family: 'ipv6', recvBufferSize: 1 << 20, ${options} });
      udp.bind('[::]:0');
      const counts = { datagrams: 0, sum: 0 };
      udp.on('batch', (received) => {
        counts.datagrams += received.length;
        for (let i = 0; i < received.length; i++) { ${read} }
      });
      const source = \`
        const { workerData } = require('node:worker_threads');
        import('linux-sockets').then(({ UdpSocket }) => {
          const udp = UdpSocket.create({ family: 'ipv4' });
          udp.connect({ address: '127.0.0.1', port: workerData });
          // 64 arrive at a time: each wake-up of the event loop allocates some bytes in Node, which are not measured here.
          const data = new Uint8Array(64 * 200);
          (function send() {
            udp.trySend(data, { segmentSize: 200 });
            setImmediate(send);
          })();
        });
      \`;
      const worker = new Worker(source, { eval: true, execArgv: [], workerData: udp.local.port });
      const received = async (count) => {
        const end = counts.datagrams + count;
        while (counts.datagrams < end) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      await received(100_000); // until it is compiled
      gc();
      const before = { heap: process.memoryUsage().heapUsed, datagrams: counts.datagrams };
      await received(100_000);
      const heap = process.memoryUsage().heapUsed;
      console.log((heap - before.heap) / (counts.datagrams - before.datagrams));
      if (counts.sum === 0) throw new Error('nothing was read');
      await worker.terminate();
      await udp.close();
    `,
    { execArgv },
  );
  return Number(stdout);
}

const ALL = 'pktinfo: true, originalDestination: true, ecn: true, ttl: true, dropCounter: true, receiveMark: true';

test.each([
  ['lengths and places', 'counts.sum += received.offset(i) + received.byteLength(i);', ''],
  ['views', 'counts.sum += received.data(i)[0] + received.data(i).length;', ''],
  ['sources and their keys', 'counts.sum += received.sourceKey(i).length + received.source(i).port;', ''],
  [
    'all that is a number, and the destination',
    `counts.sum += received.ecn(i) + received.tos(i) + received.ttl(i) + received.interface(i) + received.segmentSize(i) +
       received.segments(i) + received.drops(i) + received.mark(i) + received.flags(i) + received.destination(i).port +
       received.local(i).port + Number(received.truncated(i)) + Number(received.controlTruncated(i));`,
    ALL,
  ],
])('a listener that reads %s allocates less than 16 bytes per datagram', async (_, read, options) => {
  const bytes = await garbage(read, options);
  expect(bytes).toBeLessThan(16);
});
