// A forward proxy (HTTP CONNECT and SOCKS5) that connects from a pool of addresses and a range of ports.
//
//   node examples/egress-proxy/main.mjs --source 192.0.2.0/28 --source 2001:db8:1::/64 --ports 40000-44999
//
// See --help. Ends on SIGTERM and SIGINT: accepts no more clients, and gives the tunnels time to end.
import { EgressPool } from 'linux-sockets';
import { orEnd } from '../support/usage.mjs';
import { Metrics } from './metrics.mjs';
import { readOptions } from './options.mjs';
import { EgressProxy } from './proxy.mjs';

const options = readOptions(process.argv);
const pool = orEnd(
  () =>
    new EgressPool({
      sources: options.sources,
      strategy: options.strategy,
      ...(options.ports === undefined ? {} : { localPortRange: options.ports }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.freebind ? { freebind: true } : {}),
    }),
);
const metrics = new Metrics(pool);
const proxy = new EgressProxy({ ...options, pool, metrics, log: options.quiet ? () => undefined : line });

try {
  for (const { protocol, address, port } of await proxy.listen()) line({ event: 'listening', protocol, address, port });
} catch (error) {
  process.stderr.write(`egress-proxy: ${error instanceof Error ? error.message : String(error)}\n`);
  await proxy.close(0);
  process.exitCode = 1;
}

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(signal, () => void end(signal));
let ending = false;

/** @param {string} signal */
async function end(signal) {
  const grace = ending ? 0 : options.grace; // a second signal does not wait
  ending = true;
  line({ event: 'ending', signal, open: proxy.open, grace });
  await proxy.close(grace);
  line({ event: 'all ended', ...metrics.totals() });
}

/** One JSON object per line. @param {Record<string, unknown>} event */
function line(event) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
}
