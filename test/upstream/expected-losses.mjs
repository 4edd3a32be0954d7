// Tests that cannot pass over connect() because they depend on Node's internals: each by name, with the reason.

/** @typedef {import('./routes.mjs').Route} Route */
/**
 * @typedef {object} Loss
 * @property {string} suite
 * @property {string} test
 * @property {readonly Route[]} [routes] default: all
 * @property {readonly number[]} [lines] of Node; default: all
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
      'Replaces net.Socket.prototype.connect and expects the internal argument that net.connect passes to it: an array marked with a private symbol.',
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
    reason: 'Assigns a fake `_handle` to a new net.Socket; a socket of the route accepts only a TCP handle.',
  },
  {
    suite: 'http',
    test: 'parallel/test-http-client-immediate-error',
    reason: 'Assigns a fake `_handle` to a new net.Socket; a socket of the route accepts only a TCP handle.',
  },
  {
    suite: 'net',
    test: 'sequential/test-net-reconnect-error',
    routes: ['connect-source'],
    reason:
      'Calls socket.connect(port) again, without the family that the route had set: ::1 is tried first and rejected because the source is IPv4, before the kernel can refuse the connection.',
  },
  { suite: 'net', test: 'parallel/test-net-socket-no-halfopen-enforcer', routes: ['pool'], reason: COUNTS_END },
  { suite: 'http', test: 'parallel/test-http-agent-keepalive', routes: ['pool'], reason: COUNTS_END },
  { suite: 'http', test: 'parallel/test-http-connect', routes: ['pool'], reason: COUNTS_END },
];
