// What the demo prints: lines for people, or one JSON object for programs.
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
     * A line that is written over by the next one; where there is no terminal only the last is printed.
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
