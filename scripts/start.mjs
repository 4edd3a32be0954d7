// `npm start [-- arguments of the demo]`: brings the build up to date, and runs the demo.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringUpToDate } from './bring-up-to-date.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (!existsSync(join(root, 'node_modules/typescript'))) fail('The dependencies are not installed: run `npm ci` first.');
const failed = bringUpToDate();
if (failed !== undefined) fail(`The build failed (scripts/${failed}), for the reason above.`);
await import('../examples/demo/main.mjs');

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`npm start: ${message}`);
  process.exit(1);
}
