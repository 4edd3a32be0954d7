// `npm run check:package`: tests the published package as a user gets it: packs it, installs it into an empty project without
// network and scripts, imports it, requires it, and runs its command.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { ARCHITECTURES, prebuildOf } from './prebuild.mjs';

new Command('npm run check:package --')
  .description('Packs the package, installs it, imports, requires and runs it, and checks what it contains.')
  .parse();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const temporary = mkdtempSync(join(tmpdir(), 'linux-sockets-package-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
const project = join(temporary, 'project');
const installed = join(project, 'node_modules/linux-sockets');
const binaries = Object.keys(ARCHITECTURES).map(prebuildOf);
const MAX_KILOBYTES = 700;

const tarball = pack(root); // builds the binaries, and checks their symbols
const commander = pack(join(root, 'node_modules/commander')); // for an installation without network

let failed = 0;
check('it installs without network and without scripts', () => {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n');
  const output = run(
    'npm',
    ['install', '--offline', '--foreground-scripts', '--no-audit', tarball, commander],
    project,
  );
  if (/install script|node-gyp/i.test(output)) throw new Error(output);
});
check('it contains the files it needs, and no sources of the addon', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  for (const file of [
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'lib/index.js',
    'lib/index.d.ts',
    ...binaries,
  ]) {
    if (!files.includes(file)) throw new Error(`${file} is missing`);
  }
  const unwanted = files.filter((file) =>
    /^(native|src|test|scripts|build|bench)\b|\.gypi?$|\.tsbuildinfo$|\.map$/.test(file),
  );
  if (unwanted.length > 0) throw new Error(`must not be published: ${unwanted.join(', ')}`);
  const kilobytes = statSync(tarball).size / 1000;
  console.log(`  ${files.length} entries, tarball ${kilobytes.toFixed(0)} kB`);
  if (kilobytes > MAX_KILOBYTES) throw new Error(`the tarball is larger than ${MAX_KILOBYTES} kB`);
});
check('it has no scripts, and commander as its only dependency', () => {
  const { gypfile, scripts = {}, dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  if (gypfile !== false)
    throw new Error('gypfile must be false: npm would add an install script for the root binding.gyp');
  if (Object.keys(scripts).length > 0) throw new Error(`scripts: ${Object.keys(scripts).join(', ')}`);
  if (Object.keys(dependencies).join() !== 'commander')
    throw new Error(`dependencies: ${Object.keys(dependencies).join()}`);
});
const use = `if (!sockets.isSupported) throw new Error(); sockets.NativeSocket.create({ family: 'ipv4', type: 'stream' }).close();`;
check('import works', () => {
  run(process.execPath, ['--input-type=module', '-e', `import * as sockets from 'linux-sockets'; ${use}`], project);
});
check('require works', () => {
  run(process.execPath, ['--no-warnings', '-e', `const sockets = require('linux-sockets'); ${use}`], project);
});
check('import works without commander', () => {
  rmSync(join(project, 'node_modules/commander'), { recursive: true });
  run(process.execPath, ['--input-type=module', '-e', `import 'linux-sockets'`], project);
  run('npm', ['install', '--offline', '--no-audit', commander], project);
});
check('the command works', () => {
  const help = run('npx', ['--offline', 'linux-sockets', '--help'], project);
  if (!/Usage: linux-sockets/.test(help)) throw new Error(help);
});
check('the types compile in strict mode', () => {
  writeFileSync(
    join(project, 'use.ts'),
    `import * as sockets from 'linux-sockets';\nexport const ok: boolean = sockets.isSupported;\n`,
  );
  const flags = [
    '--noEmit',
    '--strict',
    '--target',
    'es2023',
    '--lib',
    'es2023,esnext.disposable',
    '--module',
    'nodenext',
  ];
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  run(bin('tsc'), [...flags, ...types, 'use.ts'], project);
});
check('publint finds no problem', () => run(bin('publint'), [tarball, '--strict'], root));
check('attw finds no problem', () => run(bin('attw'), [tarball, '--profile', 'esm-only'], root));

console.log(failed === 0 ? 'package: ok' : `package: ${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * @param {string} name
 * @param {() => unknown} action
 */
function check(name, action) {
  try {
    action();
    console.log(`✓ ${name}`);
  } catch (error) {
    failed++;
    const { message, stdout = '', stderr = '' } = /** @type {Error & { stdout?: string, stderr?: string }} */ (error);
    console.error(`✗ ${name}\n${[message, stdout, stderr].join('\n').trim()}`);
  }
}

/** @param {string} directory @returns {string} the tarball */
function pack(directory) {
  const destination = mkdtempSync(join(temporary, 'packed-'));
  run('npm', ['pack', '--pack-destination', destination, directory], root);
  return join(destination, readdirSync(destination)[0] ?? '');
}

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  const env = { ...process.env, LINUX_SOCKETS_BINDING: '' };
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** @param {string} name */
function bin(name) {
  return join(root, 'node_modules/.bin', name);
}
