// `linux-sockets udp-bench` on the command line.
import { expect, test } from 'vitest';
import { runNode, startNode } from '../support/child.js';

const CLI = new URL('../../lib/cli/main.js', import.meta.url).pathname;

const run = (...args: string[]) => runNode(CLI, { args: ['udp-bench', ...args], allowFailure: true });

const figures = {
  rate: expect.any(Number) as number,
  gbits: expect.any(Number) as number,
  cpu: expect.any(Number) as number,
};

interface Report {
  readonly rows: readonly {
    readonly way: string;
    readonly gro: boolean;
    readonly perCall: number;
    readonly lost: number;
    readonly sent: typeof figures;
    readonly received: typeof figures;
  }[];
}

test('udp-bench --json prints one object with the results of each mode', async () => {
  const { code, stdout, stderr } = await run('--json', '--seconds', '0.2');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({ size: 1200, seconds: 0.2, node: process.version });
  expect(report.rows.map(({ way, gro, perCall }) => [way, gro, Math.round(perCall)])).toEqual([
    ['single', false, 1],
    ['batch', false, 64],
    ['gso', false, 54],
    ['gso', true, 54],
  ]);
  for (const { sent, received, lost } of report.rows) {
    expect(sent).toEqual(figures);
    expect(received).toEqual(figures);
    expect(received.rate).toBeGreaterThan(0);
    expect(lost).toBeGreaterThanOrEqual(0);
    expect(lost).toBeLessThan(1);
  }
});

test('udp-bench prints a table with a line for each mode', async () => {
  const { stdout } = await run('--seconds', '0.1', '--size', '100');
  expect(stdout).toMatch(/^UDP over loopback, 100 bytes per datagram\. Linux .*\n\n/);
  expect(stdout).toMatch(/^one a call +[\d,]+ +\d+\.\d\d +\d+\.\d\d +[\d,]+ +\d+\.\d\d +\d+\.\d\d +\d+ % +1$/m);
  expect(stdout).toMatch(/^GSO, receiver with GRO .* 64$/m);
});

test('Ctrl-C ends udp-bench and its receiving process', async () => {
  await using running = startNode(CLI, { args: ['udp-bench', '--seconds', '60'] });
  await running.printed(/sent per call/);
  running.child.kill('SIGINT');
  // Its output is complete only when the receiving process, which shares it, has ended as well.
  const { signal } = await running.result.catch((error: unknown) => ({ signal: String(error) }));
  expect(String(signal)).toContain('SIGINT');
});

test.each([
  ['--seconds', '0'],
  ['--seconds', 'x'],
  ['--size', '0'],
  ['--size', '70000'],
  ['--bogus', ''],
])('udp-bench prints one line and exits with status 2 for wrong arguments: %s %s', async (...args) => {
  const { code, stdout, stderr } = await run(...args);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^linux-sockets: .*\n$/);
});

test('udp-bench --help explains the columns', async () => {
  const { code, stdout } = await run('--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/CPU is microseconds per datagram/);
});
