// Members that only this package's own files use: the public classes do not show them.
import { expect, test } from 'vitest';
import { UdpSocket } from '../../../src/index.js';

/** The names of all members that are not symbols, inherited ones included. */
function namesOf(object: object): string[] {
  const names: string[] = [];
  for (let at = object; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return [...new Set(names)].sort();
}

test('a SendBatch has no public member that changes its position except skip and clear', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4' });
  expect(namesOf(udp.createSendBatch())).toEqual([
    ...['add', 'addReply', 'clear', 'commit', 'constructor', 'data', 'end', 'length', 'position', 'remaining'],
    ...['reserve', 'skip'],
  ]);
});

test('a received batch has no public member that fills or empties it', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4' });
  expect(namesOf(udp.createReceiveBatch())).toEqual([
    ...['byteLength', 'constructor', 'control', 'controlTruncated', 'data', 'destination', 'drops', 'ecn', 'flags'],
    ...['interface', 'length', 'local', 'mark', 'offset', 'segmentSize', 'segments', 'slab', 'slots', 'source'],
    ...['sourceKey', 'timestamp', 'tos', 'truncated', 'ttl'],
  ]);
});

test('an error queue has no public member except take and its iterator', async () => {
  await using udp = UdpSocket.create({ family: 'ipv4', errorQueue: true });
  expect(namesOf(udp.errorQueue)).toEqual(['constructor', 'take']);
});
