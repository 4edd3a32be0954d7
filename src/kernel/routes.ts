// Route lookups: rtnetlink(7), RTM_GETROUTE. Needs no privilege.
import {
  AF_INET,
  AF_INET6,
  EACCES,
  EAFNOSUPPORT,
  EPROTO,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOTSUP,
} from './numbers.js';
import { isIPv4, isIPv6 } from 'node:net';
import { invalidType, invalidValue } from '../arguments.js';
import { SyscallError } from '../errors.js';
import { isMapped, readIPv4, readIPv6, writeIPv4, writeIPv6 } from '../wire/address.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { zoneIndex } from './interfaces.js';
import { askKernel, attribute, attributes, NETLINK_ROUTE } from './netlink.js';

/** RTN_* of rtnetlink(7), and 'none' if there is no route. */
export type RouteType = 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'other' | 'none';

/** How the kernel would route a packet of this process to an address. */
export interface Route {
  readonly type: RouteType;
  /** The index of the outgoing interface; 0 without a route. */
  readonly interface: number;
  /** The source address that the kernel would pick for an unbound socket. */
  readonly source: string | undefined;
  /** 0, or why there is no route: ENETUNREACH; EHOSTUNREACH, EACCES, EINVAL for unreachable, prohibit, blackhole. Negative. */
  readonly errno: number;
}

/**
 * Whether this host accepts packets to an address: true for its local addresses and for everything routed locally, as by
 * `ip -6 route add local 2001:db8:1::/64 dev lo` (AnyIP). A listener with freebind on any other address receives nothing.
 *
 * Looks up the current routing tables of this process's network namespace, for a socket without a mark (rtnetlink(7)); no
 * packet is sent, and no privilege is needed. False for broadcast and multicast addresses, and without a route. True for
 * 0.0.0.0 and ::, which lead to this host. An IPv4-mapped address is treated as the IPv4 address.
 *
 * @param address a literal, with `%zone` for an IPv6 link-local one; or an Endpoint, whose `address` is used
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (not an IP address, unknown interface); SyscallError of socket if
 * AF_NETLINK is forbidden, or no descriptor is left (EMFILE, ENFILE: reason 'descriptorLimit'); SyscallError of recvmsg
 * if the kernel's answer is lost (ENOBUFS) or has no route in it (EPROTO)
 */
export function isLocal(address: string | { readonly address: string }): boolean {
  return routeTo(address).type === 'local';
}

/** Further properties of the packet, which `ip rule` can match. */
export interface Flow {
  /** The source address, of the destination's family. */
  readonly source?: string;
  /** The index of the outgoing interface. @default that of the zone, or any */
  readonly interface?: number;
  /** SO_MARK */
  readonly mark?: number;
  /** UDP port. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** @throws as isLocal */
export function routeTo(address: string | { readonly address: string }, flow: Flow = {}): Route {
  const { family, bytes, zone } = parse(address);
  const { interface: out = zone } = flow;
  // As for connect(2); the lookup of :: would find the default route.
  if (bytes.every((byte) => byte === 0)) return { ...NO_ROUTE, type: 'local', errno: 0 };
  const source = flow.source === undefined ? EMPTY : parse(flow.source).bytes;
  const body = [rtmsg(family, bytes.length * 8, source.length * 8), attribute(RTA_DST, bytes)];
  if (source.length > 0) body.push(attribute(RTA_SRC, source));
  if (out !== 0) body.push(attribute(RTA_OIF, uint32(out)));
  if (flow.mark !== undefined) body.push(attribute(RTA_MARK, uint32(flow.mark)));
  for (const [type, port] of [
    [RTA_SPORT, flow.sourcePort],
    [RTA_DPORT, flow.destinationPort],
  ] as const) {
    if (port !== undefined) body.push(attribute(RTA_IP_PROTO, UDP), attribute(type, bigEndian16(port)));
  }
  const request = { protocol: NETLINK_ROUTE, type: RTM_GETROUTE, dump: false, body: Buffer.concat(body) };
  const { errno, rows } = askKernel(request, { type: RTM_NEWROUTE, size: RTMSG_SIZE, decode });
  if (errno !== 0 && !UNROUTED.includes(errno)) {
    throw new SyscallError('sendmsg', errno, { remedy: 'The kernel did not answer the route lookup' });
  }
  if (errno !== 0) return { ...NO_ROUTE, errno };
  const [row] = rows;
  if (row === undefined) throw new SyscallError('recvmsg', EPROTO, { remedy: 'The kernel sent no route' });
  return row;
}

function parse(given: string | { readonly address: string }): { family: number; bytes: Uint8Array; zone: number } {
  const text: unknown = typeof given === 'object' && given !== null ? given.address : given;
  if (typeof text !== 'string') throw invalidType('address', 'a string or an Endpoint', given);
  const bytes = new Uint8Array(16);
  if (isIPv4(text)) {
    writeIPv4(text, bytes, 0);
    return { family: AF_INET, bytes: bytes.subarray(0, 4), zone: 0 };
  }
  const percent = text.indexOf('%');
  const bare = percent === -1 ? text : text.slice(0, percent);
  if (!isIPv6(bare)) throw invalidValue('address', text, 'it is not an IP address; names are not resolved here');
  writeIPv6(bare, bytes, 0);
  if (isMapped(bytes, 0)) return { family: AF_INET, bytes: bytes.subarray(12), zone: 0 };
  return { family: AF_INET6, bytes, zone: percent === -1 ? 0 : zoneIndex(text.slice(percent + 1), 'address') };
}

/** struct rtmsg and its attributes. */
function decode(buffer: DataView, start: number, end: number): Route {
  const family = buffer.getUint8(start);
  let out = 0;
  let source: string | undefined;
  for (const { type, at, length } of attributes(buffer, start + RTMSG_SIZE, end)) {
    if (type === RTA_OIF && length >= 4) {
      out = buffer.getUint32(at, LITTLE_ENDIAN);
    } else if (type === RTA_PREFSRC && length >= (family === AF_INET ? 4 : 16)) {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset);
      source = family === AF_INET ? readIPv4(bytes, at) : readIPv6(bytes, at);
    }
  }
  return { type: TYPES[buffer.getUint8(start + 7)] ?? 'other', interface: out, source, errno: 0 };
}

function rtmsg(family: number, destinationBits: number, sourceBits: number): Uint8Array {
  const bytes = new Uint8Array(RTMSG_SIZE);
  bytes[0] = family;
  bytes[1] = destinationBits;
  bytes[2] = sourceBits;
  return bytes;
}

function bigEndian16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, LITTLE_ENDIAN);
  return bytes;
}

const NO_ROUTE: Route = { type: 'none', interface: 0, source: undefined, errno: 0 };

/** By number: RTN_UNSPEC, RTN_UNICAST, RTN_LOCAL, … */
const TYPES: readonly RouteType[] = ['other', 'unicast', 'local', 'broadcast', 'anycast', 'multicast'];

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTMSG_SIZE = 12;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_PREFSRC = 7;
const RTA_MARK = 16;
const RTA_IP_PROTO = 27;
const RTA_SPORT = 28;
const RTA_DPORT = 29;
const UDP = Uint8Array.of(17);
const EMPTY = new Uint8Array(0);

/** Answers, not failures: no route (EACCES is a prohibit route, EINVAL a black hole), unknown interface or family. */
const UNROUTED: readonly number[] = [EACCES, ENODEV, EINVAL, ENOTSUP, EAFNOSUPPORT, ENETUNREACH, EHOSTUNREACH];
