// The suites: where each comes from, and which processes it consists of.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { CACHE } from './cache.mjs';
import { debianSource } from './debian.mjs';

/**
 * @typedef {object} TestFile one process
 * @property {string} name within its suite, without the file extension
 * @property {readonly string[]} args of node
 * @property {string} cwd
 * @property {Readonly<Record<string, string>>} env
 * @property {'exit' | 'mocha'} verdict what decides: its exit code, or mocha's report, test by test
 */
/** @typedef {{ version: string, files: readonly TestFile[] } | { reason: string }} Prepared */
/**
 * @typedef {object} Suite
 * @property {string} title
 * @property {number} share the minimum share of its files that must have used the route; with less, the preload did not work
 * @property {(major: number) => Prepared} prepare for that line of Node; downloads what is missing
 */

/** @type {Readonly<Record<string, Suite>>} */
export const SUITES = {
  net: { title: "Node's own net tests", share: 0.4, prepare: nodeFamily('net') },
  http: { title: "Node's own http tests", share: 0.6, prepare: nodeFamily('http') },
  https: { title: "Node's own https tests", share: 0.6, prepare: nodeFamily('https') },
  http2: { title: "Node's own http2 tests", share: 0.6, prepare: nodeFamily('http2') },
  cluster: { title: "Node's own cluster tests", share: 0.1, prepare: nodeFamily('cluster') },
  undici: { title: "undici's tests", share: 0.4, prepare: undici },
  ws: { title: "ws's tests", share: 0.15, prepare: ws },
};

/** @param {string} family @returns {Suite['prepare']} */
function nodeFamily(family) {
  const belongs = new RegExp(`^test-${family}-.*\\.m?js$`);
  return (major) => {
    // Debian does not have the newest lines of Node yet: use its newest tests.
    const line = Math.min(major, NEWEST_IN_DEBIAN);
    const source = debianSource('nodejs', (version) => version.startsWith(`${line}.`), NODE_MEMBERS);
    if ('reason' in source) return source;
    const files = ['parallel', 'sequential'].flatMap((folder) => {
      const directory = join(source.directory, 'test', folder);
      return list(directory, belongs).map((file) => nodeTest(directory, folder, file));
    });
    return { version: source.version, files };
  };
}

/** @param {string} directory @param {string} folder @param {string} file @returns {TestFile} */
function nodeTest(directory, folder, file) {
  const path = join(directory, file);
  const flags = /\/\/\s+Flags:(.*)/.exec(readFileSync(path, 'utf8'))?.[1]?.trim();
  return {
    name: `${folder}/${basename(file, extname(file))}`,
    args: [...(flags ? flags.split(/\s+/) : []), path],
    cwd: directory,
    env: UNIX_SOCKETS.has(file) ? { SUITES_SOCKETS: 'unix' } : {},
    verdict: 'exit',
  };
}

/** @type {Suite['prepare']} */
function ws() {
  const source = debianSource('node-ws', () => true, [
    '*/lib',
    '*/test',
    '*/index.js',
    '*/wrapper.mjs',
    '*/package.json',
  ]);
  if ('reason' in source) return source;
  const failed = install(join(CACHE, 'mocha'), ['mocha@11']);
  if (failed !== undefined) return { reason: failed };
  const mocha = join(CACHE, 'mocha/node_modules/mocha/bin/mocha.js');
  const files = list(join(source.directory, 'test'), /\.test\.js$/).map((file) => ({
    name: basename(file, '.test.js'),
    args: [mocha, '--throw-deprecation', '--exit', '--reporter', 'json', join('test', file)],
    cwd: source.directory,
    env: {},
    verdict: /** @type {const} */ ('mocha'),
  }));
  return { version: source.version, files };
}

/** @type {Suite['prepare']} */
function undici(major) {
  const line = major < 22 ? '7.' : '8.'; // 8 needs Node 22
  const source = debianSource('node-undici', (version) => version.startsWith(line), ['*/test', '*/package.json']);
  if ('reason' in source) return source;
  const { directory, version } = source;
  // The library itself comes from npm, in the same version: Debian removes the compiled parser.
  if (!existsSync(join(directory, 'index.js'))) {
    const packed = spawnSync('npm', ['pack', '--silent', `undici@${version}`], { cwd: directory, encoding: 'utf8' });
    const archive = packed.stdout.trim();
    const { status } = spawnSync('tar', ['-xf', archive, '--strip-components=1', '--exclude=package/package.json'], {
      cwd: directory,
    });
    if (status !== 0) return { reason: `npm pack undici@${version}: ${packed.stderr.trim()}` };
  }
  /** @type {{ devDependencies?: Record<string, string> }} */
  const { devDependencies = {} } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const needed = Object.entries(devDependencies).filter(([name]) => !NOT_FOR_UNDICI.test(name));
  const failed = install(
    join(directory, 'test'),
    needed.map(([name, range]) => `${name}@${range}`),
  );
  if (failed !== undefined) return { reason: failed };
  const files = list(join(directory, 'test'), /\.js$/).map((file) => ({
    name: basename(file, '.js'),
    args: [join('test', file)],
    cwd: directory,
    env: {},
    verdict: /** @type {const} */ ('exit'),
  }));
  return { version, files };
}

/**
 * Installs packages from npm, in a separate project.
 * @param {string} directory
 * @param {readonly string[]} packages
 * @returns {string | undefined} why it failed
 */
function install(directory, packages) {
  if (existsSync(join(directory, 'node_modules'))) return undefined;
  mkdirSync(directory, { recursive: true });
  if (!existsSync(join(directory, 'package.json'))) writeFileSync(join(directory, 'package.json'), '{}\n');
  const options = [
    '--ignore-scripts',
    '--no-engine-strict',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
  ];
  const { status, stderr } = spawnSync('npm', ['install', ...options, ...packages], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (status !== 0) return `npm install ${packages.join(' ')}: ${stderr.trim()}`;
  // The only package whose install script is needed: it generates keys.
  if (packages.some((name) => name.startsWith('https-pem@')))
    spawnSync('npm', ['rebuild', 'https-pem'], { cwd: directory, stdio: 'ignore' });
  return undefined;
}

/** @param {string} directory @param {RegExp} belongs */
function list(directory, belongs) {
  return readdirSync(directory)
    .filter((file) => belongs.test(file))
    .sort();
}

// Tests that create a socket first and connect it to a Unix path later: the route would make it a TCP socket.
const UNIX_SOCKETS = new Set(['test-net-connect-options-path.js']);
const NEWEST_IN_DEBIAN = 24;
const NODE_MEMBERS = ['common', 'fixtures', 'parallel', 'sequential'].map((folder) => `*/test/${folder}`);
// undici's development dependencies for linting, benchmarks and browser tests.
const NOT_FOR_UNDICI = /eslint|neostandard|typescript|tsd|husky|jest|c8|esbuild|borp|@types/;
