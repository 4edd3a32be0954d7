// A DNS server on every address of a prefix, with one socket. Each answer is sent from the address that was queried,
// since clients ignore others. The addresses need not be assigned to an interface: one route makes the whole prefix local (AnyIP).
import { BlockList } from 'node:net';
import { UdpSocket } from 'linux-sockets';
import { over } from '../support/meter.mjs';
import { numberOf, orEnd, readArguments, wholeNumberOf, wrongUse } from '../support/usage.mjs';
import { answer } from './answer.mjs';

const USAGE = `Usage: node examples/dns-anyip/main.mjs --prefix ADDRESS/BITS[,…] [--port N] [--seconds N] [--json]

Answers queries for any name: A and AAAA with the address that was queried, TXT with the addresses of both sides. First
make the prefix local, as root:

  ip route add local 192.0.2.0/24 dev lo
  ip route add local 2001:db8:53::/48 dev lo

  --prefix ADDRESS/BITS   answer on these addresses, separated by commas; refuse queries to others
  --port N                the port (default 53)
  --seconds N             how long to run (default: until Ctrl-C)
  --json                  print one JSON object per line: when it is ready, then each answer
  --help                  print this
`;

const values = readArguments(USAGE, {
  prefix: { type: 'string' },
  port: { type: 'string', default: '53' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const prefixes = new BlockList();
for (const prefix of values.prefix?.split(',') ?? wrongUse('--prefix is missing')) add(prefix);
const port = wholeNumberOf('--port', values.port, 1, 65535);
const seconds = values.seconds === undefined ? undefined : numberOf('--seconds', values.seconds, 0.1, 1e6);

// One socket for both families. The kernel reports the address that each datagram was sent to; reply() replies from it.
const udp = orEnd(() => {
  const socket = UdpSocket.create({ family: 'ipv6', pktinfo: 'require' });
  socket.bind({ address: '::', port });
  return socket;
});
say({ local: `${udp.local}` }, `Answering on port ${udp.local.port} of ${values.prefix}.`);

udp.on('message', (data, info) => {
  const asked = info.destination;
  if (asked === undefined) return;
  const served = prefixes.check(asked.address, asked.family);
  const made = answer(data, served ? asked : undefined, info.source);
  if (made === undefined) return; // not a question: answering an answer could start an endless loop
  const sent = udp.reply(info, made.data);
  const { question, result } = made;
  say({ asked: asked.address, by: info.address, question, result, sent }, `${asked.address} ${question}: ${result}`);
});

await over(seconds);
await udp.close();

/** @param {Record<string, unknown>} values_ @param {string} text */
function say(values_, text) {
  process.stdout.write(`${values.json ? JSON.stringify(values_) : text}\n`);
}

function add(/** @type {string} */ prefix) {
  const [address = '', bits = ''] = prefix.split('/');
  try {
    prefixes.addSubnet(address, /^\d+$/.test(bits) ? Number(bits) : NaN, address.includes(':') ? 'ipv6' : 'ipv4');
  } catch {
    wrongUse(`--prefix must be ADDRESS/BITS, such as 192.0.2.0/24, not '${prefix}'`);
  }
}
