// An option that is undefined has its default, so that optional values can be passed on.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import {
  connect,
  EgressPool,
  listen,
  NativeSocket,
  reserve,
  reserveUdp,
  UdpSocket,
  type EgressPoolOptions,
  type ListenOptions,
  type NativeSocketOptions,
  type ReserveOptions,
  type ReserveUdpOptions,
  type SendOptions,
  type UdpSocketOptions,
} from '../../src/index.js';
import { listening } from '../support/sockets.js';
import { checkDescriptors } from '../support/fixtures.js';

checkDescriptors();

type OptionalKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];
/** All optional keys. The compiler ensures that none is missing here. */
type Nothing<T> = Record<OptionalKeys<T>, undefined>;

test('undefined options of NativeSocket.create mean the default', () => {
  const nothing: Nothing<NativeSocketOptions> = { protocol: undefined, sockopts: undefined };
  using socket = NativeSocket.create({ family: 'ipv4', type: 'dgram', ...nothing });
  expect(socket.fd).toBeGreaterThan(2);
});

test('undefined options of UdpSocket.create and of a send mean the default', async () => {
  const nothing: Nothing<UdpSocketOptions> = {
    ...{
      gro: undefined,
      pktinfo: undefined,
      originalDestination: undefined,
      ecn: undefined,
      ttl: undefined,
      receiveMark: undefined,
      segmentSize: undefined,
      device: undefined,
    },
    ...{ timestamps: undefined, dropCounter: undefined, mark: undefined, errorQueue: undefined, txTime: undefined },
    ...{ pathMtuDiscovery: undefined, ipv6Only: undefined, reuseAddr: undefined, reusePort: undefined },
    ...{ freebind: undefined, transparent: undefined, recvBufferSize: undefined, sendBufferSize: undefined },
    ...{ sockopts: undefined, slots: undefined, maxDatagram: undefined, controlLength: undefined, debug: undefined },
    ...{ gso: undefined, gsoRetryAfter: undefined, gsoMaxSegments: undefined, gsoEqualTail: undefined },
    ...{ sendHighWaterMark: undefined, maxQueueBytes: undefined },
    ...{ replySockets: undefined, replySocketTimeout: undefined },
  };
  await using udp = UdpSocket.create({ family: 'ipv4', ...nothing });
  udp.bind('127.0.0.1:0');
  udp.connect(udp.local);
  const none: Nothing<SendOptions> = {
    ...{ to: undefined, segmentSize: undefined, from: undefined, ecn: undefined, dscp: undefined, ttl: undefined },
    ...{ txTime: undefined, mark: undefined, dontFragment: undefined },
  };
  expect(udp.trySend(Buffer.from('x'), none)).toBe(1);
});

test('undefined options of reserve and reserveUdp mean the default', () => {
  using listener = listening('ipv4');
  const nothing: Nothing<ReserveUdpOptions> = {
    ...{
      local: undefined,
      shareLocalPort: undefined,
      localPortRange: undefined,
      freebind: undefined,
      transparent: undefined,
      mark: undefined,
      sockopts: undefined,
    },
  };
  using tcp = reserve({ remote: listener.local, ...(nothing satisfies Nothing<ReserveOptions>) });
  using udp = reserveUdp({ remote: listener.local, ...nothing });
  expect([tcp.state, udp.state]).toEqual(['held', 'held']);
});

test('undefined options of listen, connect and a pool mean the default', async () => {
  const nothing: Nothing<ListenOptions> = {
    ...{ host: undefined, port: undefined, backlog: undefined, freebind: undefined, transparent: undefined },
    ...{ reusePort: undefined, fastOpen: undefined, deferAccept: undefined, ipv6Only: undefined, sockopts: undefined },
    ...{ signal: undefined, exclusive: undefined, protocol: undefined, mark: undefined, device: undefined },
  };
  const server = listen(
    createServer((socket) => socket.end()),
    nothing,
  );
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const poolNothing: Nothing<EgressPoolOptions> = {
    ...{
      strategy: undefined,
      spill: undefined,
      limit: undefined,
      limitPerAddress: undefined,
      cooldown: undefined,
      waitForLocalPort: undefined,
    },
    ...{ name: undefined, localPortRange: undefined, freebind: undefined, transparent: undefined, mark: undefined },
    ...{ device: undefined, sockopts: undefined, protocol: undefined, shareLocalPort: undefined },
  };
  const pool = new EgressPool({ sources: ['127.0.0.1'], ...poolNothing });
  const own = {
    ...{ localPortRange: undefined, freebind: undefined, transparent: undefined, mark: undefined, device: undefined },
    ...{
      protocol: undefined,
      shareLocalPort: undefined,
      sockopts: undefined,
      waitForLocalPort: undefined,
      localAddress: undefined,
      localPort: undefined,
    },
  };
  for (const socket of [
    connect({ host: '127.0.0.1', port, ...own }),
    pool.connect({ host: '127.0.0.1', port, egressKey: undefined, sockopts: undefined, waitForLocalPort: undefined }),
  ]) {
    socket.resume();
    await once(socket, 'close');
    expect(socket.bytesRead).toBe(0);
  }
  server.close();
  await once(server, 'close');
});
