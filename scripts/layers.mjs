// The layers of src, from the lowest to the highest. A file imports only from its own line and from lines above it.
// eslint.config.js checks imports against this list, and `npm run docs` prints it in CONTRIBUTING.md.

/**
 * A folder (its path ends with a slash) or a file. A file may have its own line, apart from its folder.
 * @typedef {{ readonly path: string, readonly says: string }} Layer
 */

/** @type {readonly Layer[]} */
export const LAYERS = [
  {
    path: 'native/',
    says: 'syscalls on an owned descriptor, recipes and batches as loops over arenas, readiness (C++)',
  },
  { path: 'src/errors.ts', says: 'every error class of this package' },
  { path: 'src/arguments.ts', says: 'argument checks, with the errors that Node throws' },
  { path: 'src/bounded-map.ts', says: 'a map that does not grow without limit' },
  { path: 'src/kernel/numbers.ts', says: "the kernel's constants: errno, SOL_*, SO_*, IPPROTO_*" },
  { path: 'src/reasons/', says: 'the table of reasons: why a system call failed, and what to do about it' },
  {
    path: 'src/binding.ts',
    says: 'the only file that loads the addon; `interface Native` types every member with its C call',
  },
  { path: 'src/kernel/interfaces.ts', says: 'names and indices of network interfaces' },
  { path: 'src/wire/', says: 'addresses ↔ sockaddr bytes, control messages ↔ bytes' },
  { path: 'src/kernel/', says: 'sysctls, netlink, routes, sock_diag: what this kernel is set to, and what it reports' },
  { path: 'src/node/', says: "Node's internals: handles, hooks, TLS, streams and servers by descriptor" },
  { path: 'src/options/', says: 'the option table, one codec per kind of value' },
  { path: 'src/ports/', says: 'port ranges, who holds which port, evidence, waiting for a port' },
  { path: 'src/source/', says: 'the requested local end: recipes, running them, explaining their failures' },
  { path: 'src/socket/', says: 'NativeSocket: owns one descriptor; readiness' },
  { path: 'src/udp/', says: 'UdpSocket: send (segments, batches), receive, reply' },
  { path: 'src/tcp/', says: 'connect → net.Socket, listen → net.Server' },
  { path: 'src/reserve/', says: 'TCP and UDP port reservations' },
  { path: 'src/egress/', says: 'EgressPool, and its adapters for http, https, undici and others' },
  { path: 'src/index.ts', says: 'exports, and nothing else' },
  { path: 'src/cli/', says: 'the command line; the only user of commander' },
];

/**
 * The position of a file in LAYERS, -1 when no line has it. The longest path that fits decides.
 * @param {string} file relative to the repository, with slashes
 */
export function layerOf(file) {
  let found = -1;
  for (const [index, { path }] of LAYERS.entries()) {
    const fits = path.endsWith('/') ? file.startsWith(path) : file === path;
    if (fits && path.length > (LAYERS[found]?.path.length ?? 0)) found = index;
  }
  return found;
}
