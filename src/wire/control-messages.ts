// The control messages that are known by name, as data: level, type, and how to encode and decode the value.
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_DONTFRAG,
  IPV6_DSTOPTS,
  IPV6_FLOWINFO,
  IPV6_HOPLIMIT,
  IPV6_HOPOPTS,
  IPV6_ORIGDSTADDR,
  IPV6_PATHMTU,
  IPV6_PKTINFO,
  IPV6_RECVERR,
  IPV6_RECVFRAGSIZE,
  IPV6_RTHDR,
  IPV6_TCLASS,
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVFRAGSIZE,
  IP_TOS,
  IP_TTL,
  SCM_TXTIME,
  SOL_SOCKET,
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  TCP_CM_INQ,
  UDP_GRO,
  UDP_SEGMENT,
} from '../kernel/numbers.js';
import { Endpoint } from './endpoint.js';
import {
  int32,
  readBytes,
  readInteger,
  readUint32,
  readUint32BigEndian,
  uint16,
  uint32,
  writeBytes,
} from './messages/bytes.js';
import { readExtendedError, type ExtendedError } from './messages/extended-error.js';
import {
  readPacketInfo4,
  readPacketInfo6,
  writePacketInfo4,
  writePacketInfo6,
  type PacketInfo,
} from './messages/packet-info.js';
import { readPathMtu, type PathMtu } from './messages/path-mtu.js';
import {
  readTimespec,
  readTimestamping,
  readTimeval,
  writeNanoseconds,
  type Timestamps,
} from './messages/timestamps.js';

/** Control messages for sendmsg(2), and their values. */
export interface SentControlValues {
  /** Bytes per datagram that the data is split into, 1 to 65535; udp(7), Linux 4.18 (bec1f6f69736). */
  UDP_SEGMENT: number;
  /** Type of service with the two ECN bits, 0 to 255; ip(7). */
  IP_TOS: number;
  /** Time to live, 1 to 255; ip(7). */
  IP_TTL: number;
  /** The source address and interface; ip(7). */
  IP_PKTINFO: PacketInfo;
  /** Traffic class with the two ECN bits, -1 (the default) to 255; RFC 3542. */
  IPV6_TCLASS: number;
  /** Hop limit, -1 (the default) to 255; RFC 3542. */
  IPV6_HOPLIMIT: number;
  /** The source address and interface; RFC 3542. */
  IPV6_PKTINFO: PacketInfo;
  /** 1: fail with EMSGSIZE instead of fragmenting; RFC 3542. */
  IPV6_DONTFRAG: number;
  /** Hop-by-hop options header, as it goes over the wire; CAP_NET_RAW; RFC 3542. */
  IPV6_HOPOPTS: Uint8Array;
  /** Destination options header, as it goes over the wire; CAP_NET_RAW; RFC 3542. */
  IPV6_DSTOPTS: Uint8Array;
  /** Routing header, as it goes over the wire; RFC 3542. */
  IPV6_RTHDR: Uint8Array;
  /** Flow label and traffic class, as in the header: 28 bits; linux/in6.h. */
  IPV6_FLOWINFO: number;
  /** Mark of the packet; CAP_NET_ADMIN or CAP_NET_RAW; net/ipv4/ip_sockglue.c (c6af0c227a22). */
  SO_MARK: number;
  /** Priority of the packet, 0 to 6, more with CAP_NET_ADMIN; Linux 6.14 (a32f3e9d1ed1). */
  SO_PRIORITY: number;
  /** SOF_TIMESTAMPING_TX_* bits: report when the packet leaves; Documentation/networking/timestamping.rst. */
  SO_TIMESTAMPING: number;
  /** When to transmit the packet, in nanoseconds of the clock selected by SO_TXTIME; Linux 4.19 (80b14dee2bea). */
  SCM_TXTIME: bigint;
}

/** Control messages from recvmsg(2), and their values. */
export interface ReceivedControlValues {
  /** Bytes per datagram, when several were merged; udp(7), Linux 5.0 (e20cf8d3f1f7). */
  UDP_GRO: number;
  /** Type of service with the two ECN bits; ip(7), IP_RECVTOS. */
  IP_TOS: number;
  /** Time to live; ip(7), IP_RECVTTL. */
  IP_TTL: number;
  /** Where it arrived; ip(7). */
  IP_PKTINFO: PacketInfo;
  /** Where it was sent to, with the port; ip(7), IP_RECVORIGDSTADDR. */
  IP_ORIGDSTADDR: Endpoint;
  /** An error with its origin, from the error queue; ip(7). */
  IP_RECVERR: ExtendedError;
  /** Bytes of the largest fragment; linux/in.h (70ecc24841326). */
  IP_RECVFRAGSIZE: number;
  /** Traffic class with the two ECN bits; RFC 3542, IPV6_RECVTCLASS. */
  IPV6_TCLASS: number;
  /** Hop limit; RFC 3542, IPV6_RECVHOPLIMIT. */
  IPV6_HOPLIMIT: number;
  /** Where it arrived; RFC 3542, IPV6_RECVPKTINFO. */
  IPV6_PKTINFO: PacketInfo;
  /** Where it was sent to, with the port; linux/in6.h, IPV6_RECVORIGDSTADDR. */
  IPV6_ORIGDSTADDR: Endpoint;
  /** An error with its origin, from the error queue; ipv6(7). */
  IPV6_RECVERR: ExtendedError;
  /** Bytes of the largest fragment; linux/in6.h (0cc0aa614b4c). */
  IPV6_RECVFRAGSIZE: number;
  /** A path MTU became smaller; RFC 3542, IPV6_RECVPATHMTU. */
  IPV6_PATHMTU: PathMtu;
  /** Flow label and traffic class, as in the header: 28 bits. */
  IPV6_FLOWINFO: number;
  /** Hop-by-hop options header; RFC 3542, IPV6_RECVHOPOPTS. */
  IPV6_HOPOPTS: Uint8Array;
  /** Destination options header; RFC 3542, IPV6_RECVDSTOPTS. */
  IPV6_DSTOPTS: Uint8Array;
  /** Routing header; RFC 3542, IPV6_RECVRTHDR. */
  IPV6_RTHDR: Uint8Array;
  /** Datagrams that this socket has dropped so far, 32 bits; socket(7), SO_RXQ_OVFL. */
  SO_RXQ_OVFL: number;
  /** Mark of the packet; SO_RCVMARK, Linux 5.19 (6fd1d51cfa25). */
  SO_MARK: number;
  /** Priority of the packet; SO_RCVPRIORITY, Linux 6.14 (e45469e594b2). */
  SO_PRIORITY: number;
  /** When it arrived, nanoseconds since 1970, in whole microseconds; socket(7), SO_TIMESTAMP. */
  SCM_TIMESTAMP: bigint;
  /** When it arrived, nanoseconds since 1970; SO_TIMESTAMPNS. */
  SCM_TIMESTAMPNS: bigint;
  /** When it arrived, or left (error queue); Documentation/networking/timestamping.rst. */
  SCM_TIMESTAMPING: Timestamps;
  /** Bytes that are still in the receive queue of a stream; TCP_INQ, Linux 4.18 (b75eba76d3d7). */
  TCP_CM_INQ: number;
}

export type SentControlName = keyof SentControlValues;
export type ReceivedControlName = keyof ReceivedControlValues;
export type ControlName = SentControlName | ReceivedControlName;

interface Numbers {
  readonly level: number;
  readonly type: number;
}
/** Returns undefined if the size of the bytes is not that of the type. */
type Reader<T> = (data: Uint8Array) => T | undefined;
type Writer<T> = (value: T, name: string) => Uint8Array;
type Row<N extends ControlName> = Numbers &
  (N extends ReceivedControlName ? { readonly decode: Reader<ReceivedControlValues[N]> } : object) &
  (N extends SentControlName ? { readonly encode: Writer<SentControlValues[N]> } : object);

// prettier-ignore
export const CONTROL_MESSAGES: { readonly [N in ControlName]: Row<N> } = {
  UDP_SEGMENT:       { level: IPPROTO_UDP,  type: UDP_SEGMENT,       encode: uint16(1) },
  UDP_GRO:           { level: IPPROTO_UDP,  type: UDP_GRO,           decode: readInteger },
  TCP_CM_INQ:        { level: IPPROTO_TCP,  type: TCP_CM_INQ,        decode: readInteger },

  IP_TOS:            { level: IPPROTO_IP,   type: IP_TOS,            decode: readInteger, encode: int32(0, 255) },
  IP_TTL:            { level: IPPROTO_IP,   type: IP_TTL,            decode: readInteger, encode: int32(1, 255) },
  IP_PKTINFO:        { level: IPPROTO_IP,   type: IP_PKTINFO,        decode: readPacketInfo4, encode: writePacketInfo4 },
  IP_RECVERR:        { level: IPPROTO_IP,   type: IP_RECVERR,        decode: readExtendedError },
  IP_ORIGDSTADDR:    { level: IPPROTO_IP,   type: IP_ORIGDSTADDR,    decode: Endpoint.decode },
  IP_RECVFRAGSIZE:   { level: IPPROTO_IP,   type: IP_RECVFRAGSIZE,   decode: readInteger },

  IPV6_FLOWINFO:     { level: IPPROTO_IPV6, type: IPV6_FLOWINFO,     decode: readUint32BigEndian, encode: uint32(0x0fffffff, false) },
  IPV6_RECVERR:      { level: IPPROTO_IPV6, type: IPV6_RECVERR,      decode: readExtendedError },
  IPV6_PKTINFO:      { level: IPPROTO_IPV6, type: IPV6_PKTINFO,      decode: readPacketInfo6, encode: writePacketInfo6 },
  IPV6_HOPLIMIT:     { level: IPPROTO_IPV6, type: IPV6_HOPLIMIT,     decode: readInteger, encode: int32(-1, 255) },
  IPV6_HOPOPTS:      { level: IPPROTO_IPV6, type: IPV6_HOPOPTS,      decode: readBytes, encode: writeBytes },
  IPV6_RTHDR:        { level: IPPROTO_IPV6, type: IPV6_RTHDR,        decode: readBytes, encode: writeBytes },
  IPV6_DSTOPTS:      { level: IPPROTO_IPV6, type: IPV6_DSTOPTS,      decode: readBytes, encode: writeBytes },
  IPV6_PATHMTU:      { level: IPPROTO_IPV6, type: IPV6_PATHMTU,      decode: readPathMtu },
  IPV6_DONTFRAG:     { level: IPPROTO_IPV6, type: IPV6_DONTFRAG,     encode: int32(0, 1) },
  IPV6_TCLASS:       { level: IPPROTO_IPV6, type: IPV6_TCLASS,       decode: readInteger, encode: int32(-1, 255) },
  IPV6_ORIGDSTADDR:  { level: IPPROTO_IPV6, type: IPV6_ORIGDSTADDR,  decode: Endpoint.decode },
  IPV6_RECVFRAGSIZE: { level: IPPROTO_IPV6, type: IPV6_RECVFRAGSIZE, decode: readInteger },

  SO_PRIORITY:       { level: SOL_SOCKET,   type: SO_PRIORITY,       decode: readUint32, encode: uint32() },
  SCM_TIMESTAMP:     { level: SOL_SOCKET,   type: SO_TIMESTAMP,      decode: readTimeval },
  SCM_TIMESTAMPNS:   { level: SOL_SOCKET,   type: SO_TIMESTAMPNS,    decode: readTimespec },
  SO_MARK:           { level: SOL_SOCKET,   type: SO_MARK,           decode: readUint32, encode: uint32() },
  SCM_TIMESTAMPING:  { level: SOL_SOCKET,   type: SO_TIMESTAMPING,   decode: readTimestamping },
  SO_TIMESTAMPING:   { level: SOL_SOCKET,   type: SO_TIMESTAMPING,   encode: uint32() },
  SO_RXQ_OVFL:       { level: SOL_SOCKET,   type: SO_RXQ_OVFL,       decode: readUint32 },
  SCM_TXTIME:        { level: SOL_SOCKET,   type: SCM_TXTIME,        encode: writeNanoseconds },
};
