// `npm run test:installed`: installs the packed package into an empty folder, on a PATH without a compiler, and runs the README's
// first example on each release line of Node. On Bun and Deno it must throw ERR_UNSUPPORTED, as docs/runtimes.md says, and
// what that guide promises must work.
import { join } from 'node:path';
import { requirePackages } from './fetch-packages.mjs';
import { BUN, DENO, nodeOf, requireProgram } from './fetch-program.mjs';
import { FIRST_EXAMPLE, Project } from './consumers/project.mjs';
import { commandLine, parse, Report } from './consumers/report.mjs';

const options = parse(
  commandLine(
    'test:installed',
    "Installs the packed package without a compiler, and runs the README's first example on Node, Bun and Deno.",
  ),
);
const report = new Report('installed', options);

/** Works on Bun and Deno, too. */
const PROMISED = `import { reserve, UdpSocket } from 'linux-sockets';
const reservation = reserve({ remote: '127.0.0.1:9', local: { address: '127.0.0.1' } });
if (!reservation.verify()) throw new Error('not reserved');
reservation.release();
const receiver = UdpSocket.create({ family: 'ipv4' });
receiver.bind('127.0.0.1:0');
const sender = UdpSocket.create({ family: 'ipv4' });
await sender.send(Buffer.alloc(2500), { to: receiver.local, segmentSize: 1200 });
await Promise.all([sender.close(), receiver.close()]);
console.log('done');
`;

/** The npm that comes with a release line. */
const NPM_OF = { 20: 'npm@10', 22: 'npm@10', 24: 'npm@11', 26: 'npm@11' };
for (const [line, npm] of Object.entries(NPM_OF)) {
  attempt(`Node ${line}`, {
    short: line === '26',
    programs: { node: requireProgram(nodeOf(line)) },
    install: ['node', npmOf(npm), 'install'],
    run: ['node'],
  });
}
attempt(`Bun ${BUN.version}`, {
  short: true,
  programs: { bun: requireProgram(BUN) },
  install: ['bun', 'add'],
  run: ['bun', 'run'],
});
attempt(`Deno ${DENO.version}`, {
  short: true,
  programs: { deno: requireProgram(DENO), node: process.execPath },
  install: ['node', npmOf('npm@11'), 'install'],
  run: ['deno', 'run', '--allow-all', '--node-modules-dir=manual'],
});
report.end();

/**
 * @param {string} name
 * @param {object} how
 * @param {boolean} how.short part of --short
 * @param {Readonly<Record<string, string>>} how.programs all of PATH
 * @param {readonly string[]} how.install the command, before the tarball
 * @param {readonly string[]} how.run the command, before the program
 */
function attempt(name, { short, programs, install: [installer = '', ...options], run: [runtime = '', ...flags] }) {
  if (!report.includes(name, short)) return;
  const project = new Project({ programs });
  project.write('app.mjs', FIRST_EXAMPLE.text);
  project.write('promised.mjs', PROMISED);
  const installation = project.run(installer, [...options, `./${project.tarball}`]);
  if (!installation.ok) return report.failed(name, installation.report);
  const example = project.run(runtime, [...flags, 'app.mjs']);
  const isRight = runtime === 'node' ? example.stdout === FIRST_EXAMPLE.output : isRefused(example);
  if (!isRight) return report.failed(name, example.report);
  const promised = project.run(runtime, [...flags, 'promised.mjs']);
  if (promised.stdout !== 'done\n') return report.failed(name, promised.report);
  report.passed(name);
  project.remove();
}

/** Whether it has thrown ERR_UNSUPPORTED, whose code Deno does not print. @param {import('./consumers/project.mjs').Outcome} example */
function isRefused({ ok, stdout, stderr }) {
  return !ok && stdout === '' && stderr.includes('This call needs Node.js');
}

/** @param {string} version */
function npmOf(version) {
  return join(requirePackages(version), 'npm/bin/npm-cli.js');
}
