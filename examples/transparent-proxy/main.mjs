// A transparent TCP proxy: clients connect to their servers, an nft rule (TPROXY) redirects the connections to this process,
// and the servers see the addresses of the clients.
import { Command, InvalidArgumentError } from 'commander';
import { wrongUseIsTwo } from '../support/usage.mjs';
import { proxy } from './proxy.mjs';
import { setUp } from './set-up.mjs';

const PORT = 3129;

const program = wrongUseIsTwo(new Command('transparent-proxy'))
  .description("Forwards TCP connections to their original destination, from the client's own address.")
  .option('-p, --port <port>', 'the port to which the rule redirects connections', numberOf(0, 65535), PORT)
  .option('-g, --grace <seconds>', 'how long connections may stay open after SIGTERM', numberOf(0, 86_400), 10)
  .option('-q, --quiet', 'do not log connections')
  .addHelpText(
    'after',
    `
It runs on the router between clients and servers, and needs CAP_NET_ADMIN or CAP_NET_RAW. To set up, as root:

${indent(setUp(PORT, 80))}

Both directions must be routed through this host: the answers of a server to a client have to arrive here.
A connection to the proxy's own port is refused, because the proxy would connect to itself.
`,
  )
  .action(run);

program.parse();

/** @param {{ port: number, grace: number, quiet?: true }} options */
function run({ port, grace, quiet }) {
  const running = proxy({ port, log: quiet ? () => undefined : console.log });
  running.server.on('listening', () => {
    const bound = /** @type {import('node:net').AddressInfo} */ (running.server.address());
    console.log(`Listening on port ${bound.port}.`);
  });
  running.server.on('error', (error) => {
    console.error(error.message);
    if (!running.server.listening) process.exitCode = 1; // otherwise a connection was not accepted: no descriptor is left
  });
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      running.close(signals++ === 0 ? grace * 1000 : 0); // the second signal does not wait
    });
  }
}

/**
 * @param {number} lo
 * @param {number} hi
 */
function numberOf(lo, hi) {
  return (/** @type {string} */ text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= lo && number <= hi) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${lo} to ${hi}.`);
  };
}

/** @param {string} text */
function indent(text) {
  return text.replaceAll(/^/gm, '  ');
}
