// One test file, in a process and a network namespace of its own.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RULES } from './routes.mjs';

/** @typedef {import('./suites.mjs').TestFile} TestFile */
/** @typedef {import('./routes.mjs').Route} Route */
/**
 * @typedef {object} Ran
 * @property {TestFile} file
 * @property {Readonly<Record<string, boolean>>} tests by name: passed? One entry, the file's name, when its exit code decides
 * @property {boolean} skipped by itself, because something is missing
 * @property {string} output the last part of its output
 * @property {number} used connections that it made over the route; from the source and the range, where the route has them
 * @property {number} astray connections from the source, but from a port outside the range
 */

/**
 * @param {TestFile} file
 * @param {Route | undefined} route
 * @param {{ node: string, enter: readonly string[] }} machine
 * @returns {Promise<Ran>}
 */
export async function runFile(file, route, { node, enter }) {
  const scratch = mkdtempSync(join(tmpdir(), 'suites-'));
  scratches.add(scratch);
  try {
    const log = join(scratch, 'used');
    const report = join(scratch, 'report.json');
    writeFileSync(join(scratch, 'hosts'), HOSTS);
    writeFileSync(join(scratch, 'rules'), RULES);
    const args = file.verdict === 'mocha' ? [...file.args, '--reporter-option', `output=${report}`] : file.args;
    const [program = '', ...rest] = [...enter, 'sh', '-ec', IN_NAMESPACE, scratch, node, ...args];
    const env = { ...environment(), ...file.env, NODE_TEST_DIR: scratch, ...routed(route, log) };
    const { status, output } = await finished(program, rest, file.cwd, env);
    const used = existsSync(log) ? readFileSync(log, 'utf8').length : 0;
    const seen = route === 'connect-source' || route === 'pool' ? readCounters(join(scratch, 'counters')) : undefined;
    const tests = file.verdict === 'mocha' ? readReport(file, report) : { [file.name]: status === 'exit 0' };
    const skipped = status === 'exit 0' && /^1\.\.0 # Skipped/m.test(output);
    return {
      file,
      tests,
      skipped,
      output: `${output.trimEnd()}\n(${status})`,
      used: seen?.wanted ?? used,
      astray: seen?.astray ?? 0,
    };
  } finally {
    scratches.delete(scratch);
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 * @param {Record<string, string>} env
 * @returns {Promise<{ status: string, output: string }>}
 */
function finished(program, args, cwd, env) {
  return new Promise((resolve) => {
    // A process group of its own, so that what a test leaves running is killed with it.
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(end);
    let output = '';
    let late = false;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output = (output + text).slice(-OUTPUT);
      });
    const timer = setTimeout(() => {
      late = true;
      end();
    }, TIMEOUT);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      running.delete(end);
      end();
      const status = late ? `took longer than ${TIMEOUT / 1000} s` : signal === null ? `exit ${code}` : signal;
      // A child that left the group may hold the pipes open: do not wait for its output.
      const closed = () => resolve({ status, output });
      const patience = setTimeout(closed, 500);
      child.on('close', () => {
        clearTimeout(patience);
        closed();
      });
    });

    function end() {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // the group is empty
      }
    }
  });
}

/** Kills running tests when the run itself is interrupted. */
export function endAll() {
  for (const end of running) end();
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
}

/** @type {Set<() => void>} */
const running = new Set();
/** @type {Set<string>} */
const scratches = new Set();

/** This process's environment, without variables of npm, Node and this package. @returns {Record<string, string>} */
function environment() {
  const entries = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|LINUX_SOCKETS_|VITEST)/i.test(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? '']));
}

/** @param {Route | undefined} route @param {string} log @returns {Record<string, string>} */
function routed(route, log) {
  if (route === undefined) return {};
  // Environment variables, so that children and workers inherit them.
  return { NODE_OPTIONS: `--require=${PRELOAD}`, SUITES_ROUTE: route, SUITES_LOG: log };
}

/**
 * What nft counted in the namespace.
 * @param {string} path
 */
function readCounters(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const count = (/** @type {string} */ name) =>
    Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(text)?.[1] ?? 0);
  return { wanted: count('wanted'), astray: count('astray') };
}

/**
 * @param {TestFile} file
 * @param {string} report
 * @returns {Record<string, boolean>}
 */
function readReport(file, report) {
  if (!existsSync(report)) return { [file.name]: false }; // it ended early
  /** @typedef {{ fullTitle: string }} Test */
  /** @type {{ passes: Test[], failures: Test[] }} */
  const { passes, failures } = JSON.parse(readFileSync(report, 'utf8'));
  const name = (/** @type {Test} */ test) => `${file.name}: ${test.fullTitle}`;
  return Object.fromEntries([
    ...passes.map((test) => [name(test), true]),
    ...failures.map((test) => [name(test), false]),
  ]);
}

const PRELOAD = fileURLToPath(new URL('preload.mjs', import.meta.url));
const TIMEOUT = 60_000;
const OUTPUT = 8000; // characters
// The same on every machine; localhost has an address of each family, so that Node tries both.
const HOSTS = '127.0.0.1 localhost\n::1 localhost\n';
// For routes with a source: all of 127.0.0.0/8 is local, and a route makes fd09::/64 local. No address is added, since
// getaddrinfo ignores a family depending on which addresses are configured (AI_ADDRCONFIG).
const IN_NAMESPACE = `
PATH="$PATH:/usr/sbin:/sbin"
mount --bind "$0/hosts" /etc/hosts
ip link set lo up
case "$SUITES_ROUTE" in *-source | pool)
  ip -6 route add local fd09::/64 dev lo
  echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind
  nft -f "$0/rules";;
esac
set +e
"$@"
status=$?
case "$SUITES_ROUTE" in *-source | pool) nft list counters > "$0/counters";; esac
exit $status
`;
