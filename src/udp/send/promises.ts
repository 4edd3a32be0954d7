// Promises of sends. A peer can make a send fail, or fill the queue, so a rejection must not end a process that ignores the
// promise.
import { SocketError, SyscallError } from '../../errors.js';

/** A rejected promise that does not count as unhandled, unless `error` is a mistake of the caller. */
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
  // Handlers of the caller are still called.
}

/** The second one is for options that do not match the family of the peer. */
const NO_MISTAKES: ReadonlySet<string> = new Set(['ERR_SEND_QUEUE_FULL', 'ERR_UNSUPPORTED']);
