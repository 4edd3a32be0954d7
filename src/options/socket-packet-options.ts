// Rows of SOL_SOCKET about the packets that arrive: what is told of each, who gets it, who lets it through. socket(7).
import { SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPING, SO_TIMESTAMPNS, SO_TXTIME } from '../kernel/numbers.js';
import type { OptionRow } from './row.js';

const HOST_ADMIN = 'CAP_NET_ADMIN in the initial user namespace';

// prettier-ignore
export const SOCKET_PACKET_OPTIONS = {
  // Told of each packet, in control messages.
  SO_TIMESTAMP: { level: 'SOL_SOCKET', name: SO_TIMESTAMP, kind: 'flag', inherited: true, source: 'socket(7)',
    doc: 'Receive an SCM_TIMESTAMP message with each packet: when it arrived, to the microsecond.' },
  SO_TIMESTAMPNS: { level: 'SOL_SOCKET', name: SO_TIMESTAMPNS, kind: 'flag', inherited: true, source: 'socket(7)',
    doc: 'Receive an SCM_TIMESTAMPNS message with each packet: when it arrived, to the nanosecond. Turns SO_TIMESTAMP off.' },
  SO_TIMESTAMPING: { level: 'SOL_SOCKET', name: SO_TIMESTAMPING, kind: 'timestamping', inherited: true, source: 'Documentation/networking/timestamping.rst',
    doc: 'Which times of packets are taken and reported, received and sent ones, by the kernel or the network card.' },
  SO_RXQ_OVFL: { level: 'SOL_SOCKET', name: SO_RXQ_OVFL, kind: 'flag', inherited: true, mptcp: 'ignored', source: 'socket(7)',
    doc: 'Receive an SO_RXQ_OVFL message with each packet: how many this socket has dropped so far.' },
  SO_WIFI_STATUS: { level: 'SOL_SOCKET', name: 41, kind: 'flag', inherited: true, mptcp: 'ignored', source: 'asm-generic/socket.h, Linux 3.3',
    doc: 'Report for what was sent over Wi-Fi whether it was acknowledged, on the error queue.' },
  SO_TXTIME: { level: 'SOL_SOCKET', name: SO_TXTIME, kind: 'transmitTime', since: [4, 19], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 4.19 (80b14dee2bea)',
    doc: 'Take the time at which a packet shall leave from its SCM_TXTIME message; needs the fq or etf qdisc.' },
  SO_RCVMARK: { level: 'SOL_SOCKET', name: 75, kind: 'flag', since: [5, 19], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 5.19 (6fd1d51cfa25)',
    doc: 'Receive an SO_MARK message with each packet: its mark. Older kernels want CAP_NET_ADMIN or CAP_NET_RAW.' },
  SO_RCVPRIORITY: { level: 'SOL_SOCKET', name: 82, kind: 'flag', since: [6, 14], inherited: true, mptcp: 'refused', source: 'asm-generic/socket.h, Linux 6.14 (e45469e594b2)',
    doc: 'Receive an SO_PRIORITY message with each packet: its priority.' },

  // Which packets are let through.
  SO_ATTACH_FILTER: { level: 'SOL_SOCKET', name: 26, kind: 'filter', privilege: 'CAP_NET_ADMIN on a TCP socket, on recent kernels', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'A classic BPF program: how many bytes of a packet the socket gets, 0 to drop it. Attaching another one replaces it.' },
  SO_DETACH_FILTER: { level: 'SOL_SOCKET', name: 27, kind: 'action', access: 'set', mptcp: 'refused', source: 'socket(7)',
    doc: 'Remove the program of SO_ATTACH_FILTER or SO_ATTACH_BPF; ENOENT when there is none.' },
  SO_LOCK_FILTER: { level: 'SOL_SOCKET', name: 44, kind: 'flag', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'Keep the filter as it is: no other one, no removal, and no way back (EPERM).' },
  SO_BPF_EXTENSIONS: { level: 'SOL_SOCKET', name: 48, kind: 'int', access: 'get', source: 'asm-generic/socket.h, Linux 3.14',
    doc: "How far the kernel's own classic BPF loads reach (SKF_AD_MAX)." },
  SO_ATTACH_BPF: { level: 'SOL_SOCKET', name: 50, kind: 'program', access: 'set', inherited: true, mptcp: 'refused', source: 'socket(7)',
    doc: 'As SO_ATTACH_FILTER, by the descriptor of a loaded program of type BPF_PROG_TYPE_SOCKET_FILTER.' },

  // Which socket of a reuseport group gets them, and on which CPU.
  SO_INCOMING_CPU: { level: 'SOL_SOCKET', name: 49, kind: 'int', source: 'socket(7)',
    doc: 'The CPU that last received for this socket; set, the one that a reuseport group shall use it for.' },
  SO_ATTACH_REUSEPORT_CBPF: { level: 'SOL_SOCKET', name: 51, kind: 'filter', access: 'set', types: ['stream', 'dgram'], mptcp: 'refused', source: 'socket(7)',
    doc: 'A classic BPF program that picks the socket of the SO_REUSEPORT group by index, in the order of binding: steerByCpu and others.' },
  SO_ATTACH_REUSEPORT_EBPF: { level: 'SOL_SOCKET', name: 52, kind: 'program', access: 'set', types: ['stream', 'dgram'], mptcp: 'refused', source: 'socket(7)',
    doc: 'As SO_ATTACH_REUSEPORT_CBPF, by the descriptor of a loaded program.' },
  SO_DETACH_REUSEPORT_BPF: { level: 'SOL_SOCKET', name: 68, kind: 'action', access: 'set', types: ['stream', 'dgram'], since: [5, 3], mptcp: 'refused', source: 'asm-generic/socket.h, Linux 5.3',
    doc: 'Remove the program of SO_ATTACH_REUSEPORT_CBPF or _EBPF; ENOENT when there is none.' },
  SO_INCOMING_NAPI_ID: { level: 'SOL_SOCKET', name: 56, kind: 'uint', access: 'get', source: 'socket(7)',
    doc: 'The receive queue (NAPI) that the last packet came through, 0 for none.' },

  // Polling the network card instead of waiting for its interrupt.
  SO_BUSY_POLL: { level: 'SOL_SOCKET', name: 46, kind: 'int', min: 0, inherited: true, source: 'socket(7)',
    doc: 'Microseconds that a blocking receive polls the device queue; older kernels want CAP_NET_ADMIN for more than before.' },
  SO_PREFER_BUSY_POLL: { level: 'SOL_SOCKET', name: 69, kind: 'flag', privilege: HOST_ADMIN, since: [5, 11], inherited: true, source: 'Documentation/networking/napi.rst, Linux 5.11 (7fd3253a7de6)',
    doc: 'Keep interrupts off as long as the socket polls.' },
  SO_BUSY_POLL_BUDGET: { level: 'SOL_SOCKET', name: 70, kind: 'int', min: 0, max: 65535, access: 'set', privilege: HOST_ADMIN, since: [5, 11], source: 'Documentation/networking/napi.rst, Linux 5.11 (7c951cafc0cb)',
    doc: 'Packets that one busy poll takes at most; more than 8 needs the capability.' },
} as const satisfies Readonly<Record<string, OptionRow>>;
