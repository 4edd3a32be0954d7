// Promises of sends. A peer can make a send fail, or wait until there are too many, but not end the process because nobody
// looks at the promise.
import { SocketError, SyscallError } from '../../errors.js';

/** The promise, which is never an unhandled rejection, unless `error` is a mistake of the caller's. */
export function tolerate(promise: Promise<void>, error: unknown): Promise<void> {
  if (error instanceof SyscallError || (error instanceof SocketError && NO_MISTAKES.has(error.code))) {
    promise.catch(ignore);
  }
  return promise;
}

export function rejected(error: Error): Promise<void> {
  return tolerate(Promise.reject(error), error);
}

/** Promise.withResolvers is newer than Node 20. */
export function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let settle!: { resolve: () => void; reject: (error: unknown) => void };
  const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}

function ignore(): void {
  // The caller's own handler, when there is one, hears of it.
}

/** The second one is about options that do not go with the peer's family. */
const NO_MISTAKES: ReadonlySet<string> = new Set(['ERR_SEND_QUEUE_FULL', 'ERR_UNSUPPORTED']);
