// Makes close(2) reset a connection: nothing of it is left, and no TIME-WAIT holds its port.
import { SO_LINGER, SOL_SOCKET } from './numbers.js';

/** Something whose options can be set: a native Handle, or a borrowed descriptor. */
export interface OptionWriter {
  setsockopt(level: number, name: number, value: Uint8Array): number;
}

export function resetOnClose(socket: OptionWriter): void {
  socket.setsockopt(SOL_SOCKET, SO_LINGER, LINGER);
}

/** struct linger: on, 0 seconds; socket(7). */
const LINGER = new Uint8Array(new Int32Array([1, 0]).buffer);
