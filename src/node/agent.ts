// What Node's http.Agent does beyond its documentation: a request asks for its socket with `addRequest(request, options)`.
// Node calls anything with that method "agent-like"; the documented methods (getName, createConnection) follow from it, each
// called several times, with copies of these options.
import type { Agent } from 'node:http';

/**
 * Changes the options of each request, once, before the agent looks for a socket.
 * @param change returns a copy; what it throws, `http.request` throws
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
