// `npm run test:nodes [-- 22 24 26] [-- vitest arguments]`: the suite on other release lines of Node: vitest, the test processes and
// their children. The binaries come from npm. The addon is not rebuilt: one binary works with all of them.
import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { nodeOf, requireProgram } from './fetch-program.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { args } = new Command('npm run test:nodes --')
  .description('Runs the suite on other release lines of Node, which come from npm.')
  .argument('[arguments...]', 'release lines, by default 22 24 26; all else is for vitest')
  .allowUnknownOption()
  .parse();
const lines = args.filter((argument) => /^\d+(\.\d+)*$/.test(argument));
const vitestArguments = args.filter((argument) => !lines.includes(argument));
if (lines.length === 0) lines.push('22', '24', '26');

if (bringUpToDate() !== undefined) process.exit(1);

const results = lines.map((line) => {
  const node = requireProgram(nodeOf(line));
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n── Node ${version} ──`);
  const env = {
    ...process.env,
    LINUX_SOCKETS_BUILT: '1',
    LINUX_SOCKETS_REPEATS: 'fewer',
    PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  const { status } = spawnSync(node, [join(root, 'scripts/test.mjs'), ...vitestArguments], { stdio: 'inherit', env });
  return { version, passed: status === 0 };
});

console.log('');
for (const { version, passed } of results) console.log(`Node ${version}: ${passed ? 'passed' : 'FAILED'}`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
