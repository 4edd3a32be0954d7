// What the adapters for HTTP need of a connector: to connect, with whatever options HTTP brings along.
import type { Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { ConnectOptions } from '../tcp/connect/options.js';

/** What `createConnection` and the adapters are given: options of HTTP and TLS may be among them. */
export interface DialOptions extends ConnectOptions {
  /** The pool's key of the connection. `key` is TLS's private key here. */
  readonly egressKey?: string | undefined;
}

/** All that tls.connect takes for TCP, and what `connect` takes. */
export type DialTlsOptions = ConnectionOptions & DialOptions;

/** tls.connect, or something around it. */
export type MakeTls = (options: DialTlsOptions) => TLSSocket;

export interface Dialer {
  /** @internal */
  dial(options: DialOptions, listener?: () => void): Socket;
  /** @internal */
  dialTls(options: DialTlsOptions, make: MakeTls): TLSSocket;
  /** tls.connect over it. */
  connectTls(options: DialTlsOptions): TLSSocket;
}
