// The newest kernel headers in Debian (linux-libc-dev of sid), unpacked into a cache, for the tests that compare the option
// table with them. Updated at most once a day; `node scripts/kernel-headers.mjs` prints their path.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Apt, lastLine, missingForApt, run } from './debian-apt.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules/.cache/kernel-headers');
const unpacked = join(cache, 'unpacked');
const include = join(unpacked, 'usr/include');
const asked = join(cache, 'asked');
const DAY = 24 * 60 * 60 * 1000;

/**
 * @returns {{ include: string, version: string } | { reason: string }} the include directory, or why there is none. When
 * Debian cannot be reached, an older copy is used.
 */
export function kernelHeaders() {
  if (!existsSync(asked) || Date.now() - statSync(asked).mtimeMs > DAY) {
    const reason = fetch();
    if (reason !== undefined && !existsSync(include)) return { reason };
    if (reason === undefined) writeFileSync(asked, '');
  }
  return { include, version: readFileSync(join(cache, 'version'), 'utf8') };
}

/** @returns {string | undefined} why it failed */
function fetch() {
  const missing = missingForApt(['dpkg-deb']);
  if (missing !== undefined) return missing;

  const work = join(cache, `work-${process.pid}`);
  try {
    const apt = new Apt(work, 'deb', ['sid']);
    for (const args of [['update'], ['download', 'linux-libc-dev']]) {
      const { status, stderr } = apt.run('apt-get', ...args);
      if (status !== 0) return `apt-get ${args.join(' ')}: ${lastLine(stderr)}`;
    }
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    if (archive === undefined) return 'apt-get downloaded nothing';
    const { status, stderr } = run('dpkg-deb', ['-x', archive, 'unpacked'], work);
    if (status !== 0) return `dpkg-deb: ${lastLine(stderr)}`;
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(work, 'unpacked'), unpacked);
    writeFileSync(join(cache, 'version'), archive.split('_')[1] ?? archive);
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = kernelHeaders();
  console.log('include' in found ? `${found.include} (${found.version})` : found.reason);
  if ('reason' in found) process.exitCode = 1;
}
