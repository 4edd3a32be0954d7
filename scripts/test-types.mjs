// `npm run test:types [-- --short]`: compiles a user's program (test/types/consumer.ts) against the declarations of the package,
// without skipLibCheck, with each version of TypeScript and @types/node and each way to resolve modules; --short: the oldest and
// the newest.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';
import { requirePackages } from './fetch-packages.mjs';

const options = parse(
  commandLine('test:types', "Compiles a user's program with each version of TypeScript and @types/node."),
);
const report = new Report('types', options);
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

for (const typescript of TYPESCRIPT) for (const types of NODE_TYPES) attempt(typescript, types);
report.end();

/** @param {string} typescript @param {string} types */
function attempt(typescript, types) {
  const name = `TypeScript ${typescript}, @types/node ${types}`;
  if (IMPOSSIBLE.has(`${typescript} ${types}`))
    return report.notRun(name, 'not possible, the latter need a newer TypeScript');
  if (!report.includes(name, isEnd(TYPESCRIPT, typescript) && isEnd(NODE_TYPES, types))) return;
  const tsc = join(requirePackages(`typescript@${typescript}`), 'typescript/bin/tsc');
  useTypes(requirePackages(`@types/node@${types}`));
  const errors = MODULES.map(([module = '', resolution = '']) => compile(tsc, module, resolution));
  if (errors.every((error) => error === ''))
    report.passed(name, MODULES.map(([, resolution]) => resolution).join(', '));
  else report.failed(name, errors.join(''));
}

/** @param {string} tsc @param {string} module @param {string} resolution @returns {string} the errors */
function compile(tsc, module, resolution) {
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node'];
  const modules = ['--module', module, '--moduleResolution', resolution];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...flags, ...modules, 'consumer.ts'], {
    cwd: project,
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${resolution}:\n${stdout}`;
}

/** @param {string} modules */
function useTypes(modules) {
  for (const name of ['@types', 'undici-types']) {
    const link = join(project, 'node_modules', name);
    rmSync(link, { recursive: true, force: true });
    if (existsSync(join(modules, name))) symlinkSync(join(modules, name), link);
  }
}

/** @param {readonly string[]} versions @param {string} version */
function isEnd(versions, version) {
  return version === versions[0] || version === versions.at(-1);
}
