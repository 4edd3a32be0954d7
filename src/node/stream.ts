// A descriptor becomes a net.Socket: Node owns it from then on. Only where the runtime really takes the descriptor that
// it is given: Bun passes over it, Deno connects another, and both would leave from the wrong address.
import { Socket, type SocketConstructorOpts } from 'node:net';
import { isSupported, type Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { descriptorOf } from './descriptor.js';

/** Throws ERR_UNSUPPORTED on a runtime whose net.Socket does not take a descriptor. To be called before anything is sent. */
export function requireAdoption(): void {
  if (isSupported && process.versions['bun'] === undefined && process.versions['deno'] === undefined) return;
  throw new SocketError(
    'ERR_UNSUPPORTED',
    'Only Node.js makes a net.Socket of a descriptor; this runtime would open another socket.',
  );
}

/** A net.Socket over a TCP descriptor, which it owns from now on; when this throws, nobody does any more. */
export function toStream(handle: Handle, options: SocketConstructorOpts = { readable: true, writable: true }): Socket {
  const fd = handle.fd();
  let socket: Socket | undefined;
  try {
    socket = new Socket({ ...options, fd });
    if (descriptorOf(socket) !== fd)
      throw new SocketError('ERR_UNSUPPORTED', 'net.Socket did not take the descriptor that it was given.');
  } catch (error) {
    socket?.destroy();
    handle.close();
    throw error;
  }
  handle.detach();
  return socket;
}

/**
 * Makes empty writes harmless on a socket whose SYN leaves with the first write: an empty one would send a SYN without
 * data and answer EINPROGRESS, for which Node destroys the socket. On TCP an empty write means nothing anyway.
 */
export function ignoreEmptyWrites(socket: Socket): Socket {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  socket._write = (chunk: unknown, encoding, callback) => {
    if (isEmpty(chunk, encoding)) process.nextTick(callback);
    else write(chunk, encoding, callback);
  };
  socket._writev = (chunks, callback) => {
    const full = chunks.filter(({ chunk, encoding }) => !isEmpty(chunk, encoding));
    const [only] = full;
    if (only === undefined) process.nextTick(callback);
    else if (writev === undefined || full.length === 1) write(only.chunk, only.encoding, callback);
    else writev(full, callback);
  };
  return socket;
}

function isEmpty(chunk: unknown, encoding: BufferEncoding): boolean {
  // 'zz' in hex is empty too, so text is really converted.
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding).length === 0 : (chunk as Uint8Array).length === 0;
}
