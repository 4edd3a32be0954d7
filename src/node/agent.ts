// The undocumented part of Node's http.Agent: a request gets its socket with `addRequest(request, options)`. Node calls any
// object with that method "agent-like". It calls the documented methods (getName, createConnection), each several times,
// with copies of these options. A socket of an agent emits 'free' when its request has ended, and 'agentRemove' takes it out
// of its agent.
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Changes the options of each request, once, before the agent looks for a socket.
 * @param change returns a copy; `http.request` throws what it throws
 */
export function changeRequests(agent: Agent, change: (options: object) => object): void {
  const agentLike = agent as unknown as AgentLike;
  if (typeof agentLike.addRequest !== 'function') return; // not Node.js
  const addRequest = agentLike.addRequest.bind(agent);
  agentLike.addRequest = (request, options, port, localAddress) => {
    // The old form: addRequest(request, host, port, localAddress).
    const given = typeof options === 'string' ? { host: options, port, localAddress } : options;
    addRequest(request, change(given));
  };
}

/** Has an http.Agent, of whatever origin, taken this socket for its requests? An upgrade takes it out of the agent. */
export function isInAgent(socket: Socket): boolean {
  return socket.listenerCount('agentRemove') > 0;
}

/** Closes a socket that an agent keeps without a request. From here on the agent does not give it to any request. */
export function closeKept(socket: Socket): void {
  socket.destroy();
  socket.emit('agentRemove'); // 'close' would come too late for a request that is made now
}

/**
 * Closes a socket when its request has ended, before the agent gives it to the next one.
 * @returns a function that revokes it
 */
export function closeWhenFree(socket: Socket): () => void {
  const close = (): void => void socket.destroy();
  // First of the listeners: the agent's own then finds a destroyed socket, and makes another for a waiting request.
  socket.prependListener('free', close);
  return () => socket.off('free', close);
}

interface AgentLike {
  addRequest(request: unknown, options: object | string, port?: unknown, localAddress?: unknown): void;
}
