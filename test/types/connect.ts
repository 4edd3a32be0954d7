// Types of connect, checked by `npm run types` and never run.
import type { NetConnectOpts, Socket } from 'node:net';
import { expectTypeOf } from 'vitest';
import {
  connect,
  type ConnectOptions,
  type PortRange,
  type SourceOptions,
  type WaitForLocalPort,
} from '../../src/index.js';

export function connecting(signal: AbortSignal, nodes: NetConnectOpts): void {
  expectTypeOf(connect({ host: 'example.org', port: 443 })).toEqualTypeOf<Socket>();
  connect(443);
  connect(443, 'example.org');
  connect(443, 'example.org', () => undefined);
  connect(443, () => undefined);
  connect('443');
  connect('/run/some.sock');
  connect({ path: '/run/some.sock' }, () => undefined);
  expectTypeOf(connect(nodes)).toEqualTypeOf<Socket>();
  // @ts-expect-error options of a TCP source cannot be combined with a path
  connect({ path: '/run/some.sock', freebind: true });
  // @ts-expect-error localAddress cannot be combined with a path
  connect({ path: '/run/some.sock', localAddress: '192.0.2.9' });
  connect({ path: '/run/some.sock', allowHalfOpen: true, timeout: 1000 });
  connect({ port: 443, localAddress: '192.0.2.9', localPort: 40_000, freebind: true, transparent: true });
  connect({ port: 443, localPortRange: [40_000, 40_999], shareLocalPort: true, mark: 7, device: 'eth0' });
  connect({ port: 443, sockopts: { TCP_USER_TIMEOUT: 1000 }, waitForLocalPort: { timeout: 5000 } });
  connect({ port: 443, signal, timeout: 1000, noDelay: true, autoSelectFamily: true, family: 6, allowHalfOpen: true });
  // @ts-expect-error the port is required
  connect({ host: 'example.org' });
  // @ts-expect-error a range has two bounds
  connect({ port: 443, localPortRange: [40_000] });
  // @ts-expect-error a number is not a boolean
  connect({ port: 443, freebind: 1 });
  // @ts-expect-error a number is not the name of an interface
  connect({ port: 443, device: 2 });
  // @ts-expect-error the value has the type of the option
  connect({ port: 443, sockopts: { TCP_USER_TIMEOUT: '1s' } });
  connect({ port: 443, waitForLocalPort: true });
  connect({ port: 443, waitForLocalPort: {} });
  // @ts-expect-error a number is not a boolean or { timeout }
  connect({ port: 443, waitForLocalPort: 1000 });
  // @ts-expect-error unknown option
  connect({ port: 443, retry: { timeout: 1000 } });
  // @ts-expect-error an option of datagram sockets
  connect({ port: 443, sockopts: { UDP_SEGMENT: 1200 } });
  // @ts-expect-error a misspelt key
  connect({ port: 443, localPorts: [1, 2] });
}

export function typesOfOptions(): void {
  expectTypeOf<ConnectOptions>().toExtend<SourceOptions>();
  expectTypeOf<SourceOptions['localPortRange']>().toEqualTypeOf<PortRange | undefined>();
  expectTypeOf<ConnectOptions['waitForLocalPort']>().toEqualTypeOf<WaitForLocalPort | undefined>();
}
