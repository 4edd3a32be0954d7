// The other end of a link: a process in another namespace that captures the frames on its device, and what its
// UDP socket receives.
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { ChildProcess } from 'node:child_process';
import { NativeSocket } from '../../src/index.js';
import { nodeEnvironment } from './child.js';
import type { NetworkNamespace } from './namespace.js';
import { decodeFrame, type WireDatagram } from './udp-capture.js';

/** What a peer has received. */
export interface Arrived {
  /** UDP as it was on the wire, with checksums verified; without fragments. */
  readonly wire: readonly WireDatagram[];
  /** What the socket received. */
  readonly datagrams: readonly Buffer[];
}

/** Receives on one port, IPv4 and IPv6, and captures on one device. Disposing of it ends the process. */
export class UdpPeer implements AsyncDisposable {
  static async start(namespace: NetworkNamespace, device: string, port: number): Promise<UdpPeer> {
    const child = namespace.spawn(
      process.execPath,
      ['--input-type=module', '--eval', SCRIPT, '--', device, String(port)],
      { env: nodeEnvironment() },
    );
    const peer = new UdpPeer(child);
    await peer.#line(); // it listens
    return peer;
  }

  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #marker = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const reader: Interface = createInterface({ input: child.stdout! });
    this.#lines = reader[Symbol.asyncIterator]();
  }

  /**
   * All that arrived since the last call. A marker is sent after it, so that an empty result means that nothing arrived.
   * @param address the peer's
   */
  async collect(address: string, port: number): Promise<Arrived> {
    const marker = `end ${++this.#marker}`;
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    using sender = NativeSocket.create({ family, type: 'dgram' });
    if (sender.sendmsg({ data: Buffer.from(marker), to: { address, port } }) === undefined) throw new Error('blocked');
    this.#child.stdin!.write(`${marker}\n`);
    const found = JSON.parse(await this.#line()) as { frames: string[]; datagrams: string[] };
    const wire = found.frames
      .map((frame) => decodeFrame(Buffer.from(frame, 'base64')))
      .filter((datagram) => datagram?.destinationPort === port && !datagram.payload.equals(Buffer.from(marker)));
    return { wire: wire as WireDatagram[], datagrams: found.datagrams.map((data) => Buffer.from(data, 'base64')) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  async #line(): Promise<string> {
    const { done, value } = (await this.#lines.next()) as IteratorResult<string, undefined>;
    if (done === true) throw new Error('the peer has ended');
    return value;
  }
}

/** Reads the name of a marker, waits until it arrives, and prints what arrived before it. */
const SCRIPT = `
  import { readSync } from 'node:fs';
  import { createInterface } from 'node:readline';
  import { NativeSocket } from 'linux-sockets';
  import { native } from './lib/binding.js';
  import { interfaceIndex } from './lib/kernel/interfaces.js';
  const [AF_PACKET, SOCK_RAW, SOL_SOCKET, SO_RCVBUF, ETH_P_ALL] = [17, 3, 1, 8, 3];
  const [device, port] = process.argv.slice(-2);
  const packet = new (native().Handle)();
  packet.socket(AF_PACKET, SOCK_RAW, 0);
  packet.setsockopt(SOL_SOCKET, SO_RCVBUF, 64 << 20);
  const address = Buffer.alloc(20); // struct sockaddr_ll
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  address.writeInt32LE(interfaceIndex(device), 4);
  if (packet.bind(address) !== 0) throw new Error('bind');
  const socket = NativeSocket.create({ family: 'ipv6', type: 'dgram', sockopts: { SO_RCVBUF: 4 << 20 } });
  socket.bind({ address: '::', port: Number(port) });
  const buffer = Buffer.alloc(70_000);
  const frames = () => {
    const found = [];
    for (;;) {
      try {
        found.push(buffer.toString('base64', 0, readSync(packet.fd(), buffer)));
      } catch (error) {
        if (error.code === 'EAGAIN') return found;
        throw error;
      }
    }
  };
  console.log('ready');
  for await (const marker of createInterface({ input: process.stdin })) {
    const datagrams = [];
    for (;;) {
      const message = socket.recvmsg({ buffers: [buffer] });
      if (message === undefined) await socket.readable();
      else if (buffer.toString('latin1', 0, message.bytes) === marker) break;
      else datagrams.push(buffer.toString('base64', 0, message.bytes));
    }
    console.log(JSON.stringify({ frames: frames(), datagrams }));
  }
`;
