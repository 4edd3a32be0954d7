// listen without capabilities: everything works except `transparent` and ports below 1024, whose errors name the capability.
import { expect } from 'vitest';
import type { ListenOptions } from '../../../src/index.js';
import { testWith } from '../../support/kernel.js';
import { runUnprivileged } from '../../support/unprivileged.js';

const testUnprivileged = testWith({ tools: ['setpriv'] });

testUnprivileged('listen() without capabilities works for all options that need none', async () => {
  const results = await listenUnprivileged(
    {},
    { host: '127.0.0.1', port: 1024 },
    { host: '2001:db8::77', freebind: true },
    { host: '192.0.2.77', freebind: true },
    { host: '127.0.0.1', reusePort: { steering: 'cpu' } },
    { host: '::1', fastOpen: true, deferAccept: 5, ipv6Only: true, backlog: 3 },
    { host: '127.0.0.1', sockopts: { TCP_NODELAY: true } },
  );
  expect(results).toEqual(results.map(() => 'listening'));
});

testUnprivileged('listen() with transparent and without capabilities fails with EPERM and names them', async () => {
  const [ipv4, ipv6] = await listenUnprivileged(
    { host: '192.0.2.77', transparent: true },
    { host: '::', transparent: true },
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
  'listen() of a port below 1024 without capabilities fails with EACCES and names the sysctl and the capability',
  async () => {
    const results = await listenUnprivileged({ host: '127.0.0.1', port: 80 }, { port: 1023 });
    for (const result of results) {
      expect(result).toMatchObject({ code: 'EACCES', syscall: 'listen', reason: 'notPermitted', leaked: 0 });
      expect((result as { message: string }).message).toMatch(
        /ip_unprivileged_port_start \(1024\).*CAP_NET_BIND_SERVICE/,
      );
    }
  },
);

testUnprivileged(
  'listen() with an option that needs a capability fails with EPERM and leaves nothing open',
  async () => {
    const [result] = await listenUnprivileged({ host: '127.0.0.1', sockopts: { SO_MARK: 42 } });
    expect(result).toMatchObject({ code: 'EPERM', syscall: 'setsockopt', option: 'SO_MARK', leaked: 0 });
  },
);

/** 'listening' for each, or its error, from a process that has no network capability. */
async function listenUnprivileged(...options: readonly ListenOptions[]): Promise<unknown[]> {
  return (await runUnprivileged(SCRIPT, options)) as unknown[];
}

const SCRIPT = `
  import { once } from 'node:events';
  import { readdirSync } from 'node:fs';
  import net from 'node:net';
  import { listen } from 'linux-sockets';
  const fds = () => readdirSync('/proc/self/fd').length;
  const results = [];
  for (const options of JSON.parse(process.argv.at(-1))) {
    const before = fds();
    const server = net.createServer();
    try {
      await once(listen(server, options), 'listening');
      results.push('listening');
      server.close();
      await once(server, 'close');
    } catch ({ code, syscall, option, reason, message }) {
      results.push({ code, syscall, option, reason, message, leaked: fds() - before });
    }
  }
  console.log(JSON.stringify(results));
`;
