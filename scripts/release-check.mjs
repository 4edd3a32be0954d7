// `npm run release:check`: all that can be checked before a version is tagged; CONTRIBUTING.md says what a release is.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandLine, parse, Report } from './consumers/report.mjs';
import { requirePackages } from './fetch-packages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const PLACEHOLDER = 'OWNER';
const WORKFLOWS = '.github/workflows';

const options = parse(commandLine('release:check', 'Checks that the version in package.json can be released.'));
const report = new Report('release', options);
const manifest = JSON.parse(read('package.json'));

check('CHANGELOG.md begins with this version and its date', () => {
  const [heading = ''] = /^## .*$/m.exec(read('CHANGELOG.md')) ?? [];
  const [version, date = ''] = heading.replace('## ', '').split(' - ');
  if (version !== manifest.version || !/^\d{4}-\d\d-\d\d$/.test(date))
    return `expected "## ${manifest.version} - YYYY-MM-DD", found "${heading}"`;
  return '';
});
check('package-lock.json has this version, and no download addresses', () => {
  const lock = JSON.parse(read('package-lock.json'));
  if (lock.version !== manifest.version) return `it has ${lock.version}: run npm install`;
  const addressed = Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined);
  if (addressed.length > 0) return `"resolved" in ${addressed.map(([name]) => name).join(', ')}`;
  return '';
});
check('repository, homepage and bugs name the same repository, which has an owner', () => {
  const [, name = ''] = /github\.com\/(.+)\.git$/.exec(manifest.repository.url) ?? [];
  if (!manifest.homepage.includes(`/${name}#`) || !manifest.bugs.url.includes(`/${name}/`)) return 'they differ';
  return name.startsWith(`${PLACEHOLDER}/`) ? `replace the placeholder ${PLACEHOLDER} in package.json` : '';
});
check('links in the documentation lead to files', () => {
  const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'examples/README.md'];
  pages.push(...readdirSync(join(root, 'docs')).map((file) => `docs/${file}`));
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .filter(([, link = '']) => !existsSync(join(root, dirname(page), link)))
      .map(([, link]) => `${page}: ${link}`),
  );
  return broken.join('\n');
});
check('workflows are valid, begin with read permissions, and pin their actions', () => {
  const modules = requirePackages('@action-validator/cli@0.6', '@action-validator/core@0.6');
  const validator = join(modules, '.bin/action-validator');
  return readdirSync(join(root, WORKFLOWS))
    .map((name) => `${WORKFLOWS}/${name}`)
    .flatMap((file) => {
      const text = read(file);
      const unpinned = [...text.matchAll(/uses: (?!\.\/|\S+@[0-9a-f]{40} # v)(.*)/g)].map(([, use]) => `pin ${use}`);
      const isReadOnly = /^permissions:\n {2}contents: read\n\n/m.test(text);
      return [run(process.execPath, validator, file), ...unpinned, isReadOnly ? '' : 'permissions: contents: read']
        .filter((problem) => problem !== '')
        .map((problem) => `${file}: ${problem}`);
    })
    .join('\n');
});
check('everything is committed, and the tag is free or this commit', () => {
  const git = (/** @type {readonly string[]} */ ...args) =>
    spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();
  const changes = git('status', '--porcelain');
  if (changes !== '') return changes;
  const tag = `v${manifest.version}`;
  const tagged = git('rev-parse', '--quiet', '--verify', `${tag}^{commit}`);
  const isFree = tagged === '' || tagged === git('rev-parse', 'HEAD');
  return isFree ? '' : `${tag} is another commit; choose the next version`;
});
check('npm does not have this version', () => {
  const name = `${manifest.name}@${manifest.version}`;
  const { stdout, stderr } = spawnSync('npm', ['view', name, 'version'], { cwd: root, encoding: 'utf8' });
  if (stdout.trim() !== '') return `${name} is published already`;
  return stderr === '' || /E404/.test(stderr) ? '' : stderr;
});
for (const script of ['check:docs', 'check:package']) check(`npm run ${script}`, () => run('npm', 'run', script));
for (const script of ['lint', 'types', 'test:matrix']) {
  const name = `npm run ${script}`;
  if (report.includes(name)) check(name, () => run('npm', 'run', script));
}
report.end();

/** @param {string} name @param {() => string} find what is wrong; an empty text if all is well */
function check(name, find) {
  const problem = find();
  if (problem === '') report.passed(name);
  else report.failed(name, problem);
}

/** The output of a command that fails; otherwise nothing. @param {string} command @param {readonly string[]} args */
function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? '' : (error?.message ?? `${stdout}${stderr}`);
}

/** @param {string} file */
function read(file) {
  return readFileSync(join(root, file), 'utf8');
}
