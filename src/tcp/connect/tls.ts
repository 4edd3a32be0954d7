// Connects TLS sockets from a source.
import { type WaitForLocalPort, waitPolicyOf } from '../../ports/wait-policy.js';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { native } from '../../binding.js';
import { AbortError } from '../../errors.js';
import { requireHooks } from '../../node/connecting-socket.js';
import { withKnownZone } from '../../node/zones.js';
import { requireNode } from '../../node/runtime.js';
import { hookTls, laterLookup, requireTlsHooks } from '../../node/tls-socket.js';
import type { Candidates, Source } from '../../source/source.js';
import { Job } from './job.js';

/** The options that are used here; the others are passed to Node. */
export interface TlsOptions extends ConnectionOptions {
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Creates a TLS socket that connects from the source, or from one of the candidates for each address.
 * @param make calls tls.connect with the given options and returns the result
 * @throws what `make` throws; ERR_UNSUPPORTED if Node's internals are not as expected
 */
export function secureFrom<O extends TlsOptions>(
  given: O,
  from: Source | Candidates,
  make: (options: O) => TLSSocket,
): TLSSocket {
  native();
  requireNode();
  requireHooks();
  requireTlsHooks();
  const job = new Job(from, waitPolicyOf(given.waitForLocalPort));
  const options = withKnownZone(given);
  const { signal } = options;
  // Node would destroy the socket and still connect it; Node 22 then aborts the process.
  if (signal?.aborted === true) {
    return hookTls(make({ ...options, signal: undefined, lookup: noLookup }), job).destroy(new AbortError(signal));
  }
  return hookTls(make({ ...options, lookup: laterLookup(options.lookup) }), job);
}

function noLookup(): void {
  // The socket is destroyed already.
}
