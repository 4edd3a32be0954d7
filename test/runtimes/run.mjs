// Runs every row in this runtime, and prints a line of JSON before and after each: a runtime that crashes has then named the
// row. Started by scripts/test-runtimes.mjs, in a network namespace.
import process from 'node:process';
import * as library from '../../lib/index.js';
import { CALLS } from './calls/index.mjs';

const TIME_LIMIT = 5000;

for (const { name, call } of CALLS) {
  console.log(JSON.stringify({ name }));
  console.log(JSON.stringify({ name, ...(await resultOf(call)) }));
}
process.exit();

/** @param {import('./calls/support.mjs').Row['call']} call */
async function resultOf(call) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, TIME_LIMIT, { result: 'hangs' })));
  try {
    return await Promise.race([Promise.resolve(call(library)).then(() => ({ result: 'works' })), late]);
  } catch (error) {
    const { code, message, stack } = /** @type {NodeJS.ErrnoException} */ (error);
    return { result: code ?? 'fails', message, stack };
  } finally {
    clearTimeout(timer);
  }
}
