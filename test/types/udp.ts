// Types of UdpSocket and what it receives, checked by `npm run types` and never run.
import { expectTypeOf } from 'vitest';
import {
  UdpSocket,
  type Endpoint,
  type Feature,
  type FeatureName,
  type GsoDisabled,
  type Message,
  type MessageInfo,
  type ReceivedBatch,
  type ReceivedControlMessage,
  type SendBatch,
  type SyscallError,
  type UdpSocketOptions,
  type UdpStats,
} from '../../src/index.js';

declare const udp: UdpSocket;
declare const received: ReceivedBatch;

export function making(): void {
  UdpSocket.create({ family: 'ipv4' });
  UdpSocket.create({ family: 'ipv6', gro: 'require', pktinfo: true, mark: 7, gso: 'off', sockopts: { IP_TOS: 8 } });
  UdpSocket.create({
    family: 'ipv4',
    reusePort: { steering: [{ code: 6, jt: 0, jf: 0, k: 0 }] },
    pathMtuDiscovery: 'do',
  });
  // @ts-expect-error the family is required
  UdpSocket.create({});
  // @ts-expect-error a family is a string
  UdpSocket.create({ family: 4 });
  UdpSocket.create({
    family: 'ipv4',
    reuseAddr: true,
    recvBufferSize: 1,
    sendBufferSize: 1,
    receiveMark: 'require',
    segmentSize: 1200,
  });
  UdpSocket.create({ family: 'ipv4', reusePort: { steering: 'cpu', sockets: 4 } });
  // @ts-expect-error reuseAddress is a misspelling of reuseAddr
  UdpSocket.create({ family: 'ipv4', reuseAddress: true });
  // @ts-expect-error mark, for sent datagrams, is a number; receiveMark reports the mark of received ones
  UdpSocket.create({ family: 'ipv4', mark: true });
  // @ts-expect-error freebind is a boolean; only features can be required
  UdpSocket.create({ family: 'ipv4', freebind: 'require' });
  // @ts-expect-error IP_TOS is a number
  UdpSocket.create({ family: 'ipv4', sockopts: { IP_TOS: true } });
  // @ts-expect-error 'always' is not a mode of path MTU discovery
  UdpSocket.create({ family: 'ipv4', pathMtuDiscovery: 'always' });
  // @ts-expect-error the constructor is private; use UdpSocket.create
  new UdpSocket();
  expectTypeOf<UdpSocketOptions>().toHaveProperty('maxDatagram').toEqualTypeOf<number | undefined>();
}

export async function beingOne(signal: AbortSignal): Promise<void> {
  udp.bind();
  udp.bind('0.0.0.0:53');
  udp.connect({ address: '::1', port: 53 });
  expectTypeOf(udp.local).toEqualTypeOf<Endpoint>();
  expectTypeOf(udp.remote).toEqualTypeOf<Endpoint | undefined>();
  expectTypeOf(udp.features.gro).toEqualTypeOf<Feature>();
  expectTypeOf(udp.features).toEqualTypeOf<Readonly<Record<FeatureName, Feature>>>();
  expectTypeOf(udp.stats).toEqualTypeOf<UdpStats>();
  expectTypeOf(udp.pause().resume().ref().unref()).toEqualTypeOf<UdpSocket>();
  expectTypeOf(udp.close()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(udp).toExtend<AsyncDisposable>();
  expectTypeOf(udp.createSendBatch()).toEqualTypeOf<SendBatch>();
  await udp.readable({ signal });
  await udp.writable();
  // @ts-expect-error readable() takes an options object
  await udp.readable(signal);
  // @ts-expect-error fd is read-only
  udp.fd = 3;
}

export async function receiving(): Promise<void> {
  udp.on('batch', (batch) => expectTypeOf(batch).toEqualTypeOf<ReceivedBatch>());
  udp.once('message', (data, info) => {
    expectTypeOf(data).toEqualTypeOf<Buffer>();
    expectTypeOf(info).toEqualTypeOf<MessageInfo>();
  });
  udp.on('pendingError', (error) => expectTypeOf(error).toEqualTypeOf<SyscallError>());
  udp.on('degraded', (name, feature) =>
    expectTypeOf([name, feature] as const).toEqualTypeOf<readonly [FeatureName, Feature]>(),
  );
  udp.on('gsoDisabled', (event) => expectTypeOf(event).toEqualTypeOf<GsoDisabled>());
  udp.on('drain', () => undefined).off('close', () => undefined);
  // @ts-expect-error UdpSocket has no 'error' event; peers cause 'pendingError'
  udp.on('error', () => undefined);
  // @ts-expect-error the first argument of a 'message' listener is the data
  udp.on('message', (info: MessageInfo) => info);
  for await (const message of udp) expectTypeOf(message).toEqualTypeOf<Message>();
  expectTypeOf(udp.createReceiveBatch()).toEqualTypeOf<ReceivedBatch>();
  expectTypeOf(udp.receiveBatch(received)).toEqualTypeOf<number>();
}

export function reading(info: MessageInfo): void {
  expectTypeOf(received.length).toEqualTypeOf<number>();
  expectTypeOf(received.data(0)).toEqualTypeOf<Uint8Array>();
  expectTypeOf(received.source(0)).toEqualTypeOf<Endpoint>();
  expectTypeOf(received.sourceKey(0)).toEqualTypeOf<string>();
  expectTypeOf(received.destination(0)).toEqualTypeOf<Endpoint | undefined>();
  expectTypeOf(received.local(0)).toEqualTypeOf<Endpoint | undefined>();
  expectTypeOf(received.ecn(0)).toEqualTypeOf<number | undefined>();
  expectTypeOf(received.segmentSize(0)).toEqualTypeOf<number>();
  expectTypeOf(received.timestamp(0)).toEqualTypeOf<bigint | undefined>();
  expectTypeOf(received.truncated(0)).toEqualTypeOf<boolean>();
  expectTypeOf(received.control(0)).toEqualTypeOf<ReceivedControlMessage[]>();
  expectTypeOf(info.family).toEqualTypeOf<'IPv4' | 'IPv6'>();
  expectTypeOf(info.interface).toEqualTypeOf<number | undefined>();
  // @ts-expect-error message info is read-only
  info.port = 1;
  // @ts-expect-error the index is a number
  received.data('0');
}
