// The pool of the test run: vitest's forked processes, each in its own network namespace, so that sysctls, ports and routes of
// two test files never interfere, and two runs may be concurrent.
//
// vitest forks `process.execPath`, and starts one process per test file (isolate). ForksPoolWorker is vitest's worker class, exported
// for pools like this one; only the forked program changes: a script that enters a new namespace and then executes node. The
// alternatives were worse: entering a namespace in the test file needs native code and comes too late for existing threads; a custom
// pool worker would have to implement vitest's protocol. support.test.ts proves that it works.
import { fileURLToPath } from 'node:url';
import { ForksPoolWorker, type PoolOptions, type PoolRunnerInitializer } from 'vitest/node';

const wrapper = fileURLToPath(new URL('in-namespace.sh', import.meta.url));

class NamespacedWorker extends ForksPoolWorker {
  constructor(options: PoolOptions, ownNamespace: boolean) {
    super(options);
    this.env = {
      ...this.env,
      LINUX_SOCKETS_NODE: process.execPath,
      ...(ownNamespace && { LINUX_SOCKETS_NETNS: 'new' }),
    };
  }

  override async start(): Promise<void> {
    const node = process.execPath;
    process.execPath = wrapper;
    try {
      const started = super.start(); // forks before it returns
      process.execPath = node;
      await started;
    } finally {
      process.execPath = node;
    }
  }
}

/** `ownNamespace: false` is for tests that do not use the kernel: they need at most a sanitizer's library. */
export function testProcesses({ ownNamespace }: { readonly ownNamespace: boolean }): PoolRunnerInitializer {
  return {
    name: ownNamespace ? 'forks in namespaces' : 'forks of the suite',
    createPoolWorker: (options) => new NamespacedWorker(options, ownNamespace),
  };
}
