// Scripts in child processes and worker threads. They import the compiled package: `import { … } from 'linux-sockets'`,
// or a file of it by `./lib/…js` (their directory is the repository).
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds until the child is killed and the run fails. @default 20,000; more under a sanitizer */
  readonly timeout?: number;
  /** Return instead of throwing when the exit code is not 0. @default false */
  readonly allowFailure?: boolean;
  /** An IPC channel: `process.send` in the child, `child` here. @default false */
  readonly ipc?: boolean;
}

export interface ChildResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an ES module, given as its source or as the path of a file, to its end. */
export async function runNode(script: string, options: ChildOptions = {}): Promise<ChildResult> {
  await using running = startNode(script, options);
  return await running.result;
}

/** Starts an ES module. Disposing of the result kills the child and waits for it. */
export function startNode(script: string, options: ChildOptions = {}): RunningChild {
  return new RunningChild(script, options);
}

export class RunningChild implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Settles when the child has ended and its output is complete. */
  readonly result: Promise<ChildResult>;
  readonly #timeout: number;
  readonly #wakers = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(script: string, options: ChildOptions) {
    this.#timeout = options.timeout ?? 20_000 * patience;
    const source = existsSync(script) ? [script] : ['--input-type=module', '--eval', script, '--'];
    this.child = spawn(process.execPath, [...(options.execArgv ?? []), ...source, ...(options.args ?? [])], {
      cwd: repository,
      env: { ...nodeEnvironment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe', ...(options.ipc ? (['ipc'] as const) : [])],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.result = this.#run(options.allowFailure ?? false);
    this.result.catch(() => undefined); // it is reported to those who await it
  }

  /** The output of the child, once it matches. Fails when the child ends before that. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.until((stdout) => pattern.exec(stdout) ?? undefined, String(pattern));
  }

  /** The result of `find` for the child's output, once it is not undefined. Fails when the child ends before that. */
  async until<T>(find: (stdout: string) => T | undefined, what = find.toString()): Promise<T> {
    for (;;) {
      const found = find(this.#stdout);
      if (found !== undefined) return found;
      if (this.#ended) {
        await this.result;
        throw new Error(`the child never printed ${what}:\n${this.#stdout}${this.#stderr}`);
      }
      await new Promise<void>((resolve) => this.#wakers.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.child.kill('SIGKILL');
    await this.result.catch(() => undefined);
  }

  async #run(allowFailure: boolean): Promise<ChildResult> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.child.kill('SIGKILL');
    }, this.#timeout);
    try {
      const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
        this.child.on('error', reject).on('close', (...end) => {
          resolve(end);
        });
      });
      const output = `${this.#stdout}${this.#stderr}`;
      // A finding of a sanitizer is a failure, however the test expected the child to end.
      if (/AddressSanitizer|runtime error:/.test(this.#stderr)) throw new Error(`a sanitizer reports:\n${output}`);
      if (timedOut) throw new Error(`the child did not end within ${this.#timeout} ms:\n${output}`);
      if (code !== 0 && !allowFailure)
        throw new Error(`the child ended with ${signal ?? `exit code ${code}`}:\n${output}`);
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    } finally {
      clearTimeout(timer);
      this.#ended = true;
      this.#wake();
    }
  }

  #wake(): void {
    for (const waker of this.#wakers) waker();
    this.#wakers.clear();
  }
}

/** Runs the body of an async function in a worker thread to its end. It sees parentPort and workerData, and imports by `await import()`. */
export async function runWorker(
  body: string,
  options: { readonly workerData?: unknown; readonly timeout?: number } = {},
): Promise<{ messages: unknown[]; code: number }> {
  const worker = startWorker(body, options.workerData);
  const messages: unknown[] = [];
  worker.on('message', (message) => messages.push(message));
  const timeout = options.timeout ?? 20_000 * patience;
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`the worker did not end within ${timeout} ms`));
      void worker.terminate();
    }, timeout);
    worker.on('error', reject).on('exit', (code) => {
      clearTimeout(timer);
      resolve({ messages, code });
    });
  });
}

/** Starts a worker thread; see runWorker. The caller terminates it. */
export function startWorker(body: string, workerData?: unknown): Worker {
  const source = `const { parentPort, workerData } = require('node:worker_threads');\n(async () => {\n${body}\n})();`;
  // Workers resolve 'linux-sockets' from the current directory; vitest's own flags are not for them.
  return new Worker(source, { eval: true, workerData, execArgv: [] });
}

/** The environment for a node that loads the addon, with the sanitizer's library when the suite runs with one. */
export function nodeEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, VITEST: __, ...env } = process.env;
  const preload = process.env['LINUX_SOCKETS_PRELOAD'];
  return preload === undefined ? env : { ...env, LD_PRELOAD: preload };
}

const repository = fileURLToPath(new URL('../../', import.meta.url));
const patience = process.env['LINUX_SOCKETS_PRELOAD'] === undefined ? 1 : 4;
