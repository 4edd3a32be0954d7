// The test environment that the other tests rely on.
import { readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { runNode, runWorker } from './child.js';
import { expectNoNewFds, listFds } from './fds.js';
import { hasCapability, kernel, missingNeeds } from './kernel.js';
import { NetworkNamespace } from './namespace.js';
import { readSysctl, setSysctl } from './sysctl.js';

test('a test file has its own network namespace, with lo up', async () => {
  const suite = readlinkSync(`/proc/${process.ppid}/ns/net`);
  expect(readlinkSync('/proc/self/ns/net')).not.toBe(suite);
  expect(readFileSync('/proc/net/dev', 'utf8').trim().split('\n')).toHaveLength(3); // two lines of heading and lo
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

test('setSysctl sets a sysctl and restores it at the end of the scope', () => {
  const before = readSysctl('net.ipv4.ip_local_port_range');
  {
    using _ = setSysctl('net.ipv4.ip_local_port_range', '40000 40010');
    expect(readSysctl('net.ipv4.ip_local_port_range')).toBe('40000 40010');
  }
  expect(readSysctl('net.ipv4.ip_local_port_range')).toBe(before);
});

test('two namespaces reach each other over a veth pair, and leave nothing behind', async () => {
  await expectNoNewFds(async () => {
    await using left = await NetworkNamespace.create();
    await using right = await NetworkNamespace.create();
    await left.link(right, { addresses: ['10.9.0.1/24', 'fd09::1/64'], peerAddresses: ['10.9.0.2/24', 'fd09::2/64'] });
    expect(await left.run('ip', '-br', 'addr')).toContain('10.9.0.1/24');
    expect(await right.run('ip', '-br', 'addr')).toContain('fd09::2/64');
    expect(await left.run('ip', 'route', 'get', '10.9.0.2')).toContain('dev veth');
    await expect(left.run('ip', 'route', 'get', '192.0.2.1')).rejects.toThrow(/unreachable/i);
  });
});

test('the current namespace can be linked to another one repeatedly', async () => {
  for (let round = 0; round < 2; round++) {
    await using peer = await NetworkNamespace.create();
    await peer.link('current', {
      addresses: ['10.9.1.2/24'],
      peerAddresses: ['10.9.1.1/24'],
      name: 'veth-peer',
      peerName: 'veth-here',
    });
    expect(readFileSync('/proc/net/dev', 'utf8')).toContain('veth-here');
  }
  expect(readFileSync('/proc/net/dev', 'utf8')).not.toContain('veth-here');
});

test('expectNoNewFds finds a descriptor that was left open', async () => {
  const { openSync, closeSync } = await import('node:fs');
  let fd = -1;
  await expect(
    expectNoNewFds(() => {
      fd = openSync('/dev/null', 'r');
    }),
  ).rejects.toThrow('/dev/null');
  expect(listFds().get(fd)).toBe('/dev/null');
  closeSync(fd);
});

test('runNode runs the same node, and kills it when it takes too long', async () => {
  const { stdout, code } = await runNode('console.log(process.version, import.meta.url !== undefined)');
  expect({ stdout, code }).toEqual({ stdout: `${process.version} true\n`, code: 0 });
  const failed = await runNode('console.error("why"); process.exit(3)', { allowFailure: true });
  expect(failed).toMatchObject({ code: 3, stderr: 'why\n' });
  await expect(runNode('process.exit(3)')).rejects.toThrow('exit code 3');
  await expect(runNode('setInterval(() => {}, 1000)', { timeout: 200 })).rejects.toThrow('within 200 ms');
});

test('a worker answers and exits', async () => {
  expect(await runWorker('parentPort.postMessage(workerData + 1)', { workerData: 1 })).toEqual({
    messages: [2],
    code: 0,
  });
});

test('missingNeeds names unmet requirements', () => {
  expect(kernel(2, 6)).toBe(true);
  expect(kernel(99, 0)).toBe(false);
  expect(hasCapability('CAP_NET_ADMIN')).toBe(true);
  expect(missingNeeds({ kernel: [99, 0], tools: ['no-such-tool'] })).toMatch(
    /needs kernel 99\.0, this is \d+\.\d+.*; needs no-such-tool$/,
  );
  expect(missingNeeds({ kernel: [2, 6], tools: ['ip'], capabilities: ['CAP_NET_ADMIN'] })).toBeUndefined();
});
