// Rows of IPPROTO_TCP that sign segments (MD5, TCP-AO) or restore a connection (TCP_REPAIR): linux/tcp.h.
import type { OptionRow } from './row.js';

const STREAM = ['stream'] as const;
const REPAIRING = 'TCP_REPAIR first, and with that CAP_NET_ADMIN';

// prettier-ignore
export const TCP_REPAIR_OPTIONS = {
  TCP_MD5SIG: { level: 'IPPROTO_TCP', name: 14, kind: 'md5Key', access: 'set', types: STREAM, inherited: true, mptcp: 'refused', source: 'linux/tcp.h, RFC 2385',
    doc: 'Sign the segments to and from a peer with MD5, as BGP does; set it on both sides before connecting.' },
  TCP_MD5SIG_EXT: { level: 'IPPROTO_TCP', name: 32, kind: 'md5PrefixKey', access: 'set', types: STREAM, inherited: true, mptcp: 'refused', source: 'linux/tcp.h, Linux 4.14 (8917a777be3b)',
    doc: 'As TCP_MD5SIG, for all peers of a prefix or behind an interface.' },
  TCP_AO_ADD_KEY: { level: 'IPPROTO_TCP', name: 38, kind: 'aoKey', access: 'set', types: STREAM, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Add a key for signing segments with TCP-AO (RFC 5925), before connecting or to change keys.' },
  TCP_AO_DEL_KEY: { level: 'IPPROTO_TCP', name: 39, kind: 'aoKeyRemoval', access: 'set', types: STREAM, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Remove a TCP-AO key that is not in use.' },
  TCP_AO_INFO: { level: 'IPPROTO_TCP', name: 40, kind: 'aoInfo', types: STREAM, since: [6, 7], readBack: 'adjusted', mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Which TCP-AO keys are in use, whether TCP-AO is required, and segment counters.' },
  TCP_AO_REPAIR: { level: 'IPPROTO_TCP', name: 42, kind: 'aoRepair', types: STREAM, privilege: REPAIRING, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (faadfaba5e01)',
    doc: 'TCP-AO sequence numbers; only with TCP_REPAIR.' },

  TCP_REPAIR: { level: 'IPPROTO_TCP', name: 19, kind: 'repairMode', types: STREAM, privilege: 'CAP_NET_ADMIN', inherited: true, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'Put the connection into repair mode: nothing is sent, and connect() and close() send no packets. Not for listeners.' },
  TCP_REPAIR_QUEUE: { level: 'IPPROTO_TCP', name: 20, kind: 'repairQueue', types: STREAM, privilege: REPAIRING, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR: the queue to which TCP_QUEUE_SEQ, send and receive apply.' },
  TCP_QUEUE_SEQ: { level: 'IPPROTO_TCP', name: 21, kind: 'uint', types: STREAM, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR: the next sequence number of the selected queue; set it before connecting.' },
  TCP_REPAIR_OPTIONS: { level: 'IPPROTO_TCP', name: 22, kind: 'repairOptions', access: 'set', types: STREAM, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR, connected: the options negotiated by the handshake.' },
  TCP_REPAIR_WINDOW: { level: 'IPPROTO_TCP', name: 29, kind: 'repairWindow', types: STREAM, privilege: REPAIRING, mptcp: 'refused', source: 'linux/tcp.h, Linux 4.8',
    doc: 'With TCP_REPAIR: the windows of both sides; set them on a connection before data is sent.' },
  TCP_TIMESTAMP: { level: 'IPPROTO_TCP', name: 24, kind: 'uint', types: STREAM, privilege: REPAIRING, readBack: 'adjusted', mptcp: 'refused', source: 'linux/tcp.h, Linux 3.9 (93be6ce0e91b)',
    doc: 'TCP timestamp clock, in milliseconds (microseconds if the route is configured so); setting it needs TCP_REPAIR.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
