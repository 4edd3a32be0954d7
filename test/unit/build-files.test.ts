// binding.gyp (shipped) and CMakeLists.txt (sanitizers, clang-tidy) must describe the same addon.
import { readdirSync, readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

interface GypTarget {
  readonly sources: readonly string[];
  readonly defines: readonly string[];
  readonly cflags_cc: readonly string[];
  readonly ldflags: readonly string[];
  readonly conditions: readonly (readonly [string, { readonly cflags_cc: readonly string[] }])[];
}

const root = new URL('../../', import.meta.url);
const gyp = readGyp();
const cmake = readFileSync(new URL('CMakeLists.txt', root), 'utf8');

test('both build files compile the same sources, and every source there is', () => {
  expect(cmakeList('SOURCES')).toEqual(gyp.sources);
  const files = readdirSync(new URL('native/', root)).filter((file) => file.endsWith('.cc'));
  expect([...gyp.sources].sort()).toEqual(files.map((file) => `native/${file}`).sort());
});

test('both build files set the same defines', () => {
  expect(cmakeList('DEFINES')).toEqual(gyp.defines);
});

test('both build files compile with the same flags', () => {
  const include = gyp.cflags_cc.indexOf('-isystem'); // CMake has target_include_directories for that
  expect(cmakeList('COMPILE_FLAGS')).toEqual(gyp.cflags_cc.toSpliced(include, 2));
});

test('both build files inline the atomics on arm64', () => {
  expect(gyp.conditions.map(([condition]) => condition)).toEqual(['target_arch=="arm64"']);
  expect(cmakeList('COMPILE_FLAGS_ARM64')).toEqual(gyp.conditions[0]?.[1].cflags_cc);
});

test('both build files link with the same flags', () => {
  const flags = cmakeList('LINK_FLAGS').map((flag) => flag.replace('${CMAKE_SOURCE_DIR}', '<(module_root_dir)'));
  expect(flags).toEqual(gyp.ldflags);
});

/** gyp is a Python literal; without its comments it is a JavaScript one as well. */
function readGyp(): GypTarget {
  const text = readFileSync(new URL('binding.gyp', root), 'utf8').replace(/^\s*#.*$/gm, '');
  const { targets } = runInNewContext(`(${text})`) as { readonly targets: readonly [GypTarget] };
  return structuredClone(targets[0]);
}

function cmakeList(name: string): readonly string[] {
  const [, body] = new RegExp(`^set\\(${name}\\s([^)]*)\\)$`, 'm').exec(cmake) ?? [];
  if (body === undefined) throw new Error(`CMakeLists.txt has no list ${name}`);
  return body.trim().split(/\s+/);
}
