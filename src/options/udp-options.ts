// Rows of IPPROTO_UDP: udp(7), linux/udp.h.
import { UDP_GRO, UDP_SEGMENT } from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const DGRAM = ['dgram'] as const;

// prettier-ignore
export const UDP_OPTIONS = {
  UDP_CORK: { level: 'IPPROTO_UDP', name: 1, kind: 'flag', types: DGRAM, source: 'udp(7)',
    doc: 'Accumulate data into one datagram until this is cleared.' },
  UDP_ENCAP: { level: 'IPPROTO_UDP', name: 100, kind: 'int', min: 0, max: 255, words: { none: 0, esp: 2, l2tp: 3 }, types: DGRAM, source: 'udp(7), linux/udp.h',
    doc: "Hand tunnel packets to the kernel: 'esp' (RFC 3948), 'l2tp', or 'none'; only kernel modules set other types." },
  UDP_NO_CHECK6_TX: { level: 'IPPROTO_UDP', name: 101, kind: 'flag', types: DGRAM, source: 'linux/udp.h, RFC 6936',
    doc: 'Send UDP over IPv6 without a checksum; UDP_SEGMENT then fails.' },
  UDP_NO_CHECK6_RX: { level: 'IPPROTO_UDP', name: 102, kind: 'flag', types: DGRAM, source: 'linux/udp.h, RFC 6936',
    doc: 'Accept UDP over IPv6 without a checksum.' },
  UDP_SEGMENT: { level: 'IPPROTO_UDP', name: UDP_SEGMENT, kind: 'int', min: 0, max: 65535, types: DGRAM, source: 'udp(7), Linux 4.18 (bec1f6f69736)',
    doc: 'Split data to send into datagrams of this many bytes, in the kernel or the network card; 0 turns it off.' },
  UDP_GRO: { level: 'IPPROTO_UDP', name: UDP_GRO, kind: 'flag', types: DGRAM, since: [5, 0], source: 'udp(7), Linux 5.0 (e20cf8d3f1f7)',
    doc: 'Receive datagrams of one flow coalesced, with a UDP_GRO message that gives the segment size.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
