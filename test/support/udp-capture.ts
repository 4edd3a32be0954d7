// Datagrams as they are on the wire: captured when they leave a device, after the kernel has cut them, with checksums verified.
import { readSync } from 'node:fs';
import { native, type Handle } from '../../src/binding.js';
import { check } from '../../src/errors.js';
import { interfaceIndex } from '../../src/kernel/interfaces.js';

export interface WireDatagram {
  readonly destinationPort: number;
  readonly payload: Buffer;
  /** Whether the UDP checksum is present and correct. Packets for a device that computes checksums have none. */
  readonly checksum: boolean;
  /** Bytes of the IP packet. */
  readonly packet: number;
}

/** Captures on one device until its disposal. */
export class UdpCapture implements Disposable {
  readonly #handle: Handle;

  constructor(device: string) {
    const index = interfaceIndex(device);
    if (index === undefined) throw new Error(`there is no device ${device}`);
    this.#handle = new (native().Handle)();
    check('socket', this.#handle.socket(AF_PACKET, SOCK_RAW, 0));
    // The maximum that net.core.rmem_max allows, twice 208 KiB, is about 180 frames. Root gets more.
    check('setsockopt', this.#handle.setsockopt(SOL_SOCKET, SO_RCVBUF, 16 << 20));
    this.#handle.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
    const address = Buffer.alloc(20); // struct sockaddr_ll
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(index, 4);
    check('bind', this.#handle.bind(address));
  }

  /** The datagrams so far that were not fragments. A veth has them as soon as the send returns. */
  datagrams(): WireDatagram[] {
    const found: WireDatagram[] = [];
    for (;;) {
      const frame = this.#read();
      if (frame === undefined) return found;
      const datagram = decodeFrame(frame);
      if (datagram !== undefined) found.push(datagram);
    }
  }

  [Symbol.dispose](): void {
    this.#handle.close();
  }

  /** read(2): recvmsg's MSG_CMSG_CLOEXEC is refused by packet sockets. */
  #read(): Buffer | undefined {
    const frame = Buffer.alloc(70_000);
    try {
      return frame.subarray(0, readSync(this.#handle.fd(), frame));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
      throw error;
    }
  }
}

/** The datagram in an Ethernet frame; undefined for other protocols, and for fragments. */
export function decodeFrame(frame: Buffer): WireDatagram | undefined {
  const packet = frame.subarray(14);
  const protocol = frame.readUInt16BE(12);
  if (protocol === ETH_P_IP) {
    const header = ((packet[0] ?? 0) & 15) * 4;
    if (packet[9] !== IPPROTO_UDP || (packet.readUInt16BE(6) & 0x3fff) !== 0) return undefined;
    return decodeUdp(packet.subarray(header, packet.readUInt16BE(2)), packet.subarray(12, 20), packet.readUInt16BE(2));
  }
  if (protocol !== ETH_P_IPV6 || packet[6] !== IPPROTO_UDP) return undefined;
  const length = packet.readUInt16BE(4);
  return decodeUdp(packet.subarray(40, 40 + length), packet.subarray(8, 40), 40 + length);
}

function decodeUdp(udp: Buffer, addresses: Buffer, packet: number): WireDatagram {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(udp.length, 0);
  pseudo.writeUInt32BE(IPPROTO_UDP, 4);
  const whole = Buffer.concat([addresses, pseudo, udp, Buffer.alloc(udp.length % 2)]);
  let sum = 0;
  for (let at = 0; at < whole.length; at += 2) sum += whole.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return {
    destinationPort: udp.readUInt16BE(2),
    payload: udp.subarray(8),
    checksum: udp.readUInt16BE(6) !== 0 && sum === 0xffff,
    packet,
  };
}

const [AF_PACKET, SOCK_RAW, ETH_P_ALL] = [17, 3, 3];
const [SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE] = [1, 8, 33];
const [ETH_P_IP, ETH_P_IPV6, IPPROTO_UDP] = [0x0800, 0x86dd, 17];
