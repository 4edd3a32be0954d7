// One connection that a source holds, from connect(2) until its descriptor is closed: whether it is idle, and how it ends when
// its source is removed. Only those who keep connections for later requests have idle ones: HTTP agents and undici. What
// others do with their socket the pool cannot know; they close it themselves.
import type { Socket } from 'node:net';
import { closeKept, closeWhenFree, isInAgent } from '../node/agent.js';
import { undiciUse } from './undici-use.js';

export class Held {
  /** One of the source's. */
  readonly address: string;
  readonly #socket: Socket | undefined;
  #isReferenced = true;
  #revoke: (() => void) | undefined;

  constructor(address: string, socket: Socket | undefined) {
    this.address = address;
    this.#socket = socket;
  }

  /** Agents, and undici's clients, unref a socket for which they have no request. */
  referenced(isReferenced: boolean): void {
    this.#isReferenced = isReferenced;
    // Not at once: undici's HTTP/2 client unrefs a new connection also just before it sends the first request over it.
    if (!isReferenced && this.#revoke !== undefined) queueMicrotask(() => this.closeIfIdle());
  }

  /** Closes the connection if it is kept without a request; `release` of its source follows before this returns. */
  closeIfIdle(): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.connecting || socket.destroyed) return false;
    const use = undiciUse(socket);
    if (use !== undefined) {
      const isIdle = use.isIdle || (use.isNew && !this.#isReferenced);
      if (isIdle) use.close();
      return isIdle;
    }
    if (this.#isReferenced || !isInAgent(socket)) return false;
    closeKept(socket);
    return true;
  }

  /** Closes it now if it is idle, otherwise at the end of its request. */
  retire(): void {
    if (this.closeIfIdle() || this.#socket === undefined) return;
    const use = undiciUse(this.#socket);
    this.#revoke = use === undefined ? closeWhenFree(this.#socket) : use.onceIdle(() => use.close());
  }

  /** The descriptor is closed. The same socket may connect again, from another source. */
  ended(): void {
    this.#revoke?.();
  }
}
