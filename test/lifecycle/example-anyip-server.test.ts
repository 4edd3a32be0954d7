// examples/anyip-server, used by curl: from this host, and from another one that routes the prefix to it.
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { runNode, startNode, type RunningChild } from '../support/child.js';
import { hasTool, testWith } from '../support/kernel.js';
import { NetworkNamespace } from '../support/namespace.js';

const EXAMPLE = new URL('../../examples/anyip-server/main.mjs', import.meta.url).pathname;
const testWithTools = testWith({ tools: ['curl', 'nft', 'ip'] });

const PREFIXES = [
  ['fd00:1009:bacc::/48', ['fd00:1009:bacc::', 'fd00:1009:bacc::dead', 'fd00:1009:bacc:ffff:1:2:3:4'], '::1'],
  ['192.0.2.0/24', ['192.0.2.0', '192.0.2.77', '192.0.2.255'], '127.0.0.1'],
] as const;

afterEach(() => {
  if (hasTool('nft')) execFileSync('nft', ['flush', 'ruleset']);
});

for (const [prefix, addresses, outside] of PREFIXES) {
  testWithTools(`anyip-server: the printed commands make every address of ${prefix} answer, and no other`, async () => {
    await using server = startNode(EXAMPLE, { args: [prefix, '--port', '0'] });
    const port = await portOf(server);
    await expect(curl(addresses[0], port)).rejects.toMatchObject({ code: UNREACHABLE });
    const [route, nft] = await commandsOf(server);
    using _ = routed(route);
    for (const address of addresses) {
      expect(await curl(address, port)).toContain(`You have reached ${address}, from `);
    }
    await expect(curl(outside, port)).rejects.toMatchObject({ code: NO_ANSWER });

    // Another host that routes the prefix here can connect, until the printed rules keep it out.
    await using peer = await NetworkNamespace.create();
    await peer.link('current', {
      addresses: ['10.8.0.2/24', 'fd08::2/64'],
      peerAddresses: ['10.8.0.1/24', 'fd08::1/64'],
    });
    const [flag, gateway] = prefix.includes(':') ? ['-6', 'fd08::1'] : ['-4', '10.8.0.1'];
    await peer.run('ip', flag, 'route', 'add', prefix, 'via', gateway);
    const fromPeer = async () => peer.run('curl', ...curlArguments(addresses[1], port));
    expect(await fromPeer()).toContain(`You have reached ${addresses[1]}, from `);
    execFileSync('sh', ['-c', nft]);
    await expect(fromPeer()).rejects.toMatchObject({ code: TIMED_OUT });
    expect(await curl(addresses[1], port)).toContain(`You have reached ${addresses[1]}`);

    server.child.kill('SIGTERM');
    expect(await server.result).toMatchObject({ code: 0 });
  });
}

testWithTools('anyip-server: without the second of the three printed rules another host can connect', async () => {
  await using server = startNode(EXAMPLE, { args: ['fd00:1009:bacc::/48', '--port', '0'] });
  const port = await portOf(server);
  const [route, nft] = await commandsOf(server);
  using _ = routed(route);
  execFileSync('sh', ['-c', nft.replace(/.*ip6 daddr \S+ iifname.*\n/, '')]);
  await using peer = await NetworkNamespace.create();
  await peer.link('current', { addresses: ['fd08::2/64'], peerAddresses: ['fd08::1/64'] });
  await peer.run('ip', '-6', 'route', 'add', 'fd00:1009:bacc::/48', 'via', 'fd08::1');
  expect(await peer.run('curl', ...curlArguments('fd00:1009:bacc::dead', port))).toContain('You have reached');
});

testWithTools('anyip-server: prints no commands for a prefix that is routed to this host', async () => {
  using _ = routed('ip -6 route add local fd00:1009:bacc::/48 dev lo');
  await using server = startNode(EXAMPLE, { args: ['fd00:1009:bacc::/48', '--port', '0'] });
  expect(await curl('fd00:1009:bacc::1', await portOf(server))).toContain('You have reached fd00:1009:bacc::1,');
  server.child.kill('SIGINT');
  expect(await server.result).toMatchObject({ code: 0, stderr: '' });
});

testWithTools('anyip-server: listens only on a single given address, although it is not local', async () => {
  await using server = startNode(EXAMPLE, { args: ['2001:db8:8::8/128', '--port', '0'] });
  const port = await portOf(server);
  using _ = routed('ip -6 route add local 2001:db8:8::8 dev lo');
  expect(await curl('2001:db8:8::8', port)).toContain('You have reached 2001:db8:8::8,');
  await expect(curl('::1', port)).rejects.toMatchObject({ code: UNREACHABLE });
});

test('anyip-server: --help shows the commands to set up the prefix', async () => {
  const { stdout } = await runNode(EXAMPLE, { args: ['--help'] });
  expect(stdout).toContain('ip -6 route add local fd00:1009:bacc::/48 dev lo');
  expect(stdout.match(/ drop$/gm)).toHaveLength(3);
});

test('anyip-server: exits with status 2 for wrong arguments, with 1 for a port in use', async () => {
  for (const args of [
    [],
    ['localhost'],
    ['fd00::/129'],
    ['fd00::/48', '--port', 'http'],
    ['fd00::/48', '--port', '65536'],
    ['fd00::/48', '--nope'],
  ]) {
    const { code, stderr } = await runNode(EXAMPLE, { args, allowFailure: true });
    expect({ args, code }).toEqual({ args, code: 2 });
    expect(stderr).toMatch(/^error: /);
  }
  await using server = startNode(EXAMPLE, { args: ['192.0.2.0/24', '--port', '0'] });
  const args = ['192.0.2.0/24', '--port', await portOf(server)];
  const second = await runNode(EXAMPLE, { args, allowFailure: true });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('EADDRINUSE');
});

/** Runs a command that adds a route; the route is removed when the result goes out of scope. */
function routed(command: string): Disposable {
  execFileSync('sh', ['-c', command]);
  return {
    [Symbol.dispose]: () => {
      execFileSync('sh', ['-c', command.replace(' add ', ' del ')]);
    },
  };
}

async function portOf(server: RunningChild): Promise<string> {
  const [, port = ''] = await server.printed(/, port (\d+)\./);
  return port;
}

/** The route command and the rules that it prints if the prefix is not routed here, without indentation. */
async function commandsOf(server: RunningChild): Promise<[route: string, nft: string]> {
  const [text] = await server.printed(/[^]*\}'\n/);
  const route = /^ *(ip .*route add local .*)$/m.exec(text)?.[1];
  const nft = /nft '[^']*'/.exec(text)?.[0];
  if (route === undefined || nft === undefined) throw new Error(`no commands in:\n${text}`);
  return [route, nft];
}

async function curl(address: string, port: string): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', curlArguments(address, port));
  return stdout;
}

function curlArguments(address: string, port: string): string[] {
  const host = address.includes(':') ? `[${address}]` : address;
  return ['--silent', '--show-error', '--globoff', '--connect-timeout', '4', `http://${host}:${port}/`];
}

/** curl(1), EXIT CODES */
const UNREACHABLE = 7;
const TIMED_OUT = 28;
/** An empty answer, or a reset. */
const NO_ANSWER = expect.toSatisfy((code: unknown) => code === 52 || code === 56) as unknown;
