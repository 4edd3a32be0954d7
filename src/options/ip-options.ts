// Rows of IPPROTO_IP: ip(7), linux/in.h. Rows without `families` also apply to IPv6 sockets, except raw ones.
import { PATH_MTU_DISCOVERY } from './path-mtu-discovery.js';
import {
  IP_FREEBIND,
  IP_TRANSPARENT,
  IP_MTU,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVFRAGSIZE,
  IP_RECVORIGDSTADDR,
  IP_TOS,
  IP_TTL,
} from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const STREAM = ['stream'] as const;
const PACKETS = ['dgram', 'raw'] as const;
const RAW = ['raw'] as const;
/** A raw socket has no ports: its protocol is stored in their place. */
const PORTS = ['stream', 'dgram'] as const;
const IPV4 = ['ipv4'] as const;

// prettier-ignore
export const IP_OPTIONS = {
  IP_TOS: { level: 'IPPROTO_IP', name: IP_TOS, kind: 'int', min: 0, max: 255, inherited: true, readBack: 'adjusted', source: 'ip(7)',
    doc: 'Type of service of outgoing packets; TCP controls the two ECN bits itself.' },
  IP_TTL: { level: 'IPPROTO_IP', name: IP_TTL, kind: 'int', min: 1, max: 255, inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Time to live of outgoing packets.' },
  IP_HDRINCL: { level: 'IPPROTO_IP', name: 3, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7), raw(7)',
    doc: 'Data to send includes an IPv4 header.' },
  IP_OPTIONS: { level: 'IPPROTO_IP', name: 4, kind: 'bytes', max: 40, readBack: 'adjusted', mptcp: 'refused', source: 'ip(7)',
    doc: 'IP options of every packet, as in the header, at most 40 bytes; an empty value removes them.' },
  IP_ROUTER_ALERT: { level: 'IPPROTO_IP', name: 5, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7)',
    doc: 'Receive forwarded packets that carry the router alert option.' },
  IP_RECVOPTS: { level: 'IPPROTO_IP', name: 6, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_RECVOPTS message with each datagram that has IP options.' },
  IP_RETOPTS: { level: 'IPPROTO_IP', name: 7, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_RETOPTS message with each datagram that has IP options: the options to reply with.' },
  IP_PKTINFO: { level: 'IPPROTO_IP', name: IP_PKTINFO, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_PKTINFO message with each datagram: the interface and the local address at which it arrived.' },
  IP_PKTOPTIONS: { level: 'IPPROTO_IP', name: 9, kind: 'messages', access: 'get', types: STREAM, mptcp: 'refused', source: 'net/ipv4/ip_sockglue.c',
    doc: 'Messages of the last packet of a TCP socket, as enabled by IP_PKTINFO, IP_RECVTTL and IP_RECVTOS.' },
  IP_MTU_DISCOVER: { level: 'IPPROTO_IP', name: 10, kind: 'int', min: 0, max: 5, words: PATH_MTU_DISCOVERY, inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: "Path MTU discovery: 'dont' never sets don't-fragment, 'want' follows the route, 'do' always sets it, 'probe' sets it and ignores the path MTU, 'interface' uses the interface MTU, 'omit' as 'interface' but fragments." },
  IP_RECVERR: { level: 'IPPROTO_IP', name: IP_RECVERR, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Queue errors with their origin on the error queue, from which they must be read.' },
  IP_RECVTTL: { level: 'IPPROTO_IP', name: 12, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_TTL message with each datagram.' },
  IP_RECVTOS: { level: 'IPPROTO_IP', name: 13, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_TOS message with each datagram.' },
  IP_MTU: { level: 'IPPROTO_IP', name: IP_MTU, kind: 'int', access: 'get', mptcp: 'refused', source: 'ip(7)',
    doc: 'Known path MTU of a connected socket, in bytes; ENOTCONN otherwise.' },
  IP_FREEBIND: { level: 'IPPROTO_IP', name: IP_FREEBIND, kind: 'flag', inherited: true, source: 'ip(7)',
    doc: 'Allow bind() to an address that is not local, or not yet. IPv4 packets still leave from local addresses only.' },
  IP_PASSSEC: { level: 'IPPROTO_IP', name: 18, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an SCM_SECURITY message with each labelled datagram (IPsec or NetLabel with SELinux).' },
  IP_TRANSPARENT: { level: 'IPPROTO_IP', name: IP_TRANSPARENT, kind: 'flag', privilege: 'CAP_NET_ADMIN or CAP_NET_RAW', inherited: true, source: 'ip(7)',
    doc: 'Transparent proxying: bind to, accept for and send from non-local addresses.' },
  IP_RECVORIGDSTADDR: { level: 'IPPROTO_IP', name: IP_RECVORIGDSTADDR, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_ORIGDSTADDR message with each datagram: its original destination address and port.' },
  IP_MINTTL: { level: 'IPPROTO_IP', name: 21, kind: 'int', min: 0, max: 255, inherited: true, mptcp: 'refused', source: 'linux/in.h, RFC 5082',
    doc: 'Drop TCP segments with a lower time to live; 255 admits only peers on the same link.' },
  IP_NODEFRAG: { level: 'IPPROTO_IP', name: 22, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7)',
    doc: 'Do not let connection tracking reassemble fragments sent by this socket.' },
  IP_CHECKSUM: { level: 'IPPROTO_IP', name: 23, kind: 'flag', inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 4.0 (ad6f939ab193)',
    doc: 'Receive an IP_CHECKSUM message with each datagram whose checksum was computed by the network card.' },
  IP_BIND_ADDRESS_NO_PORT: { level: 'IPPROTO_IP', name: 24, kind: 'flag', types: PORTS, inherited: true, late: 'portAssigned', source: 'ip(7)',
    doc: 'bind() to port 0 defers the choice of a port to connect(), so that the port can be shared between destinations.' },
  IP_RECVFRAGSIZE: { level: 'IPPROTO_IP', name: IP_RECVFRAGSIZE, kind: 'flag', types: PACKETS, source: 'linux/in.h, Linux 4.10 (70ecc24841326)',
    doc: 'Receive an IP_RECVFRAGSIZE message with each datagram that arrived in fragments: the size of the largest one in bytes.' },
  IP_RECVERR_RFC4884: { level: 'IPPROTO_IP', name: 26, kind: 'flag', since: [5, 9], inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 5.9 (eba75c587e81)',
    doc: 'With IP_RECVERR: report where the extensions (RFC 4884) of an ICMP error begin.' },
  IP_UNICAST_IF: { level: 'IPPROTO_IP', name: 50, kind: 'unicastInterface', inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 3.4 (76e21053b5bf)',
    doc: 'Outgoing interface of unicast packets, by name or index; 0 for the interface of the route. The socket receives from all interfaces.' },
  IP_LOCAL_PORT_RANGE: { level: 'IPPROTO_IP', name: 51, kind: 'portRange', types: PORTS, since: [6, 3], inherited: true, late: 'portAssigned', source: 'ip(7), Linux 6.3 (91d0b78c5177)',
    doc: 'Range from which the kernel chooses a local port; it ignores a bound outside net.ipv4.ip_local_port_range.' },
  IP_PROTOCOL: { level: 'IPPROTO_IP', name: 52, kind: 'int', access: 'get', since: [6, 4], mptcp: 'refused', source: 'linux/in.h, Linux 6.4 (3632679d9e4f)',
    doc: 'Protocol of a raw socket; 0 on other sockets.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
