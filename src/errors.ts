// The errors of this package: SyscallError for a failed system call, SocketError for everything else. Branch on `code`.
import { getSystemErrorMap } from 'node:util';

/**
 * What holds most of the ports of an exhausted range: three quarters or more of them, otherwise 'mixed'.
 * - 'connections': open ones, and reservations
 * - 'timeWait': connections that were closed here, TIME-WAIT and FIN-WAIT-2
 * - 'boundPorts': sockets that listen on them, or are bound to them
 * - 'reservedPorts': net.ipv4.ip_local_reserved_ports
 */
export type ExhaustedBy = 'connections' | 'timeWait' | 'boundPorts' | 'reservedPorts' | 'mixed';

/** Why a call failed: the same fact has the same reason, whichever call meets it. */
export type FailureReason =
  /** No local port is free; `exhaustedBy` says what holds them. */
  | 'portRangeExhausted'
  /** The local port that was asked for is taken, or the 4-tuple is. */
  | 'portInUse'
  /** The local address is not assigned to this host. */
  | 'addressNotLocal'
  /** The local address is a broadcast or multicast address. */
  | 'notUnicast'
  /** IPv4: the socket is bound to a source that is not routed to this host (freebind), and cannot send from it. */
  | 'sourceNotLocal'
  /** The local and the remote address are of different families. */
  | 'familyMismatch'
  /** This host has no address to send from. */
  | 'noSourceAddress'
  /** There is no route to the destination, or one that forbids it. */
  | 'noRoute'
  /** A link-local address without its interface. */
  | 'noZone'
  /** A privilege is missing, or a firewall or a sandbox forbids it. */
  | 'notPermitted'
  /** This network namespace has no such interface. */
  | 'noDevice'
  /** The socket is bound already. */
  | 'alreadyBound'
  /** TCP Fast Open for clients is switched off. */
  | 'fastopenClientOff'
  /** The call depends on an option that the socket does not have. */
  | 'optionOff'
  /** This kernel does not have it. */
  | 'unsupported'
  /** The kernel took another local end than the one that was asked for; the socket is closed. */
  | 'otherSource'
  /** Nobody listens, and the socket would be connected to itself. */
  | 'selfConnect'
  /** A loopback address cannot be the source toward another host. */
  | 'loopbackSource'
  /** The process or the host has no file descriptor left. */
  | 'descriptorLimit'
  /** UDP: the datagram is longer than the path, or UDP, allows. */
  | 'tooLong'
  /** UDP: segmentation offload was required, and the path does not support it. */
  | 'gsoRefused'
  /** UDP: the address that a datagram was sent to is not known, so there is no source for the reply. */
  | 'unknownDestination'
  /** UDP: an option of the reply is for IPv6 only, and the peer uses IPv4. */
  | 'notForIPv4';

/** Where a failed call was aimed, and what to do about it. */
export interface SyscallContext {
  /** The remote address; for bind and listen, the local one. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** The option's kernel name, for setsockopt and getsockopt. */
  readonly option?: string | undefined;
  /** Why, where the code alone does not tell. */
  readonly reason?: FailureReason | undefined;
  /** With reason 'portRangeExhausted', where the kernel's list of sockets shows it. */
  readonly exhaustedBy?: ExhaustedBy | undefined;
  /** The path MTU in bytes, headers included, for EMSGSIZE where it is known. */
  readonly mtu?: number | undefined;
  /** Bytes of the same data that had been sent before. */
  readonly bytesSent?: number | undefined;
  /** What to do, one sentence; it ends the message. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A system call failed. The shape is Node's own: `code` ('EADDRINUSE'), `errno` (negative), `syscall` ('bind'), and
 * `address`, `port`, `localAddress`, `localPort`, `option`, `reason` where they apply. With reason 'portRangeExhausted'
 * `exhaustedBy` says what holds the ports, where that is known.
 */
export class SyscallError extends Error {
  override readonly name: string = 'SyscallError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  declare readonly address?: string;
  declare readonly port?: number;
  declare readonly localAddress?: string;
  declare readonly localPort?: number;
  declare readonly option?: string;
  declare readonly reason?: FailureReason;
  declare readonly exhaustedBy?: ExhaustedBy;
  declare readonly mtu?: number;
  declare readonly bytesSent?: number;

  constructor(syscall: string, errno: number, context: SyscallContext = {}) {
    const [code, text] = describeErrno(errno);
    super(messageOf(syscall, code, text, context), context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    for (const key of CONTEXT_KEYS) {
      if (context[key] !== undefined) Object.defineProperty(this, key, { value: context[key], enumerable: true });
    }
  }
}

const CONTEXT_KEYS = [
  'address',
  'port',
  'localAddress',
  'localPort',
  'option',
  'reason',
  'exhaustedBy',
  'mtu',
  'bytesSent',
] as const;

/** The codes of errors that are not those of a single system call. */
export type SocketErrorCode =
  | 'ERR_UNSUPPORTED'
  | 'ERR_UNSUPPORTED_PLATFORM'
  | 'ERR_OPTION_TOO_LATE'
  | 'ERR_PORT_RANGE_EXHAUSTED'
  | 'ERR_INVALID_STATE'
  | 'ERR_EGRESS_NO_SOURCE'
  | 'ERR_EGRESS_LIMIT'
  | 'ERR_EGRESS_STRATEGY'
  | 'ERR_NOT_DEFERRED'
  | 'ERR_SEND_QUEUE_FULL';

export interface SocketErrorOptions extends ErrorOptions {
  readonly reason?: FailureReason | undefined;
  readonly exhaustedBy?: ExhaustedBy | undefined;
}

/** A failure that is not that of a single system call. `code` says what failed; `cause` is the kernel's error, if any. */
export class SocketError extends Error {
  override readonly name: string = 'SocketError';
  readonly code: SocketErrorCode;
  /** The same as of the SyscallError that is its `cause`: 'portRangeExhausted' with ERR_PORT_RANGE_EXHAUSTED. */
  declare readonly reason?: FailureReason;
  /** With reason 'portRangeExhausted', where the kernel's list of sockets shows it. */
  declare readonly exhaustedBy?: ExhaustedBy;

  constructor(code: SocketErrorCode, message: string, { reason, exhaustedBy, ...options }: SocketErrorOptions = {}) {
    super(message, options);
    this.code = code;
    if (reason !== undefined) this.reason = reason;
    if (exhaustedBy !== undefined) this.exhaustedBy = exhaustedBy;
  }
}

/** Gives the error of an argument the reason that the same fact has in other calls. */
export function withReason<E extends Error>(error: E, reason: FailureReason): E & { readonly reason: FailureReason } {
  return Object.assign(error, { reason });
}

/** Passes a result >= 0 on; throws a SyscallError for a negative errno. */
export function check(syscall: string, result: number, context?: SyscallContext): number {
  if (result < 0) throw new SyscallError(syscall, result, context);
  return result;
}

/** 'EADDRINUSE' for -98. */
export function errnoName(errno: number): string {
  return describeErrno(errno)[0];
}

/** The error of an aborted wait, in Node's shape. */
export class AbortError extends Error {
  override readonly name: string = 'AbortError';
  readonly code = 'ABORT_ERR';

  constructor(signal: AbortSignal) {
    super('The operation was aborted', { cause: signal.reason });
  }
}

function describeErrno(errno: number): [code: string, text: string] {
  return getSystemErrorMap().get(errno) ?? [`Unknown system error ${String(errno)}`, 'unknown error'];
}

/** Node's two forms: `connect ECONNREFUSED 127.0.0.1:80` and `bind EADDRINUSE: address already in use 127.0.0.1:80`. */
function messageOf(syscall: string, code: string, text: string, context: SyscallContext): string {
  const { address, port, localAddress, localPort, option, remedy } = context;
  let message = syscall === 'connect' ? `connect ${code}` : `${syscall} ${code}: ${text}`;
  if (option !== undefined) message += `, ${option}`;
  if (address !== undefined) message += ` ${address}${port === undefined ? '' : `:${String(port)}`}`;
  if (localAddress !== undefined) message += ` - Local (${localAddress}:${String(localPort ?? 0)})`;
  if (remedy !== undefined) message += `. ${remedy}`;
  return message;
}
