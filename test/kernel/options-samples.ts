// A sample value for every row of OPTIONS: data for the options tests. A row without one does not compile, and is a failing test.
import { expect } from 'vitest';
import {
  getOption,
  setOption,
  type NativeSocket,
  type OptionName,
  type OptionValues,
  type SocketOptions,
} from '../../src/index.js';
import { listening, tcp, tcpPair, udp } from '../support/sockets.js';

/** For a row that can be set. */
export interface Given<N extends OptionName> {
  /** Not the initial value, and one that reads back as the row says: unchanged, or doubled. */
  readonly set: OptionValues[N]['set'];
  /** For rows with readBack 'adjusted': a value that was set, and what it read back as, which is another. */
  readonly adjusted?: () => Promise<readonly [set: unknown, read: unknown]> | readonly [set: unknown, read: unknown];
}

/** For a row that can only be read. */
export interface Got {
  /** What a new socket answers, by its family and type; an errno's name when it has no answer yet. */
  readonly initial: (socket: NativeSocket) => unknown;
  /** A socket that answers something else, and what. */
  readonly later?: (check: (socket: NativeSocket, expected: unknown) => void) => Promise<void> | void;
}

export const SAMPLES: {
  readonly [N in OptionName]: [OptionValues[N]['set']] extends [never] ? Got : Given<N>;
} = {
  SO_REUSEADDR: { set: true },
  SO_TYPE: { initial: (socket) => (socket.type === 'stream' ? 1 : 2) },
  SO_ERROR: {
    initial: () => 0,
    later: async (check) => {
      using socket = tcp();
      socket.connect('127.0.0.1:1');
      await socket.writable();
      check(socket, 111);
      check(socket, 0); // reading clears it
    },
  },
  SO_BROADCAST: { set: true },
  SO_SNDBUF: { set: 10_000 },
  SO_RCVBUF: { set: 10_000 },
  SO_KEEPALIVE: { set: true },
  SO_PRIORITY: { set: 5 },
  SO_LINGER: { set: 7 },
  SO_REUSEPORT: { set: true },
  SO_RCVLOWAT: { set: 3 },
  SO_RCVTIMEO: { set: 1500, adjusted: roundedUpToTicks('SO_RCVTIMEO') },
  SO_SNDTIMEO: { set: 1500, adjusted: roundedUpToTicks('SO_SNDTIMEO') },
  SO_BINDTODEVICE: { set: 'lo' },
  SO_ACCEPTCONN: {
    initial: () => false,
    later: (check) => {
      using socket = listening();
      check(socket, true);
    },
  },
  SO_MARK: { set: 0xf000_0001 },
  SO_PROTOCOL: { initial: (socket) => (socket.type === 'stream' ? 6 : 17) },
  SO_DOMAIN: { initial: (socket) => (socket.family === 'ipv4' ? 2 : 10) },
  SO_INCOMING_CPU: { set: 77 }, // no CPU of this machine, so that one that the kernel writes there is told from it
  SO_COOKIE: { initial: () => expect.any(BigInt) as unknown },
  SO_BINDTOIFINDEX: { set: 1 },

  IP_TOS: { set: 0x10, adjusted: reading('IP_TOS', 0xb9) },
  IP_TTL: { set: 33 },
  IP_PKTINFO: { set: true },
  IP_MTU_DISCOVER: { set: 3 },
  IP_RECVERR: { set: true },
  IP_RECVTTL: { set: true },
  IP_RECVTOS: { set: true },
  IP_MTU: {
    initial: () => 'ENOTCONN',
    later: (check) => {
      using socket = udp('ipv4');
      socket.connect('127.0.0.1:9');
      check(socket, 65535); // of lo, as far as IPv4 goes
    },
  },
  IP_FREEBIND: { set: true },
  IP_TRANSPARENT: { set: true },
  IP_RECVORIGDSTADDR: { set: true },
  IP_BIND_ADDRESS_NO_PORT: { set: true },
  IP_LOCAL_PORT_RANGE: { set: [40_000, 60_000] }, // negative, were it read as an int32

  IPV6_UNICAST_HOPS: { set: 33, adjusted: reading('IPV6_UNICAST_HOPS', -1) },
  IPV6_MTU_DISCOVER: { set: 3 },
  IPV6_MTU: {
    initial: () => 'ENOTCONN',
    later: (check) => {
      using socket = udp('ipv6');
      socket.connect('[::1]:9');
      check(socket, 65536);
    },
  },
  IPV6_RECVERR: { set: true },
  IPV6_V6ONLY: { set: true },
  IPV6_RECVPKTINFO: { set: true },
  IPV6_RECVHOPLIMIT: { set: true },
  IPV6_RECVTCLASS: { set: true },
  IPV6_TCLASS: { set: 0x10, adjusted: reading('IPV6_TCLASS', 0xb9) },
  IPV6_RECVORIGDSTADDR: { set: true },
  IPV6_TRANSPARENT: { set: true },
  IPV6_FREEBIND: { set: true },

  TCP_NODELAY: { set: true },
  TCP_MAXSEG: {
    set: 1000,
    adjusted: async () => {
      using pair = await tcpPair('ipv4', { TCP_MAXSEG: 1000 }); // time stamps take their part
      return [1000, getOption(pair.server, 'TCP_MAXSEG')];
    },
  },
  TCP_KEEPIDLE: { set: 77 },
  TCP_KEEPINTVL: { set: 7 },
  TCP_KEEPCNT: { set: 3 },
  TCP_SYNCNT: { set: 2 },
  TCP_DEFER_ACCEPT: { set: 7, adjusted: reading('TCP_DEFER_ACCEPT', 10) },
  TCP_WINDOW_CLAMP: { set: 20_000, adjusted: reading('TCP_WINDOW_CLAMP', 1) },
  TCP_INFO: {
    initial: () => expect.objectContaining({ state: 'CLOSE', segsOut: 0, bytesSent: 0, options: 0 }) as unknown,
    later: async (check) => {
      using pair = await tcpPair();
      pair.client.sendmsg({ data: Buffer.alloc(1000) });
      await pair.server.readable();
      check(pair.listener, expect.objectContaining({ state: 'LISTEN' }));
      check(pair.client, expect.objectContaining({ state: 'ESTABLISHED', bytesSent: 1000, dataSegsOut: 1 }));
      check(pair.server, expect.objectContaining({ state: 'ESTABLISHED', bytesReceived: 1000, segsIn: 3 }));
    },
  },
  TCP_QUICKACK: {
    set: false,
    adjusted: () => {
      using socket = tcp('ipv4', { TCP_QUICKACK: false });
      socket.listen(); // the kernel goes back to its own way
      return [false, getOption(socket, 'TCP_QUICKACK')];
    },
  },
  TCP_CONGESTION: { set: 'reno' }, // every kernel has it, and it is no default
  TCP_USER_TIMEOUT: { set: 3000 },
  TCP_FASTOPEN: { set: 16, adjusted: reading('TCP_FASTOPEN', 2 ** 31 - 1) },
  TCP_NOTSENT_LOWAT: { set: 4_000_000_000 },
  TCP_FASTOPEN_CONNECT: { set: true },
  TCP_FASTOPEN_NO_COOKIE: { set: true },

  UDP_CORK: { set: true },
  UDP_SEGMENT: { set: 1200 },
  UDP_GRO: { set: true },
};

/** A stream socket's answer to a value. */
function reading<N extends Extract<keyof SocketOptions, OptionName>>(
  name: N,
  set: OptionValues[N]['set'],
): () => readonly [unknown, unknown] {
  return () => {
    using socket = tcp('ipv6');
    setOption(socket, name, set);
    return [set, getOption(socket, name as never)];
  };
}

/** Kernels count in ticks of 1, 4 or 10 ms; 1 ms is a whole one at the least. */
function roundedUpToTicks(name: 'SO_RCVTIMEO' | 'SO_SNDTIMEO'): () => readonly [unknown, unknown] {
  return () => {
    using socket = udp();
    const odd = [1, 3, 7, 1001, 1333].find((milliseconds) => {
      setOption(socket, name, milliseconds);
      return getOption(socket, name) !== milliseconds;
    });
    if (odd === undefined) return [0, 'a kernel with HZ=1000 keeps them all'];
    setOption(socket, name, odd);
    return [odd, getOption(socket, name)];
  };
}
