// Kinds of values of packet times: struct sock_txtime, struct so_timestamping (linux/net_tstamp.h).
import { boolean, integer, invalidType, invalidValue, oneOf, options } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { INT32_MAX, struct, viewOf, type Codec } from './codec.js';

/** SOF_TIMESTAMPING_*, in the order of their bits. */
export const TIMESTAMPING_FLAGS = [
  'TX_HARDWARE',
  'TX_SOFTWARE',
  'RX_HARDWARE',
  'RX_SOFTWARE',
  'SOFTWARE',
  'SYS_HARDWARE',
  'RAW_HARDWARE',
  'OPT_ID',
  'TX_SCHED',
  'TX_ACK',
  'OPT_CMSG',
  'OPT_TSONLY',
  'OPT_STATS',
  'OPT_PKTINFO',
  'OPT_TX_SWHW',
  'BIND_PHC',
  'OPT_ID_TCP',
  'OPT_RX_FILTER',
  'TX_COMPLETION',
] as const;

export type TimestampingFlag = (typeof TIMESTAMPING_FLAGS)[number];

/** struct so_timestamping: Documentation/networking/timestamping.rst. */
export interface Timestamping {
  /** SOF_TIMESTAMPING_* without that prefix; none turns it off. */
  readonly flags: readonly TimestampingFlag[];
  /** The PTP clock to take hardware times from, with the flag BIND_PHC. @default 0 */
  readonly bindPhc?: number;
}

/** The clocks that departure times may be in. */
const CLOCKS = { CLOCK_REALTIME: 0, CLOCK_MONOTONIC: 1, CLOCK_TAI: 11 } as const;

/** struct sock_txtime: socket option SO_TXTIME, tc-etf(8). */
export interface TransmitTime {
  /** The clock of SCM_TXTIME's times; all but CLOCK_MONOTONIC need CAP_NET_ADMIN. */
  readonly clock: keyof typeof CLOCKS;
  /** The time is the last moment, and not the first one. @default false */
  readonly deadline?: boolean;
  /** Queue an error for what was dropped because it was too late. @default false */
  readonly reportErrors?: boolean;
}

export const transmitTime: Codec<TransmitTime, TransmitTime> = {
  size: 8,
  decode: (value) => {
    const view = viewOf(value);
    const clockId = view.getInt32(0, LITTLE_ENDIAN);
    const flags = view.getUint32(4, LITTLE_ENDIAN);
    const clock = CLOCK_NAMES.find((name) => CLOCKS[name] === clockId) ?? 'CLOCK_MONOTONIC';
    return { clock, deadline: (flags & DEADLINE_MODE) !== 0, reportErrors: (flags & REPORT_ERRORS) !== 0 };
  },
  encode: (value, name) => {
    const {
      clock,
      deadline = false,
      reportErrors = false,
    } = options(name, value, ['clock', 'deadline', 'reportErrors']);
    const id = CLOCKS[oneOf(`${name}.clock`, clock, CLOCK_NAMES)];
    const flags =
      (boolean(`${name}.deadline`, deadline) ? DEADLINE_MODE : 0) |
      (boolean(`${name}.reportErrors`, reportErrors) ? REPORT_ERRORS : 0);
    return struct(8, (view) => {
      view.setInt32(0, id, LITTLE_ENDIAN);
      view.setUint32(4, flags, LITTLE_ENDIAN);
    });
  },
};

export const timestamping: Codec<Timestamping, Timestamping> = {
  size: 8,
  decode: (value, length) => {
    const view = viewOf(value);
    const bits = view.getUint32(0, LITTLE_ENDIAN);
    return {
      flags: TIMESTAMPING_FLAGS.filter((_, bit) => (bits & (1 << bit)) !== 0),
      bindPhc: length < 8 ? 0 : view.getInt32(4, LITTLE_ENDIAN),
    };
  },
  encode: (value, name) => {
    const { flags, bindPhc = 0 } = options(name, value, ['flags', 'bindPhc']);
    if (!Array.isArray(flags)) throw invalidType(`${name}.flags`, 'an Array of SOF_TIMESTAMPING_* names', flags);
    const bits = flags.reduce((sum: number, flag: unknown, i) => sum | bitOf(flag, `${name}.flags[${i}]`), 0);
    const phc = integer(`${name}.bindPhc`, bindPhc, 0, INT32_MAX);
    // Before 5.14 (d463126e23f1) the kernel accepts exactly four bytes.
    return struct(phc === 0 ? 4 : 8, (view) => {
      view.setUint32(0, bits, LITTLE_ENDIAN);
      if (phc !== 0) view.setInt32(4, phc, LITTLE_ENDIAN);
    });
  },
};

function bitOf(flag: unknown, name: string): number {
  const bit = TIMESTAMPING_FLAGS.indexOf(flag as TimestampingFlag);
  if (bit === -1) throw invalidValue(name, flag, 'unknown flag; expected TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, …');
  return 1 << bit;
}

const CLOCK_NAMES = Object.keys(CLOCKS) as (keyof typeof CLOCKS)[];
const DEADLINE_MODE = 1;
const REPORT_ERRORS = 2;
