// `npm run test:asan [-- vitest arguments]`: the suite with AddressSanitizer and UBSan in the addon. Fails on any of their reports,
// including those of child processes whose exit code no test checks.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWithSanitizers } from './asan-build.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, 'build/asan/reports');

const { binding, preload } = buildWithSanitizers();
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports);
const { status } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    LINUX_SOCKETS_BINDING: binding,
    LINUX_SOCKETS_PRELOAD: preload,
    LINUX_SOCKETS_REPEATS: 'fewer',
    // No leak detection: V8 does not free its heap at exit.
    ASAN_OPTIONS: `detect_leaks=0:log_path=${join(reports, 'asan')}`,
    // UBSan ignores log_path: it writes to stderr and ends the process, which test/support/child.ts checks.
    UBSAN_OPTIONS: `print_stacktrace=1:log_path=${join(reports, 'asan')}`,
  },
});

const found = readdirSync(reports);
for (const file of found) console.error(`\n── ${file} ──\n${readFileSync(join(reports, file), 'utf8')}`);
console.log(found.length === 0 ? 'No sanitizer reports.' : `${found.length} sanitizer reports.`);
process.exitCode = status === 0 && found.length === 0 ? 0 : 1;
