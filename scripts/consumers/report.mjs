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
    .option('--json', 'print a line of JSON for each row, and nothing else', false)
    .showHelpAfterError()
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

export class Report {
  #name;
  #json;
  #failed = 0;

  /** @param {string} name of the npm script @param {{ readonly json: boolean }} options */
  constructor(name, { json }) {
    this.#name = name;
    this.#json = json;
  }

  /** @param {string} consumer */
  passed(consumer) {
    this.#print({ consumer, result: 'passed' });
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
    console.log(`${mark} ${row.consumer}${row.result === 'not run' ? `: ${row.detail}` : ''}`);
    if (row.result === 'failed') console.error(row.detail);
  }
}
