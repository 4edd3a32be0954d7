// Evidence from /proc/net/tcp, where the kernel was built without sock_diag or a sandbox forbids it. The refusal is
// simulated; the sockets are real.
import { describe, expect, test, vi } from 'vitest';
import { SyscallError } from '../../../src/errors.js';
import { NativeSocket, reserveMany } from '../../../src/index.js';
import * as netlink from '../../../src/kernel/netlink.js';
import { procSockets } from '../../../src/kernel/proc-tcp.js';
import { tcpSockets, visitSockets } from '../../../src/kernel/sock-diag.js';
import { explainExhaustion } from '../../../src/ports/explain.js';
import { tcpPair } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { all, bound, checkDescriptors, IPV4, plain, thrown } from '../../support/fixtures.js';

let refusal: () => { errno: number; rows: never[]; consistent: boolean };

vi.mock(import('../../../src/kernel/netlink.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    askKernel: (request, decode) =>
      request.protocol === real.NETLINK_SOCK_DIAG ? refusal() : real.askKernel(request, decode),
  };
});

checkDescriptors();

describe.each([
  ['not built', () => ({ errno: -2, rows: [], consistent: true })], // ENOENT
  ['not permitted', () => ({ errno: -1, rows: [], consistent: true })], // EPERM
  [
    'AF_NETLINK forbidden',
    () => {
      throw new SyscallError('socket', -97); // EAFNOSUPPORT
    },
  ],
] as const)('explaining exhaustion when sock_diag is %s', (_name, play) => {
  test('visitSockets reads /proc when sock_diag is missing', async () => {
    refusal = play;
    using _ = setSysctl('net.ipv4.ip_local_port_range', '50000 60999'); // not where the next test reserves
    using pair = await tcpPair('ipv6');
    const { port } = pair.client.local;
    const filter = { remote: plain(pair.listener.local), localPorts: [port, port] } as const; // another test may have used the port
    const { rows, from } = tcpSockets(filter);
    expect(from).toBe('proc');
    expect(rows).toMatchObject([{ state: 'ESTABLISHED', local: plain(pair.client.local) }]);
    const visited: unknown[][] = [];
    visitSockets(filter, (...all) => visited.push(all));
    expect(visited).toEqual([[pair.client.local.port, 'ESTABLISHED', Infinity, 0]]);
  });

  test('explainExhaustion tells connections from bound ports, which /proc does not show', () => {
    refusal = play;
    const remote = { address: '127.0.0.1', port: 9 };
    const range = [40000, 40003] as const;
    using _ = bound(IPV4, { address: '127.0.0.2', port: 40003 });
    using __ = all(reserveMany(3, { remote, localPortRange: range }));
    const found = explainExhaustion({ remote, local: '127.0.0.1', range });
    expect(found).toMatchObject({ by: 'connections', counts: { ports: 4, established: 3, bound: 1, free: 0 } });
  });
});

test('tcpSockets and visitSockets throw other errors of sock_diag', () => {
  refusal = () => ({ errno: -12, rows: [], consistent: true }); // ENOMEM
  expect(thrown(() => tcpSockets())).toMatchObject({ code: 'ENOMEM' });
  expect(thrown(() => visitSockets({}, () => undefined))).toMatchObject({ code: 'ENOMEM' });
  expect(explainExhaustion({ remote: { address: '::1', port: 9 }, local: '::1', range: [1, 65535] })).toBeUndefined();
});

test('procSockets returns the requested sockets', () => {
  using socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  socket.bind({ address: '127.0.0.1', port: 0 });
  socket.listen();
  expect(procSockets({ states: ['LISTEN'] })).toMatchObject([{ local: plain(socket.local) }]);
  expect(procSockets({ states: ['ESTABLISHED'] })).toEqual([]);
  expect(netlink.NETLINK_SOCK_DIAG).toBe(4);
});
