// The ways in which the tests' connections are made, apart from the one without any change.

/**
 * @typedef {'connect' | 'connect-source' | 'node' | 'node-source'} Route
 *   by this package's `connect()`, or by Node's own `net.connect()` in the same places; `-source`: from 127.0.0.9 or
 *   fd09::9, and with `connect()` from a range of ports as well
 */

/** Those that a suite is run with; Node's own are for comparison. */
export const ROUTES = /** @type {const} */ (['connect', 'connect-source']);

export const SOURCES = { 4: '127.0.0.9', 6: 'fd09::9' };
export const PORTS = /** @type {const} */ ([40_000, 49_999]);

/** For nft: what the kernel sees leave from the sources, so that nobody has to believe the preload. */
export const RULES = `table inet suites {
  counter wanted {}
  counter astray {}
  chain out {
    type filter hook output priority 0;
    tcp flags & (syn | ack) == syn ip saddr ${SOURCES[4]} goto count
    tcp flags & (syn | ack) == syn ip6 saddr ${SOURCES[6]} goto count
  }
  chain count {
    tcp sport ${PORTS.join('-')} counter name wanted accept
    counter name astray
  }
}
`;
