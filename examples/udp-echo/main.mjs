// Sends every datagram back, from the address that it was sent to: 64 are received by one system call and answered by
// another one. `socat - UDP:127.0.0.1:7007` talks to it.
import { UdpSocket } from 'linux-sockets';
import { Meter, over } from '../support/meter.mjs';
import { endpointOf, numberOf, orEnd, readArguments } from '../support/usage.mjs';

const USAGE = `Usage: node examples/udp-echo/main.mjs [--bind ADDRESS:PORT] [--seconds N] [--json]

  --bind ADDRESS:PORT   where to receive (default [::]:7007, which also receives IPv4)
  --seconds N           how long to run (default: until Ctrl-C)
  --json                print one JSON object per line: the bound address, each second, the total
  --help                print this
`;

const values = readArguments(USAGE, {
  bind: { type: 'string', default: '[::]:7007' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const bind = endpointOf('--bind', values.bind);
const seconds = values.seconds === undefined ? undefined : numberOf('--seconds', values.seconds, 0.1, 1e6);

// Reports the address that a datagram was sent to: a socket bound to all addresses might otherwise reply from another one.
const udp = orEnd(() => {
  const socket = UdpSocket.create({ family: bind.family, pktinfo: 'require', dropCounter: true });
  socket.bind(bind);
  return socket;
});
process.stdout.write(values.json ? `${JSON.stringify({ local: `${udp.local}` })}\n` : `Echoing on ${udp.local}.\n`);

const replies = udp.createSendBatch({ messages: 64, bytes: 64 * 65_535 });
let unanswered = 0;
udp.on('sendError', () => unanswered++); // no route to the client, a firewall, …: the other replies are sent all the same
udp.on('batch', (received) => {
  for (let i = 0; i < received.length; i++) if (!replies.addReply(received, i, received.data(i))) unanswered++;
  flush();
});

/** Sends the batch. While the send buffer is full nothing is read, so that datagrams wait in the kernel. */
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
