// The tests that are lost by the way they look at Node, not by what `connect()` does: each by name, with its reason.

/** @typedef {import('./routes.mjs').Route} Route */
/**
 * @typedef {object} Loss
 * @property {string} suite
 * @property {string} test
 * @property {readonly Route[]} [routes] all when left out
 * @property {readonly number[]} [lines] of Node; all when left out
 * @property {string} reason
 */

const COUNTS_END =
  "Counts Node's own 'end' listeners on the socket; a pool has one there, to know which side closed first.";

/** @type {readonly Loss[]} */
export const EXPECTED_LOSSES = [
  {
    suite: 'http',
    test: 'parallel/test-http-nodelay',
    reason:
      'Replaces net.Socket.prototype.connect and expects the argument that net.connect gives to it inside Node: an array with a hidden mark.',
  },
  {
    suite: 'http',
    test: 'parallel/test-http-parser-lazy-loaded',
    reason:
      "Replaces the HTTP parser inside Node before node:http is loaded; this package's agents have loaded it by then.",
  },
  {
    suite: 'http',
    test: 'parallel/test-http-agent-uninitialized-with-handle',
    reason: 'Gives a new net.Socket a `_handle` that it made up itself; a socket of the route refuses another handle.',
  },
  {
    suite: 'http',
    test: 'parallel/test-http-client-immediate-error',
    reason: 'Gives a new net.Socket a `_handle` that it made up itself; a socket of the route refuses another handle.',
  },
  {
    suite: 'net',
    test: 'sequential/test-net-reconnect-error',
    routes: ['connect-source'],
    reason:
      'Calls socket.connect(port) again, now without the family that the route had given: ::1 is tried first, and refused for the IPv4 source before the kernel can refuse the connection.',
  },
  { suite: 'net', test: 'parallel/test-net-socket-no-halfopen-enforcer', routes: ['pool'], reason: COUNTS_END },
  { suite: 'http', test: 'parallel/test-http-agent-keepalive', routes: ['pool'], reason: COUNTS_END },
  { suite: 'http', test: 'parallel/test-http-connect', routes: ['pool'], reason: COUNTS_END },
];
