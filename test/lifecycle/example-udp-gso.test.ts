// The examples udp-gso-sender and udp-receiver, against each other over a veth pair.
import { expect, test } from 'vitest';
import { runNode, startNode } from '../support/child.js';
import { NetworkNamespace } from '../support/namespace.js';

const SENDER = new URL('../../examples/udp-gso-sender/main.mjs', import.meta.url).pathname;
const RECEIVER = new URL('../../examples/udp-receiver/main.mjs', import.meta.url).pathname;

interface Line {
  readonly total?: true;
  readonly datagrams: number;
  readonly datagramsPerCall: number;
  readonly drops: number;
}

const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** The last line of each, when the sender has run a while and everything has arrived. */
async function exchange(to: string, sender: readonly string[], receiver: readonly string[] = []) {
  await using there = await NetworkNamespace.create();
  await there.link('current', {
    addresses: ['10.40.0.1/24', 'fd40::1/64'],
    peerAddresses: ['10.40.0.2/24', 'fd40::2/64'],
  });
  await using receiving = startNode(RECEIVER, { args: ['--json', '--bind', to, ...receiver] });
  await receiving.printed(/"local"/);
  const args = ['--json', '--to', to, '--rate', '0.05', '--seconds', '1.2', ...sender];
  const sent = lines(await there.run(process.execPath, SENDER, ...args)).at(-1)!;
  // Its queue is empty when a whole second after the first datagrams has brought nothing.
  await receiving.printed(/"datagrams":[1-9][^]*"datagrams":0,/);
  receiving.child.kill('SIGINT');
  const { stdout, stderr } = await receiving.result;
  expect(stderr).toBe('');
  return { sent, received: lines(stdout).at(-1)! };
}

test.each(['10.40.0.2:7000', '[fd40::2]:7000'])('udp-receiver counts each datagram to %s once', async (to) => {
  const { sent, received } = await exchange(to, []);
  expect(sent).toMatchObject({ total: true, datagramsPerCall: 54 });
  expect(received).toMatchObject({ total: true, datagrams: sent.datagrams, drops: 0 });
  expect(sent.datagrams).toBeGreaterThan(1000);
  expect(received.datagramsPerCall).toBeGreaterThan(1);
});

test('udp-receiver counts each datagram once without segmentation offload and GRO', async () => {
  const { sent, received } = await exchange('10.40.0.2:7000', ['--gso', 'off'], ['--no-gro']);
  expect(received).toMatchObject({ datagrams: sent.datagrams, drops: 0 });
});

test('udp-gso-sender prints a line with the rate and the CPU time', async () => {
  const { stdout } = await runNode(SENDER, { args: ['--to', '127.0.0.1:9', '--seconds', '0.2', '--rate', '0.01'] });
  expect(stdout).toMatch(
    /^total {2}[\d,]+ datagrams\/s {2}\d+\.\d\d Gbit\/s {2}CPU \d+ % {2}0 dropped {2}\d+\.\d datagrams\/call\n$/,
  );
});

test.each([SENDER, RECEIVER])('%s --help prints its usage', async (example) => {
  const { stdout, stderr } = await runNode(example, { args: ['--help'] });
  expect(stdout).toMatch(/^Usage: node examples\//);
  expect(stderr).toBe('');
});

test.each([
  [SENDER, []],
  [SENDER, ['--to', 'example.com:53']],
  [SENDER, ['--to', '127.0.0.1:9', '--size', '0']],
  [SENDER, ['--to', '127.0.0.1:9', '--size', '1200.5']],
  [SENDER, ['--to', '127.0.0.1:9', '--rate', 'fast']],
  [SENDER, ['--to', '127.0.0.1:9', '--gso', 'maybe']],
  [RECEIVER, ['--bind', '7000']],
  [RECEIVER, ['--bogus']],
])('the example prints one line and exits with status 2 for wrong arguments: %s %j', async (example, args) => {
  const { code, stdout, stderr } = await runNode(example, { args, allowFailure: true });
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^udp-[a-z-]+: .*\n$/);
});

test.each([
  [SENDER, ['--to', '127.255.255.255:9'], 'connect EACCES'],
  [RECEIVER, ['--bind', '9.9.9.9:7000'], 'bind EADDRNOTAVAIL'],
])(
  'the example prints one line and exits with status 1 when the kernel refuses: %s %j',
  async (example, args, said) => {
    const { code, stdout, stderr } = await runNode(example, { args, allowFailure: true });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(new RegExp(`^udp-[a-z-]+: ${said}.*\\n$`));
  },
);
