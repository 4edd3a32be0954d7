// Native Handles for tests below NativeSocket.
import { native, type Handle } from '../../src/binding.js';

export function emptyHandle(): Handle {
  return new (native().Handle)();
}

/** A Handle with a new datagram socket. */
export function datagramHandle(): Handle {
  const handle = emptyHandle();
  const made = handle.socket(2, 2, 0);
  if (made !== 0) throw new Error(`socket: ${made}`);
  return handle;
}
