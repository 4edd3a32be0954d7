// struct tcp_info (linux/tcp.h): where each field lies, and the decoder. The struct grows at its end with the kernel: a field
// is present when the kernel's answer is long enough, and bytes after the last known field are ignored.
import { TCP_STATES, type TcpState } from '../kernel/tcp-states.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';

const CA_STATES = ['OPEN', 'DISORDER', 'CWR', 'RECOVERY', 'LOSS'] as const;

/** Why TCP Fast Open of a client failed, enum tcp_fastopen_client_fail. */
const FASTOPEN_CLIENT_FAIL = ['UNSPEC', 'COOKIE_UNAVAILABLE', 'DATA_NOT_ACKED', 'SYN_RETRANSMITTED'] as const;

/** TCP_INFO, decoded: tcp(7) and linux/tcp.h. Optional fields are absent on kernels older than the version that they name. */
export interface TcpInfo {
  /** State of the connection: 'ESTABLISHED', 'LISTEN', … */
  readonly state: TcpState;
  /** State of congestion avoidance. */
  readonly caState: (typeof CA_STATES)[number];
  /** Consecutive retransmission timeouts without an acknowledgment. */
  readonly retransmits: number;
  /** Unanswered keep-alive or window probes. */
  readonly probes: number;
  /** Exponent of the back-off of the retransmission timeout. */
  readonly backoff: number;
  /** Bits: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN seen, 32 SYN data accepted, … (TCPI_OPT_*) */
  readonly options: number;
  /** Window scale of the peer, 0 to 14: its windows are shifted left by so many bits. */
  readonly sndWscale: number;
  /** Local window scale, 0 to 14. */
  readonly rcvWscale: number;
  /** Was `deliveryRate` limited by the application rather than by the network? */
  readonly deliveryRateAppLimited: boolean;
  /** Why TCP Fast Open was not used for this connection, as a client. */
  readonly fastopenClientFail: (typeof FASTOPEN_CLIENT_FAIL)[number];
  /** Retransmission timeout, in microseconds. */
  readonly rto: number;
  /** Timeout for delayed acknowledgments, in microseconds. */
  readonly ato: number;
  /** Maximum segment size for sending, in bytes. */
  readonly sndMss: number;
  /** Maximum segment size seen in received segments, in bytes. */
  readonly rcvMss: number;
  /** Segments sent and not yet acknowledged; on a listener, connections that wait for accept(). */
  readonly unacked: number;
  /** Segments that SACK has acknowledged; on a listener, the limit of its backlog. */
  readonly sacked: number;
  /** Segments that are considered lost. */
  readonly lost: number;
  /** Retransmitted segments that are not yet acknowledged. */
  readonly retrans: number;
  /** Always 0 since Linux 4.15. */
  readonly fackets: number;
  /** Milliseconds since data was last sent. */
  readonly lastDataSent: number;
  /** Always 0: the kernel does not track it. */
  readonly lastAckSent: number;
  /** Milliseconds since data was last received. */
  readonly lastDataRecv: number;
  /** Milliseconds since an acknowledgment was last received. */
  readonly lastAckRecv: number;
  /** Path MTU, in bytes. */
  readonly pmtu: number;
  /** Upper bound of the receive window that is currently advertised, in bytes. */
  readonly rcvSsthresh: number;
  /** Smoothed round-trip time, in microseconds. */
  readonly rtt: number;
  /** Mean deviation of the round-trip time, in microseconds. */
  readonly rttvar: number;
  /** Slow-start threshold, in segments. */
  readonly sndSsthresh: number;
  /** Congestion window, in segments. */
  readonly sndCwnd: number;
  /** Maximum segment size advertised to the peer, in bytes. */
  readonly advmss: number;
  /** Reordering that is tolerated, in segments. */
  readonly reordering: number;
  /** Round-trip time estimated by the receiver, in microseconds. */
  readonly rcvRtt: number;
  /** Receive buffer space that auto-tuning aims at, in bytes. */
  readonly rcvSpace: number;
  /** Segments retransmitted since the connection began. */
  readonly totalRetrans: number;
  /** Current pacing rate, in bytes per second; Infinity for no limit. */
  readonly pacingRate: number;
  /** Limit of the pacing rate (SO_MAX_PACING_RATE), in bytes per second; Infinity for no limit. */
  readonly maxPacingRate: number;
  /** Bytes sent that the peer has acknowledged. */
  readonly bytesAcked: number;
  /** Bytes received and acknowledged. */
  readonly bytesReceived: number;
  /** Segments sent, those without data among them. */
  readonly segsOut: number;
  /** Segments received, those without data among them. */
  readonly segsIn: number;
  /** Bytes in the send queue that have not been sent. */
  readonly notsentBytes: number;
  /** Minimum round-trip time, in microseconds. */
  readonly minRtt: number;
  /** Segments received that carried data. */
  readonly dataSegsIn: number;
  /** Segments sent that carried data. */
  readonly dataSegsOut: number;
  /** Most recent goodput as measured by acknowledgments, in bytes per second. */
  readonly deliveryRate: number;
  /** Time with unacknowledged data, in microseconds. */
  readonly busyTime: number;
  /** Time limited by the peer's receive window, in microseconds. */
  readonly rwndLimited: number;
  /** Time limited by the send buffer, in microseconds. */
  readonly sndbufLimited: number;
  /** Segments delivered to the peer, retransmissions included. */
  readonly delivered: number;
  /** Segments delivered with the ECN mark "congestion experienced". */
  readonly deliveredCe: number;
  /** Bytes of data sent, retransmissions included. Linux 4.19. */
  readonly bytesSent?: number;
  /** Bytes of data retransmitted. Linux 4.19. */
  readonly bytesRetrans?: number;
  /** Duplicate segments that the peer has reported (DSACK). Linux 4.19. */
  readonly dsackDups?: number;
  /** Reordering events seen. Linux 4.19. */
  readonly reordSeen?: number;
  /** Segments received out of order. Linux 5.4. */
  readonly rcvOoopack?: number;
  /** The peer's receive window after scaling, in bytes. Linux 5.4. */
  readonly sndWnd?: number;
  /** Local receive window after scaling, in bytes. Linux 6.2. */
  readonly rcvWnd?: number;
  /** Times that the flow hash was changed to try another path. Linux 6.2. */
  readonly rehash?: number;
  /** Retransmission timeouts since the connection began. Linux 6.7. */
  readonly totalRto?: number;
  /** Recoveries after a retransmission timeout. Linux 6.7. */
  readonly totalRtoRecoveries?: number;
  /** Time spent in recovery after retransmission timeouts, in milliseconds. Linux 6.7. */
  readonly totalRtoTime?: number;
  /** Segments received with the ECN mark "congestion experienced". Linux 6.18. */
  readonly receivedCe?: number;
  /** Bytes delivered with ECT(1), as the peer reports them (accurate ECN). Linux 6.18. */
  readonly deliveredE1Bytes?: number;
  /** Bytes delivered with ECT(0), as the peer reports them (accurate ECN). Linux 6.18. */
  readonly deliveredE0Bytes?: number;
  /** Bytes delivered with "congestion experienced", as the peer reports them (accurate ECN). Linux 6.18. */
  readonly deliveredCeBytes?: number;
  /** Bytes received with ECT(1). Linux 6.18. */
  readonly receivedE1Bytes?: number;
  /** Bytes received with ECT(0). Linux 6.18. */
  readonly receivedE0Bytes?: number;
  /** Bytes received with "congestion experienced". Linux 6.18. */
  readonly receivedCeBytes?: number;
  /** State of accurate ECN, bits: how it failed, and which option was seen. Linux 6.18. */
  readonly accEcn?: number;
}

/** Fields in the order of the struct, after its first eight bytes: name, width in bytes. */
const FIELDS = [
  ['rto', 4],
  ['ato', 4],
  ['sndMss', 4],
  ['rcvMss', 4],
  ['unacked', 4],
  ['sacked', 4],
  ['lost', 4],
  ['retrans', 4],
  ['fackets', 4],
  ['lastDataSent', 4],
  ['lastAckSent', 4],
  ['lastDataRecv', 4],
  ['lastAckRecv', 4],
  ['pmtu', 4],
  ['rcvSsthresh', 4],
  ['rtt', 4],
  ['rttvar', 4],
  ['sndSsthresh', 4],
  ['sndCwnd', 4],
  ['advmss', 4],
  ['reordering', 4],
  ['rcvRtt', 4],
  ['rcvSpace', 4],
  ['totalRetrans', 4],
  ['pacingRate', 8],
  ['maxPacingRate', 8],
  ['bytesAcked', 8],
  ['bytesReceived', 8],
  ['segsOut', 4],
  ['segsIn', 4],
  ['notsentBytes', 4],
  ['minRtt', 4],
  ['dataSegsIn', 4],
  ['dataSegsOut', 4],
  ['deliveryRate', 8],
  ['busyTime', 8],
  ['rwndLimited', 8],
  ['sndbufLimited', 8],
  ['delivered', 4],
  ['deliveredCe', 4],
  ['bytesSent', 8],
  ['bytesRetrans', 8],
  ['dsackDups', 4],
  ['reordSeen', 4],
  ['rcvOoopack', 4],
  ['sndWnd', 4],
  ['rcvWnd', 4],
  ['rehash', 4],
  ['totalRto', 2],
  ['totalRtoRecoveries', 2],
  ['totalRtoTime', 4],
  ['receivedCe', 4],
  ['deliveredE1Bytes', 4],
  ['deliveredE0Bytes', 4],
  ['deliveredCeBytes', 4],
  ['receivedE1Bytes', 4],
  ['receivedE0Bytes', 4],
  ['receivedCeBytes', 4],
  ['accEcn', 4],
] as const satisfies readonly (readonly [name: keyof TcpInfo, width: 2 | 4 | 8])[];

type Field = (typeof FIELDS)[number][0];

/** Bytes of the struct in the newest kernel known, and some to spare. */
export const TCP_INFO_SIZE = 512;

const FIRST_FIELD = 8;

/** Where tcpi_segs_out lies: the packets that this socket has sent, Linux 4.2 (2efd055c53c0). */
export const SEGS_OUT_OFFSET: number = offsetOf('segsOut');

export function decodeTcpInfo(value: Uint8Array, length: number): TcpInfo {
  const view = new DataView(value.buffer, value.byteOffset, length);
  const byte = (at: number): number => (at < length ? view.getUint8(at) : 0);
  const info: Record<string, unknown> = {
    state: TCP_STATES[byte(0)] ?? 'UNKNOWN',
    caState: CA_STATES[byte(1)] ?? 'OPEN',
    retransmits: byte(2),
    probes: byte(3),
    backoff: byte(4),
    options: byte(5),
    // Bit fields start at the low end on a little-endian machine, and all that Node runs on are.
    sndWscale: byte(6) & 0xf,
    rcvWscale: byte(6) >> 4,
    deliveryRateAppLimited: (byte(7) & 1) !== 0,
    fastopenClientFail: FASTOPEN_CLIENT_FAIL[(byte(7) >> 1) & 3],
  };
  let at = FIRST_FIELD;
  for (const [field, width] of FIELDS) {
    if (at + width > length) break;
    info[field] = read(view, at, width);
    at += width;
  }
  return info as unknown as TcpInfo;
}

function read(view: DataView, at: number, width: 2 | 4 | 8): number {
  if (width === 2) return view.getUint16(at, LITTLE_ENDIAN);
  if (width === 4) return view.getUint32(at, LITTLE_ENDIAN);
  const value = view.getBigUint64(at, LITTLE_ENDIAN);
  return value === UNLIMITED ? Infinity : Number(value);
}

function offsetOf(wanted: Field): number {
  let at = FIRST_FIELD;
  for (const [field, width] of FIELDS) {
    if (field === wanted) return at;
    at += width;
  }
  return at;
}

const UNLIMITED = 2n ** 64n - 1n;
