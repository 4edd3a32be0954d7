// A listening descriptor becomes a Node server's own. The way that works everywhere, in cluster workers as well, is an
// object with a handle: `server.listen({ fd })` would ask a worker's primary for its descriptor of that number.
import { Socket, type Server, type SocketConstructorOpts } from 'node:net';
import type { Handle } from '../../binding.js';
import { SocketError } from '../../errors.js';
import { descriptorOf } from '../../options/descriptor.js';

/** The server owns the descriptor now; when this throws, nobody does any more. */
export function serve(server: Server, handle: Handle, backlog: number): void {
  const fd = handle.fd();
  let carrier: Socket | undefined;
  try {
    // Without manualStart it would begin to read.
    carrier = new Socket({ fd, manualStart: true } as SocketConstructorOpts);
    if (descriptorOf(carrier) !== fd)
      throw new SocketError('ERR_UNSUPPORTED', 'net.Socket did not take the descriptor that it was given.');
  } catch (error) {
    carrier?.destroy();
    handle.close();
    throw error;
  }
  handle.detach();
  try {
    // Positional: a backlog in an options object is passed over where a descriptor is given. Node calls listen(2) again.
    server.listen(carrier, backlog);
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}
