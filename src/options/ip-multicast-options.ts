// Rows of IPPROTO_IP about multicast: ip(7), linux/in.h. Those of RFC 3678 (MCAST_…) also apply to IPv6 groups.
import type { OptionRow } from './row.js';

const PACKETS = ['dgram', 'raw'] as const;

// prettier-ignore
export const IP_MULTICAST_OPTIONS = {
  IP_MULTICAST_IF: { level: 'IPPROTO_IP', name: 32, kind: 'ipv4MulticastInterface', types: PACKETS, readBack: 'adjusted', source: 'ip(7)',
    doc: 'Outgoing interface of IPv4 multicast, by address or index; it reads as the address.' },
  IP_MULTICAST_TTL: { level: 'IPPROTO_IP', name: 33, kind: 'int', min: -1, max: 255, types: PACKETS, readBack: 'adjusted', source: 'ip(7)',
    doc: 'Time to live of outgoing IPv4 multicast; the default of 1 (-1) stays on the link.' },
  IP_MULTICAST_LOOP: { level: 'IPPROTO_IP', name: 34, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Deliver outgoing IPv4 multicast to members on this host; on by default.' },
  IP_ADD_MEMBERSHIP: { level: 'IPPROTO_IP', name: 35, kind: 'ipv4Membership', access: 'set', types: PACKETS, source: 'ip(7)',
    doc: 'Join an IPv4 group on an interface.' },
  IP_DROP_MEMBERSHIP: { level: 'IPPROTO_IP', name: 36, kind: 'ipv4Membership', access: 'set', types: PACKETS, source: 'ip(7)',
    doc: 'Leave an IPv4 group.' },
  IP_UNBLOCK_SOURCE: { level: 'IPPROTO_IP', name: 37, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Unblock a source of a joined IPv4 group.' },
  IP_BLOCK_SOURCE: { level: 'IPPROTO_IP', name: 38, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Block a source of a joined IPv4 group.' },
  IP_ADD_SOURCE_MEMBERSHIP: { level: 'IPPROTO_IP', name: 39, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Join an IPv4 group for one source only; repeat it for more sources.' },
  IP_DROP_SOURCE_MEMBERSHIP: { level: 'IPPROTO_IP', name: 40, kind: 'ipv4SourceMembership', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Leave an IPv4 group for one source.' },
  IP_MSFILTER: { level: 'IPPROTO_IP', name: 41, kind: 'ipv4SourceFilter', access: 'set', mptcp: 'refused', source: 'ip(7)',
    doc: 'Set all sources of a joined IPv4 group to include or to exclude.' },
  MCAST_JOIN_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 42, kind: 'groupMembership', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Join a multicast group, IPv4 or IPv6, on an interface.' },
  MCAST_BLOCK_SOURCE: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 43, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Block a source of a joined group.' },
  MCAST_UNBLOCK_SOURCE: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 44, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Unblock a source of a joined group.' },
  MCAST_LEAVE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 45, kind: 'groupMembership', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Leave a group.' },
  MCAST_JOIN_SOURCE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 46, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Join a group for one source only; repeat it for more sources.' },
  MCAST_LEAVE_SOURCE_GROUP: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 47, kind: 'groupSource', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Leave a group for one source.' },
  MCAST_MSFILTER: { level: 'IPPROTO_IP', groupLevel: 'IPPROTO_IPV6', name: 48, kind: 'groupFilter', access: 'set', mptcp: 'refused', source: 'RFC 3678, linux/in.h',
    doc: 'Set all sources of a joined group to include or to exclude.' },
  IP_MULTICAST_ALL: { level: 'IPPROTO_IP', name: 49, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive every IPv4 group that any socket on this host has joined, the default except on IPv6 sockets; off, only the groups that this socket has joined.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
