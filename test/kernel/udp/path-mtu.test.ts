// Path MTU discovery through a router with a narrower link behind it: each mode, what the socket knows, and what sends say.
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { setUp } from '../../support/missing-tools.js';
import { UdpSocket, type Family, type NetworkError, type PathMtuDiscovery } from '../../../src/index.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { errorOf } from '../../support/sockets.js';
import { ip } from '../../support/udp-reply.js';

let router: NetworkNamespace;
let far: NetworkNamespace;
/** Every test has a destination of its own: what ICMP says is remembered by destination. */
const HOSTS = Array.from({ length: 20 }, (_, i) => i + 10);

setUp(async () => {
  router = await NetworkNamespace.create();
  far = await NetworkNamespace.create();
  await router.link('current', {
    ...{ name: 'r0', peerName: 'near' },
    addresses: ['10.7.0.1/24', 'fd07::1/64'],
    peerAddresses: ['10.7.0.2/24', 'fd07::2/64'],
  });
  await router.link(far, {
    ...{ name: 'r1', peerName: 'f0' },
    addresses: ['10.8.0.1/24', 'fd08::1/64'],
    peerAddresses: HOSTS.flatMap((host) => [`10.8.0.${host}/24`, `fd08::${host}/64`]),
  });
  await router.run('ip', 'link', 'set', 'r1', 'mtu', '1280');
  await far.run('ip', 'route', 'add', 'default', 'via', '10.8.0.1');
  await far.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd08::1');
  for (const where of [router, far]) {
    await where.run('sysctl', '-w', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0');
  }
  await router.run('sysctl', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  ip('route add 10.8.0.0/24 via 10.7.0.1');
  ip('-6 route add fd08::/64 via fd07::1');
}, 60_000);
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});

const open: UdpSocket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

const HEADERS = { ipv4: 28, ipv6: 48 } as const;
const WAYS: readonly (readonly [string, Family, Family])[] = [
  ['IPv4', 'ipv4', 'ipv4'],
  ['IPv6', 'ipv6', 'ipv6'],
  ['mapped', 'ipv6', 'ipv4'],
];

describe.each(WAYS)('%s', (_, family, wire) => {
  const LONG = 1500 - HEADERS[wire];
  const connected = (pathMtuDiscovery: PathMtuDiscovery) => {
    const udp = UdpSocket.create({ family, pathMtuDiscovery, errorQueue: true });
    open.push(udp);
    const host = HOSTS.shift();
    if (host === undefined) throw new Error('more tests than destinations');
    udp.connect({
      address: wire === 'ipv6' ? `fd08::${host}` : `${family === 'ipv6' ? '::ffff:' : ''}10.8.0.${host}`,
      port: 9,
    });
    return udp;
  };
  /** What comes back until the port of a short datagram is refused: by then all that was sent before has been dealt with. */
  const answers = async (udp: UdpSocket): Promise<NetworkError[]> => {
    udp.trySend(Buffer.from('short'));
    const errors: NetworkError[] = [];
    for await (const error of udp.errorQueue) {
      errors.push(error);
      if (error.code === 'ECONNREFUSED' && error.data.length === 5) break;
    }
    return errors;
  };

  test("pathMtuDiscovery 'do': the first long datagram is lost, and later ones fail with EMSGSIZE and the path MTU", async () => {
    const udp = connected('do');
    expect(udp.pathMtu).toBe(1500);
    expect(udp.trySend(Buffer.alloc(LONG))).toBe(LONG);
    const [error] = await answers(udp);
    expect(error).toMatchObject({
      ...(wire === 'ipv4' ? { origin: 'icmp', type: 3, icmpCode: 4 } : { origin: 'icmp6', type: 2, icmpCode: 0 }),
      ...{ code: 'EMSGSIZE', mtu: 1280, offender: { address: wire === 'ipv4' ? '10.7.0.1' : 'fd07::1' } },
    });
    expect(udp.pathMtu).toBe(1280);
    expect(await errorOf(() => udp.trySend(Buffer.alloc(LONG)))).toMatchObject({
      ...{ code: 'EMSGSIZE', reason: 'tooLong', mtu: 1280 },
    });
    const fitting = 1280 - HEADERS[wire];
    expect(udp.trySend(Buffer.alloc(fitting))).toBe(fitting);
    expect(await errorOf(() => udp.trySend(Buffer.alloc(fitting + 1)))).toMatchObject({ code: 'EMSGSIZE' });
  });

  test("pathMtuDiscovery 'want': the first long datagram is lost, and later ones are fragmented", async () => {
    const udp = connected('want');
    udp.trySend(Buffer.alloc(LONG));
    expect((await answers(udp))[0]).toMatchObject({ code: 'EMSGSIZE', mtu: 1280 });
    expect(udp.pathMtu).toBe(1280);
    expect(udp.trySend(Buffer.alloc(LONG))).toBe(LONG);
    expect((await answers(udp)).map(({ code }) => code)).toEqual(['ECONNREFUSED', 'ECONNREFUSED']); // it arrived
  });

  test("pathMtuDiscovery 'probe': datagrams longer than the path MTU are sent unfragmented, and are lost", async () => {
    const udp = connected('probe');
    udp.trySend(Buffer.alloc(LONG));
    expect((await answers(udp))[0]).toMatchObject({ code: 'EMSGSIZE', mtu: 1280 });
    expect(udp.trySend(Buffer.alloc(LONG))).toBe(LONG);
    expect((await answers(udp)).map(({ code }) => code)).toEqual(['EMSGSIZE', 'ECONNREFUSED']);
  });

  test.each(['interface', 'omit'] as const)(
    "pathMtuDiscovery '%s': ICMP does not change the path MTU",
    async (mode) => {
      const udp = connected(mode);
      udp.trySend(Buffer.alloc(LONG));
      const codes = (await answers(udp)).map(({ code }) => code);
      // IPv4 routers cut what does not forbid it; those of IPv6 never do.
      expect(codes).toEqual(wire === 'ipv4' ? ['ECONNREFUSED', 'ECONNREFUSED'] : ['ECONNREFUSED']);
      expect(udp.pathMtu).toBe(1500);
      // The device's own MTU is another thing.
      const send = () => udp.trySend(Buffer.alloc(2000));
      if (mode === 'omit') expect(send()).toBe(2000);
      else expect(await errorOf(send)).toMatchObject({ code: 'EMSGSIZE', mtu: 1500 });
    },
  );

  test("pathMtuDiscovery 'dont': the router fragments a long datagram (IPv4)", async () => {
    const udp = connected('dont');
    udp.trySend(Buffer.alloc(LONG));
    const codes = (await answers(udp)).map(({ code }) => code);
    if (wire === 'ipv4') expect(codes).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    else expect(codes.at(-1)).toBe('ECONNREFUSED'); // IPv6 has no such bit
  });
});

test('pathMtu is undefined for a socket that is not connected', () => {
  const udp = UdpSocket.create({ family: 'ipv4' });
  open.push(udp);
  expect(udp.pathMtu).toBeUndefined();
  udp.connect('127.0.0.1:9');
  expect(udp.pathMtu).toBe(65535);
  udp.disconnect();
  expect(udp.pathMtu).toBeUndefined();
});

test('dontFragment of a message: an IPv6 datagram longer than the MTU fails with EMSGSIZE', () => {
  const udp = UdpSocket.create({ family: 'ipv6' });
  open.push(udp);
  udp.connect('[fd07::1]:9');
  expect(() => udp.trySend(Buffer.alloc(2000), { dontFragment: true })).toThrow('EMSGSIZE');
  expect(udp.trySend(Buffer.alloc(2000), { dontFragment: false })).toBe(2000);
});
