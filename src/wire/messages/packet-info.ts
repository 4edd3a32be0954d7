// IP_PKTINFO and IPV6_PKTINFO: the interface and the local address of a datagram. ip(7), ipv6(7), RFC 3542.
import { integer, invalidValue, object } from '../../arguments.js';
import { readIPv4, readIPv6, withoutZone, writeIPv4, writeIPv6 } from '../address.js';
import { LITTLE_ENDIAN } from '../byte-order.js';
import { Endpoint } from '../endpoint.js';
import { viewOf } from './bytes.js';

/** On receive: where the datagram arrived. On send: `source` and `interface` select where it is sent from. */
export interface PacketInfo {
  /** Interface index; 0 lets the kernel choose. @default 0 */
  readonly interface?: number;
  /** The local address: ipi_spec_dst, or ipi6_addr. @default '0.0.0.0' or '::' */
  readonly source?: string;
  /** The address in the packet's header (IPv4, receive only): ipi_addr. */
  readonly destination?: string;
}

/** struct in_pktinfo: int ipi_ifindex, in_addr ipi_spec_dst, in_addr ipi_addr. */
export function readPacketInfo4(data: Uint8Array): PacketInfo | undefined {
  if (data.length !== 12) return undefined;
  return {
    interface: viewOf(data).getInt32(0, LITTLE_ENDIAN),
    source: readIPv4(data, 4),
    destination: readIPv4(data, 8),
  };
}

export function writePacketInfo4(value: PacketInfo, name: string): Uint8Array {
  const data = new Uint8Array(12);
  const { index, source } = check(value, name);
  viewOf(data).setInt32(0, index, LITTLE_ENDIAN);
  if (source === undefined) return data;
  if (source.family !== 'ipv4') throw invalidValue(`${name}.source`, value.source, 'it is not an IPv4 address');
  // The kernel takes the source from ipi_spec_dst and silently ignores ipi_addr.
  writeIPv4(source.address, data, 4);
  return data;
}

/** struct in6_pktinfo: in6_addr ipi6_addr, int ipi6_ifindex. */
export function readPacketInfo6(data: Uint8Array): PacketInfo | undefined {
  if (data.length !== 20) return undefined;
  return { interface: viewOf(data).getInt32(16, LITTLE_ENDIAN), source: readIPv6(data, 0) };
}

export function writePacketInfo6(value: PacketInfo, name: string): Uint8Array {
  const data = new Uint8Array(20);
  const { index, source } = check(value, name);
  viewOf(data).setInt32(16, index === 0 ? (source?.scopeId ?? 0) : index, LITTLE_ENDIAN);
  if (source === undefined) return data;
  writeIPv6(source.family === 'ipv4' ? `::ffff:${source.address}` : withoutZone(source.address), data, 0);
  return data;
}

function check(value: PacketInfo, name: string): { index: number; source: Endpoint | undefined } {
  object(name, value);
  const index = value.interface === undefined ? 0 : integer(`${name}.interface`, value.interface, 0, 2 ** 31 - 1);
  const source =
    value.source === undefined ? undefined : Endpoint.from({ address: value.source, port: 0 }, `${name}.source`);
  return { index, source };
}
