// What a run leaves: a table for people, JSON for programs.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { median, min, quantile } from 'simple-statistics';
import { BUN_VERSION } from './bun.mjs';

/** @typedef {import('./trial.mjs').Result} Result */
/** @typedef {import('./trial.mjs').Trial} Trial */
/** @typedef {ReturnType<typeof summary>} Report */

const results = join(dirname(dirname(fileURLToPath(import.meta.url))), 'results');

/**
 * @param {string} suite
 * @param {number} pairs
 * @param {readonly Result[]} measured
 */
export function summary(suite, pairs, measured) {
  const [cpu] = cpus();
  return {
    suite,
    date: new Date().toISOString().slice(0, 10),
    machine: {
      kernel: release(),
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      node: process.version,
      ...(measured.some(({ trial, verdict }) => trial.reference?.[0] === 'bun' && verdict !== 'skipped') && {
        bun: BUN_VERSION,
      }),
      load: round(loadavg()[1] ?? NaN),
    },
    pairs,
    trials: measured.map(({ trial, ours, reference, figures, verdict }) => {
      const { id, title, unit, figure, target = null, gate = null } = trial;
      return {
        ...{ id, title, unit, figure, target, gate, verdict },
        median: figures.length === 0 ? null : round(median([...figures])),
        quartiles: figures.length === 0 ? [] : [0.25, 0.75].map((part) => round(quantile([...figures], part))),
        ours: ours.map(round),
        reference: reference.map(round),
      };
    }),
  };
}

/** A markdown table. */
export async function table(/** @type {Report} */ report) {
  const { machine, suite, pairs, date } = report;
  const rows = report.trials.map((trial) => [
    trial.title,
    sideOf(trial.ours, trial.unit),
    sideOf(trial.reference, trial.unit),
    trial.median === null ? '' : figureOf(trial.figure, trial.median),
    trial.quartiles.map(short).join(' – '),
    limitOf(trial.figure, trial.target),
    limitOf(trial.figure, trial.gate),
    trial.verdict === 'info' ? '' : trial.verdict,
  ]);
  const head = ['trial', 'ours', 'reference', 'median', 'quartiles', 'target', 'gate', 'result'];
  return pretty(
    `# bench: ${suite}

Linux ${machine.kernel}, ${machine.cpu}, ${machine.cores} cores (load ${machine.load}, of which 1 is ours), Node ${machine.node}${machine.bun === undefined ? '' : `, Bun ${machine.bun}`}, ${pairs} pairs, ${date}.
A side is shown as its median (and least). A ratio is reference / ours, so 1.0 is as good as the reference; × is ours / reference.

${[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}
`,
    `${suite}.md`,
  );
}

/** Writes the results that are kept in the repository; their names. */
export async function save(/** @type {Report} */ report) {
  const texts = { json: JSON.stringify(report), md: await table(report) };
  return Promise.all(
    Object.entries(texts).map(async ([extension, text]) => {
      const file = join(results, `${report.suite}.${extension}`);
      writeFileSync(file, await pretty(text, file));
      return relative(process.cwd(), file);
    }),
  );
}

/** As `npm run format` would leave it. */
async function pretty(/** @type {string} */ text, /** @type {string} */ file) {
  const filepath = join(results, file.split('/').at(-1) ?? '');
  return format(text, { ...(await resolveConfig(filepath)), filepath });
}

function sideOf(/** @type {readonly number[]} */ values, /** @type {string} */ unit) {
  return values.length === 0 ? '' : `${short(median([...values]))} (${short(min([...values]))}) ${unit}`;
}

function figureOf(/** @type {Trial['figure']} */ figure, /** @type {number} */ value) {
  return figure === 'times' ? `${short(value)} ×` : short(value);
}

function limitOf(/** @type {Trial['figure']} */ figure, /** @type {number | null} */ limit) {
  if (limit === null) return '';
  return `${figure === 'ratio' ? '≥' : '≤'} ${figureOf(figure, limit)}`;
}

function short(/** @type {number} */ value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function round(/** @type {number} */ value) {
  return Number(value.toPrecision(4));
}
