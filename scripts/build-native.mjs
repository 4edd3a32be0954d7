// Builds the addon with node-gyp into build/Release. Fast when nothing has changed, since make decides what to compile.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDir } from './node-headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const verbose = process.argv.includes('--verbose');

if (process.platform !== 'linux') {
  console.log(
    `linux-sockets: the addon was not built, since it needs Linux and this is ${process.platform}. Importing the package works.`,
  );
  process.exit(0);
}

const headers = nodeDir();
const missing = missingParts();
if (missing.length > 0) {
  fail(
    `The addon cannot be built: ${missing.map(({ what }) => what).join(', ')} not found.\n` +
      `On Debian and Ubuntu: sudo apt-get install ${[...new Set(missing.map(({ debian }) => debian))].join(' ')}`,
  );
}
if (headers === undefined) console.log('This Node has no headers: node-gyp downloads them.');
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const args = [...steps(), ...(headers === undefined ? [] : [`--nodedir=${headers}`]), '--release'];

const started = performance.now();
const result = spawnSync(process.execPath, [nodeGyp, ...args], {
  cwd: root,
  encoding: 'utf8',
  stdio: verbose ? 'inherit' : 'pipe',
});
if (result.status !== 0) {
  if (!verbose) process.stderr.write(`${result.stdout}\n${result.stderr}\n`);
  fail(`The addon could not be built (node-gyp ${args.join(' ')}).`);
}
console.log(`Built build/Release/linux_sockets.node in ${((performance.now() - started) / 1000).toFixed(1)} s.`);

/** Configuring takes longer than a build without changes, so it runs only when the build file or this Node is newer than the last one. */
function steps() {
  const config = join(root, 'build/config.gypi');
  const makefile = join(root, 'build/Makefile');
  if (!existsSync(config) || !existsSync(makefile)) return ['configure', 'build'];
  // The makefile has absolute paths: those of another directory after the checkout was moved.
  if (!readFileSync(makefile, 'utf8').includes(`module_root_dir=${root}"`)) return ['configure', 'build'];
  const configured = statSync(config).mtimeMs;
  const inputs = ['binding.gyp', 'package-lock.json', 'scripts/build-native.mjs'].map((file) => join(root, file));
  return inputs.concat(process.execPath).every((file) => !existsSync(file) || statSync(file).ctimeMs < configured)
    ? ['build']
    : ['configure', 'build'];
}

/** All at once, so that one installation is enough. */
function missingParts() {
  const tools = [
    { what: process.env['CXX'] ?? 'g++', debian: 'build-essential' },
    { what: 'make', debian: 'build-essential' },
    { what: process.env['PYTHON'] ?? 'python3', debian: 'python3' },
  ].filter(({ what }) => spawnSync(what.split(' ')[0] ?? what, ['--version'], { stdio: 'ignore' }).error !== undefined);
  // The headers of nodejs.org may differ from those of a Node that a distribution has built.
  const ofDistribution = realpathSync(process.execPath) === '/usr/bin/node';
  if (headers === undefined && ofDistribution) tools.push({ what: 'the headers of Node.js', debian: 'libnode-dev' });
  return tools;
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`linux-sockets: ${message}`);
  process.exit(1);
}
