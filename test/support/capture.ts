// Packet capture in this process: an AF_PACKET socket sees what passes an interface, which proves what was sent and what was not:
// `frames()` sends a marker after everything and waits until it arrives, so that an empty list means that nothing passed.
import { readSync } from 'node:fs';
import { native, type Handle } from '../../src/binding.js';
import { check } from '../../src/errors.js';
import { interfaceIndex } from '../../src/kernel/interfaces.js';
import { READABLE, Readiness } from '../../src/socket/readiness.js';
import { readIPv4, readIPv6 } from '../../src/wire/address.js';
import { LITTLE_ENDIAN } from '../../src/wire/byte-order.js';

export type Flag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK';

/** A TCP segment, IPv4 or IPv6. */
export interface TcpFrame {
  /** Sent or received by this namespace. On loopback, where a frame is both, it is 'sent', and counted once. */
  readonly direction: 'sent' | 'received';
  /** IPv4-mapped traffic is IPv4. */
  readonly source: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
  /** In the order of `Flag`: ['SYN', 'ACK']. */
  readonly flags: readonly Flag[];
  /** Bytes of data. */
  readonly length: number;
  /** Kinds of the TCP options, without padding: 2 MSS, 3 window scale, 4 SACK permitted, 8 timestamps, 34 Fast Open. */
  readonly options: readonly number[];
}

/** Captures from its start to its disposal, on an Ethernet-like link. Needs CAP_NET_RAW, which the tests' namespace gives. */
export class Capture implements Disposable {
  static start(interfaceName = 'lo'): Capture {
    const index = interfaceIndex(interfaceName);
    if (index === undefined) throw new Error(`there is no interface ${interfaceName}`);
    const handle = new (native().Handle)();
    check('socket', handle.socket(AF_PACKET, SOCK_RAW, 0)); // protocol 0: nothing comes in until it is bound
    try {
      handle.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, int32(64 << 20)); // `frames` checks whether it was enough
      check('bind', handle.bind(linkAddress(index, ETH_P_ALL)));
      return new Capture(handle, index, interfaceName === 'lo');
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  readonly #handle: Handle;
  readonly #readiness: Readiness;
  readonly #index: number;
  readonly #ownAddress: string;
  /** On loopback a frame is seen twice, on its way out and on its way in; these have yet to come in. */
  readonly #goingRound: Set<string> | undefined;
  readonly #frames: TcpFrame[] = [];

  private constructor(handle: Handle, index: number, loopback: boolean) {
    this.#handle = handle;
    this.#readiness = new Readiness(handle);
    this.#index = index;
    const name = new Uint8Array(20);
    check('getsockname', handle.getsockname(name));
    this.#ownAddress = Buffer.from(name.subarray(12, 18)).toString('hex');
    this.#goingRound = loopback ? new Set() : undefined;
  }

  /** All TCP segments from the start until now; a marker that is sent after them proves that none is missing. */
  async frames(): Promise<readonly TcpFrame[]> {
    const marker = nextMarker++;
    sendMarker(this.#index, marker);
    while (!this.#drain(marker)) await this.#readiness.wait(READABLE);
    if (this.#drops() > 0) throw new Error('the kernel dropped captured frames: the receive buffer was too small');
    return [...this.#frames];
  }

  /** Waits until a segment that matches has passed, at any time since the start. */
  async seen(matches: (frame: TcpFrame) => boolean): Promise<TcpFrame> {
    for (;;) {
      this.#drain(undefined);
      const found = this.#frames.find(matches);
      if (found) return found;
      await this.#readiness.wait(READABLE);
    }
  }

  [Symbol.dispose](): void {
    this.#readiness.close();
    this.#handle.close();
  }

  /** Reads what is queued, up to the marker. True when the marker was reached. */
  #drain(marker: number | undefined): boolean {
    for (;;) {
      const length = this.#read();
      if (length === undefined) return false;
      const protocol = packetView.getUint16(12);
      if (protocol === ETH_P_MARKER) {
        if (packetView.getUint32(ETH_HLEN) === marker) return true;
        continue;
      }
      if (this.#goingRound !== undefined) {
        const whole = packet.toString('latin1', 0, length);
        if (this.#goingRound.delete(whole)) continue;
        this.#goingRound.add(whole);
      }
      const sent = packet.toString('hex', 6, 12) === this.#ownAddress;
      const frame = decode(protocol, length, sent ? 'sent' : 'received');
      if (frame !== undefined) this.#frames.push(frame);
    }
  }

  /** read(2), since Handle.recvmsg always asks for MSG_CMSG_CLOEXEC, which packet sockets refuse (EINVAL). */
  #read(): number | undefined {
    try {
      return readSync(this.#handle.fd(), packet);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
      throw error;
    }
  }

  #drops(): number {
    const statistics = new Uint8Array(8); // struct tpacket_stats: packets, drops
    check('getsockopt', this.#handle.getsockopt(SOL_PACKET, PACKET_STATISTICS, statistics));
    return new DataView(statistics.buffer).getUint32(4, LITTLE_ENDIAN);
  }
}

/** What a test compares: the sender ('client' is the side with the port), the flags, and the bytes of data. */
export function summary(frames: readonly TcpFrame[], client: number): string[] {
  return frames.map(({ source, flags, length }) => {
    const who = source.port === client ? 'client' : 'server';
    return `${who} ${flags.join('+')}${length === 0 ? '' : ` ${length} bytes`}`;
  });
}

/** A frame of a protocol of its own, by another socket: a packet socket does not see what it sends itself. */
function sendMarker(index: number, value: number): void {
  const handle = new (native().Handle)();
  check('socket', handle.socket(AF_PACKET, SOCK_DGRAM, 0));
  try {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, value);
    check('sendmsg', handle.sendmsg([data], linkAddress(index, ETH_P_MARKER), NOTHING, 0));
  } finally {
    handle.close();
  }
}

/** struct sockaddr_ll, packet(7); to the broadcast address, where the link has addresses at all. */
function linkAddress(index: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, LITTLE_ENDIAN);
  view.setUint16(2, protocol);
  view.setInt32(4, index, LITTLE_ENDIAN);
  bytes[11] = 6;
  bytes.fill(0xff, 12, 18);
  return bytes;
}

function decode(protocol: number, length: number, direction: TcpFrame['direction']): TcpFrame | undefined {
  const at = ETH_HLEN;
  if (protocol === ETH_P_IP && packet[at + 9] === IPPROTO_TCP) {
    const header = 4 * ((packet[at] ?? 0) & 0xf);
    const end = Math.min(at + packetView.getUint16(at + 2), length); // short frames are padded
    return decodeTcp(at + header, end, direction, readIPv4(packet, at + 12), readIPv4(packet, at + 16));
  }
  if (protocol === ETH_P_IPV6 && packet[at + 6] === IPPROTO_TCP) {
    const end = Math.min(at + 40 + packetView.getUint16(at + 4), length);
    return decodeTcp(at + 40, end, direction, readIPv6(packet, at + 8), readIPv6(packet, at + 24));
  }
  return undefined;
}

function decodeTcp(at: number, end: number, direction: TcpFrame['direction'], from: string, to: string): TcpFrame {
  const data = at + 4 * ((packet[at + 12] ?? 0) >> 4);
  const bits = packet[at + 13] ?? 0;
  const options: number[] = [];
  for (let i = at + 20; i < data && packet[i] !== 0; i += packet[i] === 1 ? 1 : Math.max(packet[i + 1] ?? 2, 2)) {
    if (packet[i] !== 1) options.push(packet[i] ?? 0);
  }
  return {
    direction,
    source: { address: from, port: packetView.getUint16(at) },
    destination: { address: to, port: packetView.getUint16(at + 2) },
    flags: FLAGS.filter((_, bit) => (bits & (1 << bit)) !== 0),
    length: end - data,
    options,
  };
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return bytes;
}

let nextMarker = 1;
const NOTHING = new Uint8Array(0);
// A frame is decoded before the next is read. Frames on loopback, which does not segment, have up to 64 KiB.
const packet = Buffer.alloc(65536 + 64);
const packetView = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);

const FLAGS: readonly Flag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK'];
const AF_PACKET = 17;
const SOCK_DGRAM = 2; // the kernel writes the link's header
const SOCK_RAW = 3; // with the link's header
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const IPPROTO_TCP = 6;
const ETH_HLEN = 14;
const ETH_P_ALL = 0x0003;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_MARKER = 0x88b5; // "local experimental", IEEE 802
