// Link-local destinations (fe80::/10): the interface comes from the address, the source or the device, and is never guessed.
// Two links lead to fe80::1; the second one has a name with an underscore, which Node does not take for a zone.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, connector, EgressPool } from '../../../src/index.js';
import { interfaceIndex } from '../../../src/kernel/interfaces.js';
import { checkDescriptors, ip, thrown } from '../../support/fixtures.js';

checkDescriptors();

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.end(String(socket.localAddress));
});
let port = 0;

beforeAll(async () => {
  for (const [near, far, address] of [
    ['zone0', 'zone1', 'fe80::a/64'],
    ['zone_2', 'zone_3', 'fe80::b/64'],
  ] as const) {
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
    for (const name of [near, far]) ip('link', 'set', name, 'up', 'addrgenmode', 'none');
    ip('-6', 'addr', 'add', address, 'dev', near, 'nodad');
    ip('-6', 'addr', 'add', 'fe80::1/64', 'dev', far, 'nodad');
  }
  server.listen(0, '::');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => server.close());

/** Where the server was reached, or how the connect failed. */
async function outcome(socket: Socket): Promise<string> {
  const result = await new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(`at ${String(data)}`));
    socket.once('error', ({ code, reason = '' }: NodeJS.ErrnoException & { reason?: string }) =>
      resolve(`${String(code)} ${reason}`.trim()),
    );
  });
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
  return result;
}

/** A name that resolves to a link-local address, without a zone as from every name server. */
type Lookup = (name: string, options: { all?: boolean }, done: (...answer: unknown[]) => void) => void;
const lookup: Lookup = (_, { all }, done) =>
  all === true ? done(null, [{ address: 'fe80::1', family: 6 }]) : done(null, 'fe80::1', 6);

describe('a name whose address is link-local', () => {
  const byName = (): object => ({ host: 'printer.test', port, lookup });

  test.each<[string, () => Socket]>([
    ['the zone of localAddress', () => connect({ ...byName(), port, localAddress: 'fe80::b%zone_2' })],
    ['the device', () => connect({ ...byName(), port, device: 'zone_2' })],
    [
      'the zone of a source of a pool',
      () => new EgressPool({ sources: ['fe80::b%zone_2'] }).connect({ ...byName(), port }),
    ],
    [
      'the device of a pool',
      () => {
        const pool = new EgressPool({ sources: ['fe80::b%zone_2'], device: 'zone_2' });
        return pool.connect({ ...byName(), port });
      },
    ],
  ])('a name whose address is link-local is reached over %s', async (_, make) => {
    expect(await outcome(make())).toBe('at fe80::1%zone_3');
  });

  test.each<[string, () => Socket]>([
    ['connect()', () => connect({ ...byName(), port })],
    [
      'connector().connectTls()',
      () => connector({}).connectTls({ ...byName(), port, secureContext: createSecureContext() }),
    ],
    [
      'EgressPool.connect() from the wildcard of a prefix',
      () => {
        return new EgressPool({ sources: ['2001:db8::1'], freebind: true }).connect({ ...byName(), port });
      },
    ],
  ])(
    '%s to a name whose address is link-local, with no interface known, is EINVAL with reason noZone',
    async (_, make) => {
      expect(await outcome(make())).toBe('EINVAL noZone');
    },
  );
});

describe('a link-local address with its zone', () => {
  test.each(['zone0', 'zone_2'])(
    'a link-local host is reached over the interface of its zone: fe80::1%%%s',
    async (zone) => {
      const host = `fe80::1%${zone}`;
      const far = zone === 'zone0' ? 'at fe80::1%zone1' : 'at fe80::1%zone_3';
      expect(await outcome(connect({ host, port }))).toBe(far);
      expect(await outcome(connect(port, host))).toBe(far);
      expect(await outcome(connect({ host: `fe80::1%${String(interfaceIndex(zone))}`, port }))).toBe(far);
      const source = zone === 'zone0' ? 'fe80::a%zone0' : 'fe80::b%zone_2';
      const pool = new EgressPool({ sources: [source] });
      expect(await outcome(pool.connect({ host, port }))).toBe(far);
      expect(await outcome(pool.socket().connect(port, host))).toBe(far);
      expect(await outcome(pool.socket().connect({ host, port }))).toBe(far);
      expect(await outcome(pool.createConnection({ host, port }))).toBe(far);
      expect(await outcome(connect({ host, port, localAddress: source }))).toBe(far);
    },
  );

  test('a zone that is no interface is ERR_INVALID_ARG_VALUE in localAddress', () => {
    for (const action of [() => connect({ host: 'fe80::1%zone0', port, localAddress: 'fe80::a%no_such' })]) {
      expect(thrown(action)).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    }
  });

  test.each(['fe80::1%nope0', 'fe80::1%no_such', 'fe80::1%4711'])(
    'a zone of a destination that is no interface fails as in Node, with reason noDevice: %s',
    async (host) => {
      expect(await outcome(connect({ host, port }))).toBe('EINVAL noDevice');
      expect(await outcome(connect(port, host))).toBe('EINVAL noDevice');
      expect(await outcome(new EgressPool({ sources: ['fe80::a%zone0'] }).connect({ host, port }))).toBe(
        'EINVAL noDevice',
      );
    },
  );
});
