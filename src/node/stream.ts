// Turns a descriptor into a net.Socket, which then owns it.
import { Socket, type SocketConstructorOpts } from 'node:net';
import { type Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { descriptorOf } from './descriptor.js';

/** Creates a net.Socket from a TCP descriptor, which it then owns. If this throws, the descriptor is closed. */
export function toStream(handle: Handle, options: SocketConstructorOpts = { readable: true, writable: true }): Socket {
  const fd = handle.fd();
  let socket: Socket | undefined;
  try {
    socket = new Socket({ ...options, fd });
    if (descriptorOf(socket) !== fd)
      throw new SocketError('ERR_UNSUPPORTED', 'net.Socket did not use the given descriptor.');
  } catch (error) {
    socket?.destroy();
    handle.close();
    throw error;
  }
  handle.detach();
  return socket;
}

/**
 * Makes empty writes harmless on a socket whose SYN leaves with the first write: an empty one would send a SYN without data
 * and fail with EINPROGRESS, and Node would destroy the socket. An empty write has no effect on TCP anyway.
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
