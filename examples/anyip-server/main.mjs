// An HTTP server on every address of a prefix, with one socket. Nothing is configured per address: the prefix is routed to
// this host (AnyIP), and the local address of a connection says which address the client connected to.
import { createServer } from 'node:http';
import { Command, InvalidArgumentError } from 'commander';
import { isLocal, listen } from 'linux-sockets';
import { wrongUseIsTwo } from '../support/usage.mjs';
import { insideOnly, parsePrefix, routeCommand } from './prefix.mjs';

const EXAMPLE = { text: 'fd00:1009:bacc::/48', family: /** @type {const} */ ('ipv6') };

const program = wrongUseIsTwo(new Command('anyip-server'))
  .description('Serves HTTP on every address of a prefix with one listener.')
  .argument(
    '<prefix>',
    'such as fd00:1009:bacc::/48 or 192.0.2.0/24; a single address (/128, /32) need not be local',
    prefixOf,
  )
  .option('-p, --port <port>', 'the port; 0: any free port', portOf, 8080)
  .addHelpText(
    'after',
    `
The prefix must be routed to this host. As root:
  ${routeCommand(EXAMPLE)}

Other hosts reach it when they, or their router, have a route to it through this host. To keep an IPv6 prefix inside this
host, as 127.0.0.0/8 is, use these three rules:
${indent(insideOnly(EXAMPLE))}
`,
  )
  .action(serve);

program.parse();

/**
 * @param {import('./prefix.mjs').Prefix} prefix
 * @param {{ port: number }} options
 */
function serve(prefix, { port }) {
  const server = createServer((request, response) => {
    const { localAddress, remoteAddress, remotePort } = request.socket;
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(`You have reached ${localAddress}, from ${remoteAddress} port ${remotePort}.\n`);
  });
  // A listener on all addresses accepts connections to those of the prefix without any option, and to all others as well.
  server.on('connection', (socket) => {
    if (!prefix.contains(socket.localAddress ?? '')) socket.destroy();
  });
  const all = prefix.family === 'ipv6' ? '::' : '0.0.0.0';
  const where = prefix.single ? { host: prefix.first, freebind: true } : { host: all };
  listen(server, { ...where, port, ipv6Only: prefix.family === 'ipv6' }, () => {
    const bound = /** @type {import('node:net').AddressInfo} */ (server.address());
    const host = prefix.family === 'ipv6' ? `[${prefix.last}]` : prefix.last;
    console.log(`Serving every address of ${prefix.text}, port ${bound.port}. Try: curl http://${host}:${bound.port}/`);
    if (!isLocal(prefix.first) || !isLocal(prefix.last)) printSetUp(prefix);
  });
  server.on('error', (error) => {
    console.error(error.message);
    if (!server.listening) process.exitCode = 1; // otherwise a connection was not accepted: no descriptor is left
  });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      server.close();
      server.closeIdleConnections();
    });
  }
}

/** @param {import('./prefix.mjs').Prefix} prefix */
function printSetUp(prefix) {
  console.log(`${prefix.text} is not routed to this host: no connection will arrive until you run, as root:
  ${routeCommand(prefix)}
To keep it inside this host:
${indent(insideOnly(prefix))}`);
}

/** @param {string} text */
function prefixOf(text) {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new InvalidArgumentError('It must be ADDRESS/LENGTH, such as fd00:1009:bacc::/48.');
  return prefix;
}

/** @param {string} text */
function portOf(text) {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError('It must be a port, 0 to 65535.');
  return port;
}

/** @param {string} text */
function indent(text) {
  return text.replaceAll(/^/gm, '  ');
}
