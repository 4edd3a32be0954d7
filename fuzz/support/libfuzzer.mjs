// The native targets, fuzz/native/*.cc: decoders of native/ under libFuzzer, AddressSanitizer and UBSan, without a
// JavaScript engine. Coverage of C++ guides it, which V8's counters cannot see.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodeDir } from '../../scripts/node-headers.mjs';

/** @typedef {import('../run.mjs').Answer} Answer */

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(here);
const PREFIX = 'libfuzzer-';
/** Bytes: a recipe of the maximum number of steps fits twice. */
const MAX_INPUT = 16384;
/** Seconds. */
const HANGS_AFTER = 10;
const FLAGS = [
  ...[
    '-std=c++17',
    '-O1',
    '-g',
    '-fno-exceptions',
    '-fno-rtti',
    '-Wall',
    '-Wextra',
    '-Wshadow',
    '-Wconversion',
    '-Werror',
  ],
  ...['-fsanitize=fuzzer,address,undefined', '-fno-sanitize=vptr', '-fno-sanitize-recover=all'],
  ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED'],
];

/** The names of the targets. */
export const LIBFUZZER_TARGETS = readdirSync(join(here, 'native'))
  .filter((file) => file.endsWith('.cc'))
  .map((file) => PREFIX + file.replace(/\.cc$/, ''));

/**
 * What the machine lacks, with the Debian packages that have it; undefined when nothing is missing.
 * @returns {string | undefined}
 */
export function missingForLibfuzzer() {
  const version = spawnSync('clang++', ['--version'], { encoding: 'utf8' });
  if (version.error !== undefined) {
    return 'clang++ not found. On Debian: sudo apt-get install clang libclang-rt-14-dev';
  }
  const [, major = '14'] = /version (\d+)/.exec(version.stdout) ?? [];
  const source = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const trial = spawnSync('clang++', ['-fsanitize=fuzzer,address,undefined', '-x', 'c++', '-', '-o', '/dev/null'], {
    input: source,
    encoding: 'utf8',
  });
  if (trial.status === 0) return undefined;
  return `clang++ has no libFuzzer. On Debian: sudo apt-get install libclang-rt-${major}-dev\n${trial.stderr.trim()}`;
}

/**
 * Builds and runs one target.
 * @param {{ target: string, seconds: number, seed: number, keep: boolean, replay?: string }} order
 * @returns {Promise<Answer>}
 * @throws when it cannot be built or started
 */
export async function runLibfuzzer({ target, seconds, seed, keep, replay }) {
  const program = build(target);
  const committed = join(here, 'corpus', target);
  const found = join(root, 'build/fuzz/corpus', target);
  const crashes = join(here, 'crashes');
  for (const directory of [committed, found, crashes]) mkdirSync(directory, { recursive: true });
  const args = [
    `-max_total_time=${Math.max(1, Math.round(seconds))}`,
    `-seed=${seed === 0 ? 1 : seed}`, // 0 asks libFuzzer for one of its own
    `-max_len=${MAX_INPUT}`,
    `-timeout=${HANGS_AFTER}`,
    `-artifact_prefix=${crashes}/${target}-`,
    '-print_final_stats=1',
    ...(replay === undefined ? [found, committed] : [resolve(replay)]),
  ];
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: environment() });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => child.kill(signal));
  const status = { executions: 0, edges: 0, features: 0, corpus: 0 };
  /** @type {string[]} */
  const report = [];
  let shown = 0;
  const show = (findings = 0) => {
    const elapsed = Math.max(performance.now() - started, 1) / 1000;
    const { executions, edges, features, corpus } = status;
    process.stderr.write(
      `${target} ${String(Math.round(elapsed)).padStart(5)} s  ${executions} inputs, ${Math.round(executions / elapsed)}/s  ` +
        `${edges} edges, ${features} features  corpus ${corpus}  ${findings} findings\n`,
    );
  };
  for await (const line of createInterface(child.stderr)) {
    const [, executions, edges, features, corpus] = /^#(\d+)\t.* cov: (\d+) ft: (\d+) corp: (\d+)/.exec(line) ?? [];
    if (executions === undefined) {
      if (!/^(INFO|stat::|Done|###|"|Running)/.test(line)) report.push(line);
      continue;
    }
    Object.assign(status, { executions: Number(executions), edges: Number(edges), features: Number(features) });
    status.corpus = Number(corpus);
    if (performance.now() - started < 1000 * (shown + 1)) continue;
    shown = Math.floor((performance.now() - started) / 1000);
    show();
  }
  const end = child.exitCode ?? child.signalCode ?? (await new Promise((settle) => child.once('exit', settle)));
  if (end === 'SIGINT' || end === 'SIGTERM' || end === 'SIGHUP') process.exit(2);
  if (replay === undefined) show(end === 0 ? 0 : 1);
  const took = (performance.now() - started) / 1000;
  const whole = report.join('\n');
  // Dumps of memory follow.
  const text = report.join('\n').split('Shadow bytes around')[0]?.trim() ?? '';
  const [, file = replay] = /Test unit written to (.+)$/m.exec(whole) ?? [];
  if (end !== 0 && file === undefined) throw new Error(`${target} ended with ${String(end)}:\n${text}`);
  if (end === 0 && keep && replay === undefined) {
    spawnSync(program, ['-merge=1', `-max_len=${MAX_INPUT}`, committed, found], {
      stdio: 'ignore',
      env: environment(),
    });
  }
  return {
    target,
    seed,
    seconds: took,
    perSecond: replay === undefined ? Math.round(status.executions / took) : 0,
    ...status,
    findings: end === 0 || file === undefined ? [] : [{ file, error: text }],
  };
}

/** Compiles it: one file that includes headers of native/. @param {string} target */
function build(target) {
  const directory = join(root, 'build/fuzz');
  mkdirSync(directory, { recursive: true });
  const program = join(directory, target);
  const headers = nodeDir();
  const includes = [
    ...['-I', join(root, 'native'), '-I', join(here, 'native')],
    ...(headers === undefined ? [] : ['-isystem', join(headers, 'include/node')]),
    ...['-isystem', join(root, 'node_modules/node-addon-api')],
  ];
  const source = join(here, 'native', `${target.slice(PREFIX.length)}.cc`);
  const { status, stderr } = spawnSync('clang++', [...FLAGS, ...includes, source, '-o', program], { encoding: 'utf8' });
  if (status !== 0 || !existsSync(program)) throw new Error(`${source} could not be compiled:\n${stderr}`);
  return program;
}

/** Leaks are not looked for: LeakSanitizer needs ptrace, which containers often forbid, and the decoders allocate nothing. */
function environment() {
  return { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' };
}
