// `npm run fuzz`: coverage-guided fuzzing of the JavaScript decoders, the addon, and the native decoders.
//
// Two engines. A small one of our own for what JavaScript calls (fuzz/targets): an input that reaches a block of lib/ that no other
// has reached is kept, and the next ones are made of what is kept. jsfuzz instruments CommonJS only, and this package is ES modules;
// Jazzer.js ships a binary that needs a newer glibc than some of the systems this is developed on. V8 counts blocks itself
// (node:inspector), for any module, but not those of C++: for the addon as a whole the guide is what its calls returned. So
// libFuzzer runs the decoders of native/ alone (fuzz/native). AddressSanitizer and UBSan judge both.
//
// Exit code: 0 nothing found, 1 a finding, 2 it could not run.
import { spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { buildWithSanitizers } from '../scripts/asan-build.mjs';
import { commandInside, namespaces } from '../scripts/namespaces.mjs';
import { bringUpToDate } from '../scripts/bring-up-to-date.mjs';
import { LIBFUZZER_TARGETS, missingForLibfuzzer, runLibfuzzer } from './support/libfuzzer.mjs';

/** @typedef {{ target?: string, seconds: number, seed: number, replay?: string, keep?: boolean, json?: boolean }} Options */
/** @typedef {{ target: string, seed: number, seconds?: number, perSecond: number, findings: { file: string, error: string }[] }} Answer */

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const SCRIPTED = readdirSync(join(here, 'targets')).map((file) => file.replace(/\.mjs$/, ''));
const TARGETS = [...SCRIPTED, ...LIBFUZZER_TARGETS];
/** An input takes a millisecond; progress is reported every second. */
const HANGS_AFTER = 30_000;

await new Command('npm run fuzz --')
  .description('Fuzzes the decoders and the native boundary with sanitizers.')
  .addOption(new Option('--target <name>', 'run this target only').choices(TARGETS))
  .addOption(new Option('--seconds <number>', 'in total, divided among the targets').default(60).argParser(positive))
  .addOption(new Option('--seed <number>', 'seed of the pseudo-random numbers').argParser(natural))
  .addOption(new Option('--replay <file>', 'run this input of --target once'))
  .addOption(new Option('--keep', 'add new inputs to fuzz/corpus'))
  .addOption(new Option('--json', 'print the results as JSON, and nothing else, on standard output'))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action(main)
  .parseAsync();

/** @param {Options} options */
async function main({ target, seconds, seed = randomInt(2 ** 32), replay, keep = false, json = false }) {
  if (replay !== undefined && (target === undefined || !existsSync(replay))) {
    fail('--replay needs an existing file, and --target');
  }
  const targets = available(target === undefined ? TARGETS : [target], target !== undefined);
  const scripted = targets.some((name) => SCRIPTED.includes(name)) ? prepare() : undefined;
  console.error(`seed ${seed}`);
  const answers = [];
  for (const name of targets) {
    const order = {
      target: name,
      seconds: seconds / targets.length,
      seed,
      keep,
      ...(replay && { replay: resolve(replay) }),
    };
    if (scripted !== undefined && SCRIPTED.includes(name)) answers.push(await fuzz(order, scripted));
    else answers.push(await runLibfuzzer(order).catch((/** @type {Error} */ error) => fail(error.message)));
  }
  const findings = answers.flatMap((answer) =>
    answer.findings.map((finding) => ({ target: answer.target, ...finding })),
  );
  if (json) console.log(JSON.stringify({ seed, targets: answers }, undefined, 2));
  for (const { target: of, file, error } of findings) {
    const say = json ? console.error : console.log;
    say(`\n── ${of} ──\n${error}\nReproduce: npm run fuzz -- --target ${of} --replay ${relative(root, file)}`);
  }
  if (!json) console.log(`${findings.length} findings (seed ${seed})`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

/**
 * Without the native targets where the machine has no libFuzzer. One that was asked for must run, and in CI all of them.
 * @param {readonly string[]} wanted
 * @param {boolean} named by the user
 */
function available(wanted, named) {
  const native = wanted.filter((name) => LIBFUZZER_TARGETS.includes(name));
  const missing = native.length === 0 ? undefined : missingForLibfuzzer();
  if (missing === undefined) return wanted;
  if (named || process.env['CI']) return fail(`${native.join(', ')}: ${missing}`);
  console.error(`Skipped: ${native.join(', ')}. ${missing}`);
  return wanted.filter((name) => !native.includes(name));
}

/** What the targets in JavaScript need: lib/, the addon with sanitizers, a network namespace. */
function prepare() {
  const found = namespaces();
  if (!('enter' in found)) return fail(`The fuzzer needs a network namespace: ${found.reason}`);
  if (bringUpToDate({ native: false }) !== undefined) return fail('The build failed.');
  return { enter: found.enter, ...buildWithSanitizers() };
}

/**
 * @param {{ target: string, seconds: number, seed: number, keep: boolean, replay?: string }} order
 * @param {{ enter: readonly string[], binding: string, preload: string }} prepared
 * @returns {Promise<Answer>}
 */
async function fuzz(order, { enter, binding, preload }) {
  const work = join(root, 'build/fuzz');
  mkdirSync(work, { recursive: true });
  const paths = {
    corpus: join(here, 'corpus', order.target),
    crashes: join(here, 'crashes'),
    current: join(work, `${order.target}.current`),
    answer: join(work, `${order.target}.json`),
  };
  rmSync(paths.answer, { force: true });
  const [program, ...args] = commandInside(enter, [
    ...['sh', '-c', 'LD_PRELOAD=$FUZZ_PRELOAD exec "$0" "$@"', process.execPath],
    ...[join(here, 'child.mjs'), JSON.stringify({ ...order, paths })],
  ]);
  const child = spawn(program, args, {
    cwd: work,
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {
      ...process.env,
      FUZZ_PRELOAD: preload,
      LINUX_SOCKETS_BINDING: binding,
      // No leak detection: V8 does not free its heap at exit.
      ASAN_OPTIONS: 'detect_leaks=0',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => child.kill(signal));
  let hung = false;
  let last = '';
  const hang = () => {
    hung = true;
    child.kill('SIGKILL');
  };
  let watch = setTimeout(hang, HANGS_AFTER);
  child.stderr.on('data', (/** @type {Buffer} */ text) => {
    clearTimeout(watch);
    watch = setTimeout(hang, HANGS_AFTER);
    last = (last + text.toString()).slice(-8000);
    process.stderr.write(text);
  });
  const end = await new Promise((settle) => child.on('close', (code, signal) => settle(signal ?? code)));
  clearTimeout(watch);
  if (existsSync(paths.answer)) return JSON.parse(readFileSync(paths.answer, 'utf8'));
  if (end === 'SIGINT' || end === 'SIGTERM' || end === 'SIGHUP') process.exit(2);
  const file = order.replay ?? crashing(order.target, paths);
  if (file === undefined) return fail(`${order.target} did not start:\n${last}`);
  const error = hung ? 'An input does not return.' : `The process ended with ${String(end)}:\n${last}`;
  return { target: order.target, seed: order.seed, perSecond: 0, findings: [{ file, error }] };
}

/**
 * Keeps the input that was running when the process ended.
 * @param {string} target
 * @param {{ current: string, crashes: string }} paths
 */
function crashing(target, paths) {
  const note = existsSync(paths.current) ? readFileSync(paths.current) : Buffer.alloc(0);
  if (note.length < 4) return undefined;
  const input = note.subarray(4, 4 + note.readUInt32LE());
  mkdirSync(paths.crashes, { recursive: true });
  const file = join(paths.crashes, `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(file, input);
  return file;
}

/** @param {string} text @returns {number} */
function positive(text) {
  const number = Number(text);
  if (!(number > 0 && Number.isFinite(number))) throw new InvalidArgumentError('Expected a number above 0.');
  return number;
}

/** @param {string} text @returns {number} */
function natural(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number >= 2 ** 32)
    throw new InvalidArgumentError('Expected an integer from 0 to 4294967295.');
  return number;
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}
