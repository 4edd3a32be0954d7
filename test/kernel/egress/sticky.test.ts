// The strategy 'sticky' without spill-over, and the address of a key.
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { EgressPool } from '../../../src/index.js';
import { checkDescriptors, rejection, thrown } from '../../support/fixtures.js';

checkDescriptors();

const settings = { sources: ['127.1.0.0/16', '127.2.0.1'], strategy: 'sticky' } as const;

test('with spill: false the connections of a key leave from addressFor(key), and fail when it has no port left', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = new EgressPool({ ...settings, spill: false, localPortRange: [40_020, 40_020] });
  const to = { host: '127.0.0.1', port, egressKey: 'customer 7' };
  const first = pool.connect(to);
  await once(first, 'connect');
  expect(first.localAddress).toBe(pool.addressFor('customer 7', 'ipv4'));
  const second = pool.connect(to);
  expect(await rejection(once(second, 'connect'))).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED' });
  const spilling = new EgressPool({ ...settings, localPortRange: [40_020, 40_020] });
  const third = spilling.connect(to);
  await once(third, 'connect');
  expect(third.localAddress).not.toBe(first.localAddress);
  for (const socket of [first, third]) {
    socket.resetAndDestroy();
    await once(socket, 'close');
  }
  server.close();
  await once(server, 'close');
});

test('addressFor a family without sources is undefined, and with another strategy ERR_INVALID_STATE', () => {
  expect(new EgressPool(settings).addressFor('a', 'ipv6')).toBeUndefined();
  const pool = new EgressPool({ sources: ['127.0.0.1'] });
  expect(thrown(() => pool.addressFor('a', 'ipv4'))).toMatchObject({ code: 'ERR_INVALID_STATE' });
});

test("spill: false with another strategy than 'sticky' is ERR_INVALID_ARG_VALUE", () => {
  const make = (): unknown => new EgressPool({ sources: ['127.0.0.1'], spill: false });
  expect(thrown(make)).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
});
