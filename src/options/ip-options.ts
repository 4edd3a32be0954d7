// Rows of IPPROTO_IP: ip(7), linux/in.h. Those without `families` work on IPv6 sockets too, but for raw ones.
import { PATH_MTU_DISCOVERY } from './path-mtu-discovery.js';
import {
  IP_FREEBIND,
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
/** A raw socket has no ports, though its protocol stands where they would be. */
const PORTS = ['stream', 'dgram'] as const;
const IPV4 = ['ipv4'] as const;

// prettier-ignore
export const IP_OPTIONS = {
  IP_TOS: { level: 'IPPROTO_IP', name: IP_TOS, kind: 'int', min: 0, max: 255, inherited: true, readBack: 'adjusted', source: 'ip(7)',
    doc: 'Type of service of outgoing packets; TCP keeps the two ECN bits for itself.' },
  IP_TTL: { level: 'IPPROTO_IP', name: IP_TTL, kind: 'int', min: 1, max: 255, inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Time to live of outgoing packets.' },
  IP_HDRINCL: { level: 'IPPROTO_IP', name: 3, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7), raw(7)',
    doc: 'What is sent starts with an IPv4 header of its own.' },
  IP_OPTIONS: { level: 'IPPROTO_IP', name: 4, kind: 'bytes', max: 40, readBack: 'adjusted', mptcp: 'refused', source: 'ip(7)',
    doc: 'IP options of every packet, as they stand in the header, at most 40 bytes; none removes them.' },
  IP_ROUTER_ALERT: { level: 'IPPROTO_IP', name: 5, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7)',
    doc: 'Get the packets that this host forwards and that have the router alert option.' },
  IP_RECVOPTS: { level: 'IPPROTO_IP', name: 6, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_RECVOPTS message with each datagram that has IP options.' },
  IP_RETOPTS: { level: 'IPPROTO_IP', name: 7, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_RETOPTS message with each datagram that has IP options: those to send back.' },
  IP_PKTINFO: { level: 'IPPROTO_IP', name: IP_PKTINFO, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_PKTINFO message with each datagram: the interface and the local address that it came to.' },
  IP_PKTOPTIONS: { level: 'IPPROTO_IP', name: 9, kind: 'messages', access: 'get', types: STREAM, mptcp: 'refused', source: 'net/ipv4/ip_sockglue.c',
    doc: 'Of a TCP socket: the messages that IP_PKTINFO, IP_RECVTTL and IP_RECVTOS ask for, of the last packet.' },
  IP_MTU_DISCOVER: { level: 'IPPROTO_IP', name: 10, kind: 'int', min: 0, max: 5, words: PATH_MTU_DISCOVERY, inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: "Path MTU discovery: 'dont' never sets don't-fragment, 'want' follows the route, 'do' always sets it, 'probe' sets it and ignores the path MTU, 'interface' uses the interface MTU, 'omit' as 'interface' but fragments." },
  IP_RECVERR: { level: 'IPPROTO_IP', name: IP_RECVERR, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Queue errors with their origin on the error queue; they must then be read from it.' },
  IP_RECVTTL: { level: 'IPPROTO_IP', name: 12, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_TTL message with each datagram.' },
  IP_RECVTOS: { level: 'IPPROTO_IP', name: 13, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_TOS message with each datagram.' },
  IP_MTU: { level: 'IPPROTO_IP', name: IP_MTU, kind: 'int', access: 'get', mptcp: 'refused', source: 'ip(7)',
    doc: 'The known path MTU of a connected socket, in bytes; ENOTCONN before.' },
  IP_FREEBIND: { level: 'IPPROTO_IP', name: IP_FREEBIND, kind: 'flag', inherited: true, source: 'ip(7)',
    doc: 'Let bind() take an address that is not local, or not yet. IPv4 still sends from local addresses only.' },
  IP_PASSSEC: { level: 'IPPROTO_IP', name: 18, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an SCM_SECURITY message with each datagram that came labelled (IPsec or NetLabel with SELinux).' },
  IP_TRANSPARENT: { level: 'IPPROTO_IP', name: 19, kind: 'flag', privilege: 'CAP_NET_ADMIN or CAP_NET_RAW', inherited: true, source: 'ip(7)',
    doc: 'Transparent proxying: bind to, accept for and send from addresses of others.' },
  IP_RECVORIGDSTADDR: { level: 'IPPROTO_IP', name: IP_RECVORIGDSTADDR, kind: 'flag', inherited: true, mptcp: 'refused', source: 'ip(7)',
    doc: 'Receive an IP_ORIGDSTADDR message with each datagram: the address and port that it was sent to.' },
  IP_MINTTL: { level: 'IPPROTO_IP', name: 21, kind: 'int', min: 0, max: 255, inherited: true, mptcp: 'refused', source: 'linux/in.h, RFC 5082',
    doc: 'Drop TCP segments whose time to live is less: 255 lets in the same link only.' },
  IP_NODEFRAG: { level: 'IPPROTO_IP', name: 22, kind: 'flag', families: IPV4, types: RAW, source: 'ip(7)',
    doc: 'Do not let connection tracking put the fragments together that this socket sends.' },
  IP_CHECKSUM: { level: 'IPPROTO_IP', name: 23, kind: 'flag', inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 4.0 (ad6f939ab193)',
    doc: 'Receive an IP_CHECKSUM message with each datagram whose checksum the network card has computed.' },
  IP_BIND_ADDRESS_NO_PORT: { level: 'IPPROTO_IP', name: 24, kind: 'flag', types: PORTS, inherited: true, late: 'portAssigned', source: 'ip(7)',
    doc: 'bind() to port 0 leaves the port open until connect(), so that it can be shared between destinations.' },
  IP_RECVFRAGSIZE: { level: 'IPPROTO_IP', name: IP_RECVFRAGSIZE, kind: 'flag', types: PACKETS, source: 'linux/in.h, Linux 4.10 (70ecc24841326)',
    doc: 'Receive an IP_RECVFRAGSIZE message with each datagram that came in fragments: bytes of the largest one.' },
  IP_RECVERR_RFC4884: { level: 'IPPROTO_IP', name: 26, kind: 'flag', since: [5, 9], inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 5.9 (eba75c587e81)',
    doc: 'With IP_RECVERR: say where the extensions (RFC 4884) of an ICMP error begin.' },
  IP_UNICAST_IF: { level: 'IPPROTO_IP', name: 50, kind: 'unicastInterface', inherited: true, mptcp: 'refused', source: 'linux/in.h, Linux 3.4 (76e21053b5bf)',
    doc: 'The interface that unicast leaves by, by name or index; 0 for the one of the route. It receives from all.' },
  IP_LOCAL_PORT_RANGE: { level: 'IPPROTO_IP', name: 51, kind: 'portRange', types: PORTS, since: [6, 3], inherited: true, late: 'portAssigned', source: 'ip(7), Linux 6.3 (91d0b78c5177)',
    doc: 'The ports that the kernel may pick from; a bound outside net.ipv4.ip_local_port_range is passed over.' },
  IP_PROTOCOL: { level: 'IPPROTO_IP', name: 52, kind: 'int', access: 'get', since: [6, 4], mptcp: 'refused', source: 'linux/in.h, Linux 6.4 (3632679d9e4f)',
    doc: "The protocol of a raw socket's packets; 0 on others." },
} as const satisfies Readonly<Record<string, OptionRow>>;
