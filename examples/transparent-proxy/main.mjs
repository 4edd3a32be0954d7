// A transparent TCP proxy: clients dial their servers, an nft rule (TPROXY) brings the connections here, and the servers see
// the clients' own addresses.
import { Command, InvalidArgumentError } from 'commander';
import { wrongUseIsTwo } from '../support/usage.mjs';
import { proxy } from './proxy.mjs';
import { setUp } from './set-up.mjs';

const PORT = 3129;

const program = wrongUseIsTwo(new Command('transparent-proxy'))
  .description("Passes TCP connections on to where they were dialled, from the client's own address.")
  .option('-p, --port <port>', 'where the rule brings connections', numberOf(0, 65535), PORT)
  .option('-g, --grace <seconds>', 'how long connections may go on after SIGTERM', numberOf(0, 86_400), 10)
  .option('-q, --quiet', 'no line for each connection')
  .addHelpText(
    'after',
    `
It runs on the router between clients and servers, and needs CAP_NET_ADMIN or CAP_NET_RAW. Set up once, as root:

${indent(setUp(PORT, 80))}

Both sides have to be routed through this host: what a server answers to a client must come back here.
A connection to the proxy's own port is refused, since the proxy would connect to itself.
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
    process.exitCode = 1;
  });
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      running.close(signals++ === 0 ? grace * 1000 : 0); // a second one has no patience
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
    throw new InvalidArgumentError(`Wanted a whole number from ${lo} to ${hi}.`);
  };
}

/** @param {string} text */
function indent(text) {
  return text.replaceAll(/^/gm, '  ');
}
