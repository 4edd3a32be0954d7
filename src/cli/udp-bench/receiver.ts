// The receiving process of `linux-sockets udp-bench`: counts what arrives, says so when it is asked, and ends with its
// parent. A process of its own, so that each end's CPU time is its own, too.
import { UdpSocket } from '../../udp/socket.js';

/** What it is told, by its arguments. */
export interface ReceiverOptions {
  readonly gro: boolean;
}

/** What it says first. */
export interface ReceiverReady {
  readonly port: number;
  /** Whether the kernel merges datagrams, as was wanted. */
  readonly gro: boolean;
}

/** What it answers to any message. */
export interface ReceiverSample {
  readonly datagrams: number;
  /** Microseconds of this process, user and system. */
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
