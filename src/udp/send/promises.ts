// Promises of sends. A peer can make a send fail, but not end the process because nobody looks at the promise.
import { SyscallError } from '../../errors.js';
import { mayBePending } from './errnos.js';

/** The promise, which is never an unhandled rejection when the network has caused `error`. */
export function tolerate(promise: Promise<void>, error: unknown): Promise<void> {
  if (error instanceof SyscallError && mayBePending(error.errno)) promise.catch(ignore);
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
