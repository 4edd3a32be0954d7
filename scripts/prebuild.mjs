// `npm run prebuilds [-- x64 arm64]`: builds prebuilds/linux-<arch>/linux-sockets.node for the published package, stripped; by
// default for every architecture of the package. Another architecture than this machine's is cross-compiled.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Argument, Command } from 'commander';
import { nodeDir } from './node-headers.mjs';

/** The GNU name of each architecture of the package, as in the names of its cross compiler. */
export const ARCHITECTURES = /** @type {const} */ ({ x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' });
/** @typedef {keyof typeof ARCHITECTURES} Architecture */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'));

/** @param {string} arch */
export function prebuildOf(arch) {
  return `prebuilds/linux-${arch}/linux-sockets.node`;
}

/** @param {Architecture} arch @throws if there is no compiler for it, or it fails */
export async function prebuild(arch) {
  const tools = toolsFor(arch);
  // prebuildify empties build/ and moves the binary away, so it works on a copy and the developer's build is kept.
  const copy = join(root, 'node_modules/.cache/prebuild', arch);
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const name of ['binding.gyp', 'package.json', 'native', 'scripts'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

  const headers = nodeDir();
  if (headers !== undefined) process.env['npm_config_nodedir'] = headers; // for the node-gyp that prebuildify starts
  Object.assign(process.env, tools.compilers);
  const target = { arch, targets: [process.versions.node], napi: true };
  await prebuildify({ ...target, cwd: copy, out: root, strip: true, stripBin: tools.strip, quiet: true });
}

/** @param {Architecture} arch */
function toolsFor(arch) {
  if (arch === process.arch) return { compilers: {}, strip: 'strip' };
  const gnu = ARCHITECTURES[arch];
  const compilers = { CC: `${gnu}-gcc`, CXX: `${gnu}-g++` };
  if (spawnSync(compilers.CXX, ['--version']).error !== undefined) {
    const name = gnu.replaceAll('_', '-');
    throw new Error(`${compilers.CXX} not found (Debian: apt-get install g++-${name})`);
  }
  return { compilers, strip: `${gnu}-strip` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = /** @type {Architecture[]} */ (Object.keys(ARCHITECTURES));
  const program = new Command('npm run prebuilds --')
    .description('Builds the binaries that are published, and cross-compiles those of other architectures.')
    .addArgument(new Argument('[architectures...]').choices(all).default(all))
    .showHelpAfterError()
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse();
  const [wanted] = /** @type {[Architecture[]]} */ (program.processedArgs);
  try {
    for (const arch of wanted) {
      await prebuild(arch);
      console.log(prebuildOf(arch));
    }
  } catch (error) {
    console.error(`prebuilds: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
