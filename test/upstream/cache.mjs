// Where the fetched suites lie: outside node_modules, below which Node keeps warnings to itself that its tests wait for.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const CACHE = join(ROOT, 'build/suites');
