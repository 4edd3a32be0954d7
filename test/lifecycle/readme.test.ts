// The examples of the README and of the guides, copied out and run unchanged. A block runs when `<!-- run -->` precedes it;
// `<!-- run after: COMMAND -->` runs a command in the test's namespace first. test/lifecycle/listen-docs.test.ts runs those of
// docs/listen.md and docs/anyip.md, whose servers keep running.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const FILES = ['README.md', 'docs/connect.md', 'docs/reservations.md', 'docs/time-wait.md'];

const texts = FILES.map((file) => [file, readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')] as const);
const blocks = texts.flatMap(([file, text]) =>
  [...text.matchAll(/<!-- run(?: after: (.+?))? -->\s*```js\n(.*?)```/gs)].map(([, before, code = '']) => ({
    file,
    title: /^\S.*\{$|^(const|await).*$/m.exec(code)?.[0] ?? '',
    before,
    code,
  })),
);

test.each(texts)('a test runs every js block of %s', (file, text) => {
  expect(blocks.filter((block) => block.file === file)).toHaveLength(text.match(/```js/g)?.length ?? 0);
});

test('the README has js blocks', () => {
  expect(blocks.filter(({ file }) => file === 'README.md').length).toBeGreaterThanOrEqual(4);
});

test.each(blocks)('the example in $file runs: $title', async ({ before, code }) => {
  if (before !== undefined) execFileSync('sh', ['-c', before]);
  const { stderr, stdout } = await runNode(code);
  expect(stderr).toBe('');
  expect(stdout).not.toBe('');
});
