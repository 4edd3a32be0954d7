// Sends UDP as fast as possible, or at a given rate: one system call for many datagrams, which the kernel or the network card
// cuts (UDP_SEGMENT). Its other end is examples/udp-receiver.
import { setImmediate as nextTurn, setTimeout as elapsed } from 'node:timers/promises';
import { UdpSocket } from 'linux-sockets';
import { Meter, over } from '../support/meter.mjs';
import { endpointOf, numberOf, orEnd, readArguments, wholeNumberOf, wrongUse } from '../support/usage.mjs';

const USAGE = `Usage: node examples/udp-gso-sender/main.mjs --to ADDRESS:PORT [--size BYTES] [--segments N] [--gso MODE]
                                              [--rate GBIT] [--seconds N] [--json]

  --to ADDRESS:PORT   the receiver: node examples/udp-receiver/main.mjs
  --size BYTES        size of a datagram, 1 to 65507; at most the path MTU minus 28 (IPv4) or 48 (IPv6) (default 1200)
  --segments N        datagrams per send, 1 to 1000 (default 54)
  --gso MODE          'auto', 'off', or 'require': fail where the kernel has no UDP_SEGMENT (default auto)
  --rate GBIT         Gbit/s of payload (default: as fast as possible)
  --seconds N         how long to run (default: until Ctrl-C)
  --json              print one JSON object per line, each second and at the end
  --help              print this
`;

const values = readArguments(USAGE, {
  to: { type: 'string' },
  size: { type: 'string', default: '1200' },
  segments: { type: 'string', default: '54' },
  gso: { type: 'string', default: 'auto' },
  rate: { type: 'string' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const to = endpointOf('--to', values.to);
const size = wholeNumberOf('--size', values.size, 1, 65507);
const segments = wholeNumberOf('--segments', values.segments, 1, 1000);
const rate = values.rate === undefined ? Infinity : numberOf('--rate', values.rate, 0.000001, 10_000);
const seconds = values.seconds === undefined ? undefined : numberOf('--seconds', values.seconds, 0.1, 1e6);

const gso = ['auto', 'off', 'require'].find((mode) => mode === values.gso);
if (gso === undefined) wrongUse(`--gso must be auto, off or require, not '${values.gso}'`);

const udp = orEnd(() => UdpSocket.create({ family: to.family, gso: /** @type {'auto' | 'off' | 'require'} */ (gso) }));
udp.on('gsoDisabled', ({ reason, code }) => {
  process.stderr.write(`udp-gso-sender: segmentation offload is no longer used: ${reason} (${code})\n`);
});
orEnd(() => udp.connect(to));

const meter = new Meter(() => {
  const { datagrams, bytes, syscalls } = udp.stats.sent;
  return { datagrams, bytes, syscalls };
}, values.json === true);
let ended = false;
void over(seconds).then(() => (ended = true));
try {
  await send();
} catch (error) {
  // EMSGSIZE: --size is too long for the path; ENETUNREACH, EPERM (a firewall), …
  process.stderr.write(`udp-gso-sender: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
meter.end();
await udp.close();
process.exit();

async function send() {
  const data = new Uint8Array(segments * size).fill(0x61);
  const options = segments > 1 ? { segmentSize: size } : {};
  const started = performance.now();
  /** Bytes sent since the start. */
  let sent = 0;
  while (!ended) {
    // Send as much as is due by now, but do not block the event loop for longer than this.
    const turn = performance.now() + 5;
    let due = rate * 125_000 * (performance.now() - started);
    let full = false;
    while (sent < due && !full && performance.now() < turn) {
      const taken = trySend(data, options);
      sent += taken;
      full = taken < data.length;
      if (rate !== Infinity) due = rate * 125_000 * (performance.now() - started);
    }
    if (full) await udp.writable();
    else if (sent < due) await nextTurn();
    else await elapsed(1);
  }
}

/**
 * The receiver may not be running yet, or any more: the next send then reports its ICMP error.
 * @param {Uint8Array} data
 * @param {import('linux-sockets').SendOptions} options
 */
function trySend(data, options) {
  try {
    return udp.trySend(data, options);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return data.length;
    throw error;
  }
}
