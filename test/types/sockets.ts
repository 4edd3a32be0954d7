// Types of NativeSocket, endpoints and control messages, checked by `npm run types` and never run.
import type { SocketAddress } from 'node:net';
import { expectTypeOf } from 'vitest';
import {
  Endpoint,
  NativeSocket,
  type Accepted,
  type ControlMessage,
  type EndpointLike,
  type ExtendedError,
  type Family,
  type PacketInfo,
  type NativeSocketState,
  type ReceivedControlMessage,
  type ReceivedMessage,
  type SocketType,
} from '../../src/index.js';

declare const socket: NativeSocket;

export function making(): void {
  NativeSocket.create({ family: 'ipv4', type: 'stream' });
  NativeSocket.create({ family: 'ipv6', type: 'raw', protocol: 58, sockopts: { IPV6_FREEBIND: true } });
  // @ts-expect-error the family is required
  NativeSocket.create({ type: 'stream' });
  // @ts-expect-error a family is a name
  NativeSocket.create({ family: 4, type: 'stream' });
  // @ts-expect-error unknown type
  NativeSocket.create({ family: 'ipv4', type: 'seqpacket' });
  // @ts-expect-error the value has the type of the option here as well
  NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { TCP_NODELAY: 1 } });
  // @ts-expect-error an option of datagram sockets
  NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { UDP_SEGMENT: 1200 } });
  // @ts-expect-error an option of IPv6 sockets
  NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { IPV6_FREEBIND: true } });
  // @ts-expect-error a misspelt key
  NativeSocket.create({ family: 'ipv4', type: 'stream', sockopt: {} });
  // @ts-expect-error the constructor is private
  new NativeSocket();
  expectTypeOf(NativeSocket.create({ family: 'ipv4', type: 'dgram' })).toEqualTypeOf<NativeSocket<'dgram'>>();
  expectTypeOf<NativeSocket<'dgram'>>().toExtend<NativeSocket>();
  expectTypeOf<NativeSocket['type']>().toEqualTypeOf<SocketType>();
  expectTypeOf(NativeSocket.adopt(3)).toEqualTypeOf<NativeSocket>();
}

export function beingOne(): void {
  expectTypeOf(socket.state).toEqualTypeOf<NativeSocketState>();
  expectTypeOf(socket.family).toEqualTypeOf<Family>();
  expectTypeOf(socket.fd).toEqualTypeOf<number>();
  expectTypeOf(socket.local).toEqualTypeOf<Endpoint>();
  expectTypeOf(socket.remote).toEqualTypeOf<Endpoint | undefined>();
  expectTypeOf(socket.detach()).toEqualTypeOf<number>();
  expectTypeOf(socket).toExtend<Disposable>();
  // @ts-expect-error it is read-only
  socket.state = 'open';
  // @ts-expect-error it is read-only
  socket.fd = 3;
}

export async function connecting(signal: AbortSignal): Promise<void> {
  expectTypeOf(socket.connect('127.0.0.1:80')).toEqualTypeOf<boolean>();
  expectTypeOf(socket.connected({ signal })).toEqualTypeOf<Promise<void>>();
  expectTypeOf(socket.accept()).toEqualTypeOf<Accepted | undefined>();
  await socket.readable();
  await socket.writable({ signal });
  // @ts-expect-error expects an options object
  await socket.readable(signal);
  // @ts-expect-error a number is not a signal
  await socket.readable({ signal: 100 });
  // Undefined may be passed on.
  await socket.readable({ signal: undefined });
  socket.shutdown('both');
  // @ts-expect-error unknown direction
  socket.shutdown('rw');
  // @ts-expect-error the result may be undefined
  socket.accept().socket.close();
}

export function endpoints(address: SocketAddress, endpoint: Endpoint): void {
  for (const local of ['192.0.2.1', '[2001:db8::1]', { address: '::1' }, { address: '::1', port: undefined }]) {
    socket.bind(local);
  }
  expectTypeOf<SocketAddress>().toExtend<EndpointLike>();
  expectTypeOf<{ address: string; port: number }>().toExtend<EndpointLike>();
  for (const to of [address, endpoint, '[::1]:53', { address: '::1', port: 53, flowlabel: 1 }]) socket.connect(to);
  // @ts-expect-error the port is required
  socket.connect({ address: '::1' });
  // @ts-expect-error the port is a number
  socket.connect({ address: '::1', port: '53' });
  // @ts-expect-error expects one argument
  socket.connect('::1', 53);
  // @ts-expect-error it is read-only
  endpoint.port = 1;
  // @ts-expect-error the constructor is private
  new Endpoint('::1', 53);
  expectTypeOf(Endpoint.from(address)).toEqualTypeOf<Endpoint>();
  expectTypeOf(endpoint.sockaddr('ipv6')).toEqualTypeOf<Uint8Array>();
}

export function sending(data: Uint8Array): void {
  expectTypeOf(socket.sendmsg({ data })).toEqualTypeOf<number | undefined>();
  socket.sendmsg({ data: [data, Buffer.alloc(1)], to: '127.0.0.1:53', flags: 1 });
  socket.sendmsg({
    data,
    control: [
      { type: 'UDP_SEGMENT', value: 1200 },
      { level: 0, type: 1, data },
    ],
  });
  socket.sendmsg({
    data,
    control: [
      { type: 'IP_PKTINFO', value: { source: '127.0.0.1' } },
      { type: 'SCM_TXTIME', value: 1n },
    ],
  });
  // @ts-expect-error text is not data
  socket.sendmsg({ data: 'text' });
  // @ts-expect-error other arrays are not data
  socket.sendmsg({ data: new Uint16Array(1) });
  // @ts-expect-error the type of the value follows from the name
  socket.sendmsg({ data, control: [{ type: 'UDP_SEGMENT', value: '1200' }] });
  // @ts-expect-error the type of the value follows from the name
  socket.sendmsg({ data, control: [{ type: 'IP_PKTINFO', value: 1 }] });
  // @ts-expect-error this message is only received
  socket.sendmsg({ data, control: [{ type: 'UDP_GRO', value: 1200 }] });
  // @ts-expect-error a raw message has a level
  socket.sendmsg({ data, control: [{ type: 1, data }] });
  // @ts-expect-error a misspelt key
  socket.sendmsg({ data, destination: '127.0.0.1:53' });
}

export function receiving(buffer: Uint8Array, sent: ControlMessage, received: ReceivedControlMessage): void {
  const message = socket.recvmsg({ buffers: [buffer], controlLength: 64 });
  expectTypeOf(message).toEqualTypeOf<ReceivedMessage | undefined>();
  // @ts-expect-error the result may be undefined
  expectTypeOf(message.bytes).toEqualTypeOf<number>();
  // @ts-expect-error expects an array of buffers
  socket.recvmsg({ buffers: buffer });
  // @ts-expect-error expects a number of bytes
  socket.recvmsg({ buffers: [buffer], controlLength: buffer });

  switch (received.type) {
    case 'UDP_GRO':
    case 'IP_TTL':
      expectTypeOf(received.value).toEqualTypeOf<number>();
      break;
    case 'IP_PKTINFO':
      expectTypeOf(received.value).toEqualTypeOf<PacketInfo>();
      break;
    case 'IP_RECVERR':
      expectTypeOf(received.value).toEqualTypeOf<ExtendedError>();
      break;
    case 'IP_ORIGDSTADDR':
      expectTypeOf(received.value).toEqualTypeOf<Endpoint>();
      break;
    case 'SCM_TIMESTAMPNS':
      expectTypeOf(received.value).toEqualTypeOf<bigint>();
      break;
    default:
  }
  if (typeof received.type === 'number') expectTypeOf(received.data).toEqualTypeOf<Uint8Array>();
  if (sent.type === 'SO_MARK') expectTypeOf(sent.value).toEqualTypeOf<number>();
}
