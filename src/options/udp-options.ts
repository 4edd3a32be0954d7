// Rows of IPPROTO_UDP: udp(7), linux/udp.h.
import { UDP_GRO, UDP_SEGMENT } from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const DGRAM = ['dgram'] as const;

// prettier-ignore
export const UDP_OPTIONS = {
  UDP_CORK: { level: 'IPPROTO_UDP', name: 1, kind: 'flag', types: DGRAM, source: 'udp(7)',
    doc: 'Gather what is sent into one datagram until this is cleared.' },
  UDP_ENCAP: { level: 'IPPROTO_UDP', name: 100, kind: 'int', min: 0, max: 255, words: { none: 0, esp: 2, l2tp: 3 }, types: DGRAM, source: 'udp(7), linux/udp.h',
    doc: "Hand tunnel packets to the kernel: 'esp' (RFC 3948), 'l2tp', or 'none'; only kernel modules set other types." },
  UDP_NO_CHECK6_TX: { level: 'IPPROTO_UDP', name: 101, kind: 'flag', types: DGRAM, source: 'linux/udp.h, RFC 6936',
    doc: 'Send UDP over IPv6 without checksum; UDP_SEGMENT refuses to work with it.' },
  UDP_NO_CHECK6_RX: { level: 'IPPROTO_UDP', name: 102, kind: 'flag', types: DGRAM, source: 'linux/udp.h, RFC 6936',
    doc: 'Accept UDP over IPv6 without checksum.' },
  UDP_SEGMENT: { level: 'IPPROTO_UDP', name: UDP_SEGMENT, kind: 'int', min: 0, max: 65535, types: DGRAM, source: 'udp(7), Linux 4.18 (bec1f6f69736)',
    doc: 'Split what is sent into datagrams of so many bytes, in the kernel or the network card; 0 for off.' },
  UDP_GRO: { level: 'IPPROTO_UDP', name: UDP_GRO, kind: 'flag', types: DGRAM, since: [5, 0], source: 'udp(7), Linux 5.0 (e20cf8d3f1f7)',
    doc: 'Receive datagrams of one flow merged, with a UDP_GRO message that says where to cut.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
