// A test that fails because a program is not installed is skipped, and its note names the Debian package: so the suite passes
// on a machine without it. With CI set it fails, since a green run must have run everything.
import { readFileSync } from 'node:fs';
import { aroundEach, beforeAll, beforeEach } from 'vitest';

/** The Debian package of each program. */
const PACKAGES = new Map(
  readFileSync(new URL('../../scripts/debian-packages.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [program: string, debian: string]),
);

/** What a missing program looks like: from Node's child_process, from nsenter and unshare, and from a shell. */
const MISSING = [
  /\bspawn(?:Sync)? ([\w+.-]+) ENOENT/,
  /failed to execute ([\w+.-]+): No such file/,
  /\bsh: (?:\d+: )?([\w+.-]+): not found/,
];

/** The missing program that the message is about, if it is one of those that tests need. */
export function missingTool(message: string): string | undefined {
  const names = MISSING.map((pattern) => pattern.exec(message)?.[1]);
  return names.find((name) => name !== undefined && PACKAGES.has(name));
}

/** `beforeAll` for a file whose set-up runs such programs: without one, the tests of the file are skipped. */
export function setUp(body: () => Promise<void>, timeout?: number): void {
  let tool: string | undefined;
  beforeAll(async () => {
    try {
      await body();
    } catch (error) {
      tool = missingTool((error as Error).message);
      if (tool === undefined || process.env['CI']) throw error;
    }
  }, timeout);
  beforeEach(({ skip }) => {
    if (tool !== undefined) skip(noteOf(tool));
  });
}

export function skipWithoutTools(): void {
  if (process.env['CI']) return;
  aroundEach(async (runTest, { task, skip }) => {
    await runTest();
    const errors = task.result?.errors ?? [];
    const tool = errors.map(({ message }) => missingTool(message)).find((name) => name !== undefined);
    if (tool !== undefined) skip(noteOf(tool));
  });
}

function noteOf(tool: string): string {
  return `needs ${tool} (Debian: apt-get install ${PACKAGES.get(tool) ?? ''})`;
}
