// Rows of SOL_SOCKET about received packets: metadata, filters, distribution and busy polling. socket(7).
import { SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPING, SO_TIMESTAMPNS, SO_TXTIME } from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const HOST_ADMIN = 'CAP_NET_ADMIN in the initial user namespace';

// prettier-ignore
export const SOCKET_PACKET_OPTIONS = {
  // Metadata of each packet, in control messages.
  SO_TIMESTAMP: { level: 'SOL_SOCKET', name: SO_TIMESTAMP, kind: 'flag', inherited: true, source: 'socket(7)',
    doc: 'Receive an SCM_TIMESTAMP message with each packet: its time of arrival in microseconds.' },
  SO_TIMESTAMPNS: { level: 'SOL_SOCKET', name: SO_TIMESTAMPNS, kind: 'flag', inherited: true, source: 'socket(7)',
    doc: 'Receive an SCM_TIMESTAMPNS message with each packet: its time of arrival in nanoseconds. Turns SO_TIMESTAMP off.' },
  SO_TIMESTAMPING: { level: 'SOL_SOCKET', name: SO_TIMESTAMPING, kind: 'timestamping', inherited: true, source: 'Documentation/networking/timestamping.rst',
    doc: 'Which timestamps of received and sent packets are taken and reported, by the kernel or the network card.' },
  SO_RXQ_OVFL: { level: 'SOL_SOCKET', name: SO_RXQ_OVFL, kind: 'flag', inherited: true, mptcp: 'ignored', source: 'socket(7)',
    doc: 'Receive an SO_RXQ_OVFL message with each packet: the number of packets that this socket has dropped so far.' },
  SO_WIFI_STATUS: { level: 'SOL_SOCKET', name: 41, kind: 'flag', inherited: true, mptcp: 'ignored', source: 'asm-generic/socket.h, Linux 3.3',
    doc: 'Report on the error queue whether a packet sent over Wi-Fi was acknowledged.' },
  SO_TXTIME: { level: 'SOL_SOCKET', name: SO_TXTIME, kind: 'transmitTime', since: [4, 19], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 4.19 (80b14dee2bea)',
    doc: 'Take the transmit time of each packet from its SCM_TXTIME message; needs the fq or etf qdisc.' },
  SO_RCVMARK: { level: 'SOL_SOCKET', name: 75, kind: 'flag', since: [5, 19], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 5.19 (6fd1d51cfa25)',
    doc: 'Receive an SO_MARK message with each packet: its mark. Older kernels require CAP_NET_ADMIN or CAP_NET_RAW.' },
  SO_RCVPRIORITY: { level: 'SOL_SOCKET', name: 82, kind: 'flag', since: [6, 14], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 6.14 (e45469e594b2)',
    doc: 'Receive an SO_PRIORITY message with each packet: its priority.' },

  // Filters.
  SO_ATTACH_FILTER: { level: 'SOL_SOCKET', name: 26, kind: 'filter', privilege: 'CAP_NET_ADMIN on a TCP socket, on recent kernels', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'Classic BPF program that returns how many bytes of a packet the socket receives, 0 to drop it. Attaching a program replaces the previous one.' },
  SO_DETACH_FILTER: { level: 'SOL_SOCKET', name: 27, kind: 'action', access: 'set', mptcp: 'refused', source: 'socket(7)',
    doc: 'Remove the program of SO_ATTACH_FILTER or SO_ATTACH_BPF; ENOENT if there is none.' },
  SO_LOCK_FILTER: { level: 'SOL_SOCKET', name: 44, kind: 'flag', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'Lock the filter: it can no longer be replaced, removed or unlocked (EPERM).' },
  SO_BPF_EXTENSIONS: { level: 'SOL_SOCKET', name: 48, kind: 'int', access: 'get', source: 'asm-generic/socket.h, Linux 3.14',
    doc: 'Upper end of the range of classic BPF ancillary loads that the kernel supports (SKF_AD_MAX).' },
  SO_ATTACH_BPF: { level: 'SOL_SOCKET', name: 50, kind: 'program', access: 'set', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'As SO_ATTACH_FILTER, by the descriptor of a loaded program of type BPF_PROG_TYPE_SOCKET_FILTER.' },

  // Distribution in a reuseport group, and CPUs.
  SO_INCOMING_CPU: { level: 'SOL_SOCKET', name: 49, kind: 'int', source: 'socket(7)',
    doc: 'CPU that last received for this socket; if set, the CPU for which a reuseport group prefers this socket.' },
  SO_ATTACH_REUSEPORT_CBPF: { level: 'SOL_SOCKET', name: 51, kind: 'filter', access: 'set', types: ['stream', 'dgram'], mptcp: 'refused', source: 'socket(7)',
    doc: 'Classic BPF program that selects the socket of the SO_REUSEPORT group by index, in the order of bind(); see steerByCpu.' },
  SO_ATTACH_REUSEPORT_EBPF: { level: 'SOL_SOCKET', name: 52, kind: 'program', access: 'set', types: ['stream', 'dgram'], mptcp: 'refused', source: 'socket(7)',
    doc: 'As SO_ATTACH_REUSEPORT_CBPF, by the descriptor of a loaded program.' },
  SO_DETACH_REUSEPORT_BPF: { level: 'SOL_SOCKET', name: 68, kind: 'action', access: 'set', types: ['stream', 'dgram'], since: [5, 3], mptcp: 'refused', source: 'asm-generic/socket.h, Linux 5.3',
    doc: 'Remove the program of SO_ATTACH_REUSEPORT_CBPF or _EBPF; ENOENT if there is none.' },
  SO_INCOMING_NAPI_ID: { level: 'SOL_SOCKET', name: 56, kind: 'uint', access: 'get', source: 'socket(7)',
    doc: 'Receive queue (NAPI ID) of the last packet, 0 for none.' },

  // Polling the network card instead of waiting for its interrupt.
  SO_BUSY_POLL: { level: 'SOL_SOCKET', name: 46, kind: 'int', min: 0, inherited: true, source: 'socket(7)',
    doc: 'Microseconds for which a blocking receive polls the device queue; older kernels require CAP_NET_ADMIN to increase it.' },
  SO_PREFER_BUSY_POLL: { level: 'SOL_SOCKET', name: 69, kind: 'flag', privilege: HOST_ADMIN, since: [5, 11], inherited: true, source: 'Documentation/networking/napi.rst, Linux 5.11 (7fd3253a7de6)',
    doc: 'Keep interrupts disabled while the socket is polling.' },
  SO_BUSY_POLL_BUDGET: { level: 'SOL_SOCKET', name: 70, kind: 'int', min: 0, max: 65535, access: 'set', privilege: HOST_ADMIN, since: [5, 11], source: 'Documentation/networking/napi.rst, Linux 5.11 (7c951cafc0cb)',
    doc: 'Maximum number of packets per busy poll; more than 8 needs the capability.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
