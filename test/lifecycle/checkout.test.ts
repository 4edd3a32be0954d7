// Building in other places than this checkout.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { testWith } from '../support/kernel.js';

const repository = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'linux sockets checkout-'));
afterAll(() => rmSync(directory, { recursive: true }));

const [first, moved] = [join(directory, 'first place'), join(directory, 'second place')];
const BINARY = 'build/Release/linux_sockets.node';

testWith({ tools: ['make', 'g++'] })('a checkout in a path with a space builds', () => {
  for (const name of ['binding.gyp', 'native', 'package.json', 'package-lock.json', 'scripts']) {
    cpSync(join(repository, name), join(first, name), { recursive: true });
  }
  symlinkSync(join(repository, 'node_modules'), join(first, 'node_modules'));
  build(first);
  expect(statSync(join(first, BINARY)).size).toBeGreaterThan(0);
});

testWith({ tools: ['make', 'g++'] })('a checkout that was moved builds again when a source has changed', () => {
  renameSync(first, moved);
  cpSync(join(repository, 'native/recipe.cc'), join(moved, 'native/recipe.cc')); // newer than its object
  const before = statSync(join(moved, BINARY)).mtimeMs;
  build(moved);
  expect(statSync(join(moved, BINARY)).mtimeMs).toBeGreaterThan(before);
});

test('without the build, `npm start` says that the dependencies are missing, and what to run', () => {
  const bare = join(directory, 'bare');
  cpSync(join(repository, 'scripts'), join(bare, 'scripts'), { recursive: true });
  cpSync(join(repository, 'package.json'), join(bare, 'package.json'));
  expect(() => execFileSync(process.execPath, ['scripts/start.mjs'], { cwd: bare, stdio: 'pipe' })).toThrow(
    /npm start: The dependencies are not installed: run `npm ci` first\./,
  );
});

function build(where: string): void {
  execFileSync(process.execPath, [join(where, 'scripts/build-native.mjs')], { cwd: where, stdio: 'pipe' });
}
