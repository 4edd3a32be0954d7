// Receives UDP as fast as possible: one system call for many datagrams, which the kernel merges if possible (UDP_GRO). Prints
// each second how much arrived, how much the kernel dropped, and the CPU time. Its other end is examples/udp-gso-sender.
import { UdpSocket } from 'linux-sockets';
import { Meter, over } from '../support/meter.mjs';
import { endpointOf, numberOf, orEnd, readArguments, wholeNumberOf } from '../support/usage.mjs';

const USAGE = `Usage: node examples/udp-receiver/main.mjs [--bind ADDRESS:PORT] [--no-gro] [--buffer BYTES] [--seconds N] [--json]

  --bind ADDRESS:PORT   where to receive (default [::]:7000, which also receives IPv4)
  --no-gro              do not let the kernel merge datagrams
  --buffer BYTES        receive buffer, as far as net.core.rmem_max or CAP_NET_ADMIN allows (default 4194304)
  --seconds N           how long to run (default: until Ctrl-C)
  --json                print one JSON object per line: the bound address, each second, the total
  --help                print this
`;

const values = readArguments(USAGE, {
  bind: { type: 'string', default: '[::]:7000' },
  'no-gro': { type: 'boolean', default: false },
  buffer: { type: 'string', default: '4194304' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const bind = endpointOf('--bind', values.bind);
const recvBufferSize = wholeNumberOf('--buffer', values.buffer, 1, 2 ** 30);
const seconds = values.seconds === undefined ? undefined : numberOf('--seconds', values.seconds, 0.1, 1e6);

const udp = orEnd(() => {
  const socket = UdpSocket.create({ family: bind.family, gro: !values['no-gro'], dropCounter: true, recvBufferSize });
  socket.bind(bind);
  return socket;
});
const gro = udp.features.gro?.on === true;
process.stdout.write(
  values.json
    ? `${JSON.stringify({ local: `${udp.local}`, gro })}\n`
    : `Receiving on ${udp.local}, GRO ${gro ? 'on' : 'off'}. Press Ctrl-C to stop.\n`,
);

// A program would read received.data(i) here, and with GRO cut it into datagrams of received.segmentSize(i) bytes. What
// came is counted by the socket itself.
udp.on('batch', (_received) => undefined);

const meter = new Meter(() => {
  const { datagrams, bytes, syscalls, drops } = udp.stats.received;
  return { datagrams, bytes, syscalls, drops };
}, values.json === true);
await over(seconds);
meter.end();
await udp.close();
