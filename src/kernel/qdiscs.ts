// Queueing disciplines of the devices of this network namespace: rtnetlink(7), RTM_GETQDISC. It needs no privilege.
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { askKernel, attributes, NETLINK_ROUTE } from './netlink.js';

export interface Qdisc {
  /** Index of the device. */
  readonly interface: number;
  /** 'fq', 'fq_codel', 'noqueue', … */
  readonly kind: string;
}

/** All queueing disciplines, including nested ones (mq). @throws SyscallError of socket if AF_NETLINK is forbidden */
export function qdiscs(): readonly Qdisc[] {
  const request = { protocol: NETLINK_ROUTE, type: RTM_GETQDISC, dump: true, body: new Uint8Array(TCMSG_SIZE) };
  return askKernel(request, { type: RTM_NEWQDISC, size: TCMSG_SIZE, decode }).rows;
}

/** Devices whose queueing discipline sends a packet at its transmit time (SO_TXTIME); all others ignore it. */
export function honoursTransmitTime(rows: readonly Qdisc[]): readonly number[] {
  return [...new Set(rows.filter(({ kind }) => kind === 'fq' || kind === 'etf').map((row) => row.interface))];
}

function decode(buffer: DataView, start: number, end: number): Qdisc | undefined {
  for (const { type, at, length } of attributes(buffer, start + TCMSG_SIZE, end)) {
    if (type !== TCA_KIND) continue;
    const kind = Buffer.from(buffer.buffer, buffer.byteOffset + at, length)
      .toString('latin1')
      .replace(/\0.*$/s, '');
    return { interface: buffer.getInt32(start + 4, LITTLE_ENDIAN), kind };
  }
  return undefined;
}

const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const TCMSG_SIZE = 20; // struct tcmsg
const TCA_KIND = 1;
