// Reservations without capabilities: everything works except `transparent` and ports below 1024, whose errors name the capability.
import { expect } from 'vitest';
import type { ReserveOptions } from '../../../src/index.js';
import { testWith } from '../../support/kernel.js';
import { runUnprivileged } from '../../support/unprivileged.js';
import { checkDescriptors } from '../../support/fixtures.js';

checkDescriptors();

const testUnprivileged = testWith({ tools: ['setpriv'] });

testUnprivileged('reserve() without capabilities works for all options that need none', async () => {
  const results = await reserveUnprivileged(
    { remote: '127.0.0.1:9' },
    { remote: '[::1]:9', localPortRange: [40000, 40001] },
    { remote: '127.0.0.1:9', local: { address: '127.0.0.1', port: 40000 } },
    { remote: '[::1]:9', local: { address: '::1' }, shareLocalPort: false },
    { remote: '127.0.0.1:9', local: { address: '127.0.0.1', port: 1024 }, shareLocalPort: false },
    { remote: '[::1]:9', local: { address: '2001:db8::77' }, freebind: true },
    { remote: '[::1]:9', sockopts: { TCP_NODELAY: true, IPV6_V6ONLY: true } },
    { remote: '127.0.0.1:9', transparent: false },
  );
  expect(results).toEqual(results.map(() => 'held'));
});

testUnprivileged('reserve() with transparent and without capabilities fails with EPERM and names them', async () => {
  const [ipv4, ipv6] = await reserveUnprivileged(
    { remote: '127.0.0.1:9', local: { address: '192.0.2.77' }, transparent: true },
    { remote: '[::1]:9', local: { address: '2001:db8::77' }, transparent: true },
  );
  const expected = {
    code: 'EPERM',
    syscall: 'setsockopt',
    reason: 'notPermitted',
    message: expect.stringContaining('CAP_NET_ADMIN or CAP_NET_RAW') as unknown,
    leaked: 0,
  };
  expect(ipv4).toEqual({ ...expected, option: 'IP_TRANSPARENT' });
  expect(ipv6).toEqual({ ...expected, option: 'IPV6_TRANSPARENT' });
});

testUnprivileged(
  'reserve() of a port below 1024 without capabilities fails with EACCES and names the sysctl and the capability',
  async () => {
    const results = await reserveUnprivileged(
      { remote: '127.0.0.1:9', local: { address: '127.0.0.1', port: 80 }, shareLocalPort: false },
      { remote: '[::1]:9', local: { address: '::1', port: 1023 }, shareLocalPort: false },
    );
    for (const result of results) {
      expect(result).toMatchObject({ code: 'EACCES', syscall: 'bind', reason: 'notPermitted', leaked: 0 });
      expect((result as { message: string }).message).toMatch(/ip_unprivileged_port_start.*CAP_NET_BIND_SERVICE/);
    }
  },
);

testUnprivileged(
  'reserve() with an option that needs a capability fails with EPERM and leaves nothing open',
  async () => {
    const [result] = await reserveUnprivileged({ remote: '127.0.0.1:9', mark: 42 });
    expect(result).toMatchObject({ code: 'EPERM', syscall: 'setsockopt', option: 'SO_MARK', leaked: 0 });
  },
);

/** The state of each reservation, or its error, from a process that has no network capability. */
async function reserveUnprivileged(...options: readonly ReserveOptions[]): Promise<unknown[]> {
  return (await runUnprivileged(SCRIPT, options)) as unknown[];
}

const SCRIPT = `
  import { readdirSync } from 'node:fs';
  import { reserve } from 'linux-sockets';
  const fds = () => readdirSync('/proc/self/fd').length;
  const results = JSON.parse(process.argv.at(-1)).map((options) => {
    const before = fds();
    try {
      release(reserve(options));
      return 'held';
    } catch ({ code, syscall, option, reason, message }) {
      return { code, syscall, option, reason, message, leaked: fds() - before };
    }
  });
  console.log(JSON.stringify(results));
  function release(reservation) {
    if (reservation.state !== 'held') throw new Error(reservation.state);
    reservation.release();
  }
`;
