// Lists the TCP and UDP sockets of all processes in this network namespace: sock_diag(7), as used by ss(8), or
// /proc/net/tcp if the kernel lacks it. Needs no privilege.
import { isIPv4 } from 'node:net';
import { SyscallError } from '../errors.js';
import { isMapped, readIPv4, readIPv6, withoutZone, writeIPv4, writeIPv6 } from '../wire/address.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { askKernel, attribute, NETLINK_SOCK_DIAG } from './netlink.js';
import { procSockets } from './proc-tcp.js';
import { SOCKET_STATES, type SocketFilter, type SocketName, type SocketRow, type SocketState } from './socket-row.js';
import { AF_INET, AF_INET6, ENOENT, IPPROTO_TCP, IPPROTO_UDP } from './numbers.js';

export interface SocketRows {
  readonly rows: readonly SocketRow[];
  /** 'proc' is less complete: it lacks sockets that are only bound. */
  readonly from: 'sock_diag' | 'proc';
}

/**
 * The sockets that match a filter, IPv4 and IPv6. The kernel filters, but it visits every socket of the namespace, and a
 * row costs 4 µs: 28,000 connections to one destination block the event loop for 110 ms, of which the kernel takes 25. Use
 * it after a failure, not for every connection; `visitSockets` is twice as fast.
 * @throws SyscallError if neither AF_NETLINK nor /proc can be used
 */
export function tcpSockets(filter: SocketFilter = {}): SocketRows {
  try {
    return { rows: diagSockets(filter, decode), from: 'sock_diag' };
  } catch (error) {
    return { rows: withoutDiag(filter, error), from: 'proc' };
  }
}

/** What `visitSockets` reports about a socket. */
export type SocketVisitor = (port: number, state: SocketState, waitsMs: number, device: number) => void;

/**
 * As tcpSockets, in half the time: reports each socket's local port, state, milliseconds until it ends by itself (Infinity
 * unless it is a closed socket, `timeWait`), and the interface that it is bound to, 0 for none.
 * @throws as tcpSockets
 */
export function visitSockets(filter: SocketFilter, visit: SocketVisitor): void {
  for (const { port, state, waitsMs, device } of heldPorts(filter)) visit(port, state, waitsMs, device);
}

/** What is visited, complete before the first visit: a dump may be lost halfway and read again, or from /proc. */
function heldPorts(filter: SocketFilter): readonly HeldPort[] {
  try {
    return diagSockets(filter, (buffer, at) => ({
      port: buffer.getUint16(at + 4),
      state: stateAt(buffer, at),
      waitsMs: buffer.getUint8(at + 2) === TIMER_TIME_WAIT ? buffer.getUint32(at + 52, LITTLE_ENDIAN) : Infinity,
      device: buffer.getUint32(at + 40, LITTLE_ENDIAN),
    }));
  } catch (error) {
    return withoutDiag(filter, error).map(({ local, state, timeWait, timerMs }) => ({
      port: local.port,
      ...{ state, waitsMs: timeWait ? timerMs : Infinity, device: 0 },
    }));
  }
}

interface HeldPort {
  readonly port: number;
  readonly state: SocketState;
  readonly waitsMs: number;
  readonly device: number;
}

function withoutDiag(filter: SocketFilter, error: unknown): SocketRow[] {
  const rows = error instanceof SyscallError && NO_DIAG.includes(error.code) ? procSockets(filter) : undefined;
  if (rows === undefined) throw error;
  return rows;
}

function diagSockets<T>(filter: SocketFilter, decoder: (buffer: DataView, at: number) => T | undefined): T[] {
  const messages = { type: SOCK_DIAG_BY_FAMILY, size: MESSAGE_SIZE, decode: decoder };
  const rows: T[] = [];
  for (const family of [AF_INET, AF_INET6]) {
    const request = { protocol: NETLINK_SOCK_DIAG, type: SOCK_DIAG_BY_FAMILY, dump: true, body: body(family, filter) };
    const answer = askKernel(request, messages);
    // Each family has its own handler, and IPv6 may be missing.
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
  view.setUint8(1, filter.protocol === 'udp' ? IPPROTO_UDP : IPPROTO_TCP);
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
 * The filter as the kernel runs it (linux/inet_diag.h): each operation continues with the next one, or jumps four bytes
 * beyond the end, which rejects.
 */
function bytecode({ local, localPorts, remote }: SocketFilter): Uint8Array {
  const operations: Uint8Array[] = [];
  if (remote !== undefined) operations.push(hostCondition(INET_DIAG_BC_D_COND, remote));
  if (local !== undefined) operations.push(hostCondition(INET_DIAG_BC_S_COND, { address: local, port: ANY_PORT }));
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
function hostCondition(code: number, { address, port }: SocketName): Uint8Array {
  const ipv4 = isIPv4(address);
  const operation = new Uint8Array(12 + (ipv4 ? 4 : 16));
  operation[0] = code;
  operation[1] = operation.length;
  operation[4] = ipv4 ? AF_INET : AF_INET6;
  operation[5] = ipv4 ? 32 : 128;
  new DataView(operation.buffer).setInt32(8, port, LITTLE_ENDIAN);
  if (ipv4) writeIPv4(address, operation, 12);
  else writeIPv6(withoutZone(address), operation, 12);
  return operation;
}

/** struct inet_diag_msg */
function decode(buffer: DataView, at: number): SocketRow {
  const family = buffer.getUint8(at);
  const timer = buffer.getUint8(at + 2);
  return {
    state: stateAt(buffer, at),
    timeWait: timer === TIMER_TIME_WAIT,
    local: { address: readAddress(buffer, family, at + 8), port: buffer.getUint16(at + 4) },
    remote: { address: readAddress(buffer, family, at + 24), port: buffer.getUint16(at + 6) },
    interface: buffer.getUint32(at + 40, LITTLE_ENDIAN),
    timerMs: timer === 0 ? 0 : buffer.getUint32(at + 52, LITTLE_ENDIAN),
    uid: buffer.getUint32(at + 64, LITTLE_ENDIAN),
    inode: buffer.getUint32(at + 68, LITTLE_ENDIAN),
  };
}

function stateAt(buffer: DataView, at: number): SocketState {
  return SOCKET_STATES[buffer.getUint8(at + 1)] ?? 'UNKNOWN';
}

function readAddress(buffer: DataView, family: number, offset: number): string {
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset);
  if (family === AF_INET) return readIPv4(bytes, offset);
  return isMapped(bytes, offset) ? readIPv4(bytes, offset + 12) : readIPv6(bytes, offset);
}

/** The module is missing, it is not permitted, or AF_NETLINK is not supported. */
const NO_DIAG: readonly string[] = [
  'ENOENT',
  'EPERM',
  'EACCES',
  'EINVAL',
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'ENOTSUP', // EOPNOTSUPP
];

const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_SIZE = 56;
const MESSAGE_SIZE = 72;
const ALL_STATES = 0x3ffe;
/** A minisocket: struct inet_timewait_sock in TIME-WAIT or FIN-WAIT-2. */
const TIMER_TIME_WAIT = 3;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_GE = 2;
const INET_DIAG_BC_S_LE = 3;
const INET_DIAG_BC_S_COND = 7;
const INET_DIAG_BC_D_COND = 8;
const ANY_PORT = -1;
