// What each option's value is, with its doc line for editors to show. `npm run docs` writes this file from the rows.
import type { KindValues } from './kinds.js';

interface GetOnly<V extends { get: unknown }> {
  get: V['get'];
  set: never;
}

interface SetOnly<V extends { set: unknown }> {
  get: never;
  set: V['set'];
}

/** What each option is when read (`get`) and when set (`set`); `never` where it cannot be. */
export interface OptionValues {
  /** Mark the socket for debugging; the kernel makes next to no use of it. EACCES without the capability. socket(7) */
  readonly SO_DEBUG: KindValues['flag'];
  /** Let bind() take an address that only sockets in TIME-WAIT, or sockets with this option, hold. socket(7) */
  readonly SO_REUSEADDR: KindValues['flag'];
  /** The type of the socket: 1 stream, 2 datagram, 3 raw. socket(7) */
  readonly SO_TYPE: GetOnly<KindValues['int']>;
  /** The pending error as a positive errno, 0 for none; reading clears it. socket(7) */
  readonly SO_ERROR: GetOnly<KindValues['int']>;
  /** Send to hosts on the same link only, through no gateway. socket(7) */
  readonly SO_DONTROUTE: KindValues['flag'];
  /** Let datagrams go to a broadcast address. socket(7) */
  readonly SO_BROADCAST: KindValues['flag'];
  /** Bytes of send buffer; the kernel doubles what is set, up to net.core.wmem_max. socket(7) */
  readonly SO_SNDBUF: KindValues['int'];
  /** Bytes of receive buffer; the kernel doubles what is set, up to net.core.rmem_max. socket(7) */
  readonly SO_RCVBUF: KindValues['int'];
  /** Probe an idle connection. socket(7) */
  readonly SO_KEEPALIVE: KindValues['flag'];
  /** Leave urgent (out-of-band) data in the stream, where it was sent. socket(7) */
  readonly SO_OOBINLINE: KindValues['flag'];
  /** Send UDP over IPv4 without checksum; UDP_SEGMENT refuses to work with it. asm-generic/socket.h */
  readonly SO_NO_CHECK: KindValues['flag'];
  /** Priority of outgoing packets, 0 to 6; more needs CAP_NET_ADMIN. socket(7) */
  readonly SO_PRIORITY: KindValues['int'];
  /** Seconds that close() waits for unsent data; 0 resets the connection, false is off. socket(7) */
  readonly SO_LINGER: KindValues['linger'];
  /** Let several sockets of one user bind the same address and port, and share what arrives. socket(7) */
  readonly SO_REUSEPORT: KindValues['flag'];
  /** Bytes that must be there before the socket counts as readable. socket(7) */
  readonly SO_RCVLOWAT: KindValues['int'];
  /** Always 1, and never to be changed; TCP_NOTSENT_LOWAT is what you may want. socket(7) */
  readonly SO_SNDLOWAT: GetOnly<KindValues['int']>;
  /** Milliseconds that a blocking receive waits, 0 for ever; without effect on non-blocking sockets. socket(7) */
  readonly SO_RCVTIMEO: KindValues['timeout'];
  /** Milliseconds that a blocking send waits, 0 for ever; without effect on non-blocking sockets. socket(7) */
  readonly SO_SNDTIMEO: KindValues['timeout'];
  /** Tie the socket to one network interface by name, '' to untie it; to change one needs CAP_NET_RAW. socket(7) */
  readonly SO_BINDTODEVICE: KindValues['text'];
  /** Does the socket listen? socket(7) */
  readonly SO_ACCEPTCONN: GetOnly<KindValues['flag']>;
  /** The peer's security label; needs labelled networking (NetLabel or IPsec with SELinux), else ENOPROTOOPT. ip(7) */
  readonly SO_PEERSEC: GetOnly<KindValues['text']>;
  /** As SO_SNDBUF, beyond net.core.wmem_max; SO_SNDBUF reads it. socket(7) */
  readonly SO_SNDBUFFORCE: SetOnly<KindValues['int']>;
  /** As SO_RCVBUF, beyond net.core.rmem_max; SO_RCVBUF reads it. socket(7) */
  readonly SO_RCVBUFFORCE: SetOnly<KindValues['int']>;
  /** The mark of outgoing packets, for routing rules and the packet filter. socket(7) */
  readonly SO_MARK: KindValues['uint'];
  /** The protocol of the socket: 6 TCP, 17 UDP, 262 MPTCP. socket(7) */
  readonly SO_PROTOCOL: GetOnly<KindValues['int']>;
  /** The family of the socket: 2 IPv4, 10 IPv6. socket(7) */
  readonly SO_DOMAIN: GetOnly<KindValues['int']>;
  /** Where in the queue the next peek (MSG_PEEK) starts, in bytes; it moves on with each. -1 for off. socket(7); TCP since Linux 6.9 (05ea491641d3) */
  readonly SO_PEEK_OFF: KindValues['int'];
  /** Let a full error queue also wake those who wait for POLLPRI. socket(7) */
  readonly SO_SELECT_ERR_QUEUE: KindValues['flag'];
  /** Bytes per second that the socket sends at most, Infinity for no limit; TCP paces by itself, UDP needs the fq qdisc. asm-generic/socket.h, Linux 3.13 (62748f32d501) */
  readonly SO_MAX_PACING_RATE: KindValues['rate'];
  /** Tell the kernel that the route seems dead: it looks for another one. asm-generic/socket.h, Linux 4.6 (a87cb3e48ee8) */
  readonly SO_CNX_ADVICE: SetOnly<KindValues['action']>;
  /** What memory the socket uses, in bytes, and how many packets it has dropped. linux/sock_diag.h, Linux 4.12 */
  readonly SO_MEMINFO: GetOnly<KindValues['memoryInfo']>;
  /** The number of this socket in its kernel, never used twice. asm-generic/socket.h, Linux 4.12 (5daab9db7b65) */
  readonly SO_COOKIE: GetOnly<KindValues['uint64']>;
  /** Allow MSG_ZEROCOPY: sent memory is not copied, and must not be touched until the error queue says so. UDP since Linux 5.0. Documentation/networking/msg_zerocopy.rst */
  readonly SO_ZEROCOPY: KindValues['flag'];
  /** As SO_BINDTODEVICE, by index; 0 to untie it. asm-generic/socket.h, Linux 5.1 (f5dd3d0c9638) */
  readonly SO_BINDTOIFINDEX: KindValues['int'];
  /** The number of the socket's network namespace, never used twice. asm-generic/socket.h, Linux 5.14 (e8b9eab99232) */
  readonly SO_NETNS_COOKIE: GetOnly<KindValues['uint64']>;
  /** Which buffer keeps its size and is not tuned by the kernel: 1 send, 2 receive, 3 both, 0 none. SO_SNDBUF and SO_RCVBUF lock theirs. asm-generic/socket.h, Linux 5.15 (04190bf8944d) */
  readonly SO_BUF_LOCK: KindValues['int'];
  /** Bytes of memory that are kept for this socket, in whole pages; needs a memory cgroup, else ENOTSUP. asm-generic/socket.h, Linux 5.16 (2bb2f5fb21b0) */
  readonly SO_RESERVE_MEM: KindValues['int'];
  /** Try another path (another flow hash) when data is lost: 1 on, 0 off, -1 as net.core.txrehash says. asm-generic/socket.h, Linux 5.18 (26859240e4ee) */
  readonly SO_TXREHASH: KindValues['int'];
  /** Receive an SCM_TIMESTAMP message with each packet: when it arrived, to the microsecond. socket(7) */
  readonly SO_TIMESTAMP: KindValues['flag'];
  /** Receive an SCM_TIMESTAMPNS message with each packet: when it arrived, to the nanosecond. Turns SO_TIMESTAMP off. socket(7) */
  readonly SO_TIMESTAMPNS: KindValues['flag'];
  /** Which times of packets are taken and reported, received and sent ones, by the kernel or the network card. Documentation/networking/timestamping.rst */
  readonly SO_TIMESTAMPING: KindValues['timestamping'];
  /** Receive an SO_RXQ_OVFL message with each packet: how many this socket has dropped so far. socket(7) */
  readonly SO_RXQ_OVFL: KindValues['flag'];
  /** Report for what was sent over Wi-Fi whether it was acknowledged, on the error queue. asm-generic/socket.h, Linux 3.3 */
  readonly SO_WIFI_STATUS: KindValues['flag'];
  /** Take the time at which a packet shall leave from its SCM_TXTIME message; needs the fq or etf qdisc. asm-generic/socket.h, Linux 4.19 (80b14dee2bea) */
  readonly SO_TXTIME: KindValues['transmitTime'];
  /** Receive an SO_MARK message with each packet: its mark. Older kernels want CAP_NET_ADMIN or CAP_NET_RAW. asm-generic/socket.h, Linux 5.19 (6fd1d51cfa25) */
  readonly SO_RCVMARK: KindValues['flag'];
  /** Receive an SO_PRIORITY message with each packet: its priority. asm-generic/socket.h, Linux 6.14 (e45469e594b2) */
  readonly SO_RCVPRIORITY: KindValues['flag'];
  /** A classic BPF program: how many bytes of a packet the socket gets, 0 to drop it. Attaching another one replaces it. socket(7) */
  readonly SO_ATTACH_FILTER: KindValues['filter'];
  /** Remove the program of SO_ATTACH_FILTER or SO_ATTACH_BPF; ENOENT when there is none. socket(7) */
  readonly SO_DETACH_FILTER: SetOnly<KindValues['action']>;
  /** Keep the filter as it is: no other one, no removal, and no way back (EPERM). socket(7) */
  readonly SO_LOCK_FILTER: KindValues['flag'];
  /** How far the kernel's own classic BPF loads reach (SKF_AD_MAX). asm-generic/socket.h, Linux 3.14 */
  readonly SO_BPF_EXTENSIONS: GetOnly<KindValues['int']>;
  /** As SO_ATTACH_FILTER, by the descriptor of a loaded program of type BPF_PROG_TYPE_SOCKET_FILTER. socket(7) */
  readonly SO_ATTACH_BPF: SetOnly<KindValues['program']>;
  /** The CPU that last received for this socket; set, the one that a reuseport group shall use it for. socket(7) */
  readonly SO_INCOMING_CPU: KindValues['int'];
  /** A classic BPF program that picks the socket of the SO_REUSEPORT group by index, in the order of binding: steerByCpu and others. socket(7) */
  readonly SO_ATTACH_REUSEPORT_CBPF: SetOnly<KindValues['filter']>;
  /** As SO_ATTACH_REUSEPORT_CBPF, by the descriptor of a loaded program. socket(7) */
  readonly SO_ATTACH_REUSEPORT_EBPF: SetOnly<KindValues['program']>;
  /** Remove the program of SO_ATTACH_REUSEPORT_CBPF or _EBPF; ENOENT when there is none. asm-generic/socket.h, Linux 5.3 */
  readonly SO_DETACH_REUSEPORT_BPF: SetOnly<KindValues['action']>;
  /** The receive queue (NAPI) that the last packet came through, 0 for none. socket(7) */
  readonly SO_INCOMING_NAPI_ID: GetOnly<KindValues['uint']>;
  /** Microseconds that a blocking receive polls the device queue; older kernels want CAP_NET_ADMIN for more than before. socket(7) */
  readonly SO_BUSY_POLL: KindValues['int'];
  /** Keep interrupts off as long as the socket polls. Documentation/networking/napi.rst, Linux 5.11 (7fd3253a7de6) */
  readonly SO_PREFER_BUSY_POLL: KindValues['flag'];
  /** Packets that one busy poll takes at most; more than 8 needs the capability. Documentation/networking/napi.rst, Linux 5.11 (7c951cafc0cb) */
  readonly SO_BUSY_POLL_BUDGET: SetOnly<KindValues['int']>;
  /** Type of service of outgoing packets; TCP keeps the two ECN bits for itself. ip(7) */
  readonly IP_TOS: KindValues['int'];
  /** Time to live of outgoing packets. ip(7) */
  readonly IP_TTL: KindValues['int'];
  /** What is sent starts with an IPv4 header of its own. ip(7), raw(7) */
  readonly IP_HDRINCL: KindValues['flag'];
  /** IP options of every packet, as they stand in the header, at most 40 bytes; none removes them. ip(7) */
  readonly IP_OPTIONS: KindValues['bytes'];
  /** Get the packets that this host forwards and that have the router alert option. ip(7) */
  readonly IP_ROUTER_ALERT: KindValues['flag'];
  /** Receive an IP_RECVOPTS message with each datagram that has IP options. ip(7) */
  readonly IP_RECVOPTS: KindValues['flag'];
  /** Receive an IP_RETOPTS message with each datagram that has IP options: those to send back. ip(7) */
  readonly IP_RETOPTS: KindValues['flag'];
  /** Receive an IP_PKTINFO message with each datagram: the interface and the local address that it came to. ip(7) */
  readonly IP_PKTINFO: KindValues['flag'];
  /** Of a TCP socket: the messages that IP_PKTINFO, IP_RECVTTL and IP_RECVTOS ask for, of the last packet. net/ipv4/ip_sockglue.c */
  readonly IP_PKTOPTIONS: GetOnly<KindValues['messages']>;
  /** Path MTU discovery: 0 never, 1 by route, 2 always, 3 probe, 4 interface MTU, 5 as 4 and fragment. ip(7) */
  readonly IP_MTU_DISCOVER: KindValues['int'];
  /** Queue errors with their origin on the error queue; they must then be read from it. ip(7) */
  readonly IP_RECVERR: KindValues['flag'];
  /** Receive an IP_TTL message with each datagram. ip(7) */
  readonly IP_RECVTTL: KindValues['flag'];
  /** Receive an IP_TOS message with each datagram. ip(7) */
  readonly IP_RECVTOS: KindValues['flag'];
  /** The known path MTU of a connected socket, in bytes; ENOTCONN before. ip(7) */
  readonly IP_MTU: GetOnly<KindValues['int']>;
  /** Let bind() take an address that is not local, or not yet. IPv4 still sends from local addresses only. ip(7) */
  readonly IP_FREEBIND: KindValues['flag'];
  /** Receive an SCM_SECURITY message with each datagram that came labelled (IPsec or NetLabel with SELinux). ip(7) */
  readonly IP_PASSSEC: KindValues['flag'];
  /** Transparent proxying: bind to, accept for and send from addresses of others. ip(7) */
  readonly IP_TRANSPARENT: KindValues['flag'];
  /** Receive an IP_ORIGDSTADDR message with each datagram: the address and port that it was sent to. ip(7) */
  readonly IP_RECVORIGDSTADDR: KindValues['flag'];
  /** Drop TCP segments whose time to live is less: 255 lets in the same link only. linux/in.h, RFC 5082 */
  readonly IP_MINTTL: KindValues['int'];
  /** Do not let connection tracking put the fragments together that this socket sends. ip(7) */
  readonly IP_NODEFRAG: KindValues['flag'];
  /** Receive an IP_CHECKSUM message with each datagram whose checksum the network card has computed. linux/in.h, Linux 4.0 (ad6f939ab193) */
  readonly IP_CHECKSUM: KindValues['flag'];
  /** bind() to port 0 leaves the port open until connect(), so that it can be shared between destinations. ip(7) */
  readonly IP_BIND_ADDRESS_NO_PORT: KindValues['flag'];
  /** Receive an IP_RECVFRAGSIZE message with each datagram that came in fragments: bytes of the largest one. linux/in.h, Linux 4.10 (70ecc24841326) */
  readonly IP_RECVFRAGSIZE: KindValues['flag'];
  /** With IP_RECVERR: say where the extensions (RFC 4884) of an ICMP error begin. linux/in.h, Linux 5.9 (eba75c587e81) */
  readonly IP_RECVERR_RFC4884: KindValues['flag'];
  /** The interface that unicast leaves by, by name or index; 0 for the one of the route. It receives from all. linux/in.h, Linux 3.4 (76e21053b5bf) */
  readonly IP_UNICAST_IF: KindValues['unicastInterface'];
  /** The ports that the kernel may pick from; a bound outside net.ipv4.ip_local_port_range is passed over. ip(7), Linux 6.3 (91d0b78c5177) */
  readonly IP_LOCAL_PORT_RANGE: KindValues['portRange'];
  /** The protocol of a raw socket's packets; 0 on others. linux/in.h, Linux 6.4 (3632679d9e4f) */
  readonly IP_PROTOCOL: GetOnly<KindValues['int']>;
  /** The interface that IPv4 multicast leaves by, by address or index; it reads as the address. ip(7) */
  readonly IP_MULTICAST_IF: KindValues['ipv4MulticastInterface'];
  /** Time to live of outgoing IPv4 multicast; 1, the default (-1), stays on the link. ip(7) */
  readonly IP_MULTICAST_TTL: KindValues['int'];
  /** Let this host's own members get the IPv4 multicast that it sends; on by default. ip(7) */
  readonly IP_MULTICAST_LOOP: KindValues['flag'];
  /** Join an IPv4 group on an interface. ip(7) */
  readonly IP_ADD_MEMBERSHIP: SetOnly<KindValues['ipv4Membership']>;
  /** Leave an IPv4 group. ip(7) */
  readonly IP_DROP_MEMBERSHIP: SetOnly<KindValues['ipv4Membership']>;
  /** Hear a source of a joined group again. ip(7) */
  readonly IP_UNBLOCK_SOURCE: SetOnly<KindValues['ipv4SourceMembership']>;
  /** Hear one source of a joined group no more. ip(7) */
  readonly IP_BLOCK_SOURCE: SetOnly<KindValues['ipv4SourceMembership']>;
  /** Join an IPv4 group for one source only; several calls let in several. ip(7) */
  readonly IP_ADD_SOURCE_MEMBERSHIP: SetOnly<KindValues['ipv4SourceMembership']>;
  /** Leave an IPv4 group for one source. ip(7) */
  readonly IP_DROP_SOURCE_MEMBERSHIP: SetOnly<KindValues['ipv4SourceMembership']>;
  /** All sources of a joined IPv4 group at once: those to let in, or those to keep out. ip(7) */
  readonly IP_MSFILTER: SetOnly<KindValues['ipv4SourceFilter']>;
  /** Join a group, IPv4 or IPv6, on an interface. RFC 3678, linux/in.h */
  readonly MCAST_JOIN_GROUP: SetOnly<KindValues['groupMembership']>;
  /** Hear one source of a joined group no more. RFC 3678, linux/in.h */
  readonly MCAST_BLOCK_SOURCE: SetOnly<KindValues['groupSource']>;
  /** Hear a source of a joined group again. RFC 3678, linux/in.h */
  readonly MCAST_UNBLOCK_SOURCE: SetOnly<KindValues['groupSource']>;
  /** Leave a group. RFC 3678, linux/in.h */
  readonly MCAST_LEAVE_GROUP: SetOnly<KindValues['groupMembership']>;
  /** Join a group for one source only; several calls let in several. RFC 3678, linux/in.h */
  readonly MCAST_JOIN_SOURCE_GROUP: SetOnly<KindValues['groupSource']>;
  /** Leave a group for one source. RFC 3678, linux/in.h */
  readonly MCAST_LEAVE_SOURCE_GROUP: SetOnly<KindValues['groupSource']>;
  /** All sources of a joined group at once: those to let in, or those to keep out. RFC 3678, linux/in.h */
  readonly MCAST_MSFILTER: SetOnly<KindValues['groupFilter']>;
  /** Hear every IPv4 group that anybody on this host has joined, on by default but on IPv6 sockets; off, only those that this socket has joined. ip(7) */
  readonly IP_MULTICAST_ALL: KindValues['flag'];
  /** Make a connected socket whose peer is IPv4-mapped an IPv4 socket: 2. It has options of IPPROTO_IPV6 no more. ipv6(7) */
  readonly IPV6_ADDRFORM: KindValues['int'];
  /** Where in the data the checksum stands that the kernel computes and checks, an even number of bytes; -1 for nowhere. RFC 3542 */
  readonly IPV6_CHECKSUM: KindValues['int'];
  /** Receive an IPV6_FLOWINFO message with each datagram: its flow label and traffic class. ipv6(7) */
  readonly IPV6_FLOWINFO: KindValues['flag'];
  /** Hop limit of outgoing packets; -1 for the route's. ipv6(7) */
  readonly IPV6_UNICAST_HOPS: KindValues['int'];
  /** The interface that IPv6 multicast leaves by, by name or index; 0 for the one of the route. ipv6(7) */
  readonly IPV6_MULTICAST_IF: KindValues['interface'];
  /** Hop limit of outgoing IPv6 multicast; 1, the default (-1), stays on the link. ipv6(7) */
  readonly IPV6_MULTICAST_HOPS: KindValues['int'];
  /** Let this host's own members get the IPv6 multicast that it sends; on by default. ipv6(7) */
  readonly IPV6_MULTICAST_LOOP: KindValues['flag'];
  /** Join an IPv6 group on an interface (IPV6_JOIN_GROUP elsewhere). ipv6(7) */
  readonly IPV6_ADD_MEMBERSHIP: SetOnly<KindValues['ipv6Membership']>;
  /** Leave an IPv6 group (IPV6_LEAVE_GROUP elsewhere). ipv6(7) */
  readonly IPV6_DROP_MEMBERSHIP: SetOnly<KindValues['ipv6Membership']>;
  /** Get the packets that this host forwards and that have a router alert of this value; -1 for none. Sockets of protocol 255 only. ipv6(7) */
  readonly IPV6_ROUTER_ALERT: KindValues['int'];
  /** Path MTU discovery, as IP_MTU_DISCOVER. ipv6(7) */
  readonly IPV6_MTU_DISCOVER: KindValues['int'];
  /** The known path MTU of a connected socket, in bytes, ENOTCONN before. Set, the size that too large datagrams are cut to, from 1280; 0 for off. ipv6(7) */
  readonly IPV6_MTU: KindValues['int'];
  /** Queue errors with their origin on the error queue; they must then be read from it. ipv6(7) */
  readonly IPV6_RECVERR: KindValues['flag'];
  /** No IPv4 on this socket. EINVAL once it is bound. ipv6(7) */
  readonly IPV6_V6ONLY: KindValues['flag'];
  /** Give this host an anycast address for as long as the socket has it. linux/in6.h, net/ipv6/anycast.c */
  readonly IPV6_JOIN_ANYCAST: SetOnly<KindValues['ipv6Membership']>;
  /** Give an anycast address back. linux/in6.h, net/ipv6/anycast.c */
  readonly IPV6_LEAVE_ANYCAST: SetOnly<KindValues['ipv6Membership']>;
  /** Hear every IPv6 group that anybody on this host has joined, on by default; off, only those that this socket has joined. linux/in6.h, Linux 4.20 (15033f0457dc) */
  readonly IPV6_MULTICAST_ALL: KindValues['flag'];
  /** Get router alert packets of the socket's own network namespace only. linux/in6.h, Linux 5.1 */
  readonly IPV6_ROUTER_ALERT_ISOLATE: KindValues['flag'];
  /** With IPV6_RECVERR: say where the extensions (RFC 4884) of an ICMPv6 error begin. linux/in6.h, Linux 5.9 (01370434df85) */
  readonly IPV6_RECVERR_RFC4884: KindValues['flag'];
  /** Get, give back or renew a flow label; read, the label that the socket sends with. linux/in6.h, net/ipv6/ip6_flowlabel.c */
  readonly IPV6_FLOWLABEL_MGR: KindValues['flowLabel'];
  /** Send with the flow label of the destination's address (Endpoint's flowlabel), which IPV6_FLOWLABEL_MGR has got. linux/in6.h */
  readonly IPV6_FLOWINFO_SEND: KindValues['flag'];
  /** What is sent starts with an IPv6 header of its own. linux/in6.h, Linux 4.5 (715f504b1189) */
  readonly IPV6_HDRINCL: KindValues['flag'];
  /** Receive an IPV6_PKTINFO message with each datagram: the interface and the local address that it came to. ipv6(7), RFC 3542 */
  readonly IPV6_RECVPKTINFO: KindValues['flag'];
  /** The interface that datagrams without an IPV6_PKTINFO message leave by. Linux has no such source address: it keeps one, and sends from another. RFC 3542 */
  readonly IPV6_PKTINFO: SetOnly<KindValues['stickyInterface']>;
  /** Receive an IPV6_HOPLIMIT message with each datagram. ipv6(7), RFC 3542 */
  readonly IPV6_RECVHOPLIMIT: KindValues['flag'];
  /** Receive an IPV6_PATHMTU message when a path MTU becomes smaller. RFC 3542 */
  readonly IPV6_RECVPATHMTU: KindValues['flag'];
  /** The known path MTU of a connected socket, in bytes; ENOTCONN before. RFC 3542 */
  readonly IPV6_PATHMTU: GetOnly<KindValues['pathMtu']>;
  /** Fail with EMSGSIZE instead of sending a datagram in fragments. RFC 3542 */
  readonly IPV6_DONTFRAG: KindValues['flag'];
  /** Receive an IPV6_TCLASS message with each datagram. RFC 3542 */
  readonly IPV6_RECVTCLASS: KindValues['flag'];
  /** Traffic class of outgoing packets; TCP keeps the two ECN bits for itself. RFC 3542 */
  readonly IPV6_TCLASS: KindValues['int'];
  /** Send with a flow label that the kernel makes of the flow; the default is in net.ipv6.auto_flowlabels. linux/in6.h, Linux 3.17 (cb1ce2ef387b) */
  readonly IPV6_AUTOFLOWLABEL: KindValues['flag'];
  /** Which own address to prefer, bits: 1 temporary, 2 public, 0x100 either; 4 care-of, 0x400 home; 8 CGA, 0x800 not. RFC 5014, linux/in6.h */
  readonly IPV6_ADDR_PREFERENCES: KindValues['int'];
  /** Drop TCP segments whose hop limit is less: 255 lets in the same link only. linux/in6.h, RFC 5082 */
  readonly IPV6_MINHOPCOUNT: KindValues['int'];
  /** Receive an IPV6_ORIGDSTADDR message with each datagram. For IPv4 on the same socket set IP_RECVORIGDSTADDR as well. linux/in6.h (6c46862280c5) */
  readonly IPV6_RECVORIGDSTADDR: KindValues['flag'];
  /** As IP_TRANSPARENT. linux/in6.h (6c46862280c5) */
  readonly IPV6_TRANSPARENT: KindValues['flag'];
  /** The interface that unicast leaves by, by name or index; 0 for the one of the route. It receives from all. linux/in6.h, Linux 3.4 (c4062dfc425e) */
  readonly IPV6_UNICAST_IF: KindValues['unicastInterface'];
  /** Receive an IPV6_RECVFRAGSIZE message with each datagram that came in fragments: bytes of the largest one. linux/in6.h, Linux 4.10 (0cc0aa614b4c) */
  readonly IPV6_RECVFRAGSIZE: KindValues['flag'];
  /** Let bind() take an address that is not local, or not yet, and let packets leave from it. linux/in6.h, Linux 4.15 (84e14fe353de) */
  readonly IPV6_FREEBIND: KindValues['flag'];
  /** Hop-by-hop options header of every packet, whole, a multiple of 8 bytes; none removes it. RFC 3542 */
  readonly IPV6_HOPOPTS: KindValues['bytes'];
  /** Destination options header before the routing header; a multiple of 8 bytes; none removes it. Without IPV6_RTHDR it breaks TCP: Linux counts it and does not send it. RFC 3542 */
  readonly IPV6_RTHDRDSTOPTS: KindValues['bytes'];
  /** Routing header of every packet, whole, a multiple of 8 bytes: type 2 (RFC 6275) or 4 (segment routing); none removes it. RFC 3542 */
  readonly IPV6_RTHDR: KindValues['bytes'];
  /** Destination options header of every packet, whole, a multiple of 8 bytes; none removes it. RFC 3542 */
  readonly IPV6_DSTOPTS: KindValues['bytes'];
  /** Receive an IPV6_HOPOPTS message with each datagram that has a hop-by-hop options header. RFC 3542 */
  readonly IPV6_RECVHOPOPTS: KindValues['flag'];
  /** Receive an IPV6_RTHDR message with each datagram that has a routing header. RFC 3542 */
  readonly IPV6_RECVRTHDR: KindValues['flag'];
  /** Receive an IPV6_DSTOPTS message with each datagram that has a destination options header. RFC 3542 */
  readonly IPV6_RECVDSTOPTS: KindValues['flag'];
  /** Receive an IPV6_2292PKTINFO message with each datagram; IPV6_RECVPKTINFO has taken its place. RFC 2292 */
  readonly IPV6_2292PKTINFO: KindValues['flag'];
  /** Receive an IPV6_2292HOPOPTS message with each datagram; IPV6_RECVHOPOPTS has taken its place. RFC 2292 */
  readonly IPV6_2292HOPOPTS: KindValues['flag'];
  /** Receive an IPV6_2292DSTOPTS message with each datagram; IPV6_RECVDSTOPTS has taken its place. RFC 2292 */
  readonly IPV6_2292DSTOPTS: KindValues['flag'];
  /** Receive an IPV6_2292RTHDR message with each datagram; IPV6_RECVRTHDR has taken its place. RFC 2292 */
  readonly IPV6_2292RTHDR: KindValues['flag'];
  /** Of a TCP socket: the messages that IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT and others ask for, of the last packet. RFC 2292 */
  readonly IPV6_2292PKTOPTIONS: GetOnly<KindValues['messages']>;
  /** Receive an IPV6_2292HOPLIMIT message with each datagram; IPV6_RECVHOPLIMIT has taken its place. RFC 2292 */
  readonly IPV6_2292HOPLIMIT: KindValues['flag'];
  /** Send at once, without gathering small writes (Nagle). tcp(7) */
  readonly TCP_NODELAY: KindValues['flag'];
  /** Largest segment that is announced and sent, in bytes; before the connection it reads back as the default. tcp(7) */
  readonly TCP_MAXSEG: KindValues['int'];
  /** Send only full segments until this is cleared, or for 200 milliseconds. tcp(7) */
  readonly TCP_CORK: KindValues['flag'];
  /** Seconds of silence before the first keep-alive probe. tcp(7) */
  readonly TCP_KEEPIDLE: KindValues['int'];
  /** Seconds between keep-alive probes. tcp(7) */
  readonly TCP_KEEPINTVL: KindValues['int'];
  /** Unanswered keep-alive probes before the connection is dropped. tcp(7) */
  readonly TCP_KEEPCNT: KindValues['int'];
  /** SYNs sent again before connect() gives up. tcp(7) */
  readonly TCP_SYNCNT: KindValues['int'];
  /** Seconds that a closed socket waits for the other side to close (FIN-WAIT-2), up to 120; 0 for the default, -1 for not at all. tcp(7) */
  readonly TCP_LINGER2: KindValues['int'];
  /** Seconds that a listener waits for the first data before it wakes accept(); rounded to SYN-ACK retries. tcp(7) */
  readonly TCP_DEFER_ACCEPT: KindValues['int'];
  /** Largest window that is advertised, in bytes. tcp(7) */
  readonly TCP_WINDOW_CLAMP: KindValues['int'];
  /** State and counters of the connection. tcp(7), linux/tcp.h */
  readonly TCP_INFO: GetOnly<KindValues['tcpInfo']>;
  /** Acknowledge at once; the kernel falls back by itself. tcp(7) */
  readonly TCP_QUICKACK: KindValues['flag'];
  /** The congestion control: 'cubic', 'bbr', …; see net.ipv4.tcp_available_congestion_control. tcp(7) */
  readonly TCP_CONGESTION: KindValues['text'];
  /** Do not double the retransmission timeout of a connection with little data under way, six times over. Documentation/networking/tcp-thin.rst */
  readonly TCP_THIN_LINEAR_TIMEOUTS: KindValues['flag'];
  /** Milliseconds that sent data may stay unacknowledged before the connection is dropped, 0 for the default. tcp(7) */
  readonly TCP_USER_TIMEOUT: KindValues['int'];
  /** A listener's queue of connections opened by SYNs with data; net.ipv4.tcp_fastopen needs bit 2. tcp(7) */
  readonly TCP_FASTOPEN: KindValues['int'];
  /** Unsent bytes below which the socket is writable again. linux/tcp.h (c9bee3b7fdec) */
  readonly TCP_NOTSENT_LOWAT: KindValues['uint'];
  /** What the congestion control tells of itself: the bytes of union tcp_cc_info, none from most. linux/inet_diag.h, Linux 4.1 (6e9250f59ef9) */
  readonly TCP_CC_INFO: GetOnly<KindValues['bytes']>;
  /** Keep the headers of SYNs that a listener gets, for TCP_SAVED_SYN: 1 from IP on, 2 with the link layer (Linux 5.10). linux/tcp.h, Linux 4.2 (cd8ae85299d5) */
  readonly TCP_SAVE_SYN: KindValues['int'];
  /** The headers of the SYN that an accepted connection began with; reading takes them away. linux/tcp.h, Linux 4.2 (cd8ae85299d5) */
  readonly TCP_SAVED_SYN: GetOnly<KindValues['bytes']>;
  /** connect() sends nothing; the SYN leaves with the first data. ENOTSUP without bit 1 of net.ipv4.tcp_fastopen. tcp(7), Linux 4.11 (19f6d3f3c842) */
  readonly TCP_FASTOPEN_CONNECT: KindValues['flag'];
  /** A protocol over TCP in the kernel, once for ever: 'tls' on a connection; ENOENT where the kernel has no such module. Documentation/networking/tls.rst, Linux 4.13 (734942cc4ea6) */
  readonly TCP_ULP: KindValues['text'];
  /** The key that a listener makes Fast Open cookies with, 16 bytes, or 32 for it and the one before. linux/tcp.h, Linux 4.15 (1fba70e5b6be) */
  readonly TCP_FASTOPEN_KEY: KindValues['bytes'];
  /** TCP Fast Open without asking for a cookie. linux/tcp.h, Linux 4.15 (71c02379c762) */
  readonly TCP_FASTOPEN_NO_COOKIE: KindValues['flag'];
  /** Receive a TCP_CM_INQ message with what is read: bytes that are still in the queue. linux/tcp.h, Linux 4.18 (b75eba76d3d7) */
  readonly TCP_INQ: KindValues['flag'];
  /** Microseconds that every packet is held back, to play a longer path; needs the fq qdisc. linux/tcp.h, Linux 5.3 (a842fe1425cb) */
  readonly TCP_TX_DELAY: KindValues['int'];
  /** Is this Multipath TCP? false for plain TCP, also when it fell back to that. linux/tcp.h, Linux 6.10 (c084ebd77a00) */
  readonly TCP_IS_MPTCP: GetOnly<KindValues['flag']>;
  /** Milliseconds that the retransmission timeout grows to at most, in steps of a jiffy. linux/tcp.h, Linux 6.15 (54a378f43425) */
  readonly TCP_RTO_MAX_MS: KindValues['int'];
  /** Microseconds that the retransmission timeout has at least, in steps of a jiffy, at least two of them. linux/tcp.h, Linux 6.15 */
  readonly TCP_RTO_MIN_US: KindValues['int'];
  /** Microseconds that an acknowledgment is held back at most, in steps of a jiffy, at least two of them. linux/tcp.h, Linux 6.15 */
  readonly TCP_DELACK_MAX_US: KindValues['int'];
  /** Sign the segments to and from a peer with MD5, as BGP does; to be set before the connection, on both sides. linux/tcp.h, RFC 2385 */
  readonly TCP_MD5SIG: SetOnly<KindValues['md5Key']>;
  /** As TCP_MD5SIG, for all peers of a prefix, or behind an interface. linux/tcp.h, Linux 4.14 (8917a777be3b) */
  readonly TCP_MD5SIG_EXT: SetOnly<KindValues['md5PrefixKey']>;
  /** Add a key to sign segments with, TCP-AO (RFC 5925); before the connection, or to change keys. Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc) */
  readonly TCP_AO_ADD_KEY: SetOnly<KindValues['aoKey']>;
  /** Remove a key of TCP-AO that is not in use. Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc) */
  readonly TCP_AO_DEL_KEY: SetOnly<KindValues['aoKeyRemoval']>;
  /** Which keys of TCP-AO are in use, whether it is required, and how many segments passed. Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc) */
  readonly TCP_AO_INFO: KindValues['aoInfo'];
  /** Sequence numbers of TCP-AO; with TCP_REPAIR only. Documentation/networking/tcp_ao.rst, Linux 6.7 (faadfaba5e01) */
  readonly TCP_AO_REPAIR: KindValues['aoRepair'];
  /** Take the connection apart: nothing is sent, connect() and close() are silent. Not for listeners. linux/tcp.h, criu.org/TCP_connection */
  readonly TCP_REPAIR: KindValues['repairMode'];
  /** With TCP_REPAIR: the queue that TCP_QUEUE_SEQ, send and receive are about. linux/tcp.h, criu.org/TCP_connection */
  readonly TCP_REPAIR_QUEUE: KindValues['repairQueue'];
  /** With TCP_REPAIR: the next sequence number of the chosen queue; to be set before the connection. linux/tcp.h, criu.org/TCP_connection */
  readonly TCP_QUEUE_SEQ: KindValues['uint'];
  /** With TCP_REPAIR, connected: what the handshake had agreed on. linux/tcp.h, criu.org/TCP_connection */
  readonly TCP_REPAIR_OPTIONS: SetOnly<KindValues['repairOptions']>;
  /** With TCP_REPAIR: the windows of both sides; set before data was sent, in a connection. linux/tcp.h, Linux 4.8 */
  readonly TCP_REPAIR_WINDOW: KindValues['repairWindow'];
  /** The clock of the TCP timestamps, in milliseconds (microseconds where the route says so); set with TCP_REPAIR. linux/tcp.h, Linux 3.9 (93be6ce0e91b) */
  readonly TCP_TIMESTAMP: KindValues['uint'];
  /** Gather what is sent into one datagram until this is cleared. udp(7) */
  readonly UDP_CORK: KindValues['flag'];
  /** Give packets of a tunnel to the kernel: 2 ESP (RFC 3948), 3 L2TP, 0 none; others are set by kernel modules only. udp(7), linux/udp.h */
  readonly UDP_ENCAP: KindValues['int'];
  /** Send UDP over IPv6 without checksum; UDP_SEGMENT refuses to work with it. linux/udp.h, RFC 6936 */
  readonly UDP_NO_CHECK6_TX: KindValues['flag'];
  /** Accept UDP over IPv6 without checksum. linux/udp.h, RFC 6936 */
  readonly UDP_NO_CHECK6_RX: KindValues['flag'];
  /** Split what is sent into datagrams of so many bytes, in the kernel or the network card; 0 for off. udp(7), Linux 4.18 (bec1f6f69736) */
  readonly UDP_SEGMENT: KindValues['int'];
  /** Receive datagrams of one flow merged, with a UDP_GRO message that says where to cut. udp(7), Linux 5.0 (e20cf8d3f1f7) */
  readonly UDP_GRO: KindValues['flag'];
}
