// The command line. For a wrong argument it prints one line to stderr and exits with status 2.
import { BlockList, isIP } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import { wrongUseIsTwo } from '../support/usage.mjs';
import { addressesOf } from './destination.mjs';

/** @typedef {{ address: string, port: number }} Listener */
/**
 * @typedef {object} ProxyOptions
 * @property {string[]} sources
 * @property {[number, number] | undefined} ports
 * @property {'round-robin' | 'random' | 'least-used' | 'sticky'} strategy
 * @property {number | undefined} limit
 * @property {boolean} freebind
 * @property {Listener | undefined} http
 * @property {Listener | undefined} socks
 * @property {Listener | undefined} metricsListener
 * @property {{ user: string, password: string } | undefined} credentials
 * @property {BlockList} denied
 * @property {number} maxConnections
 * @property {number} connectTimeout milliseconds
 * @property {number} idleTimeout milliseconds
 * @property {number} grace milliseconds
 * @property {boolean} quiet
 */

const HELP = `
Sources must be addresses of this host, or routed to it:
  ip addr add 192.0.2.10/32 dev lo             one address
  ip -6 route add local 2001:db8:1::/64 dev lo a whole prefix (AnyIP)

Credentials are read from the environment, where other users cannot see them: EGRESS_PROXY_AUTH=user:password

To try it:
  node examples/egress-proxy/main.mjs --source 127.0.0.0/24 &
  curl --proxy http://127.0.0.1:3128 --proxytunnel http://127.0.0.1:8000/
  curl --proxy socks5h://127.0.0.1:1080 https://example.com/
`;

/** @param {string[]} argv @returns {ProxyOptions} */
export function readOptions(argv) {
  const command = wrongUseIsTwo(new Command('egress-proxy'))
    .description('An HTTP CONNECT and SOCKS5 proxy that connects from a pool of addresses and a range of ports.')
    .requiredOption('--source <address>', 'an address or a prefix to connect from; repeatable', collect)
    .option('--ports <lo-hi>', 'local ports to connect from, inside net.ipv4.ip_local_port_range', portRange)
    .addOption(
      new Option('--strategy <name>', 'how a source is chosen; sticky: by user name, otherwise by client address')
        .choices(['round-robin', 'random', 'least-used', 'sticky'])
        .default('round-robin'),
    )
    .option('--limit <number>', 'connections per source', count)
    .option('--freebind', 'sources need not be assigned to this host (IP_FREEBIND)', false)
    .addOption(serves('--http <address:port>', "where to serve HTTP CONNECT, or 'off'", '127.0.0.1:3128'))
    .addOption(serves('--socks <address:port>', "where to serve SOCKS5, or 'off'", '127.0.0.1:1080'))
    .addOption(serves('--metrics <address:port>', "where to serve /metrics for Prometheus, or 'off'", 'off'))
    .option('--allow-remote', 'listen on addresses that other hosts can reach', false)
    .option('--deny <prefix>', 'destinations to refuse; repeatable', deny)
    .option('--max-connections <number>', 'maximum number of requests at a time', count, 10_000)
    .addOption(lasts('--connect-timeout <seconds>', 'time limit for connecting to a destination', '10'))
    .addOption(lasts('--idle-timeout <seconds>', 'close a tunnel without data after this time', '300'))
    .addOption(lasts('--grace <seconds>', 'time for the tunnels to end after SIGTERM', '10'))
    .option('--quiet', 'do not log', false)
    .addHelpText('after', HELP)
    .parse(argv);
  const given = command.opts();
  const listeners = /** @type {Record<'http' | 'socks' | 'metrics', Listener | undefined>} */ (
    Object.fromEntries(['http', 'socks', 'metrics'].map((name) => [name, given[name] || undefined]))
  );
  if (listeners.http === undefined && listeners.socks === undefined) command.error('error: nothing to serve');
  for (const [name, where] of Object.entries(listeners)) {
    if (where === undefined || given['allowRemote'] === true || isLoopback(where.address)) continue;
    command.error(
      `error: --${name} ${where.address} is open to other hosts: it needs --allow-remote (and, better, credentials)`,
    );
  }
  return {
    sources: given['source'],
    ports: given['ports'],
    strategy: given['strategy'],
    limit: given['limit'],
    freebind: given['freebind'],
    http: listeners.http,
    socks: listeners.socks,
    metricsListener: listeners.metrics,
    credentials: credentials(command),
    denied: given['deny'] ?? new BlockList(),
    maxConnections: given['maxConnections'],
    connectTimeout: given['connectTimeout'],
    idleTimeout: given['idleTimeout'],
    grace: given['grace'],
    quiet: given['quiet'],
  };
}

/** @param {string} value @param {string[]} [before] */
function collect(value, before = []) {
  return [...before, value];
}

/** @param {string} value @returns {[number, number]} */
function portRange(value) {
  const [, lo, hi] = /^(\d{1,5})-(\d{1,5})$/.exec(value) ?? [];
  if (lo === undefined || hi === undefined || Number(lo) < 1 || Number(hi) > 65535 || Number(lo) > Number(hi))
    throw new InvalidArgumentError('It must have the form 40000-44999.');
  return [Number(lo), Number(hi)];
}

/** @param {string} value */
function count(value) {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(value);
}

/** @param {string} value @returns {number} milliseconds */
function seconds(value) {
  if (!/^\d{1,6}(\.\d{1,3})?$/.test(value))
    throw new InvalidArgumentError('It must be a number of seconds, such as 10 or 0.5.');
  return Number(value) * 1000;
}

/** @param {string} flags @param {string} description @param {string} value */
function lasts(flags, description, value) {
  return new Option(flags, description).argParser(seconds).default(seconds(value), value);
}

/** @param {string} flags @param {string} description @param {string} value */
function serves(flags, description, value) {
  return new Option(flags, description).argParser(listener).default(listener(value), value);
}

/** @param {string} value @returns {Listener | false} false: not served */
function listener(value) {
  if (value === 'off') return false;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined || isIP(address) === 0 || Number(port) > 65535)
    throw new InvalidArgumentError('It must have the form 127.0.0.1:3128 or [::1]:3128.');
  return { address, port: Number(port) };
}

/** @param {string} value @param {BlockList} [before] */
function deny(value, before = new BlockList()) {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const family = isIP(address);
  if (family === 6 && isIP(addressesOf(address)[0]) === 4)
    throw new InvalidArgumentError('Write it as an IPv4 address or prefix.');
  const bits = length === undefined ? (family === 4 ? 32 : 128) : Number(length);
  try {
    before.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  } catch {
    throw new InvalidArgumentError('It must be an address or a prefix, such as 10.0.0.0/8.');
  }
  return before;
}

/** @param {Command} command */
function credentials(command) {
  const text = process.env['EGRESS_PROXY_AUTH'];
  if (text === undefined || text === '') return undefined;
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1)
    return command.error('error: EGRESS_PROXY_AUTH must have the form user:password');
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** @param {string} address */
function isLoopback(address) {
  return address.startsWith('127.') || address === '::1';
}
