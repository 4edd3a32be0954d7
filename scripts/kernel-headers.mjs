// The newest kernel headers that Debian has (linux-libc-dev of sid), unpacked into a cache, for the tests that compare
// the option table with them. Asked for at most once a day; `node scripts/kernel-headers.mjs` prints where they are.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules/.cache/kernel-headers');
const unpacked = join(cache, 'unpacked');
const include = join(unpacked, 'usr/include');
const asked = join(cache, 'asked');
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const DAY = 24 * 60 * 60 * 1000;

/**
 * @returns {{ include: string, version: string } | { reason: string }} the include directory, or why there is none. An
 * older copy will do when Debian cannot be reached.
 */
export function kernelHeaders() {
  if (!existsSync(asked) || Date.now() - statSync(asked).mtimeMs > DAY) {
    const reason = fetch();
    if (reason !== undefined && !existsSync(include)) return { reason };
    if (reason === undefined) writeFileSync(asked, '');
  }
  return { include, version: readFileSync(join(cache, 'version'), 'utf8') };
}

/** @returns {string | undefined} why it could not be done */
function fetch() {
  const missing = ['apt-get', 'dpkg-deb'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  if (missing.length > 0) return `${missing.join(' and ')} not found`;
  if (!existsSync(keyring)) return `${keyring} not found (Debian and Ubuntu: apt-get install debian-archive-keyring)`;

  const work = join(cache, `work-${process.pid}`);
  try {
    for (const directory of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(work, directory), { recursive: true });
    writeFileSync(join(work, 'status'), '');
    writeFileSync(join(work, 'sources.list'), `deb [signed-by=${keyring}] http://deb.debian.org/debian sid main\n`);
    for (const args of [['update'], ['download', 'linux-libc-dev']]) {
      const { status, stderr } = spawnSync('apt-get', [...aptOptions(work), ...args], {
        cwd: work,
        encoding: 'utf8',
        timeout: 120_000,
      });
      if (status !== 0) return `apt-get ${args.join(' ')}: ${lastLine(stderr) ?? 'it took too long'}`;
    }
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    if (archive === undefined) return 'apt-get downloaded nothing';
    const { status, stderr } = spawnSync('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: work, encoding: 'utf8' });
    if (status !== 0) return `dpkg-deb: ${lastLine(stderr)}`;
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(work, 'unpacked'), unpacked);
    writeFileSync(join(cache, 'version'), archive.split('_')[1] ?? archive);
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** An apt of our own: neither the machine's sources nor its state take part. @param {string} work */
function aptOptions(work) {
  const options = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Acquire::Languages': 'none',
    'Acquire::http::Timeout': '15',
    'APT::Sandbox::User': '',
  };
  return ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/** @param {string} text */
function lastLine(text) {
  return text.trim().split('\n').at(-1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = kernelHeaders();
  console.log('include' in found ? `${found.include} (${found.version})` : found.reason);
  if ('reason' in found) process.exitCode = 1;
}
