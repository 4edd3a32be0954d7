// Runs before `npm pack` and `npm publish`, and with --restore after them: builds lib and the binaries of all architectures, or
// stops with the reason, so that nothing is published without them. package.json is published without what only developers
// need, `prepare` among it, and lib without source maps.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARCHITECTURES, prebuild, prebuildOf } from './prebuild.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = join(root, 'package.json');
const original = join(root, 'node_modules/.cache/package.json');

restore(); // what an interrupted run has left
if (process.argv.includes('--restore')) run('build-ts.mjs');
else await prepare();

async function prepare() {
  try {
    run('build-ts.mjs', '--publish');
    for (const arch of /** @type {import('./prebuild.mjs').Architecture[]} */ (Object.keys(ARCHITECTURES))) {
      await prebuild(arch);
    }
    run('check-symbols.mjs', ...Object.keys(ARCHITECTURES).map(prebuildOf));
  } catch (error) {
    console.error(`linux-sockets cannot be packed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  const text = readFileSync(manifest, 'utf8');
  mkdirSync(dirname(original), { recursive: true });
  writeFileSync(original, text);
  const published = JSON.parse(text);
  delete published.scripts;
  delete published.devDependencies;
  writeFileSync(manifest, `${JSON.stringify(published, null, 2)}\n`);
}

function restore() {
  if (existsSync(original)) renameSync(original, manifest);
}

/** @param {string} script @param {...string} args */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', script), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`scripts/${script} failed`);
}
