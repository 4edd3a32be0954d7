// `npm run prebuilds`: builds prebuilds/linux-<arch>/linux-sockets.node, stripped, as in the published package.
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeDir } from './node-headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'));

// prebuildify empties build/ and moves the binary away, so it works on a copy and the developer's build is kept.
const copy = join(root, 'node_modules/.cache/prebuild');
rmSync(copy, { recursive: true, force: true });
mkdirSync(copy, { recursive: true });
for (const name of ['binding.gyp', 'package.json', 'native', 'scripts'])
  cpSync(join(root, name), join(copy, name), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

const headers = nodeDir();
if (headers !== undefined) process.env['npm_config_nodedir'] = headers; // for the node-gyp that prebuildify starts
await prebuildify({ cwd: copy, out: root, napi: true, strip: true, targets: [process.versions.node], quiet: true });
console.log(`prebuilds/linux-${process.arch}/linux-sockets.node`);
