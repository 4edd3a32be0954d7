// Reasons that are easily confused, since the kernel's code is the same.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  connect,
  listen,
  NativeSocket,
  OPTIONS,
  reserve,
  reserveUdp,
  setOption,
  UdpSocket,
  type SyscallError,
} from '../../src/index.js';
import { createServer } from 'node:net';
import { expectNoNewFds } from '../support/fds.js';
import { errorOf } from '../support/sockets.js';

type Reasoned = SyscallError & { readonly reason?: string; readonly exhaustedBy?: string };

async function failing(options: object): Promise<Reasoned> {
  const socket = connect(options as never);
  const [error] = (await once(socket, 'error')) as [Reasoned];
  return error;
}

async function refusal(action: () => unknown): Promise<Reasoned> {
  return (await errorOf(action)) as unknown as Reasoned;
}

describe("the error of an exhausted range counts the ports of the socket's range only", () => {
  const range = [47_000, 47_001] as const;
  const text = /Of the 2 ports of 47000-47001/;

  test("bind() of a UdpSocket or NativeSocket, and listen(), count only the ports of the socket's range", async () => {
    const held = [UdpSocket.create({ family: 'ipv4' }), UdpSocket.create({ family: 'ipv4' })];
    held.forEach((udp, i) => udp.bind({ address: '127.0.0.1', port: 47_000 + i }));
    const tcp = range.map((port) => {
      const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
      socket.bind({ address: '127.0.0.1', port });
      return socket;
    });
    const sockopts = { IP_LOCAL_PORT_RANGE: range };
    const udp = UdpSocket.create({ family: 'ipv4', sockopts });
    const native = NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts });
    const server = listen(createServer(), { host: '127.0.0.1', sockopts });
    const [listening] = (await once(server, 'error')) as [Reasoned];
    for (const error of [
      await refusal(() => udp.bind('127.0.0.1:0')),
      await refusal(() => native.bind('127.0.0.1:0')),
      listening,
    ]) {
      expect(error).toMatchObject({ code: 'EADDRINUSE', reason: 'portRangeExhausted', exhaustedBy: 'boundPorts' });
      expect(error.message).toMatch(text);
    }
    await Promise.all([udp, ...held].map((socket) => socket.close()));
    for (const socket of [native, ...tcp]) socket.close();
  });
});

describe('a destination that the socket cannot reach', () => {
  test.each(['224.0.0.1', '127.255.255.255', 'ff02::1%lo'])(
    'connect() and reserve() to %s fail with notUnicast, not noRoute',
    async (host) => {
      expect((await failing({ host, port: 80 })).reason).toBe('notUnicast');
      expect((await refusal(() => reserve({ remote: { address: host, port: 80 } }))).reason).toBe('notUnicast');
    },
  );

  test('an IPv6-only socket fails toward an IPv4 address with familyMismatch, not noRoute', async () => {
    const error = await failing({ host: '::ffff:127.0.0.1', port: 80, sockopts: { IPV6_V6ONLY: true } });
    expect(error.reason).toBe('familyMismatch');
    const udp = UdpSocket.create({ family: 'ipv6', ipv6Only: true });
    expect((await refusal(() => udp.connect('127.0.0.1:53'))).reason).toBe('familyMismatch');
    expect((await refusal(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:53' }))).reason).toBe('familyMismatch');
    await udp.close();
  });

  test('UDP to a broadcast address without SO_BROADCAST fails with notPermitted and names the option', async () => {
    const udp = UdpSocket.create({ family: 'ipv4' });
    for (const action of [
      () => udp.connect('127.255.255.255:9'),
      () => udp.trySend(Buffer.from('x'), { to: '127.255.255.255:9' }),
    ]) {
      const error = await refusal(action);
      expect(error).toMatchObject({ code: 'EACCES', reason: 'notPermitted' });
      expect(error.message).toMatch(/SO_BROADCAST/);
    }
    await udp.close();
  });

  test('reserveUdp() to link-local multicast without a zone fails with noZone', async () => {
    expect((await refusal(() => reserveUdp({ remote: '[ff02::1]:9' }))).reason).toBe('noZone');
  });
});

test('an AggregateError has the reason that all its errors have in common', async () => {
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
  const lookup = (_host: string, _options: object, callback: (error: null, found: typeof addresses) => void): void =>
    callback(null, addresses);
  const error = await failing({ host: 'two.test', port: 80, device: 'no-such-device', lookup });
  expect(error).toMatchObject({ errors: [{ reason: 'noDevice' }, { reason: 'noDevice' }], reason: 'noDevice' });
});

test.each([
  ['localAdress', 'localAddress'],
  ['localaddress', 'localAddress'],
  ['local_address', 'localAddress'],
  ['localPortt', 'localPort'],
  ['local_port_range', 'localPortRange'],
  ['LOCALPORTRANGE', 'localPortRange'],
])('connect() refuses %s, a misspelling of %s', async (key, meant) => {
  const error = await refusal(() => connect({ host: '127.0.0.1', port: 9, [key]: '127.0.0.9' }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toContain(`misspelling of "${meant}"`);
});

test('connect() reads each option once', async () => {
  const reads = new Map<string, number>();
  const counted = new Proxy(
    { host: '127.0.0.1', port: 9, localAddress: '127.0.0.5', localPort: undefined, freebind: false, mark: undefined },
    {
      get: (target, key, receiver) => {
        reads.set(String(key), (reads.get(String(key)) ?? 0) + 1);
        return Reflect.get(target, key, receiver) as unknown;
      },
    },
  );
  await failing(counted);
  expect(Object.fromEntries(reads)).toEqual(Object.fromEntries(Object.keys(counted).map((key) => [key, 1])));
});

test('OPTIONS and the features of a UdpSocket cannot be changed', async () => {
  const udp = UdpSocket.create({ family: 'ipv4' });
  const { features } = udp;
  expect(() => ((features.pktinfo as { on: boolean }).on = true)).toThrow(TypeError);
  expect(() => ((features as Record<string, unknown>)['gro'] = {})).toThrow(TypeError);
  expect(() => ((OPTIONS.IP_TTL as { name: number }).name = 1)).toThrow(TypeError);
  await udp.close();
});

test('a getter of an option value that closes the socket does not reach the next owner of its descriptor', async () => {
  await expectNoNewFds(async () => {
    const first = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
    const { fd } = first;
    let second: NativeSocket | undefined;
    const program = [
      {
        get code() {
          first.close();
          second = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
          return 6;
        },
        ...{ jt: 0, jf: 0, k: 0 },
      },
    ];
    const error = await refusal(() => setOption(first, 'SO_ATTACH_FILTER', program));
    expect(error.code).toBe('EBADF');
    expect(second?.fd).toBe(fd);
    second?.bind('127.0.0.1:0'); // and it still receives
    const udp = UdpSocket.create({ family: 'ipv4' });
    udp.trySend(Buffer.from('x'), { to: second!.local });
    await second?.readable();
    second?.close();
    await udp.close();
  });
});
