// Whether this is Node.js. Bun and Deno have its modules, but other sockets inside: they ignore a descriptor that they are
// given, or open another one, which would use the wrong source address.
import { SocketError } from '../errors.js';

export const isNode: boolean = process.versions['bun'] === undefined && process.versions['deno'] === undefined;

/** Throws ERR_UNSUPPORTED except on Node.js. Must be called before anything is sent. */
export function requireNode(): void {
  if (isNode) return;
  throw new SocketError(
    'ERR_UNSUPPORTED',
    'This call needs Node.js: other runtimes do not share the descriptors of their sockets, and would use another one.',
  );
}
