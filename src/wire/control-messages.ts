// The control messages that are known by name, as data: level and type numbers, and the shape of the value.
import { integer, invalidType } from '../arguments.js';
import { readIPv4, readIPv6, writeIPv4, writeIPv6 } from './address.js';
import { LITTLE_ENDIAN } from './byte-order.js';
import { Endpoint } from './endpoint.js';

/** IP_PKTINFO, ip(7). On receive: where the datagram arrived. On send: `source` and `interface` choose where it leaves. */
export interface PacketInfo {
  /** Interface index; 0 lets the kernel choose. @default 0 */
  readonly interface?: number;
  /** The local address: ipi_spec_dst, or ipi6_addr. @default '0.0.0.0' or '::' */
  readonly source?: string;
  /** The address in the packet's header (IPv4, receive only): ipi_addr. */
  readonly destination?: string;
}

/** What each named control message carries. */
export interface ControlValues {
  /** Bytes per segment of what is sent, 1 to 65535; udp(7), Linux 4.18 (bec1f6f69736). */
  UDP_SEGMENT: number;
  /** Bytes per segment of what was received, when datagrams were merged; udp(7), Linux 5.0 (e20cf8d3f1f7). */
  UDP_GRO: number;
  /** Type of service with the two ECN bits, 0 to 255; ip(7). */
  IP_TOS: number;
  /** Time to live, 1 to 255; ip(7). */
  IP_TTL: number;
  /** Traffic class with the two ECN bits, 0 to 255; ipv6(7), RFC 3542. */
  IPV6_TCLASS: number;
  /** Hop limit, 0 to 255; ipv6(7), RFC 3542. */
  IPV6_HOPLIMIT: number;
  IP_PKTINFO: PacketInfo;
  /** ipv6(7), RFC 3542. */
  IPV6_PKTINFO: PacketInfo;
  /** Where the datagram was sent to, with the port: ip(7), IP_RECVORIGDSTADDR. Receive only. */
  IP_ORIGDSTADDR: Endpoint;
  /** As IP_ORIGDSTADDR. Receive only. */
  IPV6_ORIGDSTADDR: Endpoint;
}

export type ControlMessageName = keyof ControlValues;

interface Row<T> {
  readonly level: number;
  readonly type: number;
  /** undefined when the bytes are not of this type's size. */
  readonly decode: (data: Uint8Array) => T | undefined;
  /** Absent where the kernel takes none: it answers EINVAL. */
  readonly encode?: (value: T, name: string) => Uint8Array;
}

export const CONTROL_MESSAGES: { readonly [N in ControlMessageName]: Row<ControlValues[N]> } = {
  // Two bytes to the kernel: four are EINVAL.
  UDP_SEGMENT: {
    level: 17,
    type: 103,
    decode: readInteger,
    encode: (value, name) => uint16(integer(name, value, 1, 65535)),
  },
  UDP_GRO: { level: 17, type: 104, decode: readInteger },
  IP_TOS: { level: 0, type: 1, decode: readInteger, encode: (value, name) => int32(integer(name, value, 0, 255)) },
  IP_TTL: { level: 0, type: 2, decode: readInteger, encode: (value, name) => int32(integer(name, value, 1, 255)) },
  IPV6_TCLASS: {
    level: 41,
    type: 67,
    decode: readInteger,
    encode: (value, name) => int32(integer(name, value, 0, 255)),
  },
  IPV6_HOPLIMIT: {
    level: 41,
    type: 52,
    decode: readInteger,
    encode: (value, name) => int32(integer(name, value, 0, 255)),
  },
  IP_PKTINFO: { level: 0, type: 8, decode: readPacketInfo4, encode: writePacketInfo4 },
  IPV6_PKTINFO: { level: 41, type: 50, decode: readPacketInfo6, encode: writePacketInfo6 },
  IP_ORIGDSTADDR: { level: 0, type: 20, decode: Endpoint.decode },
  IPV6_ORIGDSTADDR: { level: 41, type: 74, decode: Endpoint.decode },
};

/** One, two or four bytes: IP_TOS comes as one, IP_TTL as four. */
function readInteger(data: Uint8Array): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (data.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, LITTLE_ENDIAN);
    case 4:
      return view.getInt32(0, LITTLE_ENDIAN);
    default:
      return undefined;
  }
}

function uint16(value: number): Uint8Array {
  const data = new Uint8Array(2);
  new DataView(data.buffer).setUint16(0, value, LITTLE_ENDIAN);
  return data;
}

function int32(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return data;
}

/** struct in_pktinfo: int ipi_ifindex, in_addr ipi_spec_dst, in_addr ipi_addr. */
function readPacketInfo4(data: Uint8Array): PacketInfo | undefined {
  if (data.length !== 12) return undefined;
  const index = new DataView(data.buffer, data.byteOffset).getInt32(0, LITTLE_ENDIAN);
  return { interface: index, source: readIPv4(data, 4), destination: readIPv4(data, 8) };
}

function writePacketInfo4(value: PacketInfo, name: string): Uint8Array {
  const data = new Uint8Array(12);
  const { index, source } = checkPacketInfo(value, name);
  new DataView(data.buffer).setInt32(0, index, LITTLE_ENDIAN);
  if (source === undefined) return data;
  if (source.family !== 'ipv4') throw invalidType(`${name}.source`, 'an IPv4 address', value.source);
  // The kernel takes the source from ipi_spec_dst, and passes over ipi_addr in silence.
  writeIPv4(source.address, data, 4);
  return data;
}

/** struct in6_pktinfo: in6_addr ipi6_addr, int ipi6_ifindex. */
function readPacketInfo6(data: Uint8Array): PacketInfo | undefined {
  if (data.length !== 20) return undefined;
  return {
    interface: new DataView(data.buffer, data.byteOffset).getInt32(16, LITTLE_ENDIAN),
    source: readIPv6(data, 0),
  };
}

function writePacketInfo6(value: PacketInfo, name: string): Uint8Array {
  const data = new Uint8Array(20);
  const { index, source } = checkPacketInfo(value, name);
  new DataView(data.buffer).setInt32(16, index === 0 ? (source?.scopeId ?? 0) : index, LITTLE_ENDIAN);
  if (source === undefined) return data;
  writeIPv6(source.family === 'ipv4' ? `::ffff:${source.address}` : (source.address.split('%')[0] ?? ''), data, 0);
  return data;
}

function checkPacketInfo(value: PacketInfo, name: string): { index: number; source: Endpoint | undefined } {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'of type object', value);
  const index = value.interface === undefined ? 0 : integer(`${name}.interface`, value.interface, 0, 2 ** 31 - 1);
  const source =
    value.source === undefined ? undefined : Endpoint.from({ address: value.source, port: 0 }, `${name}.source`);
  return { index, source };
}
