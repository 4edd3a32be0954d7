// examples/udp-echo, with dgram clients over a veth pair.
import { expect, test } from 'vitest';
import { runNode, startNode } from '../support/child.js';
import { NetworkNamespace } from '../support/namespace.js';

const ECHO = new URL('../../examples/udp-echo/main.mjs', import.meta.url).pathname;

/** A connected client: the kernel gives it nothing that comes from another address. Prints what comes back. */
const CLIENT = `
  import { createSocket } from 'node:dgram';
  import { isIPv6 } from 'node:net';
  const [address, count] = process.argv.slice(1);
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const got = [];
  socket.on('message', (data) => {
    got.push(String(data));
    if (got.length < Number(count)) return;
    process.stdout.write(JSON.stringify(got));
    socket.close();
  });
  socket.connect(7007, address, () => {
    for (let i = 0; i < Number(count); i++) socket.send('datagram ' + i + '!'.repeat(i));
  });`;

test.each([
  ['IPv4', '10.41.0.2'],
  ['another IPv4 address', '10.41.0.3'],
  ['IPv6', 'fd41::2'],
  ['another IPv6 address', 'fd41::3'],
])('udp-echo sends datagrams to %s back from that address, %s', async (_, address) => {
  await using there = await NetworkNamespace.create();
  await there.link('current', {
    addresses: ['10.41.0.1/24', 'fd41::1/64'],
    peerAddresses: ['10.41.0.2/24', '10.41.0.3/24', 'fd41::2/64', 'fd41::3/64'],
  });
  await using echo = startNode(ECHO, { args: ['--json'] });
  await echo.printed(/"local"/);
  const got = await there.run(process.execPath, '--input-type=module', '--eval', CLIENT, '--', address, '200');
  expect(JSON.parse(got)).toEqual(Array.from({ length: 200 }, (_value, i) => `datagram ${i}${'!'.repeat(i)}`));
  echo.child.kill('SIGINT');
  const { stdout, stderr } = await echo.result;
  expect(stderr).toBe('');
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    total: true,
    datagrams: 200,
    drops: 0,
  });
});

test('udp-echo --help prints its usage', async () => {
  const { stdout } = await runNode(ECHO, { args: ['--help'] });
  expect(stdout).toMatch(/^Usage: node examples\/udp-echo/);
});

test('udp-echo prints one line and exits with status 2 for wrong arguments', async () => {
  const { code, stderr } = await runNode(ECHO, { args: ['--bind', 'x'], allowFailure: true });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^udp-echo: .*\n$/);
});

test('udp-echo prints one line and exits with status 1 for an address that is not local', async () => {
  const { code, stderr } = await runNode(ECHO, { args: ['--bind', '9.9.9.9:7'], allowFailure: true });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^udp-echo: bind EADDRNOTAVAIL.*\n$/);
});
