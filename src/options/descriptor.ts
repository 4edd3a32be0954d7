// Where Node keeps the descriptor of its own sockets: behind `_handle`, and for dgram behind a symbol. Read, never owned.

/** The descriptor of one of Node's sockets or servers; undefined when it has none (yet, or any more), or is none of these. */
export function descriptorOf(socket: object): number | undefined {
  const fd = 'fd' in socket && typeof socket.fd === 'function' ? callFd(socket) : property(handleOf(socket), 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** Is it one of Node's sockets or servers at all, with a descriptor or without? */
export function isNodeSocket(value: object): boolean {
  return ('fd' in value && typeof value.fd === 'function') || '_handle' in value;
}

function handleOf(socket: object): unknown {
  // dgram.Socket has a `_handle` too, but touching it prints a deprecation warning (DEP0112).
  const state = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'state symbol');
  return state === undefined
    ? property(socket, '_handle')
    : property((socket as Record<symbol, unknown>)[state], 'handle');
}

/** net.BoundSocket's descriptor is behind a method. */
function callFd(socket: object): unknown {
  return (socket as { fd(): unknown }).fd();
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
