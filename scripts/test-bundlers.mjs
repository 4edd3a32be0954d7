// `npm run test:bundlers`: packs the package, bundles a program that uses it as docs/bundlers.md says, and runs the result.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requirePackages } from './fetch-packages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = requirePackages(
  '@vercel/nft@1',
  'esbuild@0.28',
  'webpack@5',
  'webpack-cli@6',
  'rollup@4',
  '@rollup/plugin-node-resolve@16',
  'vite@6',
);
const project = mkdtempSync(join(tmpdir(), 'linux-sockets-bundlers-'));
process.on('exit', () => rmSync(project, { recursive: true }));
install();

const RUNS = `import { NativeSocket } from 'linux-sockets';
const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
console.log(socket.state);
socket.close();
`;
writeFileSync(join(project, 'app.mjs'), RUNS);
writeFileSync(
  join(project, 'webpack.config.mjs'),
  `export default { mode: 'production', target: 'node20', entry: './app.mjs', experiments: { outputModule: true },
    output: { path: import.meta.dirname + '/webpack', filename: 'app.mjs', module: true, chunkFormat: 'module' } };\n`,
);
writeFileSync(
  join(project, 'rollup.config.mjs'),
  `import resolve from '@rollup/plugin-node-resolve';
export default { input: 'app.mjs', output: { file: 'rollup/app.mjs' }, external: ['linux-sockets'], plugins: [resolve()] };\n`,
);
writeFileSync(
  join(project, 'trace.mjs'),
  `import { nodeFileTrace } from '@vercel/nft';
import { cpSync } from 'node:fs';
const { fileList } = await nodeFileTrace(['app.mjs']);
for (const file of fileList) cpSync(file, 'nft/' + file, { dereference: true });\n`,
);

const esbuild = ['esbuild', 'app.mjs', '--bundle', '--platform=node', '--external:linux-sockets'];
let failed = 0;
check('esbuild, ES module', [...esbuild, '--format=esm', '--outfile=esbuild/app.mjs'], 'esbuild/app.mjs');
check('esbuild, CommonJS', [...esbuild, '--format=cjs', '--outfile=esbuild/app.cjs'], 'esbuild/app.cjs');
check('webpack', ['webpack-cli'], 'webpack/app.mjs', { alone: true });
check('rollup', ['rollup', '-c'], 'rollup/app.mjs');
check('vite, SSR', ['vite', 'build', '--ssr', 'app.mjs', '--outDir', 'vite', '--logLevel', 'warn'], 'vite/app.js');
check('@vercel/nft', [], 'nft/app.mjs', { alone: true, script: 'trace.mjs' });
console.log(failed === 0 ? 'bundlers: ok' : `bundlers: ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * @param {string} name
 * @param {readonly string[]} command of node_modules/.bin
 * @param {string} output the bundle
 * @param {{ readonly alone?: boolean, readonly script?: string }} [options] `alone`: the bundle's directory has all it needs
 */
function check(name, [tool = '', ...args], output, { alone = false, script } = {}) {
  const program = script ?? join(tools, '.bin', tool);
  const built = run(project, [program, ...args]);
  let ran = built;
  if (built.status === 0) {
    const place = alone ? mkdtempSync(join(project, 'alone-')) : project;
    if (alone) cpSync(join(project, dirname(output)), join(place, dirname(output)), { recursive: true });
    if (alone) writeFileSync(join(place, 'package.json'), '{ "type": "module" }\n');
    ran = run(place, [output]);
  }
  const passed = ran.status === 0 && ran.stdout === 'open\n';
  console.log(`${passed ? '✓' : '✗'} ${name}`);
  if (passed) return;
  failed++;
  console.error(ran.stdout, ran.stderr);
}

/** @param {string} cwd @param {readonly string[]} args */
function run(cwd, args) {
  const env = { ...process.env, LINUX_SOCKETS_BINDING: '' };
  return spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8' });
}

function install() {
  const packed = spawnSync('npm', ['pack', '--pack-destination', project], { cwd: root, encoding: 'utf8' });
  const tarball = readdirSync(project).find((file) => file.endsWith('.tgz'));
  if (packed.status !== 0 || tarball === undefined) {
    console.error(packed.stderr);
    process.exit(1);
  }
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, 'linux-sockets'), { recursive: true });
  spawnSync('tar', ['xzf', tarball, '-C', join(modules, 'linux-sockets'), '--strip-components=1'], { cwd: project });
  for (const name of readdirSync(tools)) if (!name.startsWith('.')) symlinkSync(join(tools, name), join(modules, name));
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
}
