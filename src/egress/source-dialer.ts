// Connects from the one source that `connect`'s options ask for.
import { isIP, type Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { connectAs, socketFrom } from '../tcp/connect/connect.js';
import { sourceOf, type ConnectOptions } from '../tcp/connect/options.js';
import { secureFrom } from '../tcp/connect/tls.js';
import { refuseDescriptor, type Dialer, type DialTlsOptions, type MakeTls, type UnconnectedOptions } from './dialer.js';

export class SourceDialer implements Dialer {
  readonly #options: Partial<ConnectOptions>;

  /** @throws as connect */
  constructor(options: Partial<ConnectOptions>) {
    sourceOf(options); // wrong options throw now, not with the first connection
    refuseDescriptor(options);
    // Node would try the first address of a name that has both families, whatever the family of the source.
    const family = isIP(options.localAddress ?? '');
    this.#options = { ...(family !== 0 && { family }), ...options };
  }

  check(): void {
    // Each option of an adapter is accepted: those of the source take precedence.
  }

  connect(options: ConnectOptions, _egressKey: string | undefined, listener: (() => void) | undefined): Socket {
    return connectAs({ ...options, ...this.#options }, listener);
  }

  connectTls(options: ConnectionOptions & ConnectOptions, _egressKey: string | undefined, make: MakeTls): TLSSocket {
    const { localAddress, localPort, ...all } = { ...options, ...this.#options };
    const source = sourceOf({
      ...all,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    });
    return secureFrom<DialTlsOptions>(all, source, make);
  }

  socket({ waitForLocalPort, sockopts, ...options }: UnconnectedOptions): Socket {
    const all = { port: 0, ...(sockopts !== undefined && { sockopts }), ...this.#options };
    return socketFrom(options, sourceOf(all), all.waitForLocalPort ?? waitForLocalPort);
  }
}
