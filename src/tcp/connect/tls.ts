// tls.connect from a source.
import { type WaitForLocalPort, waitPolicyOf } from '../../ports/wait-policy.js';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { native } from '../../binding.js';
import { requireHooks } from '../../node/connecting-socket.js';
import { requireAdoption } from '../../node/stream.js';
import { hookTls, laterLookup, requireTlsHooks } from '../../node/tls-socket.js';
import type { Candidates, Source } from '../../source/source.js';
import { Job } from './job.js';

/** What of the options matters here; the others are Node's. */
export interface TlsOptions extends ConnectionOptions {
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/**
 * Makes a TLS socket that connects from the source, or from one of the candidates of each address.
 * @param make calls tls.connect with the options that it is given, and returns what that returns
 * @throws what `make` throws; ERR_UNSUPPORTED where Node's internals are not the known ones
 */
export function secureFrom<O extends TlsOptions>(
  options: O,
  from: Source | Candidates,
  make: (options: O) => TLSSocket,
): TLSSocket {
  native();
  requireAdoption();
  requireHooks();
  requireTlsHooks();
  const job = new Job(from, waitPolicyOf(options.waitForLocalPort));
  return hookTls(make({ ...options, lookup: laterLookup(options.lookup) }), job);
}
