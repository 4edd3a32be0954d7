// Finds the descriptor of Node's own sockets: in `_handle`, or for dgram behind a symbol. It is only read, never owned.

/** The descriptor of one of Node's sockets or servers; undefined if it has none (yet, or no longer), or is something else. */
export function descriptorOf(socket: object): number | undefined {
  const fd = 'fd' in socket && typeof socket.fd === 'function' ? callFd(socket) : property(handleOf(socket), 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** Whether it is one of Node's sockets or servers, with or without a descriptor. */
export function isNodeSocket(value: object): boolean {
  return ('fd' in value && typeof value.fd === 'function') || '_handle' in value || dgramState(value) !== undefined;
}

function handleOf(socket: object): unknown {
  const state = dgramState(socket);
  return state === undefined ? property(socket, '_handle') : property(state, 'handle');
}

/** dgram.Socket had a `_handle` too, until Node 26, but touching it prints a deprecation warning (DEP0112). */
function dgramState(socket: object): unknown {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  return symbol === undefined ? undefined : (socket as Record<symbol, unknown>)[symbol];
}

/** net.BoundSocket has a method for its descriptor. */
function callFd(socket: object): unknown {
  return (socket as { fd(): unknown }).fd();
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
