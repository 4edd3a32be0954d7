// Sends every datagram back, from the address that it was sent to: 64 are received by one system call and answered by
// another one. `socat - UDP:127.0.0.1:7007` talks to it.
import { UdpSocket } from 'linux-sockets';
import { Meter, over } from '../support/meter.mjs';
import { endpointOf, numberOf, orEnd, readArguments } from '../support/usage.mjs';

const USAGE = `Usage: node examples/udp-echo/main.mjs [--bind ADDRESS:PORT] [--seconds N] [--json]

  --bind ADDRESS:PORT   where to receive (default [::]:7007, which is IPv4 as well)
  --seconds N           then end (default: until Ctrl-C)
  --json                print one JSON object a line: where it is bound, then each second, then the whole
  --help                print this
`;

const values = readArguments(USAGE, {
  bind: { type: 'string', default: '[::]:7007' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const bind = endpointOf('--bind', values.bind);
const seconds = values.seconds === undefined ? undefined : numberOf('--seconds', values.seconds, 0.1, 1e6);

// The address that a datagram was sent to: a socket of all addresses would otherwise answer from any of them.
const udp = orEnd(() => {
  const socket = UdpSocket.create({ family: bind.family, pktinfo: 'require', dropCounter: true });
  socket.bind(bind);
  return socket;
});
process.stdout.write(values.json ? `${JSON.stringify({ local: `${udp.local}` })}\n` : `Echoing at ${udp.local}.\n`);

const replies = udp.createSendBatch({ messages: 64, bytes: 64 * 65_535 });
let unanswered = 0;
udp.on('sendError', () => unanswered++); // no route back, a firewall: whatever it is, the others are answered
udp.on('batch', (received) => {
  for (let i = 0; i < received.length; i++) if (!replies.addReply(received, i, received.data(i))) unanswered++;
  flush();
});

/** Sends what stands in the batch. While the kernel takes no more nothing is read: what comes then waits there. */
function flush() {
  udp.sendBatch(replies);
  if (replies.remaining === 0) {
    replies.clear();
    udp.resume();
  } else {
    udp.pause();
    udp.writable().then(flush, () => undefined); // or it was closed
  }
}

const meter = new Meter(() => {
  const { datagrams, bytes, syscalls, drops } = udp.stats.received;
  return { datagrams, bytes, syscalls, drops: drops + unanswered };
}, values.json === true);
await over(seconds);
meter.end();
await udp.close();
