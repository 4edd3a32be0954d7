// `npm test [-- vitest arguments]`: brings the build up to date, then runs vitest in new namespaces.
//
// Environment:
//   LINUX_SOCKETS_BINDING   the addon to test instead of build/Release (a sanitizer build)
//   LINUX_SOCKETS_BUILT     set when the build is up to date already
//   LINUX_SOCKETS_PRELOAD   LD_PRELOAD of the test processes and of the Node processes that they start, and of nothing else
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringUpToDate } from './bring-up-to-date.mjs';
import { kernelHeaders } from './kernel-headers.mjs';
import { commandInside, namespaces } from './namespaces.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');

// Child processes of the tests import lib.
if (
  !process.env['LINUX_SOCKETS_BUILT'] &&
  bringUpToDate({ native: !process.env['LINUX_SOCKETS_BINDING'] }) !== undefined
) {
  process.exit(1);
}

const found = namespaces();
const isolated = 'enter' in found;
if (!isolated) explain(found.reason);

const node = [process.execPath, vitest, 'run', ...process.argv.slice(2)];
const [program = '', ...args] = isolated ? commandInside(found.enter, node) : node;
// The PATH of a user may lack the directory of nft.
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
const binding = process.env['LINUX_SOCKETS_BINDING'];
// Downloaded here, since the namespace of the tests has no network.
const headers = kernelHeaders();
const env = {
  ...process.env,
  PATH,
  ...('include' in headers ? { LINUX_SOCKETS_HEADERS: headers.include } : { LINUX_SOCKETS_NO_HEADERS: headers.reason }),
  ...(binding && { LINUX_SOCKETS_BINDING: resolve(binding) }),
  ...(isolated && { LINUX_SOCKETS_IN_NAMESPACE: '1' }),
};
const child = spawn(program, args, { cwd: root, stdio: 'inherit', env });
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => child.kill(signal));

child.on('exit', (code, signal) => {
  let status = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  if (!isolated) {
    explain(found.reason);
    if (status === 0 && process.env['CI']) status = 1; // a green run must have run everything
  }
  process.exit(status);
});

/** @param {string} reason */
function explain(reason) {
  console.error(
    `\nOnly the unit tests run: the others need network namespaces, which this machine does not allow.\n  ${reason}\n`,
  );
}
