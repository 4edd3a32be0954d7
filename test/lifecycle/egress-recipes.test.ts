// The code blocks of docs/recipes.md, docs/egress.md and docs/anyip.md, run exactly as printed. The recipes use real libraries and real
// servers in this file's namespace; each prints the client that the server saw, which must be an address and a port of the
// recipes' pool.
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runNode } from '../support/child.js';
import { missingDatabase, Servers, type Database } from '../support/egress-servers.js';

const guide = readFileSync(new URL('../../docs/egress.md', import.meta.url), 'utf8');
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

test('docs/recipes.md: a test runs every js block, and each library has one', () => {
  expect(recipes.length + 1).toBe(page.match(/```js/g)?.length);
  for (const library of [
    'tls',
    'http2',
    'undici',
    'got',
    'got-scraping',
    'http2-wrapper',
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

const examples = [...guide.matchAll(/<!-- run -->\s*```js\n(.*?)```/gs)].map(([, code = '']) => code);

const EXAMPLES = [
  'the first example',
  'the removed source',
  'the strategy function',
  'the egressKey function',
  'the subscriber',
];

test('docs/egress.md: a test runs every js block', () => {
  expect(examples.length).toBe(EXAMPLES.length);
  expect(examples.length).toBe(guide.match(/```js/g)?.length);
});

test.each([
  ['the first example', /source: '127\.2\.0\.0\/24'[^]*connect ECONNREFUSED 127\.0\.0\.1:80/],
  ['the removed source', /^\[ '127\.1\.0\.11' \]\nno connection from 127\.1\.0\.10 is open$/],
  ['the strategy function', /^connect ECONNREFUSED 127\.0\.0\.1:80$/],
  ['the egressKey function', /^connect ECONNREFUSED 127\.0\.0\.1:80$/],
  ['the subscriber', /^$/],
])('docs/egress.md: %s runs', async (name, printed) => {
  const { stdout, stderr } = await runNode(examples[EXAMPLES.indexOf(name)] ?? '');
  expect(stderr).toBe('');
  expect(stdout.trim()).toMatch(printed);
});

test('docs/anyip.md: the js block prints what its comment says', async () => {
  const anyip = readFileSync(new URL('../../docs/anyip.md', import.meta.url), 'utf8');
  const blocks = [...anyip.matchAll(/<!-- run -->\s*```js\n(.*?)```/gs)].map(([, code = '']) => code);
  expect(blocks.length).toBe(anyip.match(/```js/g)?.length);
  const { stdout, stderr } = await runNode(blocks[0] ?? '');
  expect(stderr).toBe('');
  expect(stdout).toBe('true false\n');
});

for (const [i, { heading, needs, code }] of recipes.entries()) {
  const name = `docs/recipes.md, ${heading} (${i + 1}): the server sees an address and a port of the pool`;
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
    // Redis also tells its own address. A connection from the default address would have that address, too.
    const seen = [...servers.seen, ...told.filter(({ address }) => !address.startsWith('198.51.100.'))];
    expect(seen.length, stdout).toBeGreaterThan(0);
    for (const [option, version] of [
      ['http2: true', 'HTTP/2.0'],
      ['http2: false', 'HTTP/1.1'],
    ] as const) {
      if (code.includes(option)) expect(stdout).toMatch(new RegExp(`^[\\d.]+:\\d+ over ${version}$`, 'm'));
    }
    for (const { address, port } of seen) {
      expect(['192.0.2.10', '192.0.2.11']).toContain(address);
      expect(port).toBeGreaterThanOrEqual(40_000);
      expect(port).toBeLessThanOrEqual(49_999);
    }
  });
}

const AGENTS = 'const agent = { http: pool.httpAgent(), https: pool.httpsAgent() };\n';

test.each([
  ['got with http2: true', `import got from 'got';`, 'await got(url, { agent, http2: true })'],
  ['got-scraping', `import { gotScraping } from 'got-scraping';`, 'await gotScraping(url, { agent })'],
  [
    'got-scraping with http2: false',
    `import { gotScraping } from 'got-scraping';`,
    'await gotScraping(url, { agent, http2: false })',
  ],
])(
  '%s and the agents of a pool alone connects from the default address, as docs/recipes.md warns',
  async (_, library, call) => {
    servers.seen.length = 0;
    const { stderr } = await runNode(`${pool}${library}\n${AGENTS}const url = 'https://h2.example:8444/';\n${call};`, {
      execArgv: ['--import', './test/support/egress-names.mjs'],
      env: { NODE_EXTRA_CA_CERTS: servers.certificateFile },
    });
    expect(stderr).toBe('');
    expect(servers.seen.map(({ address }) => address)).toContain('198.51.100.1');
  },
);
