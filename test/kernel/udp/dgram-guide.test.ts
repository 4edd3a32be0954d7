// docs/from-dgram.md: its code blocks run, and print what their comments say.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runNode } from '../../support/child.js';

const guide = readFileSync(new URL('../../../docs/from-dgram.md', import.meta.url), 'utf8');
const snippets = [...guide.matchAll(/```js\n([^]*?)```/g)].map(([, code = '']) => code);

test('docs/from-dgram.md has code blocks', () => {
  expect(snippets.length).toBe(4);
});

test.each(snippets.map((code, i) => [i + 1, code] as const))(
  'code block %i of docs/from-dgram.md runs',
  async (_, code) => {
    const expected = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => `${text}\n`);
    expect(expected.length).toBeGreaterThan(0);
    expect((await runNode(code)).stdout).toBe(expected.join(''));
  },
);
