// Replies that the kernel took only in part: the queued rest may be lost, without an unhandled rejection.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UdpSocket, type SyscallError } from '../../../src/index.js';
import { expectNoNewFds } from '../../support/fds.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { turns } from '../../support/udp-receive.js';

checkDescriptors();

const tc = (command: string) => execFileSync('tc', command.split(' '));
beforeAll(() => tc('qdisc replace dev lo root tbf rate 8kbit burst 2000 limit 1000000'));
afterAll(() => tc('qdisc del dev lo root'));

/** A socket whose buffer is full after a part of LONG. */
function make(): UdpSocket {
  const udp = UdpSocket.create({ family: 'ipv4', originalDestination: true, replySockets: 1, sendBufferSize: 5000 });
  udp.bind({ address: '0.0.0.0', port: 0 });
  return udp;
}

const LONG = [Buffer.alloc(200_000), { segmentSize: 1000 }] as const;
const from = (port: number) => ({
  source: { address: '127.0.0.1', port: 9 } as never,
  destination: { address: '127.0.0.1', port } as never,
});

/** The unhandled rejections while `action` ran. */
async function unhandled(action: () => unknown): Promise<unknown[]> {
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const seen: unknown[] = [];
  const listener = (reason: unknown) => seen.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await action();
    await turns(3);
    return seen;
  } finally {
    process.off('unhandledRejection', listener);
    for (const other of others) process.on('unhandledRejection', other);
  }
}

test('closing the socket drops the queued rest of a reply', async () => {
  await expectNoNewFds(async () => {
    const udp = make();
    const rejected = await unhandled(async () => {
      expect(udp.reply(from(udp.local.port), ...LONG)).toBe(true);
      expect(udp.queuedBytes).toBeGreaterThan(0);
      await udp.close();
    });
    expect(rejected).toEqual([]);
    expect(udp.stats.replies.errors).toBe(1);
  });
});

test('a lost rest of a reply from another port is reported, even if the socket for that port has been closed to make room', async () => {
  await using udp = make();
  const errors: SyscallError[] = [];
  udp.on('sendError', (error) => errors.push(error));
  const rejected = await unhandled(async () => {
    expect(udp.reply(from(6001), ...LONG)).toBe(true);
    expect(udp.reply(from(6002), Buffer.from('x'))).toBe(true);
    await turns(1);
    expect(udp.reply(from(6003), ...LONG)).toBe(true);
  });
  expect(rejected).toEqual([]);
  expect(errors.map(({ code, syscall, port }) => [code, syscall, port])).toEqual([
    ['EAGAIN', 'sendmsg', 9],
    ['EAGAIN', 'sendmsg', 9],
  ]);
  expect(udp.stats.replies).toEqual({ errors: 2, sockets: 1 });
});
