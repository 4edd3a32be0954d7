// `npm start`: reserves a port without sending a packet and proves it, shows what the kernel then refuses to other sockets,
// exchanges data over it, holds more connections than there are ports, and fills a whole port range. Runs in its own network
// namespace, without root.
import { parseArgs } from 'node:util';
import { insideNamespace, namespaceOrReason } from './namespace.mjs';
import { fillRange } from './fill.mjs';
import { reserveAndProve, showClash, useReservation } from './one-port.mjs';
import { report } from './report.mjs';
import { sharePorts } from './share-ports.mjs';

const USAGE = `Usage: npm start [-- --json] [-- --ports N]

  --ports N   size of the range to fill, 16 to 16384 (default 8192)
  --json      print only one JSON object with all measured values
  --help      print this help
`;

const { values } = arguments_();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const ports = Number(values.ports);
if (!Number.isInteger(ports) || ports < 16 || ports > 16384)
  wrongUse(`--ports must be a whole number from 16 to 16384, not '${values.ports}'`);

if (insideNamespace()) await story();
else {
  const refused = namespaceOrReason();
  if (refused !== undefined) await story(refused);
}

/** @param {string} [noNamespace] why there is no namespace; the host's own ports are not filled then */
async function story(noNamespace) {
  const out = report(values.json);
  const { reservation, server, ...proof } = await reserveAndProve(out);
  const clash = await showClash(out, reservation);
  const exchange = await useReservation(out, reservation, server);
  let inNamespace;
  if (noNamespace === undefined) inNamespace = { ...(await sharePorts(out)), ...fillRange(out, ports) };
  else
    out.line(
      `\nNot shown: connections that share ports, and a full port range. Both need a network namespace, which this machine does not allow:\n  ${noNamespace}`,
    );
  out.end({ ...proof, ...clash, ...exchange, ...(inNamespace ?? { notFilled: noNamespace }) });
}

function arguments_() {
  try {
    return parseArgs({
      options: {
        ports: { type: 'string', default: '8192' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return wrongUse(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} why
 * @returns {never}
 */
function wrongUse(why) {
  process.stderr.write(`npm start: ${why}\n`);
  process.exit(2);
}
