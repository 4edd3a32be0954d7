// Types of listen and originalDestination, checked by `npm run types` and never run.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { expectTypeOf } from 'vitest';
import {
  listen,
  originalDestination,
  steerByCpu,
  type Family,
  type ListenOptions,
  type NativeSocket,
  type OriginalDestination,
  type ReusePort,
} from '../../src/index.js';

export function listening(): void {
  expectTypeOf(listen(net.createServer(), {})).toEqualTypeOf<net.Server>();
  expectTypeOf(listen(tls.createServer(), { port: 443 })).toEqualTypeOf<tls.Server>();
  expectTypeOf(listen(http.createServer())).toExtend<http.Server>();
  expectTypeOf(listen(https.createServer(), {}, () => undefined)).toExtend<https.Server>();
  expectTypeOf(listen(http2.createServer(), {})).toExtend<http2.Http2Server>();
  expectTypeOf(listen(http2.createSecureServer(), {})).toExtend<http2.Http2SecureServer>();
  const server = net.createServer();
  listen(server, { host: '::', port: 0, backlog: 10, freebind: true, transparent: true, ipv6Only: true });
  listen(server, { reusePort: true, fastOpen: true, deferAccept: 5, exclusive: true });
  listen(server, { reusePort: { steering: 'cpu' }, fastOpen: 100, signal: AbortSignal.abort() });
  listen(server, { reusePort: { steering: steerByCpu(4) }, sockopts: { TCP_USER_TIMEOUT: 1000 } });
  // @ts-expect-error a descriptor is not a server
  listen(5, {});
  // @ts-expect-error the address is `host`, as in net
  listen(server, { address: '127.0.0.1' });
  // @ts-expect-error the address is `host`, also for '::'
  listen(server, { address: '::' });
  // @ts-expect-error an option of datagram sockets
  listen(server, { sockopts: { UDP_SEGMENT: 1200 } });
  // @ts-expect-error a port is a number
  listen(server, { port: '80' });
  // @ts-expect-error unknown word
  listen(server, { reusePort: { steering: 'luck' } });
  // @ts-expect-error steering is required; without it, use `true`
  listen(server, { reusePort: {} });
  // @ts-expect-error the value has the type of the option
  listen(server, { sockopts: { TCP_USER_TIMEOUT: true } });
  // Undefined may be passed on.
  ({ host: undefined }) satisfies ListenOptions;
  expectTypeOf<NonNullable<ListenOptions['reusePort']>>().toEqualTypeOf<boolean | ReusePort>();
}

export function destinations(socket: net.Socket, secure: tls.TLSSocket, native: NativeSocket): void {
  expectTypeOf(originalDestination(socket)).toEqualTypeOf<OriginalDestination>();
  originalDestination(secure);
  originalDestination(native);
  expectTypeOf<OriginalDestination['family']>().toEqualTypeOf<Family>();
  expectTypeOf<OriginalDestination['method']>().toEqualTypeOf<'redirect' | 'local'>();
  // @ts-expect-error a descriptor is not enough
  originalDestination(5);
  // @ts-expect-error a server has no destination
  originalDestination(net.createServer());
}
