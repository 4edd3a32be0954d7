// A dialer connects from a pool's sources, or from one source. The adapters call it through `dial` and `dialTls`, which
// also accept the options that HTTP adds.
import { type WaitForLocalPort } from '../ports/wait-policy.js';
import type { Socket, SocketConstructorOpts } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { invalidValue, object } from '../arguments.js';
import {
  UNIX_SOCKET,
  withoutUrlProtocol,
  type ConnectOptions,
  type SourceSocketOptions,
} from '../tcp/connect/options.js';
import { readEgressKey, type EgressKey } from './egress-key.js';

/** Options of `createConnection`: those of `connect`, and `egressKey`. Options of HTTP and TLS may be among them. */
export interface DialOptions extends ConnectOptions {
  /** Whose connection it is. `key` is TLS's private key here. */
  readonly egressKey?: EgressKey | undefined;
}

/** Options of `connectTls`: all that tls.connect takes for TCP, and what `connect` takes. */
export type DialTlsOptions = ConnectionOptions & DialOptions;

/** Options of a socket that connects later. */
export interface UnconnectedOptions extends Omit<SocketConstructorOpts, 'fd'> {
  /** Whose connection it is. A function is called when the socket is created. */
  readonly egressKey?: EgressKey | undefined;
  /** As for `connect`. */
  readonly sockopts?: SourceSocketOptions | undefined;
  /** As for `connect`. */
  readonly waitForLocalPort?: WaitForLocalPort | undefined;
}

/** tls.connect, or a function that calls it. */
export type MakeTls = (options: DialTlsOptions) => TLSSocket;

/** The key of a connection has been read: it is not among the options. */
export interface Dialer {
  /** @throws ERR_INVALID_ARG_VALUE for an option that an adapter must not give to its connections */
  check(options: object): void;
  connect(options: ConnectOptions, egressKey: string | undefined, listener: (() => void) | undefined): Socket;
  connectTls(options: ConnectionOptions & ConnectOptions, egressKey: string | undefined, make: MakeTls): TLSSocket;
  /** A socket that has not connected. */
  socket(options: UnconnectedOptions, egressKey: string | undefined): Socket;
}

/** Plain TCP. @throws as `connect`; ERR_INVALID_ARG_VALUE for a Unix socket, a descriptor, a handle */
export function dial(dialer: Dialer, options: DialOptions, listener?: () => void): Socket {
  const { egressKey, ...rest } = acceptedOptions(options);
  return dialer.connect(rest, readEgressKey(egressKey), listener);
}

/** @throws as `dial`, and what `make` throws; ERR_INVALID_ARG_VALUE for `socket`: it has its source already */
export function dialTls(dialer: Dialer, options: DialTlsOptions, make: MakeTls): TLSSocket {
  const { egressKey, ...rest } = acceptedOptions(options);
  if (rest.socket !== undefined && rest.socket !== null) {
    throw invalidValue('options.socket', rest.socket, 'an existing socket already has its source');
  }
  return dialer.connectTls(rest, readEgressKey(egressKey), make);
}

/** A socket that has not connected. @throws as `connect`; ERR_INVALID_ARG_VALUE for a descriptor, a handle */
export function dialLater(dialer: Dialer, options: UnconnectedOptions): Socket {
  object('options', options);
  refuseDescriptor(options);
  const { egressKey, ...rest } = options;
  return dialer.socket(rest, readEgressKey(egressKey));
}

/** net.Socket accepts a descriptor, and would connect from the address that it is bound to. */
export function refuseDescriptor(options: object): void {
  const { fd, handle } = options as { readonly fd?: unknown; readonly handle?: unknown };
  const why = 'an existing descriptor already has its source';
  if (fd !== undefined) throw invalidValue('options.fd', fd, why);
  if (handle !== undefined && handle !== null) throw invalidValue('options.handle', handle, why);
}

/** Without HTTP's `path` and `protocol` ('https:'), which are not a socket's. */
function acceptedOptions<O extends DialOptions>(options: O): O {
  object('options', options);
  checkAccepted(options);
  const { path: _, ...rest } = options as O & { readonly path?: unknown };
  return withoutUrlProtocol(rest) as unknown as O;
}

/** Throws ERR_INVALID_ARG_VALUE for a Unix socket, a descriptor or a handle, which have no source or have it already. */
export function checkAccepted(options: object): void {
  const { socketPath } = options as { readonly socketPath?: unknown };
  if (socketPath !== undefined && socketPath !== null) {
    throw invalidValue('options.socketPath', socketPath, UNIX_SOCKET);
  }
  refuseDescriptor(options);
}
