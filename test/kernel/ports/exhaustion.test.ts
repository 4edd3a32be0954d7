// explainExhaustion: what holds the ports of a narrow range, and whether its predictions come true.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Endpoint, NativeSocket, type PortRange, type SocketOptions } from '../../../src/index.js';
import { explainExhaustion, type Exhaustion } from '../../../src/ports/explain.js';
import { tcpSockets } from '../../../src/kernel/sock-diag.js';
import { expectNoNewFds } from '../../support/fds.js';
import { accepted, listening } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import {
  addOtherAddresses,
  bound,
  BOTH,
  checkDescriptors,
  plain,
  reservedPorts,
  route,
  thrown,
  until,
  type Addresses,
} from '../../support/fixtures.js';

checkDescriptors();
addOtherAddresses();

const DELAY = 'net.ipv4.tcp_tw_reuse_delay';
const REUSE = 'net.ipv4.tcp_tw_reuse';
const SIZE = 10;

/** Listeners are outside of the ports that are filled. */
const AWAY: SocketOptions = { IP_LOCAL_PORT_RANGE: [50000, 60999] };

let next = 40000;
/** Ten ports that no other test has used, so that none of them is in TIME-WAIT. */
function freshRange(size = SIZE): PortRange {
  next += 20;
  return [next, next + size - 1];
}

interface Peer {
  readonly addresses: Addresses;
  readonly listener: NativeSocket;
  readonly range: PortRange;
}

/** Connects from the range as `connect` does. Returns the socket, or undefined when no port was free. */
function tryConnect({ addresses, listener, range }: Peer, address = addresses.loopback): NativeSocket | undefined {
  const socket = NativeSocket.create({
    family: addresses.family,
    type: 'stream',
    sockopts: { ...free(addresses), IP_BIND_ADDRESS_NO_PORT: true, IP_LOCAL_PORT_RANGE: range },
  });
  try {
    socket.bind({ address, port: 0 });
    socket.connect(listener.local);
    return socket;
  } catch (error) {
    socket.close();
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' });
    return undefined;
  }
}

function free({ family }: Addresses): SocketOptions {
  return family === 'ipv4' ? { IP_FREEBIND: true } : { IPV6_FREEBIND: true };
}

/** A connection with both ends. */
async function open(peer: Peer, address?: string): Promise<{ client: NativeSocket; server: NativeSocket }> {
  const client = tryConnect(peer, address);
  if (client === undefined) throw new Error('no port was free');
  await client.connected();
  return { client, server: await accepted(peer.listener) };
}

/** Connections from every port that is free. */
async function fill(
  peer: Peer,
  count = SIZE,
  address?: string,
): Promise<{ client: NativeSocket; server: NativeSocket }[] & Disposable> {
  const pairs: { client: NativeSocket; server: NativeSocket }[] = [];
  for (let i = 0; i < count; i++) pairs.push(await open(peer, address));
  return Object.assign(pairs, {
    [Symbol.dispose]: () => {
      for (const { client, server } of pairs) {
        client.close();
        server.close();
      }
    },
  });
}

/** Closes the client's side first, so that it has the TIME-WAIT. */
async function closeClientFirst({ client, server }: { client: NativeSocket; server: NativeSocket }): Promise<void> {
  client.close();
  await server.readable();
  server.close();
}

/** Waits until the clients' ends are all past FIN-WAIT-1: an ACK may be delayed. */
async function settled(peer: Peer): Promise<void> {
  const remote = plain(peer.listener.local);
  await until(() => tcpSockets({ remote }).rows.every(({ timeWait, inode }) => timeWait || inode !== 0));
}

function explain({ addresses, listener, range }: Peer, more: object = {}): Exhaustion {
  askedAt = performance.now();
  const found = explainExhaustion({ remote: plain(listener.local), local: addresses.loopback, range, ...more });
  explainedAt = performance.now();
  if (found === undefined) throw new Error('nothing was found');
  expect(found.reason).toBe('portRangeExhausted');
  const { ports, ...taken } = found.counts;
  expect(Object.values(taken).reduce((sum, count) => sum + count)).toBe(ports);
  return found;
}

// The kernel looked at some moment between the two.
let askedAt = NaN;
let explainedAt = NaN;

const NOTHING = { ports: SIZE, established: 0, timeWait: 0, finWait2: 0, bound: 0, reserved: 0, free: 0 };

/** No port is free before `retryAfterMs` has passed, and one is after it, or at most so much later. */
async function comesTrue(peer: Peer, { retryAfterMs }: Exhaustion): Promise<void> {
  const [asked, told] = [askedAt, explainedAt];
  const wait = retryAfterMs ?? NaN;
  const passed = (): number => performance.now() - told;
  while (passed() < wait - TICKS_MS) {
    using socket = tryConnect(peer);
    // The test may have been delayed between reading the clock and the search.
    const after = performance.now() - asked;
    if (after < wait - TICKS_MS) expect(socket, `free after ${after} of ${wait} ms`).toBeUndefined();
    await delay(5);
  }
  await delay(Math.max(0, wait - passed()));
  for (;;) {
    const tried = passed();
    using socket = tryConnect(peer);
    if (socket !== undefined) return;
    expect(tried, 'not free in time').toBeLessThanOrEqual(wait + LATE_MS);
    await delay(5);
  }
}

/** The kernel counts in ticks of at most 10 ms, and one was added. */
const TICKS_MS = 20;
/** A busy machine is late by little; a wrong rule is wrong by a second or a minute. */
const LATE_MS = 3000;

describe.each(BOTH)('exhaustedBy over $family', (addresses) => {
  test("exhaustedBy is 'connections' for a range that connections hold", async () => {
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    using pairs = await fill(peer);
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({ by: 'connections', counts: { ...NOTHING, established: SIZE } });
    expect(found.retryAfterMs).toBeUndefined();
    expect(found.remedy).toContain(
      `Of the 10 ports of ${peer.range.join('-')}, 10 are taken by connections from ${addresses.loopback} to ${listener.local.toString()}`,
    );
    expect(found.remedy).toMatch(/another source address/);
    // The kernel picks the same source when none is requested.
    const { by, counts } = found;
    expect(explain(peer, { local: undefined })).toMatchObject({ by, counts });
    // Another source has all ports, as the remedy says.
    using other = tryConnect(peer, addresses.other);
    expect(other).toBeDefined();
    expect(pairs).toHaveLength(SIZE);
  });

  test("exhaustedBy is 'connections' for a range that reservations hold", () => {
    const range = freshRange(2);
    const remote = Endpoint.from({ address: addresses.loopback, port: 9 });
    const sockets = range.map(() => {
      const socket = NativeSocket.create({
        family: addresses.family,
        type: 'stream',
        sockopts: {
          IP_BIND_ADDRESS_NO_PORT: true,
          IP_LOCAL_PORT_RANGE: range,
          TCP_FASTOPEN_CONNECT: true,
          TCP_FASTOPEN_NO_COOKIE: true,
        },
      });
      socket.bind({ address: addresses.loopback, port: 0 });
      socket.connect(remote);
      return socket;
    });
    const found = explainExhaustion({ remote, local: addresses.loopback, range });
    for (const socket of sockets) socket.close();
    expect(found).toMatchObject({ by: 'connections', counts: { ports: 2, established: 2 } });
  });

  test("exhaustedBy is 'timeWait' for TIME-WAIT that is reused after tcp_tw_reuse_delay", async () => {
    using _ = setSysctl(DELAY, 400);
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    using pairs = await fill(peer);
    for (const pair of pairs) await closeClientFirst(pair);
    await settled(peer);
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({ by: 'timeWait', counts: { ...NOTHING, timeWait: SIZE } });
    expect(found.retryAfterMs).toBeGreaterThan(100);
    expect(found.retryAfterMs).toBeLessThanOrEqual(411);
    expect(found.remedy).toMatch(/, 10 wait after a close \(TIME-WAIT\): connect reuses a port 400 ms after its close/);
    await comesTrue(peer, found);
  });

  test("exhaustedBy is 'timeWait' for TIME-WAIT that is never reused and lasts a minute", async () => {
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    using pairs = await fill(peer);
    for (const pair of pairs) await closeClientFirst(pair);
    await settled(peer);
    for (const [name, value, remedy] of [
      [REUSE, 0, /tcp_tw_reuse is 0, .* a minute after its close.* set it to 1/],
      ['net.ipv4.tcp_timestamps', 0, /nothing is reused without timestamps.*tcp_timestamps=1/],
    ] as const) {
      using _ = setSysctl(name, value);
      const found = explain(peer);
      expect(found).toMatchObject({ by: 'timeWait', counts: { timeWait: SIZE } });
      expect(found.retryAfterMs).toBeGreaterThan(50_000);
      expect(found.retryAfterMs).toBeLessThanOrEqual(60_010);
      expect(found.remedy).toMatch(remedy);
    }
  });

  test("exhaustedBy is 'timeWait' for FIN-WAIT-2, which lasts tcp_fin_timeout and is never reused", async () => {
    using _ = setSysctl('net.ipv4.tcp_fin_timeout', 1);
    using __ = setSysctl(DELAY, 1);
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    using pairs = await fill(peer);
    for (const { client } of pairs) client.close();
    await settled(peer);
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({ by: 'timeWait', counts: { ...NOTHING, finWait2: SIZE } });
    expect(found.retryAfterMs).toBeGreaterThan(500);
    expect(found.retryAfterMs).toBeLessThanOrEqual(1010);
    expect(found.remedy).toMatch(/10 in FIN-WAIT-2\): the other side has not closed.*tcp_fin_timeout \(1 s\)/);
    await comesTrue(peer, found);
  });

  test('exhaustedBy counts a half-closed socket that is still open as a connection', async () => {
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange(1) };
    using pairs = await fill(peer, 1);
    pairs[0]!.client.shutdown('write');
    await pairs[0]!.server.readable();
    expect(explain(peer)).toMatchObject({ by: 'connections', counts: { ports: 1, established: 1 } });
  });

  test.each(['listening', 'bound'])("exhaustedBy is 'boundPorts' for %s sockets on any address", (state) => {
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    const holders = Array.from({ length: SIZE }, (_, i) => {
      // Of both families, and not on the address that is connected from.
      const its = BOTH[i % 2]!;
      const socket = bound(its, { address: its.other, port: peer.range[0] + i });
      if (state === 'listening') socket.listen();
      return socket;
    });
    const failed = tryConnect(peer);
    const found = explain(peer);
    for (const holder of holders) holder.close();
    expect(failed).toBeUndefined();
    expect(found).toMatchObject({ by: 'boundPorts', counts: { ...NOTHING, bound: SIZE } });
    expect(found.retryAfterMs).toBeUndefined();
    expect(found.remedy).toMatch(/10 are bound by other sockets/);
    expect(explain(peer)).toMatchObject({ counts: { ...NOTHING, free: SIZE }, retryAfterMs: 0 });
    using socket = tryConnect(peer);
    expect(socket).toBeDefined();
  });

  test("exhaustedBy is 'boundPorts' for ports that were bound for a connection to another destination", async () => {
    using listener = listening(addresses.family, AWAY);
    using elsewhere = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange(1) };
    const client = bound(addresses, { address: addresses.loopback, port: peer.range[0] });
    client.connect(elsewhere.local);
    await client.connected();
    const server = await accepted(elsewhere);
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({ by: 'boundPorts', counts: { ports: 1, bound: 1 } });
    expect(found.retryAfterMs).toBeUndefined();
    // Also in TIME-WAIT, which is over after a minute.
    await closeClientFirst({ client, server });
    expect(tryConnect(peer)).toBeUndefined();
    await until(() => explain(peer).retryAfterMs !== undefined); // a socket may still be in LAST_ACK
    const later = explain(peer);
    expect(later).toMatchObject({ by: 'boundPorts', counts: { ports: 1, bound: 1 } });
    expect(later.retryAfterMs).toBeGreaterThan(59_000);
  });

  test("exhaustedBy is 'reservedPorts' for ip_local_reserved_ports", () => {
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    using _ = reservedPorts(peer.range.join('-'));
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({ by: 'reservedPorts', counts: { ...NOTHING, reserved: SIZE } });
    expect(found.retryAfterMs).toBeUndefined();
    expect(found.remedy).toMatch(/10 are in net.ipv4.ip_local_reserved_ports/);
  });

  test("exhaustedBy is 'mixed' when several causes hold the ports", async () => {
    using _ = setSysctl(DELAY, 1000);
    using listener = listening(addresses.family, AWAY);
    const peer = { addresses, listener, range: freshRange() };
    const [lo] = peer.range;
    using __ = reservedPorts(`${lo}-${lo + 1}`);
    using holder = bound(addresses, { address: addresses.other, port: lo + 2 });
    using pairs = await fill(peer, 7);
    for (const pair of pairs.slice(0, 3)) await closeClientFirst(pair);
    await settled(peer);
    expect(tryConnect(peer)).toBeUndefined();
    const found = explain(peer);
    expect(found).toMatchObject({
      by: 'mixed',
      counts: { ...NOTHING, established: 4, timeWait: 3, bound: 1, reserved: 2 },
    });
    expect(found.retryAfterMs).toBeGreaterThan(0);
    expect(found.remedy).toMatch(
      /4 are taken by connections, 3 are in TIME-WAIT, 1 is bound by other sockets, 2 are in net.ipv4.ip_local_reserved_ports:/,
    );
    expect(holder.state).toBe('bound');
    await comesTrue(peer, found);
  });

  test('exhaustedBy is reported for bind without a port, which needs a port that is free toward every destination', async () => {
    using listener = listening(addresses.family, AWAY);
    using elsewhere = listening(addresses.family, AWAY);
    const range = freshRange(2);
    using toElsewhere = await fill({ addresses, listener: elsewhere, range }, 2);
    const search = { search: 'bind' as const, range };
    const error = thrown(() =>
      bound(addresses, { address: addresses.loopback, port: 0 }, { IP_LOCAL_PORT_RANGE: range }),
    );
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    const peer = { addresses, listener, range };
    expect(explain(peer, search)).toMatchObject({ by: 'connections', counts: { ports: 2, established: 2 } });
    for (const pair of toElsewhere) await closeClientFirst(pair);
    await settled({ ...peer, listener: elsewhere });
    const found = explain(peer, search);
    expect(found).toMatchObject({ by: 'timeWait', counts: { ports: 2, timeWait: 2 } });
    expect(found.retryAfterMs).toBeGreaterThan(50_000);
    expect(found.remedy).toMatch(/bind takes no port in TIME-WAIT.*shareLocalPort/);
    // connect can share the ports at once.
    using socket = tryConnect(peer);
    expect(socket).toBeDefined();
  });
});

test('tcp_tw_reuse=2 reuses nothing between addresses outside of loopback', async () => {
  const address = 'fd00:1009:bacc::dead';
  using _ = route('local', 'fd00:1009:bacc::/48', 'dev', 'lo');
  const addresses: Addresses = { ...BOTH[1]!, loopback: address };
  using listener = bound(addresses, { address, port: 0 }, { ...AWAY, IPV6_FREEBIND: true });
  listener.listen();
  const peer = { addresses, listener, range: freshRange(1) };
  using pairs = await fill(peer, 1);
  await closeClientFirst(pairs[0]!);
  await settled(peer);
  expect(tryConnect(peer)).toBeUndefined();
  const found = explain(peer);
  expect(found).toMatchObject({ by: 'timeWait', counts: { ports: 1, timeWait: 1 } });
  expect(found.retryAfterMs).toBeGreaterThan(50_000);
  expect(found.remedy).toMatch(/tcp_tw_reuse is 2.*set it to 1/);
  using __ = setSysctl(REUSE, 1);
  using ___ = setSysctl(DELAY, 300);
  const reusable = explain(peer);
  expect(reusable.retryAfterMs).toBeLessThanOrEqual(311);
  await comesTrue(peer, reusable);
});

test('a range bound that the kernel ignores is ignored in the explanation as well', () => {
  const remote = { address: '127.0.0.1', port: 9 };
  using _ = setSysctl('net.ipv4.ip_local_port_range', '40000 40099');
  for (const [range, ports] of [
    [[1, 65535], 100],
    [[40010, 40019], 10],
    [[40010, 65535], 90],
    [[1, 40009], 10],
    [[1, 9], 100],
  ] as const) {
    expect(explainExhaustion({ remote, local: '127.0.0.1', range })?.counts.ports).toBe(ports);
  }
});

test('explaining exhaustion leaves no descriptor open', async () => {
  await expectNoNewFds(() =>
    explainExhaustion({ remote: { address: '::1', port: 9 }, local: '::1', range: [1, 65535] }),
  );
});
