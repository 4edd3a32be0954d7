// Sources where a sandbox forbids AF_NETLINK, which is simulated: a broadcast address is still never used.
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connect, EgressPool, reserve, SyscallError } from '../../../src/index.js';
import { failed, witness } from '../../support/egress.js';
import { ip, thrown } from '../../support/fixtures.js';

vi.mock('../../../src/kernel/routes.js', async (original) => ({
  ...(await original<object>()),
  routeTo: () => {
    throw new SyscallError('socket', -97);
  },
}));

beforeAll(() => {
  ip('link', 'add', 'here', 'type', 'veth', 'peer', 'name', 'there');
  ip('addr', 'add', '10.77.0.1/24', 'broadcast', '+', 'dev', 'here');
  ip('link', 'set', 'here', 'up');
  ip('link', 'set', 'there', 'up');
});
afterAll(() => {
  ip('link', 'del', 'here');
});

test("without netlink, connect, reserve and a pool refuse a subnet's broadcast address, and nothing connects", async () => {
  await using server = await witness('127.0.0.1');
  const to = { host: '127.0.0.1', port: server.port };
  const reason = 'notUnicast';
  const [error] = (await once(connect({ ...to, localAddress: '10.77.0.255' }), 'error')) as [Error];
  expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', reason });
  const options = { remote: `127.0.0.1:${server.port}`, local: { address: '10.77.0.255' } };
  expect(thrown(() => reserve(options))).toMatchObject({ code: 'EADDRNOTAVAIL', reason });
  const pool = new EgressPool({ sources: ['10.77.0.255'] });
  expect(await failed(pool, to)).toMatchObject({ code: 'EADDRNOTAVAIL', reason });
  expect(server.seen).toEqual([]);
});
