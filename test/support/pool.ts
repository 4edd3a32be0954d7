// The pool of the test run: vitest's forked processes, each in a network namespace of its own, so that sysctls, ports and routes of
// two test files never meet, and two runs may go side by side.
//
// vitest forks `process.execPath`, and starts one process per test file (isolate). ForksPoolWorker is its own worker class, exported
// for pools like this one; all that changes here is the program that it forks: a script that enters a new namespace and then becomes
// node. The alternatives were weaker: a namespace that the test file enters by itself needs native code and comes too late for the
// threads that exist by then; a pool worker from scratch would have to follow vitest's protocol. support.test.ts shows that it works.
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

/** `ownNamespace: false` is for tests that do not touch the kernel: they only need a sanitizer's library, if there is one. */
export function testProcesses({ ownNamespace }: { readonly ownNamespace: boolean }): PoolRunnerInitializer {
  return {
    name: ownNamespace ? 'forks in namespaces' : 'forks of the suite',
    createPoolWorker: (options) => new NamespacedWorker(options, ownNamespace),
  };
}
