// A single executable application, made as docs/bundlers.md says.
import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requirePackages } from '../fetch-packages.mjs';

/** Before 25.5, which writes the executable itself (--build-sea). */
const POSTJECT = 'postject@1.0.0-alpha.6';
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const guide = fileURLToPath(new URL('../../docs/bundlers.md', import.meta.url));
/** addon.mjs of docs/bundlers.md: the addon is an asset, written to a file before the package is imported. */
export const ADDON_FROM_ASSET = /```js\n(.*?)```/s.exec(readFileSync(guide, 'utf8'))?.[1] ?? '';

/**
 * Makes `app` from `bundle.cjs`, both in the project.
 * @param {import('./project.mjs').Project} project whose `node` it is for
 * @param {string} node its path
 * @param {number} major its release line
 * @returns {string | undefined} what went wrong
 */
export function makeExecutable(project, node, major) {
  const config = {
    main: 'bundle.cjs',
    output: major >= 26 ? 'app' : 'app.blob',
    disableExperimentalSEAWarning: true,
    assets: { 'linux-sockets.node': `node_modules/linux-sockets/prebuilds/linux-${process.arch}/linux-sockets.node` },
  };
  project.write('sea.json', JSON.stringify(config));
  const made = project.run('node', [major >= 26 ? '--build-sea' : '--experimental-sea-config', 'sea.json']);
  if (!made.ok || major >= 26) return made.ok ? undefined : made.report;
  const executable = join(project.directory, 'app');
  copyFileSync(node, executable);
  chmodSync(executable, 0o755);
  const postject = join(requirePackages(POSTJECT), 'postject/dist/cli.js');
  const injected = project.run('node', [postject, 'app', 'NODE_SEA_BLOB', 'app.blob', '--sentinel-fuse', FUSE]);
  return injected.ok ? undefined : injected.report;
}
