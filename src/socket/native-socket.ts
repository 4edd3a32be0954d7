// NativeSocket: the low-level layer, a non-blocking, close-on-exec socket with one method per system call.
import { inspect, type InspectOptions } from 'node:util';
import { bytes, integer, invalidType, oneOf, options as checkOptions } from '../arguments.js';
import { native, type Handle } from '../binding.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { isDeferred } from '../options/deferred.js';
import { localEndpoint, portAssigned } from '../options/local-endpoint.js';
import { IPPROTO_MPTCP } from '../kernel/numbers.js';
import { encodeSockopts } from '../options/sockopts.js';
import { askedOf, askedOfSend, forBind, type Asked } from '../source/asked.js';
import { callError, failedCall } from '../source/explain.js';
import { optionSteps } from '../source/local-steps.js';
import { Recipe } from '../source/recipe.js';
import type { SocketType } from '../options/row.js';
import type { SocketOptionsOf } from '../options/table.js';
import {
  accessOf,
  BorrowedDescriptor,
  optionAccess,
  socketType,
  type OptionAccess,
  type OwnSocket,
} from '../options/target.js';
import { Readiness, READABLE, WRITABLE } from './readiness.js';
import { intOption, requireIntOption, takeError } from '../kernel/int-option.js';
import { TCP_STATES, type TcpState } from '../kernel/tcp-states.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { decodeControl, encodeControl, type ControlMessage, type ReceivedControlMessage } from '../wire/control.js';
import { Endpoint, SOCKADDR_SIZE, UNSPECIFIED, type EndpointLike, type LocalEndpointLike } from '../wire/endpoint.js';
import { FAMILIES, type Family } from '../wire/families.js';
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EBADF,
  EINPROGRESS,
  ENOTCONN,
  IPPROTO_TCP,
  MSG_CTRUNC,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_TYPE,
  TCP_INFO,
  UIO_MAXIOV,
} from '../kernel/numbers.js';

export interface NativeSocketOptions<T extends SocketType = SocketType, F extends Family = Family> {
  readonly family: F;
  readonly type: T;
  /** IPPROTO_*; 0 is the type's own, TCP or UDP. @default 0 */
  readonly protocol?: number | undefined;
  /** Set right after socket(2), in order. */
  readonly sockopts?: SocketOptionsOf<T, F> | undefined;
}

/**
 * The state of a socket. 'connecting': connect(2) returned EINPROGRESS. 'connected': it is connected, or its handshake
 * starts with the first data (TCP_FASTOPEN_CONNECT).
 */
export type NativeSocketState = 'open' | 'bound' | 'connecting' | 'connected' | 'listening' | 'closed' | 'detached';

export interface SendMessage {
  /** One buffer, or several to send as one message (at most 1024). */
  readonly data: Uint8Array | readonly Uint8Array[];
  /** The destination, on a socket that is not connected. */
  readonly to?: EndpointLike;
  readonly control?: readonly ControlMessage[];
  /** MSG_* of send(2); MSG_NOSIGNAL is always set. @default 0 */
  readonly flags?: number;
}

export interface ReceiveOptions {
  /** The buffers for the data, filled one after the other (at most 1024). */
  readonly buffers: readonly Uint8Array[];
  /** Bytes of room for control messages. @default 0 */
  readonly controlLength?: number | undefined;
  /** MSG_* of recv(2). @default 0 */
  readonly flags?: number | undefined;
}

export interface ReceivedMessage {
  /** Bytes received into the buffers; 0 means the end of a stream. */
  readonly bytes: number;
  /** The sender; undefined on a stream. */
  readonly source: Endpoint | undefined;
  readonly control: readonly ReceivedControlMessage[];
  /** The MSG_* flags of recvmsg(2). */
  readonly flags: number;
  /** Whether the datagram was longer than the buffers, so that the rest is lost (MSG_TRUNC). */
  readonly truncated: boolean;
  /** Whether the control messages were longer than `controlLength`, so that the rest is lost (MSG_CTRUNC). */
  readonly controlTruncated: boolean;
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Accepted {
  readonly socket: NativeSocket;
  readonly remote: Endpoint | undefined;
}

/**
 * A socket with all system calls, for cases that the other classes do not cover. It owns its descriptor until `close` or
 * `detach`; later calls fail with EBADF. An unreferenced one is closed by the garbage collector, with a process warning,
 * but never during a pending wait.
 */
export class NativeSocket<T extends SocketType = SocketType> implements OwnSocket<T>, Disposable {
  declare readonly [socketType]: T;
  readonly family: Family;
  readonly type: T;
  readonly #handle: Handle;
  #state: NativeSocketState;
  #readiness: Readiness | undefined;
  /** Closed together with the descriptor: a later one fails with EBADF. */
  #optionAccess: OptionAccess | undefined;
  /** The destination of a connect in progress, for its error: getpeername does not return it yet. */
  #remoteWanted: Endpoint | undefined;
  /** The error of the last connect, for all that wait for it. */
  #refusal: SyscallError | undefined;

  private constructor(handle: Handle, family: Family, type: T, state: NativeSocketState) {
    this.#handle = handle;
    this.family = family;
    this.type = type;
    this.#state = state;
  }

  /**
   * Makes a socket, socket(2), and sets its options. A failure leaves no descriptor behind.
   * @throws SyscallError of socket or setsockopt; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
   */
  static create<T extends SocketType, F extends Family>(options: NativeSocketOptions<T, F>): NativeSocket<T> {
    checkOptions('options', options, ['family', 'type', 'protocol', 'sockopts']);
    const family = oneOf('options.family', options.family, FAMILIES);
    const type = oneOf('options.type', options.type, TYPES) as T;
    const { protocol = 0 } = options;
    integer('options.protocol', protocol, 0, 65535);
    const recipe = new Recipe([
      { call: 'socket', family, type: TYPE_NUMBERS[type], protocol },
      ...optionSteps(encodeSockopts(options.sockopts)),
    ]);
    const handle = new (native().Handle)();
    const errno = recipe.run(handle);
    if (errno === 0) return new NativeSocket(handle, family, type, 'open');
    const asked: Asked = {
      by: 'NativeSocket',
      family,
      port: 0,
      ...(protocol === IPPROTO_MPTCP && { protocol: 'mptcp' }),
    };
    const { call, ...details } = failedCall(recipe.failed);
    throw callError(call, errno, asked, details);
  }

  /**
   * Takes over a descriptor and makes it non-blocking and close-on-exec. If this throws, the caller still owns it.
   * @throws SyscallError (EBADF, ENOTSOCK); ERR_UNSUPPORTED for a socket that is not IPv4 or IPv6
   */
  static adopt(fd: number): NativeSocket {
    integer('fd', fd, 0, 2 ** 31 - 1);
    const access = accessOf(fd);
    const family = FAMILY_NAMES.get(requireIntOption(access, SOL_SOCKET, SO_DOMAIN, 'SO_DOMAIN'));
    const number = requireIntOption(access, SOL_SOCKET, SO_TYPE, 'SO_TYPE');
    const type = TYPES.find((name) => TYPE_NUMBERS[name] === number);
    if (family === undefined || type === undefined) {
      throw new SocketError(
        'ERR_UNSUPPORTED',
        `Descriptor ${String(fd)} is not an IPv4 or IPv6 stream, datagram or raw socket.`,
      );
    }
    const handle = new (native().Handle)();
    check('fcntl', handle.adopt(fd));
    return new NativeSocket(handle, family, type, stateOf(handle));
  }

  /** The descriptor; -1 after close or detach. It still belongs to this socket. */
  get fd(): number {
    return this.#handle.fd();
  }

  get state(): NativeSocketState {
    return this.#state;
  }

  /** The local address, getsockname(2); the port is 0 until one is assigned. @throws SyscallError (EBADF) */
  get local(): Endpoint {
    return localEndpoint(this.#handle);
  }

  /** The remote address, getpeername(2); undefined while not connected. @throws SyscallError (EBADF) */
  get remote(): Endpoint | undefined {
    const length = this.#handle.getpeername(scratchAddress);
    if (length === ENOTCONN) return undefined;
    return Endpoint.decode(scratchAddress, check('getpeername', length));
  }

  /** @internal */
  get [optionAccess](): OptionAccess {
    return (this.#optionAccess ??= new BorrowedDescriptor(this.#handle.fd()));
  }

  /** bind(2). @throws SyscallError with `address` and `port` */
  bind(endpoint: LocalEndpointLike): void {
    const local = Endpoint.fromLocal(endpoint);
    const errno = this.#handle.bind(local.transientSockaddr(this.family));
    if (errno < 0) throw callError('bind', errno, forBind(this.#asked(), local), { ends: local });
    this.#state = 'bound';
  }

  /**
   * connect(2). Returns true if connected, deferred until the first data (TCP_FASTOPEN_CONNECT), or a datagram socket;
   * false if in progress: `connected()` waits for the result.
   * @throws SyscallError in Node's shape of connect
   */
  connect(endpoint: EndpointLike): boolean {
    const remote = Endpoint.from(endpoint);
    const result = this.#handle.connect(remote.transientSockaddr(this.family));
    if (result < 0 && result !== EINPROGRESS) {
      throw callError('connect', result, { ...this.#asked(), remote }, { ends: remote });
    }
    this.#refusal = undefined;
    this.#remoteWanted = remote;
    this.#state = result === EINPROGRESS ? 'connecting' : 'connected';
    return result !== EINPROGRESS;
  }

  /**
   * Waits for a connect in progress; resolves at once if it is connected.
   * @throws SyscallError of connect; AbortError; ERR_INVALID_STATE if `connect` was not called
   */
  async connected(options: WaitOptions = {}): Promise<void> {
    checkOptions('options', options, ['signal']);
    if (this.#state === 'connecting') {
      await this.#wait(WRITABLE, options);
      // Of several waits, the first one reads SO_ERROR, since reading clears it.
      if (this.#hasState('connecting')) this.#judgeConnect();
    }
    if (this.#handle.fd() < 0) throw new SyscallError('connect', EBADF);
    if (this.#refusal !== undefined) throw this.#refusal;
    if (!this.#hasState('connected')) {
      throw new SocketError('ERR_INVALID_STATE', `No connect is in progress (${this.#state}).`);
    }
  }

  /** Reads the result of a connect in progress. */
  #judgeConnect(): void {
    const errno = takeError(this.#handle);
    const remote = this.#remoteWanted;
    this.#state = errno === 0 ? 'connected' : stateOf(this.#handle);
    if (errno === 0) return;
    this.#refusal = new SyscallError('connect', errno, { address: remote?.address, port: remote?.port });
  }

  /** The context of a failed call. */
  #asked(): Asked {
    const protocol = this.type === 'dgram' ? 'udp' : 'tcp';
    return askedOf(this.#handle, { by: 'NativeSocket', family: this.family, protocol });
  }

  /** For use after an await, since TypeScript assumes that the state has not changed. */
  #hasState(state: NativeSocketState): boolean {
    return this.#state === state;
  }

  /** Disconnects, connect(2) with AF_UNSPEC; a datagram socket then receives from all peers again. @throws SyscallError */
  disconnect(): void {
    check('connect', this.#handle.connect(UNSPECIFIED));
    this.#refusal = undefined;
    if (this.#state === 'connecting') this.#judgeConnect(); // ECONNRESET, for pending waits
    this.#state = stateOf(this.#handle);
  }

  /**
   * listen(2). @param backlog maximum number of connections that wait for accept, limited by net.core.somaxconn @throws
   * SyscallError
   */
  listen(backlog = 511): void {
    const errno = this.#handle.listen(integer('backlog', backlog, 0, 2 ** 31 - 1));
    if (errno < 0) throw callError('listen', errno, this.#asked());
    this.#state = 'listening';
  }

  /** accept4(2); undefined when no connection waits. @throws SyscallError (EMFILE, ECONNABORTED, …) */
  accept(): Accepted | undefined {
    const accepted = new (native().Handle)();
    const length = this.#handle.accept(accepted, scratchAddress);
    if (length === EAGAIN) return undefined;
    const remote = Endpoint.decode(scratchAddress, check('accept', length));
    return { socket: new NativeSocket(accepted, this.family, this.type, 'connected'), remote };
  }

  /**
   * sendmsg(2). Returns the bytes sent (on a stream possibly not all), or undefined if it would block: wait for `writable()`.
   * @throws SyscallError; ERR_INVALID_ARG_TYPE, also for a detached buffer
   */
  sendmsg(message: SendMessage): number | undefined {
    checkOptions('message', message, ['data', 'to', 'control', 'flags']);
    const buffers = vectors('message.data', message.data);
    const to = message.to === undefined ? undefined : Endpoint.from(message.to, 'message.to');
    const control = encodeControl(message.control);
    const { flags = 0 } = message;
    integer('message.flags', flags, -(2 ** 31), 2 ** 31 - 1);
    const sent = this.#handle.sendmsg(buffers, to?.sockaddr(this.family) ?? EMPTY, control, flags);
    // A datagram socket without a port gets one now; EAGAIN then means that none was free, and waiting would not help.
    if (sent === EAGAIN && (this.type !== 'dgram' || portAssigned(this.#handle))) return undefined;
    if (sent >= 0) return sent;
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const asked = askedOfSend(this.#asked(), to ?? peerOf(this.#handle), control, { length, gsoRequired: false });
    throw callError('sendmsg', sent, asked);
  }

  /** recvmsg(2). Returns a message, or undefined if it would block: wait for `readable()`. @throws SyscallError */
  recvmsg(options: ReceiveOptions): ReceivedMessage | undefined {
    checkOptions('options', options, ['buffers', 'controlLength', 'flags']);
    if (!Array.isArray(options.buffers))
      throw invalidType('options.buffers', 'an Array of Uint8Array', options.buffers);
    const buffers = vectors('options.buffers', options.buffers);
    const { controlLength = 0, flags = 0 } = options;
    integer('options.controlLength', controlLength, 0, MAX_CONTROL);
    integer('options.flags', flags, -(2 ** 31), 2 ** 31 - 1);
    const control = controlLength === 0 ? EMPTY : new Uint8Array(controlLength);
    const received = this.#handle.recvmsg(buffers, scratchAddress, control, flags, scratch12);
    if (received === EAGAIN) return undefined;
    const bytes = check('recvmsg', received);
    const nameLength = scratchView.getUint32(0, LITTLE_ENDIAN);
    const gotControl = scratchView.getUint32(4, LITTLE_ENDIAN);
    const gotFlags = scratchView.getInt32(8, LITTLE_ENDIAN);
    return {
      bytes,
      source: Endpoint.decode(scratchAddress, Math.min(nameLength, SOCKADDR_SIZE)),
      control: gotControl === 0 ? [] : decodeControl(control, gotControl),
      flags: gotFlags,
      truncated: (gotFlags & MSG_TRUNC) !== 0,
      controlTruncated: (gotFlags & MSG_CTRUNC) !== 0,
    };
  }

  /** Resolves when there is something to read, or the socket has an error. @throws AbortError; EBADF if closed in the meantime */
  async readable(options: WaitOptions = {}): Promise<void> {
    await this.#wait(READABLE, options);
  }

  /** Resolves when there is room to write, or the socket has an error. @throws AbortError; EBADF if closed in the meantime */
  async writable(options: WaitOptions = {}): Promise<void> {
    await this.#wait(WRITABLE, options);
  }

  /** shutdown(2). @throws SyscallError (ENOTCONN) */
  shutdown(how: 'read' | 'write' | 'both' = 'write'): void {
    check('shutdown', this.#handle.shutdown(SHUTDOWN.indexOf(oneOf('how', how, SHUTDOWN))));
  }

  /** Returns the descriptor, which the caller then owns. Pending waits reject. @throws SyscallError (EBADF) */
  detach(): number {
    this.#readiness?.close();
    this.#readiness = undefined;
    const fd = check('detach', this.#handle.detach());
    this.#optionAccess = undefined;
    this.#state = 'detached';
    return fd;
  }

  /** close(2). Pending waits reject with EBADF. Idempotent. */
  close(): void {
    this.#readiness?.close();
    this.#readiness = undefined;
    this.#optionAccess = undefined;
    this.#handle.close(); // an error of close(2) still frees the descriptor
    if (this.#state !== 'detached') this.#state = 'closed';
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    const { family, type, state, fd } = this;
    // This never throws, not even if the descriptor was closed elsewhere.
    const open = this.#handle.getsockname(scratchAddress) >= 0;
    const shown = open ? { family, type, state, fd, local: this.local, remote: this.remote } : { family, type, state };
    return `NativeSocket ${inspectValue(shown, options)}`;
  }

  async #wait(events: number, options: WaitOptions): Promise<void> {
    checkOptions('options', options, ['signal']);
    if (this.#handle.fd() < 0) throw new SyscallError('poll', EBADF);
    this.#readiness ??= new Readiness(this.#handle);
    await this.#readiness.wait(events, options.signal);
  }
}

/** The state of an adopted socket, as the kernel reports it. */
function stateOf(handle: Handle): NativeSocketState {
  if ((intOption(handle, SOL_SOCKET, SO_ACCEPTCONN) ?? 0) !== 0) return 'listening';
  if (handle.getpeername(scratchAddress) >= 0) return 'connected';
  if (isDeferred(handle)) return 'connected';
  const state = handle.getsockopt(IPPROTO_TCP, TCP_INFO, scratch4);
  if (state > 0 && CONNECTING.has(TCP_STATES[scratch4[0] ?? 0])) return 'connecting';
  return portAssigned(handle) ? 'bound' : 'open';
}

/** The remote address, for an error; undefined if there is none. */
function peerOf(handle: Handle): Endpoint | undefined {
  const length = handle.getpeername(scratchAddress);
  return length < 0 ? undefined : Endpoint.decode(scratchAddress, length);
}

function vectors(name: string, data: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  if (!Array.isArray(data)) return [bytes(name, data)];
  integer(`${name}.length`, data.length, 0, UIO_MAXIOV);
  data.forEach((part, i) => bytes(`${name}[${String(i)}]`, part));
  return data as readonly Uint8Array[];
}

const TYPES: readonly SocketType[] = ['stream', 'dgram', 'raw'];
const TYPE_NUMBERS: Readonly<Record<SocketType, number>> = { stream: SOCK_STREAM, dgram: SOCK_DGRAM, raw: SOCK_RAW };
const FAMILY_NAMES: ReadonlyMap<number, Family> = new Map([
  [AF_INET, 'ipv4'],
  [AF_INET6, 'ipv6'],
]);
const SHUTDOWN = ['read', 'write', 'both'] as const; // SHUT_RD, SHUT_WR, SHUT_RDWR

const CONNECTING: ReadonlySet<TcpState | undefined> = new Set(['SYN_SENT', 'SYN_RECV']);
const MAX_CONTROL = 65536;

const EMPTY = new Uint8Array(0);
// Scratch memory: what a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
const scratch12 = new Uint8Array(12);
const scratch4 = scratch12.subarray(0, 4);
const scratchView = new DataView(scratch12.buffer);
