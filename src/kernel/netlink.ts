// Netlink requests (netlink(7)), used to query the kernel for routes and sockets.
import { native, type Handle } from '../binding.js';
import { check, SyscallError, type FailureReason } from '../errors.js';
import { findReason } from '../reasons/table.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { AF_NETLINK, ENOBUFS, EPROTO, MSG_PEEK, MSG_TRUNC, SOCK_RAW } from './numbers.js';

/** The NETLINK_* protocols of linux/netlink.h that are used here. */
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;

/** A request to the kernel. */
export interface NetlinkRequest {
  /** NETLINK_* */
  readonly protocol: number;
  /** nlmsg_type: RTM_GETROUTE, SOCK_DIAG_BY_FAMILY, … */
  readonly type: number;
  /** True to dump all objects, false for a single answer. */
  readonly dump: boolean;
  /** The payload: the struct of this type, followed by its attributes. */
  readonly body: Uint8Array;
}

export interface NetlinkAnswer<T> {
  /** 0, or the negative errno that the kernel answered with: ENETUNREACH is an answer, not a failure of the request. */
  readonly errno: number;
  readonly rows: readonly T[];
  /** False if the table kept changing during the dump (NLM_F_DUMP_INTR): rows may be missing or duplicated. */
  readonly consistent: boolean;
}

/** The messages that an answer consists of. Others, and those that are too short, are left out. */
export interface NetlinkMessages<T> {
  /** nlmsg_type: RTM_NEWROUTE, SOCK_DIAG_BY_FAMILY, … */
  readonly type: number;
  /** The size of the payload's struct, in bytes; attributes may follow it. */
  readonly size: number;
  /**
   * Makes a row of a message's payload; undefined to leave it out. The payload has at least `size` bytes, and is part of a
   * larger buffer, which is overwritten after the call. It must have no effect of its own: a dump that is lost in part or
   * interrupted is read again.
   */
  decode(buffer: DataView, start: number, end: number): T | undefined;
}

/**
 * Sends a request and reads the whole answer. This does not block: the kernel has answered when sendmsg(2) returns, and
 * continues a dump in recvmsg(2). The socket is used for this request only.
 * @throws SyscallError of socket (EAFNOSUPPORT where AF_NETLINK is forbidden; EMFILE and ENFILE with reason
 * 'descriptorLimit'), sendmsg, or recvmsg (ENOBUFS if a part was lost each time, EPROTO if an error has no errno)
 */
export function askKernel<T>(
  request: NetlinkRequest,
  messages: NetlinkMessages<T>,
  newHandle: () => Handle = () => new (native().Handle)(),
): NetlinkAnswer<T> {
  for (let left = MAX_ATTEMPTS - 1; ; left--) {
    const handle = newHandle(); // a socket with an unfinished dump accepts no other
    const opened = handle.socket(AF_NETLINK, SOCK_RAW, request.protocol);
    if (opened < 0) throw new SyscallError('socket', opened, socketContext(opened));
    try {
      const answer = askOnce(handle, request, messages);
      if (left === 0 || answer?.consistent === true) return answer ?? fail('recvmsg', ENOBUFS);
    } finally {
      handle.close();
    }
  }
}

/** Writes an attribute, struct rtattr or nlattr with its value; the next one begins at a multiple of four. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, LITTLE_ENDIAN);
  view.setUint16(2, type, LITTLE_ENDIAN);
  bytes.set(value, 4);
  return bytes;
}

/** The attributes between two offsets: type, and position of the value. */
export function* attributes(
  buffer: DataView,
  start: number,
  end: number,
): Iterable<{ readonly type: number; readonly at: number; readonly length: number }> {
  for (let at = start; at + 4 <= end;) {
    const length = buffer.getUint16(at, LITTLE_ENDIAN);
    if (length < 4 || at + length > end) return;
    yield { type: buffer.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK, at: at + 4, length: length - 4 };
    at += align(length);
  }
}

/** The limits of descriptors are everyone's; whatever else socket(2) fails with is about AF_NETLINK. */
function socketContext(errno: number): {
  readonly reason?: FailureReason | undefined;
  readonly remedy?: string | undefined;
} {
  const row = findReason('socket', errno, undefined, () => false);
  return row?.reason === 'descriptorLimit' ? { reason: row.reason, remedy: row.remedy } : { remedy: FORBIDDEN };
}

/** Undefined if a part of the answer was lost and the request has to be repeated. */
function askOnce<T>(
  handle: Handle,
  request: NetlinkRequest,
  messages: NetlinkMessages<T>,
): NetlinkAnswer<T> | undefined {
  check('sendmsg', handle.sendmsg([message(request)], EMPTY, EMPTY, 0));
  const rows: T[] = [];
  let consistent = true;
  for (;;) {
    const datagram = receive(handle);
    if (datagram === undefined) return undefined;
    for (let next = 0; next + HEADER_SIZE <= datagram.byteLength;) {
      const at = next;
      const length = datagram.getUint32(at, LITTLE_ENDIAN);
      if (length < HEADER_SIZE || at + length > datagram.byteLength) break;
      next += align(length);
      if (datagram.getUint32(at + 8, LITTLE_ENDIAN) !== SEQUENCE) continue;
      const type = datagram.getUint16(at + 4, LITTLE_ENDIAN);
      const flags = datagram.getUint16(at + 6, LITTLE_ENDIAN);
      if ((flags & NLM_F_DUMP_INTR) !== 0) consistent = false;
      if (type === NLMSG_ERROR || type === NLMSG_DONE) {
        const whole = length >= HEADER_SIZE + 4;
        if (!whole && type === NLMSG_ERROR) fail('recvmsg', EPROTO);
        const errno = whole ? datagram.getInt32(at + HEADER_SIZE, LITTLE_ENDIAN) : 0;
        return { errno: Math.min(errno, 0), rows: errno < 0 ? [] : rows, consistent };
      }
      if (type < NLMSG_MIN_TYPE) continue; // NLMSG_NOOP
      if (type === messages.type && length >= HEADER_SIZE + messages.size) {
        const row = messages.decode(datagram, at + HEADER_SIZE, at + length);
        if (row !== undefined) rows.push(row);
      }
      if ((flags & NLM_F_MULTI) === 0) return { errno: 0, rows, consistent };
    }
  }
}

/** The next datagram of the answer, undefined for ENOBUFS. */
function receive(handle: Handle): DataView | undefined {
  for (;;) {
    // Data that does not fit is lost, so read the length first.
    const length = handle.recvmsg([], sender, EMPTY, MSG_PEEK | MSG_TRUNC, result);
    if (length === ENOBUFS) return undefined;
    check('recvmsg', length);
    if (length > buffer.length) buffer = new Uint8Array(length);
    const received = handle.recvmsg([buffer], sender, EMPTY, 0, result);
    if (received === ENOBUFS) return undefined;
    check('recvmsg', received);
    // Processes with CAP_NET_ADMIN may send to any netlink socket; the kernel's port is 0.
    const port = new DataView(sender.buffer).getUint32(4, LITTLE_ENDIAN);
    if (port === 0) return new DataView(buffer.buffer, 0, received);
  }
}

/** struct nlmsghdr and the body. */
function message({ type, dump, body }: NetlinkRequest): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, dump ? NLM_F_REQUEST | NLM_F_DUMP : NLM_F_REQUEST, LITTLE_ENDIAN);
  view.setUint32(8, SEQUENCE, LITTLE_ENDIAN);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

function fail(syscall: string, errno: number): never {
  throw new SyscallError(syscall, errno);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

const FORBIDDEN = 'Querying routes and sockets needs AF_NETLINK, which this process may not use';
const MAX_ATTEMPTS = 3;
const SEQUENCE = 1; // each socket makes one request only

const HEADER_SIZE = 16; // struct nlmsghdr
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_MIN_TYPE = 16;
const NLM_F_REQUEST = 0x1;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;
const NLA_TYPE_MASK = 0x3fff;

const EMPTY = new Uint8Array(0);
// The kernel fills dumps up to the size of the last read buffer, 32 KiB at most.
let buffer = new Uint8Array(32768);
const sender = new Uint8Array(12); // struct sockaddr_nl
const result = new Uint8Array(12);
