// `npm start`: in its namespace it shows everything; without one only the first parts, and the reason.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const DEMO = new URL('../../examples/demo/main.mjs', import.meta.url).pathname;

test('the demo fills the requested range and proves its claims', async () => {
  const { stdout, stderr } = await runNode(DEMO, { args: ['--json', '--ports', '256'] });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({
    state: 'SYN_SENT',
    segsOut: 0,
    bindRefused: 'EADDRINUSE',
    tupleRefused: 'ERR_PORT_RANGE_EXHAUSTED (EADDRNOTAVAIL)',
    sharedWith: '127.0.0.1:9',
    echo: 'panda',
    connections: { ours: { held: 30, ports: 10 }, nodes: { held: 10 } },
    ports: 256,
    withRange: { oneMore: 'ERR_PORT_RANGE_EXHAUSTED' },
    withoutRange: { oneMore: 'EADDRNOTAVAIL' },
  });
});

test('the demo without a namespace does not touch the ports of the host, and reports why', async () => {
  // unshare(2) is refused, as in many containers.
  const bin = mkdtempSync(join(tmpdir(), 'linux-sockets-demo-'));
  try {
    writeFileSync(
      join(bin, 'unshare'),
      '#!/bin/sh\necho "unshare: unshare failed: Operation not permitted" >&2\nexit 1\n',
      { mode: 0o755 },
    );
    const { stdout } = await runNode(DEMO, { env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
    expect(stdout).toContain("sent 'panda', got 'panda' back");
    expect(stdout).toMatch(/Not shown: .*\n.*Operation not permitted/);
    expect(stdout).not.toContain('Fill a whole range');
  } finally {
    rmSync(bin, { recursive: true });
  }
});

test.each([['--ports', '15'], ['--ports', 'x'], ['--bogus']])(
  'the demo with wrong usage prints one line and exits with status 2: %s %s',
  async (...args) => {
    const { code, stdout, stderr } = await runNode(DEMO, { args, allowFailure: true });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^npm start: .*\n$/);
  },
);
