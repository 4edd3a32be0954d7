// The receiving process of `linux-sockets udp-bench`: counts received datagrams, reports them on request, and exits with
// its parent. A separate process, so that the CPU time of each end can be measured.
import { UdpSocket } from '../../udp/socket.js';

/** Its options, passed as arguments. */
export interface ReceiverOptions {
  readonly gro: boolean;
}

/** Its first message. */
export interface ReceiverReady {
  readonly port: number;
  /** Whether the kernel merges datagrams as requested. */
  readonly gro: boolean;
}

/** Its answer to any message. */
export interface ReceiverSample {
  readonly datagrams: number;
  /** CPU time of this process in microseconds, user and system. */
  readonly cpu: number;
}

function main({ gro }: ReceiverOptions): void {
  let datagrams = 0;
  const udp = UdpSocket.create({ family: 'ipv4', gro, recvBufferSize: QUEUE });
  udp.bind({ address: '127.0.0.1', port: 0 });
  udp.on('batch', (received) => {
    for (let i = 0; i < received.length; i++) datagrams += received.segments(i);
  });
  process.on('disconnect', () => process.exit());
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    say({ datagrams, cpu: user + system });
  });
  say({ port: udp.local.port, gro: udp.features.gro?.on ?? false });
}

function say(message: ReceiverReady | ReceiverSample): void {
  process.send?.(message);
}

const QUEUE = 4 << 20;

main(JSON.parse(process.argv[2] ?? '{}') as ReceiverOptions);
