// The routes: how the connections of the tests are made, apart from unchanged.

/**
 * @typedef {'connect' | 'connect-source' | 'pool' | 'node' | 'node-source'} Route
 *   `connect`: by this package, without a source; `connect-source`: from 127.0.0.9 or fd09::9 and a port range;
 *   `pool`: an EgressPool chooses among these and others, by the family of each attempt. `node`, `node-source`: by Node's
 *   own functions in the same places, to find the cause of a loss.
 */

/** Routes for `--route`; Node's own are for comparison only. */
export const ROUTES = /** @type {const} */ (['connect', 'pool', 'connect-source']);
/** The default routes. */
export const USUAL = /** @type {readonly Route[]} */ (['connect', 'pool']);

/** @param {Route} route @returns {Route} the route that a lost test runs with once more */
export function controlOf(route) {
  return route === 'connect' ? 'node' : 'node-source';
}

export const SOURCES = { 4: '127.0.0.9', 6: 'fd09::9' };
export const POOL = ['127.0.0.9', '127.9.0.0/16', 'fd09::/64'];
export const PORTS = /** @type {const} */ ([40_000, 49_999]);

/** Rules for nft: counts the connections that really leave from the sources, independently of the preload. */
export const RULES = `table inet suites {
  counter wanted {}
  counter astray {}
  chain out {
    type filter hook output priority 0;
    tcp flags & (syn | ack) == syn ip saddr { ${SOURCES[4]}, ${POOL[1]} } goto count
    tcp flags & (syn | ack) == syn ip6 saddr ${POOL[2]} goto count
  }
  chain count {
    tcp sport ${PORTS.join('-')} counter name wanted accept
    counter name astray
  }
}
`;
