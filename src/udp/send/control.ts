// Writes the control messages of a send (cmsg(3)) into preallocated memory. src/wire/control.ts is for the general case.
// Datagrams to an IPv4 peer, also to a mapped one on an IPv6 socket, need the IPv4 messages: the kernel silently ignores
// the IPv6 ones.
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { CMSG_HEADER } from '../../wire/control.js';
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_DONTFRAG,
  IPV6_HOPLIMIT,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  IP_PKTINFO,
  IP_TOS,
  IP_TTL,
  SCM_TXTIME,
  SOL_SOCKET,
  SO_MARK,
  UDP_SEGMENT,
} from '../../kernel/numbers.js';

/** Bytes of UDP_SEGMENT with its padding. It comes first, so that it can be left out by starting after it. */
export const SEGMENT_CONTROL = 24;

/** Maximum bytes of an address, and of all control messages of one send. */
export const ADDRESS_ROOM = 32;
export const CONTROL_ROOM = 224;

/** Maximum bytes that a message needs in addition to its data. */
export const BESIDE_ROOM = ADDRESS_ROOM + SEGMENT_CONTROL + CONTROL_ROOM;

/** The same memory as bytes and as native-endian words. */
export class Memory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.words = new Uint32Array(this.bytes.buffer);
  }
}

/** UDP_SEGMENT: exactly two bytes; udp(7). */
export function writeSegment(memory: Memory, at: number, size: number): number {
  writeHeader(memory, at, 2, IPPROTO_UDP, UDP_SEGMENT);
  writeUint16(memory.bytes, at + CMSG_HEADER, size);
  return at + SEGMENT_CONTROL;
}

/** The TOS byte: DSCP and ECN. */
export function writeTos(memory: Memory, at: number, ipv4: boolean, tos: number): number {
  return ipv4 ? writeInt(memory, at, IPPROTO_IP, IP_TOS, tos) : writeInt(memory, at, IPPROTO_IPV6, IPV6_TCLASS, tos);
}

export function writeTtl(memory: Memory, at: number, ipv4: boolean, ttl: number): number {
  return ipv4 ? writeInt(memory, at, IPPROTO_IP, IP_TTL, ttl) : writeInt(memory, at, IPPROTO_IPV6, IPV6_HOPLIMIT, ttl);
}

/** IPV6_DONTFRAG; IPv4 has nothing like it per message. */
export function writeDontFragment(memory: Memory, at: number, on: boolean): number {
  return writeInt(memory, at, IPPROTO_IPV6, IPV6_DONTFRAG, on ? 1 : 0);
}

export function writeMark(memory: Memory, at: number, mark: number): number {
  return writeInt(memory, at, SOL_SOCKET, SO_MARK, mark);
}

/** SCM_TXTIME: when to transmit it, in nanoseconds of the clock selected by SO_TXTIME. */
export function writeTransmitTime(memory: Memory, at: number, time: bigint): number {
  writeHeader(memory, at, 8, SOL_SOCKET, SCM_TXTIME);
  const word = (at + CMSG_HEADER) >> 2;
  memory.words[word + LOW] = Number(time & 0xffffffffn);
  memory.words[word + HIGH] = Number(time >> 32n);
  return at + CMSG_HEADER + 8;
}

/**
 * IP_PKTINFO or IPV6_PKTINFO: the source. The kernel takes an IPv4 source from ipi_spec_dst.
 * @param sockaddr the source as a sockaddr_in6; undefined for the interface alone
 */
export function writeSource(
  memory: Memory,
  at: number,
  ipv4: boolean,
  sockaddr: Uint8Array | undefined,
  index: number,
): number {
  const { bytes, words } = memory;
  const data = at + CMSG_HEADER;
  if (ipv4) {
    writeHeader(memory, at, 12, IPPROTO_IP, IP_PKTINFO);
    words[data >> 2] = index;
    words[(data >> 2) + 1] = 0;
    words[(data >> 2) + 2] = 0;
    if (sockaddr !== undefined) copy(sockaddr, SIN6_ADDR + 12, bytes, data + 4, 4);
    return data + 16; // 12, aligned
  }
  writeHeader(memory, at, 20, IPPROTO_IPV6, IPV6_PKTINFO);
  if (sockaddr === undefined) bytes.fill(0, data, data + 16);
  else copy(sockaddr, SIN6_ADDR, bytes, data, 16);
  words[(data >> 2) + 4] = index;
  return data + 24; // 20, aligned
}

function writeInt(memory: Memory, at: number, level: number, type: number, value: number): number {
  writeHeader(memory, at, 4, level, type);
  memory.words[(at + CMSG_HEADER) >> 2] = value;
  return at + CMSG_HEADER + 8;
}

/** struct cmsghdr on 64 bits: size_t length, int level, int type. */
function writeHeader({ words }: Memory, at: number, length: number, level: number, type: number): void {
  const word = at >> 2;
  words[word + LOW] = CMSG_HEADER + length;
  words[word + HIGH] = 0;
  words[word + 2] = level;
  words[word + 3] = type;
}

function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[LITTLE_ENDIAN ? at : at + 1] = value;
  bytes[LITTLE_ENDIAN ? at + 1 : at] = value >> 8;
}

function copy(from: Uint8Array, start: number, into: Uint8Array, at: number, count: number): void {
  for (let i = 0; i < count; i++) into[at + i] = from[start + i] ?? 0;
}

/** The positions of the halves of a 64-bit number. */
const LOW = LITTLE_ENDIAN ? 0 : 1;
const HIGH = LITTLE_ENDIAN ? 1 : 0;
/** The offset of the address in a sockaddr_in6. */
const SIN6_ADDR = 8;
