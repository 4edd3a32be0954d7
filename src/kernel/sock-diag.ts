// The TCP sockets of this network namespace, whoever has them: sock_diag(7), which is what ss(8) asks, or /proc/net/tcp
// where the kernel was built without. It needs no privilege.
import { isIPv4 } from 'node:net';
import { SyscallError } from '../errors.js';
import { isMapped, readIPv4, readIPv6, writeIPv4, writeIPv6 } from '../wire/address.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { AF_INET, AF_INET6 } from '../wire/families.js';
import { askKernel, attribute, NETLINK_SOCK_DIAG, type NetlinkDecoder } from './netlink.js';
import { procSockets } from './proc-tcp.js';
import { SOCKET_STATES, type SocketFilter, type SocketName, type SocketRow, type SocketState } from './socket-row.js';

export interface SocketRows {
  readonly rows: readonly SocketRow[];
  /** 'proc' knows less: sockets that are bound and nothing else are missing there. */
  readonly from: 'sock_diag' | 'proc';
}

/**
 * The sockets that pass a filter, IPv4 and IPv6. The kernel filters, so that only rows that are wanted cost anything:
 * about 1 µs each (28,000 sockets toward one destination 30 ms, of which the kernel takes the half), and a pass over its
 * hash tables. It takes the event loop's time: for when something has failed, not for every connection.
 * @throws SyscallError where neither AF_NETLINK nor /proc can be used
 */
export function tcpSockets(filter: SocketFilter = {}): SocketRows {
  try {
    return { rows: diagSockets(filter, decode), from: 'sock_diag' };
  } catch (error) {
    return { rows: withoutDiag(filter, error), from: 'proc' };
  }
}

/**
 * The local ports alone, the cheapest question: port → milliseconds until the last of its sockets ends by itself, which
 * is Infinity but for those that were closed (`timeWait`).
 * @throws as tcpSockets
 */
export function tcpLocalPorts(filter: SocketFilter): ReadonlyMap<number, number> {
  const ports = new Map<number, number>();
  const add = (port: number, ms: number): void => void ports.set(port, Math.max(ms, ports.get(port) ?? 0));
  try {
    diagSockets(filter, (payload) => {
      const waits = payload.getUint8(2) === TIMER_TIME_WAIT;
      add(payload.getUint16(4), waits ? payload.getUint32(52, LITTLE_ENDIAN) : Infinity);
      return undefined;
    });
  } catch (error) {
    for (const { local, timeWait, timerMs } of withoutDiag(filter, error))
      add(local.port, timeWait ? timerMs : Infinity);
  }
  return ports;
}

function withoutDiag(filter: SocketFilter, error: unknown): SocketRow[] {
  const rows = error instanceof SyscallError && NO_DIAG.includes(error.code) ? procSockets(filter) : undefined;
  if (rows === undefined) throw error;
  return rows;
}

function diagSockets<T>(filter: SocketFilter, decoder: (payload: DataView) => T | undefined): T[] {
  const select: NetlinkDecoder<T> = (payload, type) =>
    type === SOCK_DIAG_BY_FAMILY && payload.byteLength >= MESSAGE_SIZE ? decoder(payload) : undefined;
  const rows: T[] = [];
  for (const family of [AF_INET, AF_INET6]) {
    const request = { protocol: NETLINK_SOCK_DIAG, type: SOCK_DIAG_BY_FAMILY, dump: true, body: body(family, filter) };
    const answer = askKernel(request, select);
    // Each family has its handler, and IPv6 may be missing.
    if (answer.errno !== 0 && !(family === AF_INET6 && answer.errno === ENOENT)) {
      throw new SyscallError('sendmsg', answer.errno);
    }
    for (const row of answer.rows) rows.push(row);
  }
  return rows;
}

/** struct inet_diag_req_v2, and the filter as an attribute. */
function body(family: number, filter: SocketFilter): Uint8Array {
  const request = new Uint8Array(REQUEST_SIZE);
  const view = new DataView(request.buffer);
  view.setUint8(0, family);
  view.setUint8(1, IPPROTO_TCP);
  view.setUint32(4, stateMask(filter.states), LITTLE_ENDIAN);
  const program = bytecode(filter);
  return program.length === 0 ? request : Buffer.concat([request, attribute(INET_DIAG_REQ_BYTECODE, program)]);
}

function stateMask(states: readonly SocketState[] | undefined): number {
  if (states === undefined) return ALL_STATES;
  const bits = SOCKET_STATES.map((state, number) => (states.includes(state) ? 1 << number : 0));
  return bits.reduce((mask, bit) => mask | bit, 0);
}

/**
 * The filter as the kernel runs it (linux/inet_diag.h): each operation goes on with the next one, or jumps four bytes
 * behind the end, which rejects.
 */
function bytecode({ localPorts, remote }: SocketFilter): Uint8Array {
  const operations: Uint8Array[] = [];
  if (remote !== undefined) operations.push(hostCondition(remote));
  if (localPorts !== undefined) {
    operations.push(portCondition(INET_DIAG_BC_S_LE, localPorts[1]), portCondition(INET_DIAG_BC_S_GE, localPorts[0]));
  }
  let size = 0;
  for (const operation of operations.reverse()) {
    size += operation.length;
    new DataView(operation.buffer).setUint16(2, size + 4, LITTLE_ENDIAN);
  }
  return Buffer.concat(operations.reverse());
}

/** struct inet_diag_bc_op, and a second one for the port. */
function portCondition(code: number, port: number): Uint8Array {
  const operation = new Uint8Array(8);
  operation[0] = code;
  operation[1] = operation.length;
  new DataView(operation.buffer).setUint16(6, port, LITTLE_ENDIAN);
  return operation;
}

/** struct inet_diag_bc_op and struct inet_diag_hostcond. The kernel lets an IPv4 address match the mapped one, too. */
function hostCondition({ address, port }: SocketName): Uint8Array {
  const ipv4 = isIPv4(address);
  const operation = new Uint8Array(12 + (ipv4 ? 4 : 16));
  operation[0] = INET_DIAG_BC_D_COND;
  operation[1] = operation.length;
  operation[4] = ipv4 ? AF_INET : AF_INET6;
  operation[5] = ipv4 ? 32 : 128;
  new DataView(operation.buffer).setInt32(8, port, LITTLE_ENDIAN);
  if (ipv4) writeIPv4(address, operation, 12);
  else writeIPv6(address.split('%')[0] ?? '', operation, 12);
  return operation;
}

/** struct inet_diag_msg */
function decode(payload: DataView): SocketRow {
  const family = payload.getUint8(0);
  const timer = payload.getUint8(2);
  return {
    state: SOCKET_STATES[payload.getUint8(1)] ?? 'UNKNOWN',
    timeWait: timer === TIMER_TIME_WAIT,
    local: { address: readAddress(payload, family, 8), port: payload.getUint16(4) },
    remote: { address: readAddress(payload, family, 24), port: payload.getUint16(6) },
    interface: payload.getUint32(40, LITTLE_ENDIAN),
    timerMs: timer === 0 ? 0 : payload.getUint32(52, LITTLE_ENDIAN),
    uid: payload.getUint32(64, LITTLE_ENDIAN),
    inode: payload.getUint32(68, LITTLE_ENDIAN),
  };
}

function readAddress(payload: DataView, family: number, offset: number): string {
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset + offset, 16);
  if (family === AF_INET) return readIPv4(bytes, 0);
  return isMapped(bytes, 0) ? readIPv4(bytes, 12) : readIPv6(bytes, 0);
}

/** No such module, not permitted, or no AF_NETLINK at all. */
const NO_DIAG: readonly string[] = [
  'ENOENT',
  'EPERM',
  'EACCES',
  'EINVAL',
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'ENOTSUP', // EOPNOTSUPP
];

const IPPROTO_TCP = 6;
const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_SIZE = 56;
const MESSAGE_SIZE = 72;
const ALL_STATES = 0x3ffe;
/** A minisocket: struct inet_timewait_sock in TIME-WAIT or FIN-WAIT-2. */
const TIMER_TIME_WAIT = 3;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_GE = 2;
const INET_DIAG_BC_S_LE = 3;
const INET_DIAG_BC_D_COND = 8;
const ENOENT = -2;
