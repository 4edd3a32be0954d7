// `npm run test:bundlers`: packs the package, bundles a program that uses it as docs/bundlers.md says, and runs the result.
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Project } from './consumers/project.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';
import { ADDON_FROM_ASSET, makeExecutable } from './consumers/sea.mjs';
import { requirePackages } from './fetch-packages.mjs';
import { nodeOf, requireProgram } from './fetch-program.mjs';

const options = parse(
  commandLine('test:bundlers', 'Bundles a program that uses the packed package, and runs the result.'),
);
const report = new Report('bundlers', options);
const tools = requirePackages(
  '@vercel/nft@1',
  'esbuild@0.28',
  'webpack@5',
  'webpack-cli@6',
  'rollup@4',
  '@rollup/plugin-node-resolve@16',
  'vite@6',
);
const project = new Project({ programs: { node: process.execPath } });
project.unpack();
project.link(tools);

const RUNS = `import { NativeSocket } from 'linux-sockets';
const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
console.log(socket.state);
socket.close();
`;
project.write('app.mjs', RUNS);
project.write('without.mjs', `import { isSupported } from 'linux-sockets';\nconsole.log(isSupported);\n`);
project.write('addon.mjs', ADDON_FROM_ASSET);
project.write('sea.mjs', `import './addon.mjs';\n${RUNS}`);
project.write(
  'webpack.config.mjs',
  `export default { mode: 'production', target: 'node20', entry: './app.mjs', experiments: { outputModule: true },
    output: { path: import.meta.dirname + '/webpack', filename: 'app.mjs', module: true, chunkFormat: 'module' } };\n`,
);
project.write(
  'rollup.config.mjs',
  `import resolve from '@rollup/plugin-node-resolve';
export default { input: 'app.mjs', output: { file: 'rollup/app.mjs' }, external: ['linux-sockets'], plugins: [resolve()] };\n`,
);
project.write(
  'trace.mjs',
  `import { nodeFileTrace } from '@vercel/nft';
import { cpSync } from 'node:fs';
const { fileList } = await nodeFileTrace(['app.mjs']);
for (const file of fileList) cpSync(file, 'nft/' + file, { dereference: true });\n`,
);

const esbuild = ['esbuild', '--bundle', '--platform=node'];
const commonJs = ['--format=cjs', '--log-override:empty-import-meta=silent'];
const external = [...esbuild, 'app.mjs', '--external:linux-sockets'];
check('esbuild, ES module', [...external, '--format=esm', '--outfile=esbuild/app.mjs'], 'esbuild/app.mjs');
check('esbuild, CommonJS', [...external, '--format=cjs', '--outfile=esbuild/app.cjs'], 'esbuild/app.cjs');
check(
  'esbuild, everything bundled, no addon',
  [...esbuild, 'without.mjs', ...commonJs, '--outfile=esbuild/alone.cjs'],
  'esbuild/alone.cjs',
  { alone: true, prints: 'false\n' },
);
check('webpack', ['webpack-cli'], 'webpack/app.mjs', { alone: true });
check('rollup', ['rollup', '-c'], 'rollup/app.mjs');
check('vite, SSR', ['vite', 'build', '--ssr', 'app.mjs', '--outDir', 'vite', '--logLevel', 'warn'], 'vite/app.js');
check('@vercel/nft', [], 'nft/app.mjs', { alone: true, script: 'trace.mjs' });
checkExecutable(20);
checkExecutable(26);
report.end();

/**
 * @param {string} name
 * @param {readonly string[]} command of node_modules/.bin
 * @param {string} output the bundle
 * @param {{ readonly alone?: boolean, readonly script?: string, readonly prints?: string }} [options]
 *   `alone`: the bundle's directory has all it needs
 */
function check(name, command, output, { alone = false, script, prints = 'open\n' } = {}) {
  const built = script === undefined ? bundle(command) : project.run('node', [script]);
  if (!built.ok) return report.failed(name, built.report);
  if (!alone) return compare(name, project.run('node', [output]), prints);
  const place = new Project({ programs: { node: process.execPath } });
  cpSync(join(project.directory, dirname(output)), join(place.directory, dirname(output)), { recursive: true });
  compare(name, place.run('node', [output]), prints);
}

/** @param {number} major the release line of Node */
function checkExecutable(major) {
  const name = `single executable, Node ${major}`;
  if (!report.includes(name, major === 26)) return;
  const node = requireProgram(nodeOf(String(major)));
  const builder = new Project({ programs: { node } });
  builder.unpack();
  const output = `--outfile=${join(builder.directory, 'bundle.cjs')}`;
  const built = bundle([...esbuild, 'sea.mjs', ...commonJs, output]);
  if (!built.ok) return report.failed(name, built.report);
  const failure = makeExecutable(builder, node, major);
  if (failure !== undefined) return report.failed(name, failure);
  const place = new Project({ programs: {} });
  cpSync(join(builder.directory, 'app'), join(place.directory, 'app'));
  compare(name, place.run('./app', []), 'open\n');
}

/** @param {readonly string[]} command of node_modules/.bin */
function bundle([tool = '', ...args]) {
  return project.run('node', [join(tools, '.bin', tool), ...args]);
}

/** @param {string} name @param {import('./consumers/project.mjs').Outcome} ran @param {string} prints */
function compare(name, { ok, stdout, stderr, report: all }, prints) {
  if (ok && stdout === prints && stderr === '') report.passed(name);
  else report.failed(name, all);
}
