// A listening descriptor becomes a Node server's own. The way that works everywhere, in cluster workers as well, is an
// object with a handle: `server.listen({ fd })` would ask a worker's primary for its descriptor of that number.
import type { Server, SocketConstructorOpts } from 'node:net';
import type { Handle } from '../binding.js';
import { toStream } from './stream.js';

/** The server owns the descriptor now; when this throws, nobody does any more. */
export function serve(server: Server, handle: Handle, backlog: number): void {
  // Without manualStart it would begin to read.
  const carrier = toStream(handle, { manualStart: true } as SocketConstructorOpts);
  try {
    // Positional: a backlog in an options object is passed over where a descriptor is given. Node calls listen(2) again.
    server.listen(carrier, backlog);
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}
