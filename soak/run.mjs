// `npm run soak -- NAME`: long runs that end with what they began with. In a network namespace of their own.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Argument, Command, Option } from 'commander';
import { namespaces } from '../scripts/namespaces.mjs';

const SOAKS = ['egress-proxy'];

const command = new Command('npm run soak --')
  .description('Runs a program for long and compares descriptors and memory at its end with those at its begin.')
  .addArgument(new Argument('<name>', 'which').choices(SOAKS))
  .addOption(new Option('--connections <number>', 'in all').default(200_000).argParser(Number))
  .option('--json', 'one JSON object, and nothing else', false)
  .showHelpAfterError()
  .parse();
const [name] = command.args;
const found = namespaces();
if ('reason' in found) {
  process.stderr.write(`No soak without a network namespace: ${found.reason}\n`);
  process.exit(1);
}
const [unshare = 'unshare', ...flags] = found.enter;
const { status } = spawnSync(
  unshare,
  [
    ...flags,
    ...['sh', '-c', 'ip link set lo up && exec "$0" "$@"', process.execPath],
    fileURLToPath(new URL(`${name}/main.mjs`, import.meta.url)),
    JSON.stringify(command.opts()),
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
