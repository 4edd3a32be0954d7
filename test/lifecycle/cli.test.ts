// The command line: its output, wrong usage, and that it releases what it holds.
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { manualPage } from '../../src/cli/option-page.js';
import { OPTIONS, reserve } from '../../src/index.js';
import { findOption } from '../../src/options/table.js';
import { nodeEnvironment, runNode, startNode } from '../support/child.js';

const CLI = new URL('../../lib/cli/main.js', import.meta.url).pathname;
const DISCARD = '127.0.0.1:9';

const run = (...args: string[]) => runNode(CLI, { args, allowFailure: true });

describe('the standard output of linux-sockets', () => {
  const shell = (script: string): { readonly status: number | null; readonly output: string } => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script, CLI], {
      encoding: 'utf8',
      env: nodeEnvironment(),
      timeout: 30_000,
    });
    return { status, output: `${stdout}${stderr}` };
  };
  const node = `'${process.execPath}' "$0"`;

  test.each([
    ['options', `${node} options | true; exit "\${PIPESTATUS[0]}"`],
    [
      'reserve, which ends with its reader',
      `${node} reserve --remote ${DISCARD} --count 200 | head -1 >&2; exit "\${PIPESTATUS[0]}"`,
    ],
  ])('when its reader has gone, linux-sockets %s exits with 0 and no error', (_, script) => {
    const { status, output } = shell(script);
    expect(output).not.toMatch(/EPIPE|Error/);
    expect(status).toBe(0);
  });

  test('when it cannot be written, linux-sockets exits with 1 and one line', () => {
    const { status, output } = shell(`${node} options >/dev/full`);
    expect(output).toMatch(/^linux-sockets: .*ENOSPC.*\n$/);
    expect(status).toBe(1);
  });
});

describe('linux-sockets reserve', () => {
  test('linux-sockets reserve prints the 4-tuples, holds them until SIGINT, and releases them', async () => {
    await using running = startNode(CLI, {
      args: ['reserve', '--remote', DISCARD, '--local', '127.0.0.1', '--range', '40000-40001', '--count', '2'],
    });
    await running.printed(/Holding 2 ports/);
    const taken = () => reserve({ remote: DISCARD, local: { address: '127.0.0.1' }, localPortRange: [40000, 40001] });
    expect(taken).toThrow(expect.objectContaining({ code: 'ERR_PORT_RANGE_EXHAUSTED' }));
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.result;
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^127\.0\.0\.1:4000[01] -> 127\.0\.0\.1:9 {2}SYN_SENT, 0 packets sent$/m);
    expect(stdout).toMatch(/Released 2 ports/);
    taken().release();
  });

  test('linux-sockets reserve --json prints one object per line and nothing else', async () => {
    await using running = startNode(CLI, { args: ['reserve', '--remote', DISCARD, '--count', '3', '--json'] });
    await running.printed(/(.*\n){3}/);
    running.child.kill('SIGTERM');
    const { stdout } = await running.result;
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      expect(line).toMatchObject({ remote: { address: '127.0.0.1', port: 9 }, state: 'held', segsOut: 0 });
      expect(line['local']).toEqual({ address: '127.0.0.1', port: expect.any(Number) as number });
    }
  });

  test.each([
    [['reserve'], '--remote'],
    [['reserve', '--remote', '1.1.1.1'], 'ADDRESS:PORT'],
    [['reserve', '--remote', '1.1.1.1:99999'], 'ADDRESS:PORT'],
    [['reserve', '--remote', 'example.com:53'], 'ADDRESS:PORT'],
    [['reserve', '--remote', '1.1.1.1:0'], 'options.remote.port'],
    [['reserve', '--remote', DISCARD, '--bogus'], '--bogus'],
    [['reserve', '--remote', DISCARD, '--local', 'x'], 'ADDRESS or ADDRESS:PORT'],
    [['reserve', '--remote', DISCARD, '--range', '5-1'], 'LO-HI'],
    [['reserve', '--remote', DISCARD, '--range', '1-2'], 'ip_local_port_range'],
    [['reserve', '--remote', DISCARD, '--count', '0'], 'from 1 to 65535'],
    [['reserve', '--remote', DISCARD, '--count', '1.5'], 'from 1 to 65535'],
    [['reserve', '--remote', DISCARD, 'more'], 'too many arguments'],
    [['options', 'IP_NOPE'], "Unknown option 'IP_NOPE'"],
    [['options', '--bogus'], '--bogus'],
    [['bogus'], 'bogus'],
  ])('linux-sockets reserve prints one line and exits with status 2 for wrong usage: %j', async (args, said) => {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^linux-sockets: .*\n$/);
    expect(stderr).toContain(said);
  });

  test('linux-sockets reserve prints one line and exits with status 1 when the kernel refuses', async () => {
    const { code, stdout, stderr } = await run('reserve', '--remote', '192.0.2.1:53');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^linux-sockets: connect ENETUNREACH 192\.0\.2\.1:53.*\n$/);
  });
});

const SECTIONS = [
  ...['NAME', 'VALUE', 'DESCRIPTION', 'SOCKETS', 'PRIVILEGE', 'SINCE', 'PHASE', 'INHERITANCE', 'READS BACK'],
  'SEE ALSO',
];

describe('linux-sockets options', () => {
  test('linux-sockets options lists every option, one per line', async () => {
    const { code, stdout } = await run('options');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^IP_LOCAL_PORT_RANGE +Range from which the kernel chooses/m);
  });

  test('linux-sockets options describes an option regardless of the case of its name', async () => {
    const { stdout } = await run('options', 'ip_local_port_range');
    expect(stdout).toMatch(/^NAME\n +IP_LOCAL_PORT_RANGE, IPPROTO_IP \(0\) 51\n/);
    expect(stdout).toMatch(/^SINCE\n +Linux 6\.3\.\n/m);
    expect(stdout).toMatch(/^PHASE\n +Until a local port is assigned;/m);
    const titles = stdout.split('\n').filter((line) => /^\S/.test(line));
    expect(titles).toEqual(SECTIONS);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(80);
  });

  test('linux-sockets options has a page for every option', async () => {
    const { stdout } = await run('options');
    const names = stdout.split('\n').flatMap((line) => /^\w+/.exec(line) ?? []);
    expect(names).toEqual(Object.keys(OPTIONS));
    for (const name of names) {
      const page = manualPage(name, findOption(name)!);
      expect(page.split('\n').filter((line) => /^\S/.test(line))).toEqual(SECTIONS);
      expect(page).not.toMatch(/undefined|\[object|  +\n/);
    }
  });

  test('linux-sockets options --json prints the row', async () => {
    const { stdout } = await run('options', 'TCP_NODELAY', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ option: 'TCP_NODELAY', level: 'IPPROTO_TCP', name: 1, kind: 'flag' });
  });
});

test.each([['--help'], ['reserve', '--help'], ['options', '--help'], ['help', 'reserve']])(
  'linux-sockets %s prints help',
  async (...args) => {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Usage: linux-sockets/);
  },
);

test('linux-sockets without a command prints the help and exits as wrong usage', async () => {
  const { code, stderr } = await run();
  expect(code).toBe(2);
  expect(stderr).toMatch(/^Usage: linux-sockets/);
});

test('every command of linux-sockets has --help and --json', async () => {
  const { stdout } = await run('--help');
  const [, list = ''] = stdout.split('Commands:\n');
  const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  expect(names).toEqual(expect.arrayContaining(['reserve', 'options', 'udp-bench']));
  for (const name of names) {
    const help = await run(name, '--help');
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/^ {2}--json /m);
  }
});
