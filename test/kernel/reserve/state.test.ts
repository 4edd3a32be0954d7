// How a reservation ends: released, moved, activated, or lost to something external; and what is refused afterwards.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import {
  type Endpoint,
  getOption,
  NativeSocket,
  PortReservation,
  reserve,
  reserveUdp,
  setOption,
} from '../../../src/index.js';
import { hasTool } from '../../support/kernel.js';
import {
  blackHole,
  BOTH,
  bound,
  checkDescriptors,
  IPV4,
  refused,
  refusing,
  rejection,
  serve,
  until,
} from '../../support/fixtures.js';

checkDescriptors();

const GONE = { name: 'SocketError', code: 'ERR_INVALID_STATE' };

test('a reservation as text shows both of its ends', () => {
  const remote = { address: '127.0.0.1', port: 9 };
  using tcp = reserve({ remote, local: '127.0.0.1' });
  using udp = reserveUdp({ remote, local: '127.0.0.1' });
  expect(String(tcp)).toBe(`127.0.0.1:${String(tcp.local.port)} -> 127.0.0.1:9`);
  expect(String(udp)).toBe(`127.0.0.1:${String(udp.local.port)} -> 127.0.0.1:9`);
});

describe.each(BOTH)('state of an $family reservation', (addresses) => {
  const remote = { address: addresses.loopback, port: 9 };

  test("a new reservation is 'held', with SYN_SENT and no segment sent", () => {
    using reservation = reserve({ remote });
    expect(reservation.state).toBe('held');
    expect(reservation.verify()).toBe(true);
    expect(reservation.fd).toBeGreaterThan(2);
    expect(getOption(reservation, 'TCP_INFO')).toMatchObject({ state: 'SYN_SENT', segsOut: 0 });
    expect(getOption(reservation, 'SO_ERROR')).toBe(0);
  });

  test('release() of a reservation is idempotent and frees the port at once', async () => {
    const reservation = reserve({ remote, local: { address: addresses.loopback } });
    const { local } = reservation;
    reservation.release();
    expect([reservation.state, reservation.verify(), reservation.fd]).toEqual(['released', false, -1]);
    using again = reserve({ remote, local });
    reservation.release();
    reservation[Symbol.dispose]();
    expect(again.verify()).toBe(true);
    expect(again.local.port).toBe(local.port);
    await refusesEverything(reservation, /released/);
  });

  test('a reservation is released at the end of a `using` scope', () => {
    let port: number;
    {
      using reservation = reserve({ remote, shareLocalPort: false });
      ({ port } = reservation.local);
    }
    using socket = bound(addresses, { address: addresses.loopback, port });
    expect(socket.local.port).toBe(port);
  });

  test('a reservation refuses options after the release', async () => {
    const reservation = reserve({ remote });
    reservation.release();
    await refused(() => getOption(reservation, 'TCP_INFO'), { code: 'EBADF' });
    await refused(
      () => {
        setOption(reservation, 'TCP_NODELAY', true);
      },
      { code: 'EBADF' },
    );
  });

  test('release() after detach() does nothing', async () => {
    const reservation = reserve({ remote });
    const moved = reservation.detach();
    expect([reservation.state, reservation.verify(), reservation.fd]).toEqual(['detached', false, -1]);
    reservation.release();
    expect(reservation.state).toBe('detached');
    await refusesEverything(reservation, /detached/);
    using adopted = PortReservation.adopt(moved);
    expect(adopted.verify()).toBe(true);
  });

  test('release() after toSocket() does nothing', async () => {
    await using server = await serve(addresses.loopback);
    const reservation = reserve({ remote: server });
    const socket = await reservation.activate();
    expect([reservation.state, reservation.verify(), reservation.fd]).toEqual(['activated', false, -1]);
    reservation.release();
    expect(reservation.state).toBe('activated');
    await refusesEverything(reservation, /activated/);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
    await once(socket, 'close');
  });

  test("a reservation stays 'held' with short SO_KEEPALIVE and TCP_USER_TIMEOUT, since it has no timer", async () => {
    using peer = refusing(addresses);
    using reservation = reserve({
      remote: peer.local,
      sockopts: { SO_KEEPALIVE: true, TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 1, TCP_USER_TIMEOUT: 1 },
    });
    // An ordinary connect with the same options times out in this time: it is the clock of this test.
    using hole = await blackHole(addresses);
    using connecting = NativeSocket.create({
      family: addresses.family,
      type: 'stream',
      sockopts: { TCP_USER_TIMEOUT: 1, TCP_SYNCNT: 1 },
    });
    connecting.connect(hole.local);
    expect(await rejection(connecting.connected())).toMatchObject({ code: 'ETIMEDOUT' });
    expect(reservation.verify()).toBe(true);
  });

  test("a reservation becomes 'lost' when the peer's port connects to it (simultaneous open)", async () => {
    using peer = refusing(addresses);
    using reservation = reserve({ remote: peer.local });
    peer.connect(reservation.local);
    await until(() => !reservation.verify());
    expect(reservation.verify()).toBe(false);
    expect(reservation.state).toBe('lost');
    await refusesEverything(reservation, /lost/);
    reservation.release();
    expect(reservation.state).toBe('released');
    expect(reservation.fd).toBe(-1);
  });

  test("a reservation becomes 'lost' when another holder of the descriptor shuts it down", async () => {
    using reservation = reserve({ remote });
    const copy = new (native().Handle)();
    expect(copy.duplicate(reservation.fd)).toBe(0);
    expect(copy.shutdown(1)).toBe(0);
    copy.close();
    expect(reservation.state).toBe('lost');
    await refusesEverything(reservation, /lost/);
  });

  test.each(['activate', 'toSocket', 'detach'] as const)(
    'a lost reservation is noticed by %s, and can be released',
    async (method) => {
      using reservation = reserve({ remote });
      const copy = new (native().Handle)();
      expect(copy.duplicate(reservation.fd)).toBe(0);
      expect(copy.shutdown(1)).toBe(0);
      copy.close();
      const error = await rejection((async () => await reservation[method]())());
      expect(error).toMatchObject(GONE);
      expect(error.message).toMatch(/lost/);
      expect(reservation.fd).toBeGreaterThan(2); // until it is released
    },
  );

  test("a reservation becomes 'lost' when another holder of the descriptor disconnects it", () => {
    using reservation = reserve({ remote });
    const copy = new (native().Handle)();
    expect(copy.duplicate(reservation.fd)).toBe(0);
    expect(copy.connect(new Uint8Array(16))).toBe(0); // AF_UNSPEC
    copy.close();
    expect(reservation.state).toBe('lost');
  });

  test.skipIf(!destroyable())(
    "a reservation becomes 'lost' by `ss -K`, which frees the port (needs ss, and a kernel with CONFIG_INET_DIAG_DESTROY)",
    async () => {
      using reservation = reserve({ remote, shareLocalPort: false });
      const { port } = reservation.local;
      destroy(port);
      expect(reservation.verify()).toBe(false);
      expect(reservation.state).toBe('lost');
      await refusesEverything(reservation, /lost/);
      using socket = bound(addresses, { address: addresses.loopback, port });
      expect(socket.local.port).toBe(port);
    },
  );

  test("a reservation stays 'activating' until the activation ends, and is not lost meanwhile", async () => {
    using hole = await blackHole(addresses);
    const reservation = reserve({ remote: hole.local });
    const controller = new AbortController();
    const activation = rejection(reservation.activate({ signal: controller.signal }));
    expect([reservation.state, reservation.verify()]).toEqual(['activating', false]);
    await refusesEverything(reservation, /activating/);
    controller.abort();
    await activation;
    expect(reservation.state).toBe('released');
  });
});

test('unrequested segments do not end an IPv4 reservation', async () => {
  using peer = refusing(IPV4);
  using reservation = reserve({ remote: peer.local });
  using raw = NativeSocket.create({ family: 'ipv4', type: 'raw', protocol: 6 });
  using echo = NativeSocket.create({ family: 'ipv4', type: 'raw', protocol: 6 });
  for (const flags of [RST, RST | ACK, SYN | ACK, ACK, FIN | ACK]) {
    expect(raw.sendmsg({ data: segment(peer.local, reservation.local, flags), to: '127.0.0.1:0' })).toBe(20);
    await echo.readable(); // it has arrived: raw sockets receive it too
    while (echo.recvmsg({ buffers: [new Uint8Array(64)] }));
    expect(reservation.verify()).toBe(true);
  }
  // The same sender does end it with a SYN, which proves that its segments arrive.
  raw.sendmsg({ data: segment(peer.local, reservation.local, SYN), to: '127.0.0.1:0' });
  await until(() => !reservation.verify());
  expect(reservation.state).toBe('lost');
});

async function refusesEverything(reservation: PortReservation, why: RegExp): Promise<void> {
  await refused(() => reservation.toSocket(), GONE, why);
  await refused(() => reservation.detach(), GONE, why);
  const error = await rejection(reservation.activate());
  expect(error).toMatchObject(GONE);
  expect(error.message).toMatch(why);
}

function destroy(port: number): void {
  execFileSync('ss', ['-K', '-t', '-a', 'sport', '=', `:${port}`], { stdio: 'ignore' });
}

/** Whether the kernel has CONFIG_INET_DIAG_DESTROY. */
function destroyable(): boolean {
  if (!hasTool('ss')) return false;
  using listener = bound(IPV4, { address: '127.0.0.1', port: 0 });
  listener.listen();
  destroy(listener.local.port);
  return getOption(listener, 'TCP_INFO').state !== 'LISTEN';
}

/** A TCP header over IPv4, with its checksum. */
function segment(from: Endpoint, to: Endpoint, flags: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, from.port);
  view.setUint16(2, to.port);
  view.setUint32(4, 1_000_000);
  view.setUint32(8, 2_000_000);
  view.setUint8(12, 5 << 4);
  view.setUint8(13, flags);
  view.setUint16(14, 65535);
  const addresses = new DataView(Uint8Array.from([...octets(from), ...octets(to)]).buffer);
  let sum = 6 + bytes.length; // protocol and length of the pseudo-header
  for (let i = 0; i < 8; i += 2) sum += addresses.getUint16(i);
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(16, ~sum & 0xffff);
  return bytes;
}

function octets({ address }: Endpoint): number[] {
  return address.split('.').map(Number);
}

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
