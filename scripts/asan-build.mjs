// Builds the addon with AddressSanitizer and UBSan into build/asan, and finds the library that a process must preload.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @returns {{ binding: string, preload: string }} the addon, and the library for LD_PRELOAD; exits with status 1 when the build fails */
export function buildWithSanitizers() {
  const cmakeJs = join(root, 'node_modules/.bin/cmake-js');
  const build = spawnSync(cmakeJs, ['compile', '--out', 'build/asan', '--CDSANITIZE=address,undefined'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (build.status !== 0) {
    console.error(
      `${build.stdout}\n${build.stderr}\nThe build needs g++ and cmake (Debian: apt-get install build-essential cmake).`,
    );
    process.exit(1);
  }
  // Node is not instrumented, so the library must be loaded before everything else.
  const library = spawnSync(process.env['CXX'] ?? 'g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  return {
    binding: join(root, 'build/asan/Release/linux_sockets.node'),
    preload: realpathSync(library.stdout.trim()),
  };
}
