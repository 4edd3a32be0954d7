// Rows of IPPROTO_IPV6 about extension headers, sent and received. RFC 3542, linux/in6.h.
import { IPV6_DSTOPTS, IPV6_HOPOPTS, IPV6_RTHDR } from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const IPV6 = ['ipv6'] as const;

// prettier-ignore
export const IPV6_EXTENSION_OPTIONS = {
  // Sent with every packet. The bytes are those of the header; the kernel sets its first byte, the next header.
  IPV6_HOPOPTS: { level: 'IPPROTO_IPV6', name: IPV6_HOPOPTS, kind: 'bytes', max: 2048, step: 8, families: IPV6, privilege: 'CAP_NET_RAW', inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Hop-by-hop options header of every packet, complete, a multiple of 8 bytes; an empty value removes it.' },
  IPV6_RTHDRDSTOPTS: { level: 'IPPROTO_IPV6', name: 55, kind: 'bytes', max: 2048, step: 8, families: IPV6, privilege: 'CAP_NET_RAW', inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Destination options header before the routing header, a multiple of 8 bytes; an empty value removes it. Without IPV6_RTHDR it breaks TCP: Linux accounts for it and does not send it.' },
  IPV6_RTHDR: { level: 'IPPROTO_IPV6', name: IPV6_RTHDR, kind: 'bytes', max: 2048, step: 8, families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Routing header of every packet, complete, a multiple of 8 bytes: type 2 (RFC 6275) or 4 (segment routing); an empty value removes it.' },
  IPV6_DSTOPTS: { level: 'IPPROTO_IPV6', name: IPV6_DSTOPTS, kind: 'bytes', max: 2048, step: 8, families: IPV6, privilege: 'CAP_NET_RAW', inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Destination options header of every packet, complete, a multiple of 8 bytes; an empty value removes it.' },

  // Received with each datagram that has one.
  IPV6_RECVHOPOPTS: { level: 'IPPROTO_IPV6', name: 53, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Receive an IPV6_HOPOPTS message with each datagram that has a hop-by-hop options header.' },
  IPV6_RECVRTHDR: { level: 'IPPROTO_IPV6', name: 56, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Receive an IPV6_RTHDR message with each datagram that has a routing header.' },
  IPV6_RECVDSTOPTS: { level: 'IPPROTO_IPV6', name: 58, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 3542',
    doc: 'Receive an IPV6_DSTOPTS message with each datagram that has a destination options header.' },

  // The older form of RFC 2292, for programs that still expect its messages.
  IPV6_2292PKTINFO: { level: 'IPPROTO_IPV6', name: 2, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 2292',
    doc: 'Receive an IPV6_2292PKTINFO message with each datagram; superseded by IPV6_RECVPKTINFO.' },
  IPV6_2292HOPOPTS: { level: 'IPPROTO_IPV6', name: 3, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 2292',
    doc: 'Receive an IPV6_2292HOPOPTS message with each datagram; superseded by IPV6_RECVHOPOPTS.' },
  IPV6_2292DSTOPTS: { level: 'IPPROTO_IPV6', name: 4, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 2292',
    doc: 'Receive an IPV6_2292DSTOPTS message with each datagram; superseded by IPV6_RECVDSTOPTS.' },
  IPV6_2292RTHDR: { level: 'IPPROTO_IPV6', name: 5, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 2292',
    doc: 'Receive an IPV6_2292RTHDR message with each datagram; superseded by IPV6_RECVRTHDR.' },
  IPV6_2292PKTOPTIONS: { level: 'IPPROTO_IPV6', name: 6, kind: 'messages', access: 'get', families: IPV6, types: ['stream'], mptcp: 'refused', source: 'RFC 2292',
    doc: 'Messages of the last packet of a TCP socket, as enabled by IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT and others.' },
  IPV6_2292HOPLIMIT: { level: 'IPPROTO_IPV6', name: 8, kind: 'flag', families: IPV6, inherited: true, mptcp: 'refused', source: 'RFC 2292',
    doc: 'Receive an IPV6_2292HOPLIMIT message with each datagram; superseded by IPV6_RECVHOPLIMIT.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
