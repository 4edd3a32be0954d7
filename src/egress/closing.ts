// How a connection ends: the side that sends its FIN first keeps the port in TIME-WAIT; after a reset neither does.
import type { Socket } from 'node:net';

export class Closing {
  #socket: Socket | undefined;
  #peerWasFirst = false;

  /** The socket of the connection, once it has been made. */
  get socket(): Socket | undefined {
    return this.#socket;
  }

  watch<S extends Socket>(socket: S): S {
    this.#socket = socket;
    return socket.once('end', () => (this.#peerWasFirst = !socket.writableFinished));
  }

  leftNoTimeWait(): boolean {
    const error: NodeJS.ErrnoException | null | undefined = this.#socket?.errored;
    return this.#peerWasFirst || BROKEN.has(error?.code ?? '');
  }
}

/** Errors that end an established connection. */
const BROKEN: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);
