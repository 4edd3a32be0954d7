// What undici uses its sockets for, from the messages that it publishes on node:diagnostics_channel: it tells a connector
// nothing. Without undici in the process there are no messages.
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { underlying } from '../node/tls-socket.js';

/** The requests in flight on one connection. */
export class UndiciUse {
  /** No request was sent yet: undici has opened it for one, which may have been aborted since. */
  #isNew = true;
  #count = 0;
  #idle: (() => void) | undefined;
  /** The outermost: TLS through a proxy's tunnel has a socket of its own. */
  #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isIdle(): boolean {
    return !this.#isNew && this.#count === 0;
  }

  get isNew(): boolean {
    return this.#isNew;
  }

  /** @returns a function that revokes it */
  onceIdle(listener: () => void): () => void {
    this.#idle = listener;
    return () => (this.#idle = undefined);
  }

  began(): void {
    this.#isNew = false;
    this.#count++;
  }

  ended(): void {
    if (this.#count > 0) this.#count--;
    if (this.isIdle) this.#idle?.();
  }

  /** The tunnel is open, and this TLS socket uses it. */
  tunnelled(socket: Socket): void {
    this.#socket = socket;
    this.#isNew = true;
    this.#count = 0;
  }

  /**
   * Destroys the socket that undici sees, so that it sends nothing more, and with it those below. undici's own code for "no
   * request failed" makes it send waiting requests over another connection; without an error its HTTP/2 client throws.
   */
  close(): void {
    const error = new Error('The connection is not kept: its source was removed, or is at its limit');
    this.#socket.destroy(Object.assign(error, { name: 'InformationalError', code: 'UND_ERR_INFO' }));
  }
}

/** Follows a socket that undici gets, and the TLS that undici puts on top of it when it is a tunnel through a proxy. */
export function followUndici(socket: Socket): void {
  listen();
  uses.set(socket, new UndiciUse(socket));
}

/** What undici uses it for; undefined if the socket is not undici's. */
export function undiciUse(socket: Socket): UndiciUse | undefined {
  return uses.get(socket);
}

interface Message {
  readonly request: object;
  readonly socket?: unknown;
}

function sent({ request, socket }: Message): void {
  const use = uses.get(socket as Socket) ?? tunnelOf(socket as Socket);
  if (use === undefined) return;
  ended({ request }); // it may have been sent before, on a connection that broke
  requests.set(request, use);
  use.began();
}

function tunnelOf(socket: Socket): UndiciUse | undefined {
  const below = underlying(socket);
  const use = below && uses.get(below);
  if (use === undefined) return undefined;
  use.tunnelled(socket);
  uses.set(socket, use);
  return use;
}

function completed(message: Message): void {
  const { upgrade, method } = message.request as { readonly upgrade?: unknown; readonly method?: unknown };
  // An upgraded connection, and a tunnel, have only begun when the request is complete.
  const lives = method === 'CONNECT' || (upgrade !== undefined && upgrade !== null && upgrade !== false);
  if (!lives) ended(message);
}

function ended({ request }: Message): void {
  const use = requests.get(request);
  requests.delete(request);
  use?.ended();
}

function listen(): void {
  if (isListening) return;
  isListening = true;
  subscribe('undici:client:sendHeaders', (message) => sent(message as Message));
  subscribe('undici:request:trailers', (message) => completed(message as Message));
  subscribe('undici:request:error', (message) => ended(message as Message));
}

let isListening = false;
const uses = new WeakMap<Socket, UndiciUse>();
/** The connection that each request in flight was sent on. */
const requests = new WeakMap<object, UndiciUse>();
