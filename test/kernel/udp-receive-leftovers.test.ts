// What was read and not delivered yet: those who come next, or wait for it, get it.
import { expect, test } from 'vitest';
import { UdpSocket } from '../../src/index.js';
import { errorOf, udp as plainUdp } from '../support/sockets.js';
import { checkDescriptors } from './fixtures.js';
import { nextMessages, receiver, send, texts, turns } from './udp-receive-fixtures.js';

checkDescriptors();

/** A socket of which somebody has taken two of five messages, and has gone. */
async function leftover(): Promise<UdpSocket> {
  const udp = receiver({ family: 'ipv4' });
  using sender = plainUdp();
  for (const text of ['0', '1', '2', '3', '4']) send(sender, udp, text);
  expect(await nextMessages(udp, 2)).toEqual(['0', '1']);
  return udp;
}

test('readable() is at once for what a listener has left', { timeout: 5000 }, async () => {
  await using udp = await leftover();
  await udp.readable();
  const batch = udp.createReceiveBatch();
  expect([udp.recvBatch(batch), texts(batch)]).toEqual([3, ['2', '3', '4']]);
  let readable = false;
  const waiting = udp.readable().then(() => (readable = true));
  await turns(3);
  expect(readable, 'nothing is left').toBe(false);
  using sender = plainUdp();
  send(sender, udp, '5');
  await waiting;
});

test('what is wrong, aborted or closed is so before', async () => {
  const udp = await leftover();
  expect((await errorOf(() => udp.readable({ signal: 1 } as never))).code).toBe('ERR_INVALID_ARG_TYPE');
  expect((await errorOf(() => udp.readable({ signal: AbortSignal.abort() }))).code).toBe('ABORT_ERR');
  await udp.close();
  expect((await errorOf(() => udp.readable())).code).toBe('EBADF');
});
