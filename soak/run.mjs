// `npm run soak -- NAME`: long runs that must end with the memory and descriptors they began with. Brings the build up to
// date, and runs NAME/main.mjs in its own network namespace. Exit code: 0 nothing grew, 1 something did, 2 it could
// not run.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { bringUpToDate } from '../scripts/bring-up-to-date.mjs';
import { commandInside, namespaces } from '../scripts/namespaces.mjs';

const json = new Option('--json', 'print the result as JSON, and nothing else');

const program = new Command('npm run soak --')
  .description(
    'Runs a workload for a long time, and compares memory and descriptors at its end with those at its start.',
  )
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
program
  .command('udp')
  .description('UdpSocket at full rate between two processes, with GRO and again without')
  .addOption(new Option('--minutes <number>', 'duration of each of the two runs').default(10).argParser(positive))
  .addOption(json)
  .action((options) => run('udp', options));
program
  .command('egress-proxy')
  .description('connections through examples/egress-proxy, every byte compared')
  .addOption(new Option('--connections <number>', 'in total').default(200_000).argParser(positive))
  .addOption(json)
  .action((options) => run('egress-proxy', options));
program.parse();

/**
 * @param {string} name a folder beside this file
 * @param {object} options what its main.mjs reads, as JSON, from its only argument
 */
function run(name, options) {
  const unbuilt = process.env['LINUX_SOCKETS_BUILT'] ? undefined : bringUpToDate();
  if (unbuilt !== undefined) fail(`scripts/${unbuilt} failed`);
  const found = namespaces();
  if ('reason' in found) return fail(`needs its own network namespace: ${found.reason}`);
  const main = fileURLToPath(new URL(`${name}/main.mjs`, import.meta.url));
  const [command, ...args] = commandInside(found.enter, [process.execPath, main, JSON.stringify(options)]);
  process.exitCode = spawnSync(command, args, { stdio: 'inherit' }).status ?? 2;
}

function positive(/** @type {string} */ text) {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** @param {string} why @returns {never} */
function fail(why) {
  console.error(`soak: ${why}`);
  process.exit(2);
}
