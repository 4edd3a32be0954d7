// Options of the kernel headers that are not in the table, with reasons. Together with the rows they cover the headers.

const UNIX_ONLY = 'for AF_UNIX sockets only: ENOTSUP or without effect on others';
const TIME64 = 'the form of 32-bit programs; the number without suffix is the one of 64-bit programs';
const NEVER = 'was never implemented: ENOPROTOOPT';
const IPSEC = 'IPsec policies in the structs of another interface (linux/xfrm.h, PF_KEY); `ip xfrm` sets them';
const DEVMEM =
  'exposes memory of a network card, which requires a dma-buf, a netlink binding and mmap, none of which is available here';

/** Names of linux/in.h, in6.h, tcp.h, udp.h and asm-generic/socket.h without a row, and the reason. The raw form sets any. */
export const OMITTED: Readonly<Record<string, string>> = {
  SO_BSDCOMPAT: 'has had no effect since Linux 2.2',
  SO_PASSCRED: UNIX_ONLY,
  SO_PEERCRED: UNIX_ONLY,
  SO_PASSSEC: UNIX_ONLY,
  SO_PEERGROUPS: UNIX_ONLY,
  SO_PASSPIDFD: UNIX_ONLY,
  SO_PEERPIDFD: UNIX_ONLY,
  SO_PASSRIGHTS: UNIX_ONLY,
  SO_INQ: UNIX_ONLY,
  SO_NOFCS: 'for AF_PACKET sockets only: others accept it without effect',
  SO_SECURITY_AUTHENTICATION: NEVER,
  SO_SECURITY_ENCRYPTION_TRANSPORT: NEVER,
  SO_SECURITY_ENCRYPTION_NETWORK: NEVER,
  SO_PEERNAME: 'is getpeername(2) by another name',
  SO_GET_FILTER: 'another name of SO_ATTACH_FILTER, which can be read',
  SO_DETACH_BPF: 'another name of SO_DETACH_FILTER',
  SO_RCVTIMEO_OLD: 'another name of SO_RCVTIMEO',
  SO_SNDTIMEO_OLD: 'another name of SO_SNDTIMEO',
  SO_TIMESTAMP_OLD: 'another name of SO_TIMESTAMP',
  SO_TIMESTAMPNS_OLD: 'another name of SO_TIMESTAMPNS',
  SO_TIMESTAMPING_OLD: 'another name of SO_TIMESTAMPING',
  SO_RCVTIMEO_NEW: TIME64,
  SO_SNDTIMEO_NEW: TIME64,
  SO_TIMESTAMP_NEW: TIME64,
  SO_TIMESTAMPNS_NEW: TIME64,
  SO_TIMESTAMPING_NEW: TIME64,
  SO_DEVMEM_LINEAR: DEVMEM,
  SO_DEVMEM_DMABUF: DEVMEM,
  SO_DEVMEM_DONTNEED: DEVMEM,

  IP_IPSEC_POLICY: IPSEC,
  IP_XFRM_POLICY: IPSEC,
  IP_RECVRETOPTS: 'another name of IP_RETOPTS',
  IP_ORIGDSTADDR: 'another name of IP_RECVORIGDSTADDR; the control message has it',

  IPV6_AUTHHDR: 'was never implemented: ENOPROTOOPT',
  IPV6_NEXTHOP: 'was never implemented: ENOPROTOOPT',
  IPV6_HOPLIMIT: 'is a control message only; IPV6_UNICAST_HOPS sets the value for all packets',
  IPV6_IPSEC_POLICY: IPSEC,
  IPV6_XFRM_POLICY: IPSEC,
  IPV6_ORIGDSTADDR: 'another name of IPV6_RECVORIGDSTADDR; the control message has it',

  TCP_THIN_DUPACK: 'has had no effect since Linux 4.12',
  TCP_ZEROCOPY_RECEIVE:
    'maps received pages into memory reserved by mmap(2) of the socket, which JavaScript cannot access',
  TCP_AO_GET_KEYS: 'returns secret keys, by a query inside the getsockopt buffer; TCP_AO_INFO reports which are in use',
};
