// The undocumented part of Node's http.Agent: a request gets its socket with `addRequest(request, options)`. Node calls any
// object with that method "agent-like". It calls the documented methods (getName, createConnection), each several times,
// with copies of these options.
import type { Agent } from 'node:http';

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

interface AgentLike {
  addRequest(request: unknown, options: object | string, port?: unknown, localAddress?: unknown): void;
}
