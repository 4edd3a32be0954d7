// The output of the demo: lines of text, or one JSON object.
import { styleText } from 'node:util';

/** @param {boolean} json */
export function report(json) {
  const terminal = process.stdout.isTTY;
  /** @param {string} text */
  const write = (text) => {
    if (!json) process.stdout.write(text);
  };
  return {
    /** @param {string} text */
    title: (text) => write(`\n${terminal ? styleText('bold', text) : text}\n`),
    /** @param {string} text */
    line: (text) => write(`${text}\n`),
    /**
     * A line that the next one overwrites; without a terminal only the last is printed.
     * @param {string} text
     * @param {boolean} last
     */
    progress: (text, last) => {
      if (terminal) write(`\r\u001b[K${text}${last ? '\n' : ''}`);
      else if (last) write(`${text}\n`);
    },
    /** @param {Record<string, unknown>} values */
    end: (values) => {
      if (json) process.stdout.write(`${JSON.stringify(values, undefined, 2)}\n`);
    },
  };
}

/** @typedef {ReturnType<typeof report>} Report */
