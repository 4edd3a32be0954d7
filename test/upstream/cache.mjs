// The directory of the downloaded suites. Not below node_modules: Node suppresses warnings there that its tests expect.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const CACHE = join(ROOT, 'build/suites');
