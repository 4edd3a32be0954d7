// A group of processes on one port: the program selects the process for each datagram.
import { expect, test } from 'vitest';
import { UdpSocket } from '../../../src/index.js';
import { startNode } from '../../support/child.js';
import { boundUdp } from '../../support/sockets.js';

/** The first byte of the data is the number of the socket: classic BPF, which sees the datagram's data. */
const PROGRAM = [
  { code: 0x30, jt: 0, jf: 0, k: 0 }, // ldb [0]
  { code: 0x16, jt: 0, jf: 0, k: 0 }, // ret a
];

test.each([
  ['IPv4', 'ipv4', '127.0.0.1'],
  ['IPv6', 'ipv6', '::1'],
] as const)(
  '%s: a reuseport program delivers each datagram to the process that its first byte selects',
  async (_, family, address) => {
    // A port for all processes, which none has bound yet.
    const port = (() => {
      using probe = boundUdp(family);
      return probe.local.port;
    })();
    const script = `
    import { UdpSocket } from 'linux-sockets';
    const udp = UdpSocket.create({ family: '${family}', reusePort: { steering: ${JSON.stringify(PROGRAM)} } });
    udp.bind({ address: '${address}', port: ${port} });
    udp.on('message', (data, info) => udp.reply(info, Buffer.from([data[0], Number(process.argv.at(-1))])));
    console.log('bound');
    process.stdin.resume().on('end', () => process.exit());
  `;
    const children: Awaited<ReturnType<typeof startNode>>[] = [];
    try {
      for (let i = 0; i < 3; i++) {
        const child = startNode(script, { args: [`${i}`] });
        children.push(child);
        await child.printed(/bound/); // the order of bind is their number
      }
      await using udp = UdpSocket.create({ family });
      udp.bind();
      const answers: (readonly [number, number])[] = [];
      const all = new Promise<void>((resolve) => {
        udp.on('message', (data) => {
          answers.push([data[0] ?? -1, data[1] ?? -1]);
          if (answers.length === 30) resolve();
        });
      });
      const sources = [udp];
      for (let i = 0; i < 30; i++) await sources[0]!.send(Buffer.from([i % 3]), { to: { address, port } });
      await all;
      expect(answers.every(([wanted, got]) => wanted === got)).toBe(true);
      for (const number of [0, 1, 2]) expect(answers.filter(([, got]) => got === number).length).toBe(10);
    } finally {
      for (const child of children) await child[Symbol.asyncDispose]();
    }
  },
  30_000,
);
