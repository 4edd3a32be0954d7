// A user's project: an empty folder, on a machine with a home of its own, whose PATH has nothing but the programs that are given.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packed } from './packed.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TIME_LIMIT = 180_000;
/** Settings of the developer and of the npm that runs the script, which a user does not have. */
const NOT_OF_A_USER = /^(npm_|NODE_|XDG_|LINUX_SOCKETS_|YARN_|PNPM_|GITHUB_|CI$|INIT_CWD$)/i;
const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout?.trim();

/**
 * @typedef {object} Outcome
 * @property {boolean} ok exit code 0
 * @property {string} stdout
 * @property {string} stderr
 * @property {string} report the command, all that it printed, and how it ended
 */

/** The program of the README's first example, and what it must print. */
export const FIRST_EXAMPLE = {
  text: /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '',
  output: 'hello 127.0.0.9\n',
};

/** @type {Set<Project>} */
const unremoved = new Set();
process.on('exit', () => {
  for (const project of unremoved) project.remove();
});

export class Project {
  #temporary = mkdtempSync(join(tmpdir(), 'linux-sockets-user-'));
  #env;
  /** The folder. */
  directory = join(this.#temporary, 'project');
  /** The package as it was packed, by this name in the folder. */
  tarball = 'linux-sockets.tgz';

  /** @param {{ readonly programs: Readonly<Record<string, string>> }} options `programs`: all of PATH, paths by name */
  constructor({ programs }) {
    unremoved.add(this);
    const home = join(this.#temporary, 'home');
    const path = join(this.#temporary, 'bin');
    for (const directory of [this.directory, home, path]) mkdirSync(directory);
    for (const [name, program] of Object.entries(programs)) symlinkSync(program, join(path, name));
    if (registry) writeFileSync(join(home, '.npmrc'), `registry=${registry}\n`);
    cpSync(packed(), join(this.directory, this.tarball));
    this.write('package.json', '{ "name": "user", "version": "1.0.0", "private": true, "type": "module" }\n');
    const { NODE_EXTRA_CA_CERTS, ...developer } = process.env;
    this.#env = {
      ...Object.fromEntries(Object.entries(developer).filter(([name]) => !NOT_OF_A_USER.test(name))),
      ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
      HOME: home,
      PATH: path,
    };
  }

  /** @param {string} file @param {string} text */
  write(file, text) {
    mkdirSync(dirname(join(this.directory, file)), { recursive: true });
    writeFileSync(join(this.directory, file), text);
  }

  /** Installs the package without a package manager, and without its dependency, which only its command needs. */
  unpack() {
    const installed = join(this.directory, 'node_modules/linux-sockets');
    mkdirSync(installed, { recursive: true });
    spawnSync('tar', ['xzf', join(this.directory, this.tarball), '-C', installed, '--strip-components=1']);
  }

  /** Makes packages that were fetched available to the project. @param {string} modules their node_modules */
  link(modules) {
    for (const name of readdirSync(modules).filter((entry) => !entry.startsWith('.')))
      symlinkSync(join(modules, name), join(this.directory, 'node_modules', name));
  }

  /**
   * @param {string} program a path, or a name in PATH
   * @param {readonly string[]} args
   * @param {NodeJS.ProcessEnv} [env] on top of the user's
   * @returns {Outcome}
   */
  run(program, args, env = {}) {
    const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
      cwd: this.directory,
      encoding: 'utf8',
      env: { ...this.#env, ...env },
      timeout: TIME_LIMIT,
    });
    const end = error?.message ?? signal ?? `exit code ${status}`;
    const report = [`$ ${[basename(program), ...args].join(' ')}`, stdout, stderr, end].join('\n');
    return { ok: status === 0, stdout: stdout ?? '', stderr: stderr ?? '', report };
  }

  remove() {
    rmSync(this.#temporary, { recursive: true, force: true });
    unremoved.delete(this);
  }
}
