// Kinds of values of TCP_REPAIR, which takes a connection apart and puts it together again (CRIU): linux/tcp.h.
import { boolean, integer, invalidType, oneOf, options } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { readInt, struct, UINT32_MAX, unreadable, viewOf, type Codec } from './codec.js';

/** The queue that TCP_QUEUE_SEQ, send and receive are about. */
const QUEUES = ['none', 'receive', 'send'] as const;

export type RepairQueue = (typeof QUEUES)[number];

/** The options that the handshake negotiated: a list of struct tcp_repair_opt. */
export interface RepairOptions {
  /** Bytes of the largest segment. */
  readonly mss?: number | undefined;
  /** Shifts of the windows, 0 to 14. */
  readonly windowScale?: { readonly send: number; readonly receive: number } | undefined;
  readonly sackPermitted?: boolean | undefined;
  readonly timestamps?: boolean | undefined;
}

/** struct tcp_repair_window. */
export interface RepairWindow {
  /** snd_wl1, a sequence number. */
  readonly sndWl1: number;
  readonly sndWnd: number;
  readonly maxWindow: number;
  readonly rcvWnd: number;
  /** rcv_wup, a sequence number. */
  readonly rcvWup: number;
}

/** TCP_REPAIR_ON, TCP_REPAIR_OFF, TCP_REPAIR_OFF_NO_WP. */
export const repairMode: Codec<boolean, boolean | 'off-without-probe'> = {
  size: 4,
  decode: (value, length) => readInt(value, length) !== 0,
  encode: (value, name) => {
    if (typeof value !== 'boolean' && value !== 'off-without-probe') {
      throw invalidType(name, "a boolean or 'off-without-probe'", value);
    }
    return value === 'off-without-probe' ? -1 : value ? 1 : 0;
  },
};

export const repairQueue: Codec<RepairQueue, RepairQueue> = {
  size: 4,
  decode: (value, length) => QUEUES[readInt(value, length)] ?? 'none',
  encode: (value, name) => QUEUES.indexOf(oneOf(name, value, QUEUES)),
};

export const repairOptions: Codec<never, RepairOptions> = {
  size: 8,
  decode: unreadable,
  encode: (value, name) => {
    const { mss, windowScale, sackPermitted, timestamps } = options(name, value, [
      'mss',
      'windowScale',
      'sackPermitted',
      'timestamps',
    ]);
    const list: [code: number, value: number][] = [];
    if (mss !== undefined) list.push([TCPOPT_MSS, integer(`${name}.mss`, mss, 1, 65535)]);
    if (windowScale !== undefined) {
      const { send, receive } = options(`${name}.windowScale`, windowScale, ['send', 'receive']);
      const shifts = integer(`${name}.windowScale.send`, send, 0, MAX_SHIFT);
      list.push([TCPOPT_WINDOW, shifts | (integer(`${name}.windowScale.receive`, receive, 0, MAX_SHIFT) << 16)]);
    }
    if (boolean(`${name}.sackPermitted`, sackPermitted ?? false)) list.push([TCPOPT_SACK_PERM, 0]);
    if (boolean(`${name}.timestamps`, timestamps ?? false)) list.push([TCPOPT_TIMESTAMP, 0]);
    return struct(8 * list.length, (view) => {
      list.forEach(([code, agreed], i) => {
        view.setUint32(8 * i, code, LITTLE_ENDIAN);
        view.setUint32(8 * i + 4, agreed, LITTLE_ENDIAN);
      });
    });
  },
};

export const repairWindow: Codec<RepairWindow, RepairWindow> = {
  size: 20,
  decode: (value) => {
    const view = viewOf(value);
    const [sndWl1 = 0, sndWnd = 0, maxWindow = 0, rcvWnd = 0, rcvWup = 0] = WINDOW_FIELDS.map((_, i) =>
      view.getUint32(4 * i, LITTLE_ENDIAN),
    );
    return { sndWl1, sndWnd, maxWindow, rcvWnd, rcvWup };
  },
  encode: (value, name) => {
    options(name, value, WINDOW_FIELDS);
    return struct(20, (view) => {
      WINDOW_FIELDS.forEach((field, i) => {
        view.setUint32(4 * i, integer(`${name}.${field}`, value[field], 0, UINT32_MAX), LITTLE_ENDIAN);
      });
    });
  },
};

const WINDOW_FIELDS = ['sndWl1', 'sndWnd', 'maxWindow', 'rcvWnd', 'rcvWup'] as const;
// include/net/tcp.h
const TCPOPT_MSS = 2;
const TCPOPT_WINDOW = 3;
const TCPOPT_SACK_PERM = 4;
const TCPOPT_TIMESTAMP = 8;
/** TCP_MAX_WSCALE */
const MAX_SHIFT = 14;
