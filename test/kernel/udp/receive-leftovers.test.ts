// Messages that were read but not delivered go to the next consumer.
import type { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { UdpSocket } from '../../../src/index.js';
import { errorOf, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { nextMessages, receiver, send, texts, turns } from '../../support/udp-receive.js';

checkDescriptors();

/** A socket whose consumer has stopped after two of five messages. */
async function leftover(): Promise<UdpSocket> {
  const udp = receiver({ family: 'ipv4' });
  using sender = plainUdp();
  for (const text of ['0', '1', '2', '3', '4']) send(sender, udp, text);
  expect(await nextMessages(udp, 2)).toEqual(['0', '1']);
  return udp;
}

test('readable() resolves at once when a listener left messages behind', { timeout: 5000 }, async () => {
  await using udp = await leftover();
  await udp.readable();
  const batch = udp.createReceiveBatch();
  expect([udp.receiveBatch(batch), texts(batch)]).toEqual([3, ['2', '3', '4']]);
  let readable = false;
  const waiting = udp.readable().then(() => (readable = true));
  await turns(3);
  expect(readable, 'nothing is left').toBe(false);
  using sender = plainUdp();
  send(sender, udp, '5');
  await waiting;
});

test('readable() with messages left behind still rejects for wrong arguments, an aborted signal and a closed socket', async () => {
  const udp = await leftover();
  expect((await errorOf(() => udp.readable({ signal: 1 } as never))).code).toBe('ERR_INVALID_ARG_TYPE');
  expect((await errorOf(() => udp.readable({ signal: AbortSignal.abort() }))).code).toBe('ABORT_ERR');
  await udp.close();
  expect((await errorOf(() => udp.readable())).code).toBe('EBADF');
});

test(
  'an iterator that was paused with a message left yields it after resume(), then reads from the kernel',
  { timeout: 5000 },
  async () => {
    await using udp = receiver({ family: 'ipv4' });
    using sender = plainUdp();
    for (const text of ['0', '1']) send(sender, udp, text);
    const iterator = udp[Symbol.asyncIterator]();
    await iterator.next();
    udp.pause();
    const waiting = [iterator.next(), iterator.next()];
    send(sender, udp, '2');
    // In a timer's turn the poll comes next, and what `resume` has scheduled after it.
    setTimeout(() => udp.resume(), 1);
    const messages = await Promise.all(waiting);
    expect(messages.map(({ value }) => value?.data.toString())).toEqual(['1', '2']);
  },
);

test("a 'message' listener receives although a once-listener of 'newListener' is removed when it is added", async () => {
  await using udp = receiver({ family: 'ipv4' });
  using sender = plainUdp();
  (udp as unknown as EventEmitter).once('newListener', () => undefined);
  const got: string[] = [];
  udp.on('message', (data) => got.push(data.toString()));
  send(sender, udp, 'x');
  await udp.readable();
  await turns(1);
  expect(got).toEqual(['x']);
});
