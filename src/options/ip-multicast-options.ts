// Rows of IPPROTO_IP about multicast: ip(7), linux/in.h. Those of RFC 3678 (MCAST_…) serve IPv6 groups too.
import type { OptionRow } from './row.js';

const PACKETS = ['dgram', 'raw'] as const;

// prettier-ignore
export const IP_MULTICAST_OPTIONS = {
  IP_MULTICAST_IF: { level: 'IPPROTO_IP', name: 32, kind: 'ipv4MulticastInterface', types: PACKETS, readBack: 'adjusted', source: 'ip(7)',
    doc: 'The interface that IPv4 multicast leaves by, by address or index; it reads as the address.' },
  IP_MULTICAST_TTL: { level: 'IPPROTO_IP', name: 33, kind: 'int', min: -1, max: 255, types: PACKETS, readBack: 'adjusted', source: 'ip(7)',
    doc: 'Time to live of outgoing IPv4 multicast; 1, the default (-1), stays on the link.' },
  IP_MULTICAST_LOOP: { level: 'IPPROTO_IP', name: 34, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: "Let this host's own members get the IPv4 multicast that it sends; on by default." },
  IP_ADD_MEMBERSHIP: { level: 'IPPROTO_IP', name: 35, kind: 'ipv4Membership', access: 'set', types: PACKETS, source: 'ip(7)',
    doc: 'Join an IPv4 group on an interface.' },
  IP_DROP_MEMBERSHIP: { level: 'IPPROTO_IP', name: 36, kind: 'ipv4Membership', access: 'set', types: PACKETS, source: 'ip(7)',
    doc: 'Leave an IPv4 group.' },
  IP_UNBLOCK_SOURCE: { level: 'IPPROTO_IP', name: 37, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Hear a source of a joined group again.' },
  IP_BLOCK_SOURCE: { level: 'IPPROTO_IP', name: 38, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Hear one source of a joined group no more.' },
  IP_ADD_SOURCE_MEMBERSHIP: { level: 'IPPROTO_IP', name: 39, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Join an IPv4 group for one source only; several calls let in several.' },
  IP_DROP_SOURCE_MEMBERSHIP: { level: 'IPPROTO_IP', name: 40, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Leave an IPv4 group for one source.' },
  IP_MSFILTER: { level: 'IPPROTO_IP', name: 41, kind: 'ipv4SourceFilter', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'All sources of a joined IPv4 group at once: those to let in, or those to keep out.' },
  MCAST_JOIN_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 42, kind: 'groupMembership', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Join a group, IPv4 or IPv6, on an interface.' },
  MCAST_BLOCK_SOURCE: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 43, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Hear one source of a joined group no more.' },
  MCAST_UNBLOCK_SOURCE: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 44, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Hear a source of a joined group again.' },
  MCAST_LEAVE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 45, kind: 'groupMembership', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Leave a group.' },
  MCAST_JOIN_SOURCE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 46, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Join a group for one source only; several calls let in several.' },
  MCAST_LEAVE_SOURCE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 47, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Leave a group for one source.' },
  MCAST_MSFILTER: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 48, kind: 'groupFilter', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'All sources of a joined group at once: those to let in, or those to keep out.' },
  IP_MULTICAST_ALL: { level: 'IPPROTO_IP', name: 49, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Hear every IPv4 group that anybody on this host has joined, on by default but on IPv6 sockets; off, only those that this socket has joined.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
