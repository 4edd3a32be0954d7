// The README's examples, copied out and run as they stand. A block runs when `<!-- run -->` stands above it, and
// `<!-- run after: COMMAND -->` runs a command in the test's namespace first.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/<!-- run(?: after: (.+?))? -->\s*```js\n(.*?)```/gs)].map((match) => ({
  title: /^\S.*\{$|^(const|await).*$/m.exec(match[2] ?? '')?.[0] ?? '',
  before: match[1],
  code: match[2] ?? '',
}));

test('every js block of the README is run', () => {
  expect(blocks.length).toBe(readme.match(/```js/g)?.length);
  expect(blocks.length).toBeGreaterThanOrEqual(4);
});

test.each(blocks)('README: $title', async ({ before, code }) => {
  if (before !== undefined) execFileSync('sh', ['-c', before]);
  const { stderr, stdout } = await runNode(code);
  expect(stderr).toBe('');
  expect(stdout).not.toBe('');
});
