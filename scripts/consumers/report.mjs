// How the scripts that try the package as its users do take their arguments and report: a row for each consumer, as text, or
// with --json as lines of JSON, which scripts/test-matrix.mjs reads.
import { Command } from 'commander';

/** @typedef {{ consumer: string, result: 'passed' | 'failed' | 'not run', detail?: string }} Row */

/**
 * The command line of such a script, to which it adds options of its own.
 * @param {string} name of the npm script, as in `test:bundlers`
 * @param {string} description
 */
export function commandLine(name, description) {
  return new Command(`npm run ${name} --`)
    .description(description)
    .option('--short', 'only the rows that differ most', false)
    .option('--json', 'print a line of JSON for each row, and nothing else', false)
    .showHelpAfterError()
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

/** @typedef {{ readonly json: boolean, readonly short: boolean }} Options */

/** @param {Command} command from `commandLine` @returns {Options & Readonly<Record<string, unknown>>} */
export function parse(command) {
  return command.parse().opts();
}

export class Report {
  #name;
  #json;
  #short;
  #failed = 0;

  /** @param {string} name of the npm script @param {Options} options */
  constructor(name, { json, short }) {
    this.#name = name;
    this.#json = json;
    this.#short = short;
  }

  /** Whether the row is to be run; if not, that is reported. @param {string} consumer @param {boolean} [short] in --short, too */
  includes(consumer, short = false) {
    if (!this.#short || short) return true;
    this.notRun(consumer, 'not in the short form');
    return false;
  }

  /** @param {string} consumer @param {string} [detail] */
  passed(consumer, detail) {
    this.#print({ consumer, result: 'passed', ...(detail !== undefined && { detail }) });
  }

  /** @param {string} consumer @param {string} output what a developer needs to see */
  failed(consumer, output) {
    this.#failed++;
    this.#print({ consumer, result: 'failed', detail: output.trim() });
  }

  /** @param {string} consumer @param {string} reason */
  notRun(consumer, reason) {
    this.#print({ consumer, result: 'not run', detail: reason });
  }

  get isGood() {
    return this.#failed === 0;
  }

  /** After the last row: the summary, and the exit code. */
  end() {
    const summary = this.#failed === 0 ? 'ok' : `${this.#failed} failed`;
    if (!this.#json) console.log(`${this.#name}: ${summary}`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }

  /** @param {Row} row */
  #print(row) {
    if (this.#json) return void console.log(JSON.stringify(row));
    const mark = { passed: '✓', failed: '✗', 'not run': '-' }[row.result];
    if (row.result !== 'failed')
      return void console.log([`${mark} ${row.consumer}`, row.detail].filter(Boolean).join(': '));
    console.log(`${mark} ${row.consumer}`);
    console.error(row.detail);
  }
}
