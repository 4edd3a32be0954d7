// Constants of the kernel, by their kernel names, except those of the option table. They are the same on x86-64 and arm64;
// a test compares them with the kernel headers.

// errno, negative as a native call returns them
export const EPERM = -1;
export const ENOENT = -2;
export const EIO = -5;
export const EBADF = -9;
export const EAGAIN = -11;
export const EACCES = -13;
export const ENODEV = -19;
export const EINVAL = -22;
export const ENFILE = -23;
export const EMFILE = -24;
export const ENONET = -64;
export const EPROTO = -71;
export const EDESTADDRREQ = -89;
export const EMSGSIZE = -90;
export const ENOPROTOOPT = -92;
export const EPROTONOSUPPORT = -93;
export const ENOTSUP = -95; // EOPNOTSUPP has the same number; this is Node's name for it
export const EAFNOSUPPORT = -97;
export const EADDRINUSE = -98;
export const EADDRNOTAVAIL = -99;
export const ENETUNREACH = -101;
export const ENOBUFS = -105;
export const ENOTCONN = -107;
export const ETIMEDOUT = -110;
export const ECONNREFUSED = -111;
export const EHOSTDOWN = -112;
export const EHOSTUNREACH = -113;
export const EALREADY = -114;
export const EINPROGRESS = -115;

// Address families
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;

// Types of socket
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

// Levels of options and control messages
export const IPPROTO_IP = 0;
export const SOL_SOCKET = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_UDPLITE = 136;
export const IPPROTO_MPTCP = 262;

// SOL_SOCKET
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_BINDTODEVICE = 25;
export const SO_TIMESTAMP = 29;
export const SO_ACCEPTCONN = 30;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;
export const SO_TIMESTAMPING = 37;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_RXQ_OVFL = 40;
export const SO_MEMINFO = 55;
export const SO_TXTIME = 61;
export const SCM_TXTIME = SO_TXTIME;

// IPPROTO_IP
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_PKTINFO = 8;
export const IP_RECVERR = 11;
export const IP_MTU = 14;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_ORIGDSTADDR = 20;
export const IP_RECVORIGDSTADDR = IP_ORIGDSTADDR;
export const IP_RECVFRAGSIZE = 25;

/** linux/netfilter_ipv4.h, and IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h. */
export const SO_ORIGINAL_DST = 80;

// IPPROTO_IPV6
export const IPV6_FLOWINFO = 11;
export const IPV6_MTU = 24;
export const IPV6_RECVERR = 25;
export const IPV6_PKTINFO = 50;
export const IPV6_HOPLIMIT = 52;
export const IPV6_HOPOPTS = 54;
export const IPV6_RTHDR = 57;
export const IPV6_DSTOPTS = 59;
export const IPV6_PATHMTU = 61;
export const IPV6_DONTFRAG = 62;
export const IPV6_TCLASS = 67;
export const IPV6_ORIGDSTADDR = 74;
export const IPV6_RECVORIGDSTADDR = IPV6_ORIGDSTADDR;
export const IPV6_RECVFRAGSIZE = 77;
export const IPV6_TRANSPARENT = 75;
export const IPV6_FREEBIND = 78;

// IPPROTO_TCP
export const TCP_INFO = 11;
export const TCP_INQ = 36;
export const TCP_CM_INQ = TCP_INQ;

// IPPROTO_UDP
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

// Flags of send and receive calls
export const MSG_PEEK = 0x2;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_ERRQUEUE = 0x2000;

/** Buffers of one message; linux/uio.h. */
export const UIO_MAXIOV = 1024;
