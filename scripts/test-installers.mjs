// `npm run test:installers`: installs the packed package with each package manager, on a PATH that has Node and nothing else, and
// runs the README's first example. No manager may print a warning, or find an install script. The managers come from npm.
import { join } from 'node:path';
import { requirePackages } from './fetch-packages.mjs';
import { nodeOf, requireProgram } from './fetch-program.mjs';
import { FIRST_EXAMPLE, Project } from './consumers/project.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';

/**
 * @typedef {object} Manager
 * @property {string} wanted the npm package
 * @property {string} bin its program, in node_modules
 * @property {boolean} [short] part of --short
 * @property {string} [node] the release line it needs; by default the Node that runs this
 * @property {readonly string[]} add its arguments, before the tarball
 * @property {readonly string[]} [start] that run a program, instead of `node`
 * @property {Readonly<Record<string, string>>} [files] of its settings
 */

/** npm runs nothing in the background here, so that the output of an install script would be seen. */
const npm = { bin: 'npm/bin/npm-cli.js', add: ['install', '--foreground-scripts', '--no-audit', '--no-fund'] };
/** yarn tells every project of ES modules that its support of them is experimental. */
const WITHOUT_EXPERIMENTAL_ESM = 'logFilters: [{ code: YN0092, level: discard }]\n';
const berry = { wanted: '@yarnpkg/cli-dist@4', bin: '@yarnpkg/cli-dist/bin/yarn.js', add: ['add'] };

/** @type {Readonly<Record<string, Manager>>} */
const MANAGERS = {
  'npm 10': { ...npm, wanted: 'npm@10' },
  'npm 11': { ...npm, wanted: 'npm@11' },
  'npm 12': { ...npm, wanted: 'npm@12', node: '22', short: true },
  'pnpm 10': { wanted: 'pnpm@10', bin: 'pnpm/bin/pnpm.cjs', add: ['add'] },
  'pnpm 11': { wanted: 'pnpm@11', bin: 'pnpm/bin/pnpm.mjs', node: '22', add: ['add'] },
  'pnpm 12': { short: true, wanted: 'pnpm@12', bin: 'pnpm/bin/pnpm.mjs', node: '22', add: ['add'] },
  'yarn 1': { wanted: 'yarn@1', bin: 'yarn/bin/yarn.js', add: ['add'] },
  "yarn 4, Plug'n'Play": { ...berry, start: ['node'], short: true, files: { '.yarnrc.yml': WITHOUT_EXPERIMENTAL_ESM } },
  'yarn 4, node_modules': { ...berry, files: { '.yarnrc.yml': 'nodeLinker: node-modules\n' } },
};
/** yarn 1 says nothing about install scripts; npm run check:package finds them. */
const UNWANTED = /warn|deprecated|install script|build script|node-gyp|postinstall/i;

const options = parse(
  commandLine(
    'test:installers',
    "Installs the packed package with each package manager, without a compiler, and runs the README's first example.",
  ),
);
const report = new Report('installers', options);
for (const [name, manager] of Object.entries(MANAGERS)) {
  if (!report.includes(name, manager.short)) continue;
  const project = new Project({
    programs: { node: manager.node === undefined ? process.execPath : requireProgram(nodeOf(manager.node)) },
  });
  const failure = attempt(manager, project);
  if (failure === undefined) report.passed(name);
  else report.failed(name, failure);
  project.remove();
}
report.end();

/** @param {Manager} manager @param {Project} project @returns {string | undefined} what went wrong */
function attempt({ wanted, bin, add, start, files = {} }, project) {
  const program = join(requirePackages(wanted), bin);
  for (const [file, text] of Object.entries(files)) project.write(file, text);
  project.write('app.mjs', FIRST_EXAMPLE.text);
  const installation = project.run('node', [program, ...add, `./${project.tarball}`]);
  if (!installation.ok || UNWANTED.test(installation.stdout + installation.stderr)) return installation.report;
  const example = project.run('node', [...(start === undefined ? [] : [program, ...start]), 'app.mjs']);
  const isRight = example.ok && example.stdout === FIRST_EXAMPLE.output && example.stderr === '';
  return isRight ? undefined : example.report;
}
