// `npm run test:types [-- --quick]`: compiles a user's program (test/types/consumer.ts) against the declarations of the package,
// without skipLibCheck, with each version of TypeScript and @types/node and each way to resolve modules; --quick: the oldest and
// the newest.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { requirePackages } from './fetch-packages.mjs';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const TYPESCRIPT = ['5.4', '5.9', '6', '7'];
const NODE_TYPES = ['20', '22', '24', '25', '26'];
const MODULES = [
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
];
/** These declarations of Node need a newer TypeScript themselves. */
const IMPOSSIBLE = new Set(['5.4 26']);

if (bringUpToDate({ native: false }) !== undefined) process.exit(1);
const project = mkdtempSync(join(tmpdir(), 'linux-sockets-types-'));
process.on('exit', () => rmSync(project, { recursive: true }));
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
cpSync(join(root, 'test/types/consumer.ts'), join(project, 'consumer.ts'));
mkdirSync(join(project, 'node_modules/linux-sockets'), { recursive: true });
cpSync(join(root, 'package.json'), join(project, 'node_modules/linux-sockets/package.json'));
cpSync(join(root, 'lib'), join(project, 'node_modules/linux-sockets/lib'), { recursive: true });

let failed = 0;
for (const typescript of values.quick ? ends(TYPESCRIPT) : TYPESCRIPT) {
  for (const types of values.quick ? ends(NODE_TYPES) : NODE_TYPES) {
    if (IMPOSSIBLE.has(`${typescript} ${types}`)) {
      console.log(`- TypeScript ${typescript}, @types/node ${types}: not possible, the latter need a newer TypeScript`);
      continue;
    }
    const tsc = join(requirePackages(`typescript@${typescript}`), 'typescript/bin/tsc');
    useTypes(requirePackages(`@types/node@${types}`));
    for (const [module = '', resolution = ''] of MODULES) report(typescript, types, module, resolution, tsc);
  }
}
console.log(failed === 0 ? 'types: ok' : `types: ${failed} combinations failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** @param {string} typescript @param {string} types @param {string} module @param {string} resolution @param {string} tsc */
function report(typescript, types, module, resolution, tsc) {
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node'];
  const modules = ['--module', module, '--moduleResolution', resolution];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...flags, ...modules, 'consumer.ts'], {
    cwd: project,
    encoding: 'utf8',
  });
  console.log(`${status === 0 ? '✓' : '✗'} TypeScript ${typescript}, @types/node ${types}, ${resolution}`);
  if (status === 0) return;
  failed++;
  console.error(stdout);
}

/** @param {string} modules */
function useTypes(modules) {
  for (const name of ['@types', 'undici-types']) {
    const link = join(project, 'node_modules', name);
    rmSync(link, { recursive: true, force: true });
    if (existsSync(join(modules, name))) symlinkSync(join(modules, name), link);
  }
}

/** @param {readonly string[]} versions */
function ends(versions) {
  return [versions[0] ?? '', versions.at(-1) ?? ''];
}
