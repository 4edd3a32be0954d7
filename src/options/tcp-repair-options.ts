// Rows of IPPROTO_TCP that sign segments (MD5, TCP-AO), and that take a connection over (TCP_REPAIR): linux/tcp.h.
import type { OptionRow } from './row.js';

const STREAM = ['stream'] as const;
const REPAIRING = 'TCP_REPAIR first, and with that CAP_NET_ADMIN';

// prettier-ignore
export const TCP_REPAIR_OPTIONS = {
  TCP_MD5SIG: { level: 'IPPROTO_TCP', name: 14, kind: 'md5Key', access: 'set', types: STREAM, inherited: true, mptcp: 'refused', source: 'linux/tcp.h, RFC 2385',
    doc: 'Sign the segments to and from a peer with MD5, as BGP does; to be set before the connection, on both sides.' },
  TCP_MD5SIG_EXT: { level: 'IPPROTO_TCP', name: 32, kind: 'md5PrefixKey', access: 'set', types: STREAM, inherited: true, mptcp: 'refused', source: 'linux/tcp.h, Linux 4.14 (8917a777be3b)',
    doc: 'As TCP_MD5SIG, for all peers of a prefix, or behind an interface.' },
  TCP_AO_ADD_KEY: { level: 'IPPROTO_TCP', name: 38, kind: 'aoKey', access: 'set', types: STREAM, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Add a key to sign segments with, TCP-AO (RFC 5925); before the connection, or to change keys.' },
  TCP_AO_DEL_KEY: { level: 'IPPROTO_TCP', name: 39, kind: 'aoKeyRemoval', access: 'set', types: STREAM, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Remove a key of TCP-AO that is not in use.' },
  TCP_AO_INFO: { level: 'IPPROTO_TCP', name: 40, kind: 'aoInfo', types: STREAM, since: [6, 7], readBack: 'adjusted', mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (4954f17ddefc)',
    doc: 'Which keys of TCP-AO are in use, whether it is required, and how many segments passed.' },
  TCP_AO_REPAIR: { level: 'IPPROTO_TCP', name: 42, kind: 'aoRepair', types: STREAM, privilege: REPAIRING, since: [6, 7], mptcp: 'refused', source: 'Documentation/networking/tcp_ao.rst, Linux 6.7 (faadfaba5e01)',
    doc: 'Sequence numbers of TCP-AO; with TCP_REPAIR only.' },

  TCP_REPAIR: { level: 'IPPROTO_TCP', name: 19, kind: 'repairMode', types: STREAM, privilege: 'CAP_NET_ADMIN', inherited: true, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'Take the connection apart: nothing is sent, connect() and close() are silent. Not for listeners.' },
  TCP_REPAIR_QUEUE: { level: 'IPPROTO_TCP', name: 20, kind: 'repairQueue', types: STREAM, privilege: REPAIRING, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR: the queue that TCP_QUEUE_SEQ, send and receive are about.' },
  TCP_QUEUE_SEQ: { level: 'IPPROTO_TCP', name: 21, kind: 'uint', types: STREAM, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR: the next sequence number of the chosen queue; to be set before the connection.' },
  TCP_REPAIR_OPTIONS: { level: 'IPPROTO_TCP', name: 22, kind: 'repairOptions', access: 'set', types: STREAM, mptcp: 'refused', source: 'linux/tcp.h, criu.org/TCP_connection',
    doc: 'With TCP_REPAIR, connected: what the handshake had agreed on.' },
  TCP_REPAIR_WINDOW: { level: 'IPPROTO_TCP', name: 29, kind: 'repairWindow', types: STREAM, privilege: REPAIRING, mptcp: 'refused', source: 'linux/tcp.h, Linux 4.8',
    doc: 'With TCP_REPAIR: the windows of both sides; set before data was sent, in a connection.' },
  TCP_TIMESTAMP: { level: 'IPPROTO_TCP', name: 24, kind: 'uint', types: STREAM, privilege: REPAIRING, readBack: 'adjusted', mptcp: 'refused', source: 'linux/tcp.h, Linux 3.9 (93be6ce0e91b)',
    doc: 'The clock of the TCP timestamps, in milliseconds (microseconds where the route says so); set with TCP_REPAIR.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
