// The recipes of docs/recipes.md, copied out and run as they stand: real libraries against real servers in this file's
// namespace. Each prints whom the server saw, which has to be an address and a port of the recipes' pool.
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runNode } from '../support/child.js';
import { missingDatabase, Servers, type Database } from '../support/egress-servers.js';

const page = readFileSync(new URL('../../docs/recipes.md', import.meta.url), 'utf8');
const [, pool = ''] = /<!-- pool -->\s*```js\n(.*?)```/s.exec(page) ?? [];
const recipes = [...page.matchAll(/<!-- run(?:: (\S+))? -->\s*```js\n(.*?)```/gs)].map((match) => ({
  heading: [...page.slice(0, match.index).matchAll(/^## (.*)$/gm)].at(-1)?.[1] ?? '',
  needs: match[1] as Database | undefined,
  code: match[2] ?? '',
}));
let servers: Servers;

beforeAll(async () => {
  servers = await Servers.start();
}, 120_000);

afterAll(async () => {
  await servers.stop();
  rmSync(servers.directory, { recursive: true, force: true });
}, 120_000);

test('every js block of the page is run', () => {
  expect(recipes.length + 1).toBe(page.match(/```js/g)?.length);
  for (const library of [
    'tls',
    'http2',
    'undici',
    'got',
    'axios',
    'node-fetch',
    'ws',
    'pg',
    'ioredis',
    'mysql2',
    'nodemailer',
  ])
    expect(recipes.some(({ code }) => code.includes(library))).toBe(true);
});

test('the example of docs/egress.md runs', async () => {
  const guide = readFileSync(new URL('../../docs/egress.md', import.meta.url), 'utf8');
  const [, code = ''] = /<!-- run -->\s*```js\n(.*?)```/s.exec(guide) ?? [];
  const { stdout, stderr } = await runNode(code);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/source: '127\.2\.0\.0\/24'[^]*connect ECONNREFUSED 127\.0\.0\.1:80/);
});

for (const [i, { heading, needs, code }] of recipes.entries()) {
  const name = `${heading} (${i + 1}): the server sees the pool's addresses and ports`;
  const missing = needs === undefined ? undefined : missingDatabase(needs);
  if (missing !== undefined) {
    test.skip(`${name} (${missing})`);
    continue;
  }
  test(name, async () => {
    if (needs !== undefined) await servers.startDatabase(needs);
    servers.seen.length = 0;
    const { stdout, stderr } = await runNode(pool + code, {
      execArgv: ['--import', './test/support/egress-names.mjs'],
      env: { NODE_EXTRA_CA_CERTS: servers.certificateFile },
    });
    expect(stderr).toBe('');
    const told = [...stdout.matchAll(/(\d+\.\d+\.\d+\.\d+):(\d+)/g)].map(([, address = '', port]) => ({
      address,
      port: Number(port),
    }));
    const seen = [...servers.seen, ...told].filter(({ address }) => !address.startsWith('198.51.100.'));
    expect(seen.length, stdout).toBeGreaterThan(0);
    for (const { address, port } of seen) {
      expect(['192.0.2.10', '192.0.2.11']).toContain(address);
      expect(port).toBeGreaterThanOrEqual(40_000);
      expect(port).toBeLessThanOrEqual(49_999);
    }
  });
}
