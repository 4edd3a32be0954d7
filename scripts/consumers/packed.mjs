// The tarball that `npm publish` would publish. Packing takes a while, so scripts/test-matrix.mjs packs for all scripts that it
// starts, and tells them in LINUX_SOCKETS_TARBALL.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @type {string | undefined} */
let tarball = process.env['LINUX_SOCKETS_TARBALL'];

/** The path of the tarball, which is removed when this process exits. The process ends with status 1 if packing fails. */
export function packed() {
  return (tarball ??= pack());
}

function pack() {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-packed-'));
  process.on('exit', () => rmSync(directory, { recursive: true }));
  const { status, stderr } = spawnSync('npm', ['pack', '--pack-destination', directory], {
    cwd: root,
    encoding: 'utf8',
  });
  const [file] = readdirSync(directory);
  if (status === 0 && file !== undefined) return join(directory, file);
  console.error(stderr ?? 'npm not found');
  process.exit(1);
}
