// Sources of Debian packages, for tests that the packages on npm do not contain: found in Debian's signed index, and
// unpacked in part.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Apt, lastLine, MIRROR, missingForApt, run } from '../../scripts/debian-apt.mjs';
import { CACHE } from './cache.mjs';

/** @typedef {{ version: string, directory: string, file: string, sha256: string }} Source one upstream tarball */

/**
 * The newest upstream source of a package, of the versions that `wanted` accepts. The files that `members` names are unpacked
 * once, into a directory of their own.
 * @param {string} name of the source package
 * @param {(version: string) => boolean} wanted
 * @param {readonly string[]} members as tar(1) takes them, with wildcards that do not match a slash
 * @returns {{ directory: string, version: string } | { reason: string }} or why there is none
 */
export function debianSource(name, wanted, members) {
  const cached = existsSync(CACHE) ? readdirSync(CACHE).filter((entry) => entry.startsWith(`${name}-`)) : [];
  const versions = cached.map((entry) => entry.slice(name.length + 1)).filter(wanted);
  const [version] = versions.sort(newestFirst);
  if (version !== undefined) return { directory: join(CACHE, `${name}-${version}`), version };
  return fetch(name, wanted, members);
}

/**
 * @param {string} name
 * @param {(version: string) => boolean} wanted
 * @param {readonly string[]} members
 * @returns {{ directory: string, version: string } | { reason: string }}
 */
function fetch(name, wanted, members) {
  const reason = missingForApt(['apt-cache', 'tar', 'xz']);
  if (reason !== undefined) return { reason };

  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'apt-'));
  try {
    const apt = new Apt(work, 'deb-src', RELEASES);
    const index = readIndex(apt, name);
    if ('reason' in index) return index;
    const candidates = index.sources.filter(({ version }) => wanted(version));
    /** @type {string[]} */
    const reasons = [];
    for (const source of candidates) {
      const directory = join(CACHE, `${name}-${source.version}`);
      const reason = unpack(apt, work, source, members, directory);
      if (reason === undefined) return { directory, version: source.version };
      reasons.push(reason);
    }
    return { reason: reasons.join('; ') || `Debian has no suitable version of ${name}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * @param {Apt} apt
 * @param {string} name
 * @returns {{ sources: Source[] } | { reason: string }} newest first
 */
function readIndex(apt, name) {
  const update = apt.run('apt-get', 'update');
  if (update.status !== 0) return { reason: `apt-get update: ${lastLine(update.stderr)}` };
  const shown = apt.run('apt-cache', 'showsrc', '--only-source', name);
  const sources = shown.stdout.split(/\n\n+/).flatMap(parse);
  const unique = new Map(sources.map((source) => [source.version, source]));
  return { sources: [...unique.values()].sort((a, b) => newestFirst(a.version, b.version)) };
}

/**
 * One paragraph of the index: its upstream tarball, which has no component in its name.
 * @param {string} paragraph
 * @returns {Source[]}
 */
function parse(paragraph) {
  const directory = /^Directory: (.+)$/m.exec(paragraph)?.[1];
  const sums = /^Checksums-Sha256:.*\n((?: .*\n?)+)/m.exec(paragraph)?.[1];
  const [, sha256, file] = /^ ([0-9a-f]{64}) \d+ (\S+\.orig\.tar\.\w+)$/m.exec(sums ?? '') ?? [];
  if (directory === undefined || sha256 === undefined || file === undefined) return [];
  // Without Debian's suffix: `20.19.2+dfsg` is upstream's 20.19.2 without non-free files.
  const [version = ''] = file.slice(file.indexOf('_') + 1).split(/\+|\.orig/);
  return [{ version, directory, file, sha256 }];
}

/**
 * @param {Apt} apt
 * @param {string} work
 * @param {Source} source
 * @param {readonly string[]} members
 * @param {string} target exists only after success
 * @returns {string | undefined} why it failed
 */
function unpack(apt, work, { directory, file, sha256 }, members, target) {
  const url = `${MIRROR}/${directory}/${file}`;
  const archive = join(work, file);
  // apt's own download: it uses the configured proxy, and rejects a file whose checksum differs from the index.
  const download = apt.run(APT_HELPER, 'download-file', url, archive, `SHA256:${sha256}`);
  const answer = /^Err:.*\n +(.*\S)/m.exec(download.stdout)?.[1];
  if (download.status !== 0) return `${url}: ${answer ?? lastLine(download.stderr)}`;
  const unpacked = join(work, 'unpacked');
  mkdirSync(unpacked);
  const options = ['--strip-components=1', '--wildcards', '--no-wildcards-match-slash', '--no-same-owner'];
  const tar = run('tar', ['-xf', archive, '-C', unpacked, ...options, ...members], work);
  if (tar.status !== 0) return `${file}: ${lastLine(tar.stderr)}`;
  // Without a package.json of its own, this repository's would turn its scripts into ES modules.
  if (!existsSync(join(unpacked, 'package.json'))) writeFileSync(join(unpacked, 'package.json'), '{}\n');
  renameSync(unpacked, target);
  return undefined;
}

/** @param {string} a @param {string} b */
function newestFirst(a, b) {
  return b.localeCompare(a, 'en', { numeric: true });
}

const RELEASES = ['trixie', 'testing', 'sid'];
const APT_HELPER = '/usr/lib/apt/apt-helper';
