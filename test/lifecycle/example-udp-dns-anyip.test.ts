// examples/dns-anyip, queried by c-ares over a veth pair, on addresses that are only routed locally.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import packet from 'dns-packet';
import { expect, test } from 'vitest';
import { UdpSocket } from '../../src/index.js';
import { runNode, startNode } from '../support/child.js';
import { NetworkNamespace } from '../support/namespace.js';

const DNS = new URL('../../examples/dns-anyip/main.mjs', import.meta.url).pathname;
const PREFIXES = ['--prefix', '192.0.2.0/24,2001:db8:53::/48'];
const run = promisify(execFile);

/** Asks each server, and prints the answers. c-ares takes none that comes from another address than it has asked. */
const CLIENT = `
  import { Resolver } from 'node:dns/promises';
  const ask = async (server) => {
    const resolver = new Resolver({ timeout: 2000, tries: 2 });
    resolver.setServers([server]);
    const question = (type) => resolver.resolve('panda.example', type).catch(({ code }) => code);
    return { a: await question('A'), aaaa: await question('AAAA'), txt: await question('TXT') };
  };
  process.stdout.write(JSON.stringify(await Promise.all(process.argv.slice(1).map(ask))));`;

/** The answers of servers behind a veth pair, to whose end here both prefixes are routed. */
async function ask(servers: readonly string[]): Promise<unknown[]> {
  await using there = await NetworkNamespace.create();
  await there.link('current', {
    addresses: ['10.42.0.1/24', 'fd42::1/64'],
    peerAddresses: ['10.42.0.2/24', 'fd42::2/64'],
  });
  await there.run('ip', 'route', 'add', '192.0.2.0/23', 'via', '10.42.0.2');
  await there.run('ip', 'route', 'add', '2001:db8::/32', 'via', 'fd42::2');
  for (const prefix of ['192.0.2.0/24', '192.0.3.0/24', '2001:db8:53::/48']) {
    await run('ip', ['route', 'replace', 'local', prefix, 'dev', 'lo']);
  }
  await using dns = startNode(DNS, { args: ['--json', '--port', '5353', ...PREFIXES] });
  await dns.printed(/"local"/);
  const answers = await there.run(process.execPath, '--input-type=module', '--eval', CLIENT, '--', ...servers);
  dns.child.kill('SIGINT');
  expect((await dns.result).stderr).toBe('');
  return JSON.parse(answers) as unknown[];
}

test('dns-anyip answers from the address that was queried, for any address of the prefix, IPv4 and IPv6', async () => {
  const four = ['192.0.2.1', '192.0.2.77', '192.0.2.254'];
  const six = ['2001:db8:53::1', '2001:db8:53:ffff::abcd'];
  const answers = await ask([
    ...four.map((address) => `${address}:5353`),
    ...six.map((address) => `[${address}]:5353`),
  ]);
  expect(answers).toEqual([
    ...four.map((address) => ({ a: [address], aaaa: 'ENODATA', txt: [[`10.42.0.1 asked ${address}`]] })),
    ...six.map((address) => ({ a: 'ENODATA', aaaa: [address], txt: [[`fd42::1 asked ${address}`]] })),
  ]);
});

test('dns-anyip refuses queries to an address outside the prefixes', async () => {
  const [answer] = await ask(['192.0.3.1:5353']);
  expect(answer).toMatchObject({ a: 'EREFUSED' });
});

test('dns-anyip ignores datagrams that are not queries', async () => {
  await using dns = startNode(DNS, { args: ['--json', '--port', '5353', '--prefix', '127.0.0.0/8'] });
  await dns.printed(/"local"/);
  await using client = UdpSocket.create({ family: 'ipv4' });
  client.connect({ address: '127.0.0.9', port: 5353 });
  const question = packet.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'panda.example' }] });
  const garbage = [new Uint8Array(0), question.subarray(0, 20), new Uint8Array(1200).fill(0xc0)];
  const answered = packet.encode({ type: 'response', id: 8, questions: [{ type: 'A', name: 'panda.example' }] });
  for (const data of [...garbage, answered, question]) await client.send(data);
  const answers: number[] = [];
  for await (const { data } of client) {
    answers.push(packet.decode(data).id ?? 0);
    break;
  }
  expect(answers).toEqual([7]);
});

test('dns-anyip --help prints its usage, and how to make a prefix local', async () => {
  const { stdout } = await runNode(DNS, { args: ['--help'] });
  expect(stdout).toMatch(/^Usage: node examples\/dns-anyip[^]*ip route add local 192\.0\.2\.0\/24 dev lo/);
});

test.each(
  [
    [],
    ['--prefix', '192.0.2.0'],
    ['--prefix', '192.0.2.0/33'],
    ['--prefix', '192.0.2.0/'],
    [...PREFIXES, '--port', '0'],
    [...PREFIXES, '--port', '53.5'],
  ].map((args) => [args]),
)('dns-anyip prints one line and exits with status 2 for wrong arguments: %j', async (args) => {
  const { code, stderr } = await runNode(DNS, { args, allowFailure: true });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^dns-anyip: .*\n$/);
});

test('dns-anyip prints one line and exits with status 1 for a port in use', async () => {
  const taken = UdpSocket.create({ family: 'ipv6' });
  taken.bind({ address: '::', port: 0 });
  const args = [...PREFIXES, '--port', String(taken.local.port)];
  const { code, stderr } = await runNode(DNS, { args, allowFailure: true });
  await taken.close();
  expect(code).toBe(1);
  expect(stderr).toMatch(/^dns-anyip: bind EADDRINUSE.*\n$/);
});
