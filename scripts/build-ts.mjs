// Compiles src into lib, and removes files of lib whose source is gone: they would be tested and published. With --publish
// without source maps, which would be almost half of the package.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lib = join(root, 'lib');

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const publish = process.argv.includes('--publish');
const options = publish ? ['--sourceMap', 'false', '--inlineSources', 'false'] : [];
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json', ...options], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

for (const entry of readdirSync(lib, { recursive: true, encoding: 'utf8' })) {
  const source = entry.replace(/\.(d\.ts|js|js\.map)$/, '.ts');
  const isStale = source !== entry && !existsSync(join(root, 'src', source));
  if (isStale || (publish && entry.endsWith('.js.map'))) rmSync(join(lib, entry));
}

const main = join(lib, 'cli/main.js');
if (existsSync(main)) chmodSync(main, 0o755);
