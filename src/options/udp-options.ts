// Rows of IPPROTO_UDP: udp(7), linux/udp.h.
import type { OptionRow } from './row.js';

const DGRAM = ['dgram'] as const;

export const UDP_OPTIONS = {
  UDP_CORK: {
    level: 'IPPROTO_UDP',
    name: 1,
    kind: 'flag',
    types: DGRAM,
    source: 'udp(7)',
    doc: 'Gather what is sent into one datagram until this is cleared.',
  },
  UDP_SEGMENT: {
    level: 'IPPROTO_UDP',
    name: 103,
    kind: 'int',
    min: 0,
    max: 65535,
    types: DGRAM,
    source: 'udp(7), Linux 4.18 (bec1f6f69736)',
    doc: 'Split what is sent into datagrams of so many bytes, in the kernel or the network card; 0 for off.',
  },
  UDP_GRO: {
    level: 'IPPROTO_UDP',
    name: 104,
    kind: 'flag',
    types: DGRAM,
    since: [5, 0],
    source: 'udp(7), Linux 5.0 (e20cf8d3f1f7)',
    doc: 'Receive datagrams of one flow merged, with a UDP_GRO message that says where to cut.',
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
