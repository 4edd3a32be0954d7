// The test projects. `npm test` (scripts/test.mjs) runs them in namespaces; outside of them only the unit tests run.
import { defineConfig } from 'vitest/config';
import { testProcesses } from './test/support/pool.js';

// Sanitizers make everything slower; tests must not time out because of that.
const patience = process.env['LINUX_SOCKETS_PRELOAD'] === undefined ? 1 : 4;
const inNamespaces = process.env['LINUX_SOCKETS_IN_NAMESPACE'] !== undefined;

const shared = {
  isolate: true,
  setupFiles: ['test/support/setup.ts'],
};

export default defineConfig({
  cacheDir: 'node_modules/.cache/vite',
  test: {
    maxWorkers: 2,
    retry: 0,
    passWithNoTests: true,
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          pool: testProcesses({ ownNamespace: false }),
          testTimeout: 10_000 * patience,
        },
      },
      ...(inNamespaces ? namespaced() : []),
    ],
  },
});

function namespaced() {
  const pool = testProcesses({ ownNamespace: true });
  return [
    {
      test: {
        ...shared,
        name: 'kernel',
        include: ['test/kernel/**/*.test.ts', 'test/support/**/*.test.ts'],
        pool,
        testTimeout: 20_000 * patience,
        hookTimeout: 20_000 * patience,
      },
    },
    {
      test: {
        ...shared,
        name: 'lifecycle',
        include: ['test/lifecycle/**/*.test.ts'],
        pool,
        testTimeout: 120_000 * patience,
        hookTimeout: 20_000 * patience,
      },
    },
  ];
}
