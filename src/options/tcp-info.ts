// struct tcp_info (linux/tcp.h): where each field lies, and the decoder. It grows at its end with the kernel, so a
// field is there when the kernel's answer is long enough, and bytes behind the last known one are passed over.
import { TCP_STATES, type TcpState } from '../kernel/tcp-states.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';

const CA_STATES = ['OPEN', 'DISORDER', 'CWR', 'RECOVERY', 'LOSS'] as const;

/** What the client's TCP Fast Open came to, enum tcp_fastopen_client_fail. */
const FASTOPEN_CLIENT_FAIL = ['UNSPEC', 'COOKIE_UNAVAILABLE', 'DATA_NOT_ACKED', 'SYN_RETRANSMITTED'] as const;

/** Fields in the order of the struct behind its first eight bytes: name, width in bytes, the kernel that added it if that was after 4.18. */
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
  ['bytesSent', 8, '4.19'],
  ['bytesRetrans', 8, '4.19'],
  ['dsackDups', 4, '4.19'],
  ['reordSeen', 4, '4.19'],
  ['rcvOoopack', 4, '5.4'],
  ['sndWnd', 4, '5.4'],
  ['rcvWnd', 4, '6.2'],
  ['rehash', 4, '6.2'],
  ['totalRto', 2, '6.7'],
  ['totalRtoRecoveries', 2, '6.7'],
  ['totalRtoTime', 4, '6.7'],
  ['receivedCe', 4, '6.18'],
  ['deliveredE1Bytes', 4, '6.18'],
  ['deliveredE0Bytes', 4, '6.18'],
  ['deliveredCeBytes', 4, '6.18'],
  ['receivedE1Bytes', 4, '6.18'],
  ['receivedE0Bytes', 4, '6.18'],
  ['receivedCeBytes', 4, '6.18'],
  ['accEcn', 4, '6.18'],
] as const;

type Row = (typeof FIELDS)[number];
type Field = Row[0];
type LaterField = Extract<Row, readonly [string, number, string]>[0];

/**
 * TCP_INFO, decoded: tcp(7) and linux/tcp.h. Times are in the kernel's units: `rtt`, `rttvar`, `minRtt`, `busyTime`,
 * `rwndLimited`, `sndbufLimited`, `rto`, `ato` in microseconds, `last…` and `totalRtoTime` in milliseconds. Rates are
 * bytes per second, Infinity for "no limit". Fields that came after Linux 4.18 are absent on a kernel without them.
 */
export type TcpInfo = {
  readonly state: TcpState;
  readonly caState: (typeof CA_STATES)[number];
  readonly retransmits: number;
  readonly probes: number;
  readonly backoff: number;
  /** Bits: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN seen, 32 SYN data accepted, … (TCPI_OPT_*) */
  readonly options: number;
  readonly sndWscale: number;
  readonly rcvWscale: number;
  readonly deliveryRateAppLimited: boolean;
  readonly fastopenClientFail: (typeof FASTOPEN_CLIENT_FAIL)[number];
} & Readonly<Record<Exclude<Field, LaterField>, number>> &
  Readonly<Partial<Record<LaterField, number>>>;

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
  return info as TcpInfo;
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
