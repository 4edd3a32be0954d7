// Makes a Node server listen on a descriptor, which it then owns. It is passed as an object with a handle, which also works
// in cluster workers: with `server.listen({ fd })` a worker would use the primary's descriptor of that number.
import type { Server, SocketConstructorOpts } from 'node:net';
import type { Handle } from '../binding.js';
import { toStream } from './stream.js';

/** The server then owns the descriptor. If this throws, the descriptor is closed. */
export function serve(server: Server, handle: Handle, backlog: number): void {
  // Without manualStart it would start to read.
  const carrier = toStream(handle, { manualStart: true } as SocketConstructorOpts);
  try {
    // Positional: a backlog in an options object is ignored if a descriptor is given. Node calls listen(2) again.
    server.listen(carrier, backlog);
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}
