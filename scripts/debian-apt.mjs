// apt with its own sources and state: needs no root, and does not touch the machine's configuration. Debian signs what it fetches.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
export const MIRROR = 'http://deb.debian.org/debian';

/** What is missing on this machine, as text; undefined when nothing is. @param {readonly string[]} tools other programs that are needed */
export function missingForApt(tools) {
  const missing = ['apt-get', ...tools].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  if (missing.length > 0) return `${missing.join(' and ')} not found`;
  if (!existsSync(KEYRING)) return `${KEYRING} not found (Debian and Ubuntu: apt-get install debian-archive-keyring)`;
  return undefined;
}

export class Apt {
  #work;

  /**
   * @param {string} work a directory for its files
   * @param {'deb' | 'deb-src'} kind
   * @param {readonly string[]} releases
   */
  constructor(work, kind, releases) {
    this.#work = work;
    for (const directory of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(work, directory), { recursive: true });
    writeFileSync(join(work, 'status'), '');
    const lines = releases.map((release) => `${kind} [signed-by=${KEYRING}] ${MIRROR} ${release} main\n`);
    writeFileSync(join(work, 'sources.list'), lines.join(''));
  }

  /** Runs apt-get, apt-cache or apt-helper. @param {string} program @param {readonly string[]} args */
  run(program, ...args) {
    return run(program, [...this.#options(), ...args], this.#work);
  }

  #options() {
    const work = this.#work;
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
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 */
export function run(program, args, cwd) {
  return spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 300_000, maxBuffer: 2 ** 26 });
}

/** The last line that a failed program wrote. @param {string} stderr */
export function lastLine(stderr) {
  return stderr.trim().split('\n').at(-1) || 'timed out';
}
