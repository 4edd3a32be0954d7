// `npm run test:arm64`: cross-compiles the addon for arm64, and makes every public call (test/runtimes) with it, under qemu-user.
// What qemu lacks, kernels before 4.2 lack as well, so this also tests the errors of an old kernel.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { nodeOf, requireProgram } from './fetch-program.mjs';
import { ARCHITECTURES, prebuild, prebuildOf } from './prebuild.mjs';
import { countWorking, runCalls } from './runtime-calls.mjs';

new Command('npm run test:arm64 --')
  .description('Cross-compiles the addon for arm64, and makes every public call with it under qemu-user.')
  .parse();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const qemu = 'qemu-aarch64';
/** The libraries of Debian's cross compiler. */
const libraries = `/usr/${ARCHITECTURES.arm64}`;

if (spawnSync(qemu, ['--version']).error !== undefined) fail(`${qemu} not found (Debian: apt-get install qemu-user)`);
if (bringUpToDate() !== undefined) process.exit(1);
await prebuild('arm64').catch((/** @type {Error} */ error) => fail(error.message));
const binding = join(root, prebuildOf('arm64'));
if (spawnSync(process.execPath, [join(root, 'scripts/check-symbols.mjs'), binding], { stdio: 'inherit' }).status !== 0)
  process.exit(1);

const node = requireProgram(nodeOf('20', 'arm64'));
const { results, failure } = runCalls([qemu, '-L', libraries, node], { LINUX_SOCKETS_BINDING: binding });
const wrong = [...results].filter(([name, { result, message }]) => result !== 'works' && !isLacking(name, message));
for (const [name, { result, message }] of wrong) console.error(`${name}: ${result} ${message}`);
if (failure !== undefined) console.error(`arm64 ${failure}`);
console.log(`arm64: ${countWorking(results)}; the others need IP_BIND_ADDRESS_NO_PORT or IP_MTU, which qemu lacks`);
process.exitCode = wrong.length === 0 && failure === undefined && results.size > 0 ? 0 : 1;

/** @param {string} name @param {string} message */
function isLacking(name, message) {
  return /^setsockopt ENOPROTOOPT: .*\bIP_BIND_ADDRESS_NO_PORT\b/.test(message) || name === 'udp.pathMtu';
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`test:arm64: ${message}`);
  process.exit(1);
}
