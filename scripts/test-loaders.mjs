// `npm run test:loaders`: installs the packed package, and uses it (test/consumers/use.cjs) in test runners and loaders, which come
// from npm.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requirePackages } from './fetch-packages.mjs';
import { nodeOf, requireProgram } from './fetch-program.mjs';
import { Project } from './consumers/project.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';

/**
 * @typedef {object} Loader
 * @property {string} [wanted] the npm package
 * @property {readonly string[]} run the arguments of node
 * @property {boolean} [short] part of --short
 * @property {string} [node] the release line it needs; by default the Node that runs this
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const IMPORT = `import * as sockets from 'linux-sockets';\nimport { use } from './use.cjs';\n`;
const REQUIRE = `const sockets = require('linux-sockets');\nconst { use } = require('./use.cjs');\n`;
const TYPES = `const given: typeof sockets = sockets;\nawait use(given);\n`;
const TESTED = `test('the package can be used', () => use(sockets));\n`;
const FILES = {
  'program.mjs': `${IMPORT}await use(sockets);\n`,
  'program.cjs': `${REQUIRE}use(sockets);\n`,
  'program.ts': `${IMPORT}${TYPES}`,
  'common/package.json': '{ "type": "commonjs" }\n',
  'common/use.cjs': `module.exports = require('../use.cjs');\n`,
  'common/program.ts': `${IMPORT}use(sockets);\n`,
  'jest/package.json': '{ "jest": { "testMatch": ["**/*.jest.*"], "moduleFileExtensions": ["mjs", "cjs", "js"] } }\n',
  'jest/use.cjs': `module.exports = require('../use.cjs');\n`,
  'jest/import.jest.mjs': `${IMPORT}${TESTED}`,
  'jest/require.jest.cjs': `${REQUIRE}${TESTED}`,
  'jest/dynamic.jest.cjs': `const { use } = require('./use.cjs');
test('the package can be used', async () => use(await import('linux-sockets')));\n`,
  'vitest.test.mjs': `import { test } from 'vitest';\n${IMPORT}${TESTED}`,
};

const jest = {
  wanted: 'jest@30',
  run: ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--rootDir=jest', '--config=jest/package.json'],
};
const tsx = { wanted: 'tsx@4', run: ['node_modules/tsx/dist/cli.mjs'] };
const vitest = ['node_modules/vitest/vitest.mjs', 'run'];
/** @type {Readonly<Record<string, Loader>>} */
const LOADERS = {
  'node, import': { run: ['program.mjs'] },
  'node, require': { short: true, run: ['program.cjs'] },
  'node --experimental-strip-types': { node: '22', run: ['--experimental-strip-types', 'program.ts'] },
  'node, types stripped by default': { node: '24', run: ['program.ts'] },
  'jest, ES module': { ...jest, short: true, run: [...jest.run, 'import.jest'] },
  'jest, CommonJS with import()': { ...jest, run: [...jest.run, 'dynamic.jest'] },
  'jest, CommonJS with require, Node 24': { ...jest, node: '24', run: [...jest.run, 'require.jest'] },
  'vitest 4': { short: true, wanted: 'vitest@4', run: vitest },
  'vitest 5, Node 22': { wanted: 'vitest@5', node: '22', run: vitest },
  'tsx, ES module': { ...tsx, run: [...tsx.run, 'program.ts'] },
  'tsx, CommonJS': { ...tsx, short: true, run: [...tsx.run, 'common/program.ts'] },
};

const options = parse(commandLine('test:loaders', 'Uses the packed package in test runners and loaders.'));
const report = new Report('loaders', options);
for (const [name, loader] of Object.entries(LOADERS)) {
  if (!report.includes(name, loader.short)) continue;
  const failure = attempt(loader);
  if (failure === undefined) report.passed(name);
  else report.failed(name, failure);
}
report.end();

/** @param {Loader} loader @returns {string | undefined} what went wrong */
function attempt({ wanted, run, node }) {
  const program = node === undefined ? process.execPath : requireProgram(nodeOf(node));
  const project = new Project({ programs: { node: program } });
  project.unpack();
  if (wanted !== undefined) project.link(requirePackages(wanted));
  project.write('use.cjs', readFileSync(join(root, 'test/consumers/use.cjs'), 'utf8'));
  for (const [file, text] of Object.entries(FILES)) project.write(file, text);
  const { ok, stdout, stderr, report } = project.run('node', run);
  project.remove();
  return ok && (stdout + stderr).includes('used') ? undefined : report;
}
