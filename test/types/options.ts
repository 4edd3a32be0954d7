// Types of options, checked by `npm run types` and never run: a name decides its value's type, and misuse does not compile.
import type { Socket as DgramSocket } from 'node:dgram';
import type { Server as HttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expectTypeOf } from 'vitest';
import {
  connect,
  getOption,
  OPTIONS,
  reserve,
  reserveUdp,
  setOption,
  UdpSocket,
  type DatagramSocketOptions,
  type NativeSocket,
  type OptionName,
  type OptionTarget,
  type OptionValues,
  type PortReservation,
  type RawOption,
  type ReadableOptionName,
  type SocketOptions,
  type SocketType,
  type SocketTypeOf,
  type StreamSocketOptions,
  type TcpInfo,
  type TcpState,
  type UdpReservation,
  type WritableOptionName,
} from '../../src/index.js';

declare const socket: NativeSocket;

export function valuesThatAreSet(): void {
  setOption(socket, 'SO_KEEPALIVE', true);
  setOption(socket, 'TCP_USER_TIMEOUT', 3000);
  setOption(socket, 'TCP_CONGESTION', 'bbr');
  setOption(socket, 'TCP_CONGESTION', 'a module of my own');
  setOption(socket, 'IP_MTU_DISCOVER', 'probe');
  setOption(socket, 'IP_MTU_DISCOVER', 3);
  // @ts-expect-error 'always' is not a word of IP_MTU_DISCOVER
  setOption(socket, 'IP_MTU_DISCOVER', 'always');
  setOption(socket, 'IP_LOCAL_PORT_RANGE', [40_000, 50_000]);
  setOption(socket, 'SO_LINGER', 5);
  setOption(socket, 'SO_LINGER', false);
  setOption(socket, 'SO_RCVTIMEO', 100);

  // @ts-expect-error a flag is a boolean
  setOption(socket, 'SO_KEEPALIVE', 1);
  // @ts-expect-error TCP_USER_TIMEOUT takes a number, not a string
  setOption(socket, 'TCP_USER_TIMEOUT', '3000');
  // @ts-expect-error TCP_USER_TIMEOUT takes a number, not a bigint
  setOption(socket, 'TCP_USER_TIMEOUT', 3000n);
  // @ts-expect-error TCP_CONGESTION takes a string
  setOption(socket, 'TCP_CONGESTION', 1);
  // @ts-expect-error a range has two ends
  setOption(socket, 'IP_LOCAL_PORT_RANGE', [40_000]);
  // @ts-expect-error a port range is an array, not a number
  setOption(socket, 'IP_LOCAL_PORT_RANGE', 40_000);
  // @ts-expect-error SO_LINGER takes seconds or false
  setOption(socket, 'SO_LINGER', true);
  // @ts-expect-error a value is required
  setOption(socket, 'SO_KEEPALIVE');
  // @ts-expect-error a value must not be undefined
  setOption(socket, 'SO_KEEPALIVE', undefined);
  // @ts-expect-error SO_KEEP_ALIVE is not an option
  setOption(socket, 'SO_KEEP_ALIVE', true);
  // @ts-expect-error kernel names are upper case
  setOption(socket, 'so_keepalive', true);
}

export function optionsThatAreOnlyRead(): void {
  // @ts-expect-error TCP_INFO is read-only
  setOption(socket, 'TCP_INFO', {});
  // @ts-expect-error SO_TYPE is read-only
  setOption(socket, 'SO_TYPE', 1);
  // @ts-expect-error SO_COOKIE is read-only
  setOption(socket, 'SO_COOKIE', 1n);
  expectTypeOf<'TCP_INFO' | 'SO_TYPE' | 'SO_ERROR' | 'SO_COOKIE' | 'IP_MTU'>().toExtend<ReadableOptionName>();
  expectTypeOf<
    Extract<WritableOptionName, 'TCP_INFO' | 'SO_TYPE' | 'SO_ERROR' | 'SO_COOKIE' | 'IP_MTU'>
  >().toEqualTypeOf<never>();
  expectTypeOf<OptionValues['TCP_INFO']['set']>().toEqualTypeOf<never>();
  expectTypeOf<WritableOptionName>().toExtend<OptionName>();
  expectTypeOf<WritableOptionName | ReadableOptionName>().toEqualTypeOf<OptionName>();
}

export function valuesThatAreRead(): void {
  expectTypeOf(getOption(socket, 'SO_KEEPALIVE')).toEqualTypeOf<boolean>();
  expectTypeOf(getOption(socket, 'TCP_USER_TIMEOUT')).toEqualTypeOf<number>();
  expectTypeOf(getOption(socket, 'SO_MARK')).toEqualTypeOf<number>();
  expectTypeOf(getOption(socket, 'TCP_CONGESTION')).toExtend<string>();
  expectTypeOf(getOption(socket, 'IP_MTU_DISCOVER')).toEqualTypeOf<
    'dont' | 'want' | 'do' | 'probe' | 'interface' | 'omit' | number
  >();
  setOption(socket, 'IP_MTU_DISCOVER', getOption(socket, 'IP_MTU_DISCOVER'));
  expectTypeOf(getOption(socket, 'SO_COOKIE')).toEqualTypeOf<bigint>();
  expectTypeOf(getOption(socket, 'SO_LINGER')).toEqualTypeOf<number | false>();
  expectTypeOf(getOption(socket, 'IP_LOCAL_PORT_RANGE')).toEqualTypeOf<readonly [lo: number, hi: number]>();
  expectTypeOf(getOption(socket, 'TCP_INFO')).toEqualTypeOf<TcpInfo>();
  expectTypeOf(getOption(socket, 'TCP_INFO').state).toEqualTypeOf<TcpState>();
  expectTypeOf(getOption(socket, 'TCP_INFO').segsOut).toEqualTypeOf<number>();
  expectTypeOf(getOption(socket, 'TCP_INFO').totalRtoTime).toEqualTypeOf<number | undefined>();
  // @ts-expect-error later fields are absent on older kernels
  expectTypeOf(getOption(socket, 'TCP_INFO').totalRtoTime).toEqualTypeOf<number>();
  // @ts-expect-error TCP_INFOS is not an option
  getOption(socket, 'TCP_INFOS');
  // @ts-expect-error only options by number take a length
  getOption(socket, 'TCP_INFO', 4);
}

export function namesThatAreNotKnownBeforehand(name: WritableOptionName, any: OptionName): void {
  expectTypeOf(getOption(socket, 'SO_TYPE' as ReadableOptionName)).toEqualTypeOf<
    OptionValues[ReadableOptionName]['get']
  >();
  // @ts-expect-error no value has the type of every option
  setOption(socket, name, Symbol('value'));
  // @ts-expect-error some options cannot be set
  setOption(socket, any, true);
}

export function theRawForm(option: RawOption): void {
  setOption(socket, { level: 6, name: 99 }, 1);
  setOption(socket, { level: 6, name: 99 }, new Uint8Array(8));
  setOption(socket, option, Buffer.alloc(4));
  expectTypeOf(getOption(socket, { level: 6, name: 99 })).toEqualTypeOf<Uint8Array>();
  expectTypeOf(getOption(socket, { level: 6, name: 99 }, 104)).toEqualTypeOf<Uint8Array>();
  // @ts-expect-error options by number take no boolean
  setOption(socket, { level: 6, name: 99 }, true);
  // @ts-expect-error options by number take no string
  setOption(socket, { level: 6, name: 99 }, 'x');
  // @ts-expect-error level and name are both required
  setOption(socket, { level: 6 }, 1);
  // @ts-expect-error the level of an option by number is a number
  setOption(socket, { level: 'IPPROTO_TCP', name: 99 }, 1);
  // @ts-expect-error the length is a number
  getOption(socket, { level: 6, name: 99 }, '4');
}

export function targets(
  reservation: PortReservation,
  node: Socket | Server | TLSSocket | HttpServer | DgramSocket,
  bound: { fd(): number; close(): void },
): void {
  for (const target of [socket, reservation, node, bound, 3]) {
    expectTypeOf(target).toExtend<OptionTarget>();
    setOption(target, 'SO_KEEPALIVE', true);
  }
  // @ts-expect-error a string is not a target
  setOption('3', 'SO_KEEPALIVE', true);
  // @ts-expect-error undefined is not a target
  setOption(undefined, 'SO_KEEPALIVE', true);
  // @ts-expect-error an object with a descriptor number is not a target
  setOption({ fd: 3 }, 'SO_KEEPALIVE', true);
}

export function optionsThatTheTargetDoesNotTake(
  udp: UdpSocket,
  tcp: NativeSocket<'stream'>,
  node: Socket,
  server: Server,
  dgram: DgramSocket,
): void {
  setOption(udp, 'SO_RCVBUF', 65536);
  setOption(tcp, 'TCP_USER_TIMEOUT', 3000);
  setOption(node, 'TCP_USER_TIMEOUT', 3000);
  setOption(server, 'TCP_FASTOPEN', 16);
  setOption(dgram, 'IP_RECVTTL', true);
  setOption(3, 'UDP_SEGMENT', 1200);
  setOption(3, 'TCP_USER_TIMEOUT', 3000);
  // @ts-expect-error an option of stream sockets
  setOption(udp, 'TCP_USER_TIMEOUT', 3000);
  // @ts-expect-error TCP_INFO is an option of stream sockets
  getOption(udp, 'TCP_INFO');
  // @ts-expect-error an option of stream sockets
  setOption(dgram, 'TCP_NODELAY', true);
  // @ts-expect-error an option of datagram sockets
  setOption(tcp, 'UDP_SEGMENT', 1200);
  // @ts-expect-error an option of datagram sockets
  setOption(node, 'UDP_SEGMENT', 1200);
  // @ts-expect-error an option of datagram sockets
  setOption(server, 'UDP_GRO', true);
  // @ts-expect-error an option of raw sockets
  setOption(tcp, 'IP_HDRINCL', true);
  // By numbers, anything goes.
  setOption(udp, { level: 6, name: 18 }, 3000);
  UdpSocket.create({ family: 'ipv4', sockopts: { UDP_CORK: true } });
  // @ts-expect-error an option of stream sockets
  UdpSocket.create({ family: 'ipv4', sockopts: { TCP_NODELAY: true } });
}

export function namesByTypeAndFamily(): void {
  expectTypeOf<'TCP_NODELAY'>().toExtend<WritableOptionName<'stream'>>();
  expectTypeOf<Extract<WritableOptionName<'dgram'>, 'TCP_NODELAY'>>().toEqualTypeOf<never>();
  expectTypeOf<'SO_RCVBUF'>().toExtend<WritableOptionName<'dgram'>>();
  expectTypeOf<Extract<WritableOptionName<'stream', 'ipv4'>, 'IPV6_V6ONLY'>>().toEqualTypeOf<never>();
  expectTypeOf<'IPV6_V6ONLY'>().toExtend<WritableOptionName<'stream'>>();
  expectTypeOf<SocketTypeOf<UdpSocket>>().toEqualTypeOf<'dgram'>();
  expectTypeOf<SocketTypeOf<TLSSocket>>().toEqualTypeOf<'stream'>();
  expectTypeOf<SocketTypeOf<HttpServer>>().toEqualTypeOf<'stream'>();
  expectTypeOf<SocketTypeOf<number>>().toEqualTypeOf<SocketType>();
  expectTypeOf<keyof DatagramSocketOptions>().toEqualTypeOf<WritableOptionName<'dgram'>>();
  expectTypeOf<keyof StreamSocketOptions>().toEqualTypeOf<WritableOptionName<'stream'>>();
}

export function optionsForAFactory(): void {
  const options: SocketOptions = { IP_FREEBIND: true, TCP_USER_TIMEOUT: 3000, IP_LOCAL_PORT_RANGE: [1, 2] };
  expectTypeOf(options.IP_FREEBIND).toEqualTypeOf<boolean | undefined>();
  expectTypeOf<keyof SocketOptions>().toEqualTypeOf<WritableOptionName>();
  // @ts-expect-error it has another type
  ({ IP_FREEBIND: 1 }) satisfies SocketOptions;
  // @ts-expect-error it can only be read
  ({ TCP_INFO: undefined }) satisfies SocketOptions;
  // @ts-expect-error unknown option
  ({ NO_SUCH: 1 }) satisfies SocketOptions;
  // What is not known may be passed on.
  ({ IP_FREEBIND: undefined }) satisfies SocketOptions;
  // @ts-expect-error options are read-only
  options.IP_FREEBIND = false;
}

export function theTable(): void {
  expectTypeOf(OPTIONS.TCP_INFO.name).toEqualTypeOf<11>();
  expectTypeOf(OPTIONS.IP_LOCAL_PORT_RANGE.kind).toEqualTypeOf<'portRange'>();
  expectTypeOf<OptionName>().toEqualTypeOf<keyof typeof OPTIONS>();
  // @ts-expect-error the rows are data
  OPTIONS.TCP_INFO.name = 12;
}

export function optionsThatASocketRefuses(udp: UdpSocket, tcp: PortReservation, held: UdpReservation): void {
  setOption(udp, 'SO_REUSEADDR', true);
  // @ts-expect-error it is `segmentSize` of sends
  setOption(udp, 'UDP_SEGMENT', 1200);
  // @ts-expect-error it is `gro` of UdpSocket.create
  setOption(udp, 'UDP_GRO', true);
  // @ts-expect-error it would break the guarantee
  setOption(tcp, 'SO_REUSEADDR', true);
  // @ts-expect-error it would break the guarantee
  setOption(held, 'SO_BINDTODEVICE', 'lo');
  // @ts-expect-error it is `segmentSize` of toUdpSocket
  setOption(held, 'UDP_SEGMENT', 1200);
  // @ts-expect-error it is `mark`
  connect({ port: 1, sockopts: { SO_MARK: 1 } });
  // @ts-expect-error it is `localPortRange`
  reserve({ remote: '192.0.2.1:443', sockopts: { IP_LOCAL_PORT_RANGE: [1, 2] } });
  // @ts-expect-error it would break the guarantee
  reserveUdp({ remote: '192.0.2.1:443', sockopts: { SO_REUSEPORT: true } });
  // @ts-expect-error Linux cannot promise it
  reserveUdp({ remote: '192.0.2.1:443', shareLocalPort: true });
}
