// `npm run lint`: eslint, prettier, clang-format, clang-tidy. With `npm run format` (--fix) the first three fix files.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const fix = process.argv.includes('--fix');

const missing = ['clang-format', 'clang-tidy', 'cmake'].filter(
  (tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined,
);
if (missing.length > 0) {
  console.error(`${missing.join(', ')} not found. On Debian and Ubuntu: sudo apt-get install ${missing.join(' ')}`);
  process.exit(1);
}

const filesIn = (/** @type {string} */ folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`);
const native = filesIn('native');
const cpp = [...native, ...filesIn('fuzz/native')].filter((file) => /\.(cc|h)$/.test(file));
const bin = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);

/** @type {[name: string, command: string, args: string[]][]} */
const checks = [
  ['eslint', bin('eslint'), ['.', ...(fix ? ['--fix'] : [])]],
  ['prettier', bin('prettier'), ['.', '--log-level=warn', fix ? '--write' : '--check']],
  ['clang-format', 'clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cpp]],
];
if (!fix) checks.push(...tidy());

let failed = 0;
const queue = [...checks];
await Promise.all(Array.from({ length: availableParallelism() }, worker));
console.log(
  failed === 0 ? `lint: ${checks.length} checks passed` : `lint: ${failed} of ${checks.length} checks failed`,
);
process.exitCode = failed === 0 ? 0 : 1;

async function worker() {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const [name, command, args] = check;
    const { code, output } = await run(command, args);
    if (code === 0) continue;
    failed++;
    console.error(`\n── ${name} ──\n${output.trim()}\n`);
  }
}

/** One check per source file, so that they run in parallel. clang-tidy needs the compile commands that CMake writes. */
function tidy() {
  const configure = spawnSync(bin('cmake-js'), ['configure', '--out', 'build/cmake'], { cwd: root, encoding: 'utf8' });
  if (configure.status !== 0) {
    console.error(`${configure.stdout}${configure.stderr}`);
    process.exit(1);
  }
  return native
    .filter((file) => file.endsWith('.cc'))
    .map(
      (file) =>
        /** @type {[string, string, string[]]} */ ([
          `clang-tidy ${file}`,
          'clang-tidy',
          ['--quiet', '-p', 'build/cmake', file],
        ]),
    );
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ code: number | null, output: string }>}
 */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child
      .on('error', reject)
      .on('close', (code) => resolve({ code, output: output.replace(/^\d+ warnings generated\.\n/gm, '') }));
  });
}
