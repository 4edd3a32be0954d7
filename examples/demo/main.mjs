// `npm start`: the main job for real. Reserves a port without sending a packet and proves it, shows what the kernel then
// refuses to others, exchanges data over it, holds more connections than there are ports, and fills a whole port range.
// In a network namespace of its own, without root.
import { parseArgs } from 'node:util';
import { insideNamespace, namespaceOrReason } from './namespace.mjs';
import { fillRange } from './fill.mjs';
import { reserveAndProve, showClash, useReservation } from './one-port.mjs';
import { report } from './report.mjs';
import { sharePorts } from './share-ports.mjs';

const USAGE = `Usage: npm start [-- --json] [-- --ports N]

  --ports N   size of the range that is filled, 16 to 16384 (default 8192)
  --json      print one JSON object with every measured value, and nothing else
  --help      print this
`;

const { values } = arguments_();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const ports = Number(values.ports);
if (!Number.isInteger(ports) || ports < 16 || ports > 16384)
  wrongUse(`--ports takes 16 to 16384, not '${values.ports}'`);

if (insideNamespace()) await story();
else {
  const refused = namespaceOrReason();
  if (refused !== undefined) await story(refused);
}

/** @param {string} [noNamespace] why there is none: then the host's own ports are not filled */
async function story(noNamespace) {
  const out = report(values.json);
  const { reservation, server, ...proof } = await reserveAndProve(out);
  const clash = await showClash(out, reservation);
  const exchange = await useReservation(out, reservation, server);
  let inNamespace;
  if (noNamespace === undefined) inNamespace = { ...(await sharePorts(out)), ...fillRange(out, ports) };
  else
    out.line(
      `\nNot shown: connections that share ports, and a whole port range filled. That wants a network namespace of its own, and this machine allows none:\n  ${noNamespace}`,
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
