// Runs one target in its own process, which a finding may end. fuzz/run.mjs starts it with a JSON object as its argument;
// it writes its answer to a JSON file.
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Coverage } from './support/coverage.mjs';
import { mutate, random } from './support/mutate.mjs';

/** @typedef {{ run: (input: Uint8Array) => unknown, seeds: readonly Uint8Array[] }} Target */
/** @typedef {{ target: string, seconds: number, seed: number, replay?: string, keep: boolean, paths: Paths }} Order */
/** @typedef {{ corpus: string, crashes: string, current: string, answer: string }} Paths */

const BATCH = 32;
const MAX_FINDINGS = 10;

/** @type {Order} */
const { target: name, seconds, seed, replay, keep, paths } = JSON.parse(process.argv[2] ?? '');
const coverage = new Coverage();
const { run, seeds } = /** @type {Target} */ (await import(new URL(`targets/${name}.mjs`, import.meta.url).href));

/** @type {Set<string>} */
const features = new Set();
/** @type {Map<string, { file: string, error: string }>} */
const findings = new Map();
/** @type {Uint8Array[]} */
const corpus = [];
const current = openSync(paths.current, 'w');
let executions = 0;

if (replay !== undefined) {
  await execute(readFileSync(replay));
} else {
  const start = performance.now();
  for (const input of [...stored(), ...seeds]) await consider(input);
  if (corpus.length === 0) corpus.push(new Uint8Array(1));
  coverage.mark();
  const below = random(seed);
  let shown = 0;
  for (let now = start; now < start + 1000 * seconds && findings.size < MAX_FINDINGS; now = performance.now()) {
    const batch = Array.from({ length: BATCH }, () => mutate(corpus, below));
    for (const input of batch) if (await execute(input)) corpus.push(input);
    // Find out which of them it was: run each alone, against what was seen before the batch.
    if (coverage.take()) await blame(batch);
    if (now - start >= 1000 * (shown + 1)) {
      shown = Math.floor((now - start) / 1000);
      progress(now - start);
    }
  }
  if (keep) store();
  const took = (performance.now() - start) / 1000;
  progress(1000 * took);
  answer(took);
}
if (replay !== undefined) answer(0);
closeSync(current);
process.exit(findings.size === 0 ? 0 : 1);

/** @param {Uint8Array[]} batch inputs that together reached something new */
async function blame(batch) {
  coverage.rewind();
  for (const input of batch) {
    await execute(input);
    if (coverage.take() && !corpus.includes(input)) corpus.push(input);
  }
  coverage.mark();
}

/** Runs one input, and keeps it when it reaches something new. @param {Uint8Array} input */
async function consider(input) {
  const feature = await execute(input);
  if (coverage.take() || feature) corpus.push(input);
}

/** @param {Uint8Array} input @returns {Promise<boolean>} has the target seen something new? */
async function execute(input) {
  executions++;
  // If the process ends now, this input is the cause.
  const note = Buffer.alloc(4 + input.length);
  note.writeUInt32LE(input.length);
  note.set(input, 4);
  writeSync(current, note, 0, note.length, 0);
  const before = features.size;
  try {
    const result = run(input);
    const found = result instanceof Promise ? await result : result;
    for (const feature of /** @type {Iterable<string> | undefined} */ (found) ?? []) features.add(feature);
  } catch (error) {
    report(input, error);
  }
  return features.size > before;
}

/** @param {Uint8Array} input @param {unknown} error */
function report(input, error) {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  // Same message and same place: the same finding.
  const key =
    text
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 4)
      .join() + text.slice(0, 40);
  if (findings.has(key)) return;
  mkdirSync(paths.crashes, { recursive: true });
  const file = join(paths.crashes, `${name}-${hash(input)}`);
  writeFileSync(file, input);
  findings.set(key, { file, error: text });
}

function stored() {
  mkdirSync(paths.corpus, { recursive: true });
  return readdirSync(paths.corpus)
    .sort()
    .map((file) => new Uint8Array(readFileSync(join(paths.corpus, file))));
}

/** Writes new inputs to the corpus. Seeds are part of the target. */
function store() {
  const known = new Set([...readdirSync(paths.corpus), ...seeds.map(hash)]);
  for (const input of corpus) {
    const file = hash(input);
    if (!known.has(file)) writeFileSync(join(paths.corpus, file), input);
  }
}

/** @param {Uint8Array} input */
function hash(input) {
  return createHash('sha256').update(input).digest('hex').slice(0, 12);
}

/** @param {number} elapsed ms */
function progress(elapsed) {
  const rate = Math.round(executions / (elapsed / 1000));
  // Not process.stderr, since creating it opens a descriptor.
  writeSync(
    2,
    `${name.padEnd(8)} ${String(Math.round(elapsed / 1000)).padStart(5)} s  ${executions} inputs, ${rate}/s  ` +
      `${coverage.blocks} blocks, ${features.size} outcomes  corpus ${corpus.length}  ${findings.size} findings\n`,
  );
}

/** @param {number} took seconds */
function answer(took) {
  const perSecond = took === 0 ? 0 : Math.round(executions / took);
  writeFileSync(
    paths.answer,
    JSON.stringify({
      target: name,
      seed,
      seconds: took,
      executions,
      perSecond,
      blocks: coverage.blocks,
      outcomes: features.size,
      corpus: corpus.length,
      findings: [...findings.values()],
    }),
  );
}
