// TIME-WAIT on this kernel: when a port may be used again toward the same destination. The two programs of "The little
// port that could" (this_works, this_doesnt) with NativeSocket, and how the sysctls affect them.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { NativeSocket, type Family, type SocketOptions } from '../../../src/index.js';
import { timeWaitReusable, timeWaitSettings } from '../../../src/kernel/time-wait.js';
import { accepted } from '../../support/sockets.js';
import { readSysctl, setSysctl } from '../../support/sysctl.js';
import { BOTH, checkDescriptors, IPV4, IPV6, route, thrown } from '../../support/fixtures.js';

checkDescriptors();

const REUSE = 'net.ipv4.tcp_tw_reuse';
const DELAY = 'net.ipv4.tcp_tw_reuse_delay';
const ATTEMPTS = 40;

/** How a client connects repeatedly from one port, closing every connection. */
interface Program {
  readonly family: Family;
  readonly address: string;
  readonly sockopts: SocketOptions;
  /** The port itself is bound, or the address alone, or nothing. */
  readonly bind: 'port' | 'address' | 'nothing';
  /** @default 10 */
  readonly pauseMs?: number;
  /** @default ATTEMPTS */
  readonly attempts?: number;
  /** Who closes first, and whether the other closes at all. @default 'client' */
  readonly closes?: 'client' | 'server' | 'clientOnly';
}

/** An explicit port, as in this_works. */
function thisWorks({ family, loopback }: { family: Family; loopback: string }): Program {
  return { family, address: loopback, sockopts: { SO_REUSEADDR: true }, bind: 'port' };
}

/** A range of one port, chosen at connect, as in this_doesnt. */
function thisDoesnt({ family, loopback }: { family: Family; loopback: string }): Program {
  return {
    family,
    address: loopback,
    sockopts: { IP_BIND_ADDRESS_NO_PORT: true },
    bind: 'address',
  };
}

interface Attempt {
  /** The code of the error, undefined for a connection. */
  readonly code: string | undefined;
  /** Between these two times, in ms since the last connection was closed, the kernel was asked; Infinity for the first. */
  readonly earliest: number;
  readonly latest: number;
}

async function run(program: Program): Promise<Attempt[]> {
  const { family, address, closes = 'client', pauseMs = 10, attempts = ATTEMPTS } = program;
  const port = nextPort++; // the next run uses another port than the one left in TIME-WAIT
  const range: SocketOptions = program.bind === 'port' ? {} : { IP_LOCAL_PORT_RANGE: [port, port] };
  using listener = NativeSocket.create({
    family,
    type: 'stream',
    sockopts: { [freebind(family)]: true, IP_LOCAL_PORT_RANGE: [50000, 60999] },
  });
  listener.bind({ address, port: 0 });
  listener.listen();
  const results: Attempt[] = [];
  const left: NativeSocket[] = [];
  let closing = -Infinity;
  let closed = -Infinity;
  for (let i = 0; i < attempts; i++) {
    using client = NativeSocket.create({ family, type: 'stream', sockopts: { ...program.sockopts, ...range } });
    const asked = performance.now();
    let code: string | undefined;
    try {
      if (program.bind !== 'nothing') client.bind({ address, port: program.bind === 'port' ? port : 0 });
      client.connect(listener.local);
    } catch (error) {
      code = (error as NodeJS.ErrnoException).code;
    }
    results.push({ code, earliest: asked - closed, latest: performance.now() - closing });
    if (code === undefined) {
      await client.connected();
      const server = await accepted(listener);
      closing = performance.now();
      if (closes === 'server') server.close();
      client.close();
      if (closes === 'client') {
        await server.readable();
        server.close();
      }
      if (closes === 'clientOnly') left.push(server);
      closed = performance.now();
    }
    await delay(pauseMs);
  }
  for (const server of left) server.close();
  return results;
}

function freebind(family: Family): 'IP_FREEBIND' | 'IPV6_FREEBIND' {
  return family === 'ipv4' ? 'IP_FREEBIND' : 'IPV6_FREEBIND';
}

let nextPort = 40000;

function connected(results: readonly Attempt[]): number {
  return results.filter(({ code }) => code === undefined).length;
}

function failures(results: readonly Attempt[]): string[] {
  return [...new Set(results.flatMap(({ code }) => code ?? []))];
}

describe.each(BOTH)('this_works: $family, bound by port number with SO_REUSEADDR', (addresses) => {
  test('a port bound with SO_REUSEADDR connects again at once with any TIME-WAIT settings', async () => {
    for (const reuse of [0, 1, 2]) {
      using _ = setSysctl(REUSE, reuse);
      expect(connected(await run({ ...thisWorks(addresses), pauseMs: 1 }))).toBe(ATTEMPTS);
    }
  });

  test('a port bound without SO_REUSEADDR does not connect again in TIME-WAIT', async () => {
    const results = await run({ ...thisWorks(addresses), sockopts: {} });
    expect(connected(results)).toBe(1);
    expect(failures(results)).toEqual(['EADDRINUSE']);
  });

  test('a port bound with SO_REUSEADDR does not connect again without timestamps', async () => {
    using _ = setSysctl('net.ipv4.tcp_timestamps', 0);
    const results = await run(thisWorks(addresses));
    expect(connected(results)).toBe(1);
    expect(failures(results)).toEqual(['EADDRNOTAVAIL']);
  });
});

/** tcp_tw_reuse × tcp_tw_reuse_delay. */
const TABLE = [
  [0, 1],
  [1, 1000],
  [2, 1000],
  [2, 500],
  [2, 250],
  [2, 100],
  [2, 50],
  [1, 20],
  [2, 10],
  [1, 5],
  [2, 5],
  [1, 1],
  [2, 1],
] as const;

describe.each(BOTH)('this_doesnt: $family, port chosen by connect', (addresses) => {
  test.each(addresses === IPV4 ? TABLE : TABLE.filter(([, ms]) => ms === 1 || ms === 100))(
    'connect reuses a port in TIME-WAIT according to tcp_tw_reuse=%i, tcp_tw_reuse_delay=%i',
    async (reuse, reuseDelay) => {
      using _ = setSysctl(REUSE, reuse);
      using __ = setSysctl(DELAY, reuseDelay);
      const results = await run({
        ...thisDoesnt(addresses),
        attempts: Math.min(120, Math.max(ATTEMPTS, reuseDelay / 4)),
      });
      const ends = { local: { address: addresses.loopback }, remote: { address: addresses.loopback } };
      const after = timeWaitReusable(ends);
      expect(after).toBe(reuse === 0 ? Infinity : reuseDelay);
      // The rule, for every attempt: no sooner, and no later than the tick of the kernel's clock.
      for (const { code, earliest, latest } of results.slice(1)) {
        if (code === undefined) expect(latest).toBeGreaterThan(after);
        else expect(earliest).toBeLessThanOrEqual(after + 2);
      }
      expect(failures(results).filter((code) => code !== 'EADDRNOTAVAIL')).toEqual([]);
      if (reuse === 0) expect(connected(results)).toBe(1);
      else if (reuseDelay <= 5) expect(connected(results)).toBe(ATTEMPTS);
      else expect(connected(results)).toBeGreaterThan(1);
      if (reuseDelay >= 20) expect(connected(results)).toBeLessThan(results.length);
      if (reuseDelay === 1000) expect([2, 3]).toContain(connected(results));
    },
  );

  test('connect without a pause between connections is still limited by a delay of 1 ms', async () => {
    using _ = setSysctl(DELAY, 1);
    const results = await run({ ...thisDoesnt(addresses), pauseMs: 0, attempts: 300 });
    expect(connected(results)).toBeGreaterThan(1);
    for (const { code, latest } of results) if (code === undefined) expect(latest).toBeGreaterThan(1);
  });

  test('connect from a range without bind reuses ports in the same way', async () => {
    using _ = setSysctl(DELAY, 1);
    const program = { ...thisDoesnt(addresses), sockopts: {} };
    expect(connected(await run({ ...program, bind: 'nothing' }))).toBe(ATTEMPTS);
    // Without IP_BIND_ADDRESS_NO_PORT, bind to the address takes the port, and bind does not reuse.
    const results = await run(program);
    expect(connected(results)).toBeLessThanOrEqual(1);
    expect(failures(results)).toEqual(['EADDRINUSE']);
  });

  test('a port in FIN-WAIT-2 is never reused, as on the slide where nobody closes the other side', async () => {
    using _ = setSysctl(DELAY, 1);
    using __ = setSysctl(REUSE, 1);
    const results = await run({ ...thisDoesnt(addresses), closes: 'clientOnly' });
    expect(connected(results)).toBe(1);
    expect(failures(results)).toEqual(['EADDRNOTAVAIL']);
  });

  test('a reset leaves no TIME-WAIT', async () => {
    using _ = setSysctl(REUSE, 0);
    const program = thisDoesnt(addresses);
    const sockopts = { ...program.sockopts, SO_LINGER: 0 };
    expect(connected(await run({ ...program, sockopts, pauseMs: 0 }))).toBe(ATTEMPTS);
  });

  test('the side that closes second has no TIME-WAIT', async () => {
    using _ = setSysctl(REUSE, 0);
    expect(connected(await run({ ...thisDoesnt(addresses), closes: 'server' }))).toBe(ATTEMPTS);
  });

  test('connect reuses no port without timestamps', async () => {
    using _ = setSysctl(DELAY, 1);
    using __ = setSysctl('net.ipv4.tcp_timestamps', 0);
    expect(connected(await run(thisDoesnt(addresses)))).toBe(1);
    expect(timeWaitReusable({ local: IPV4_ENDS, remote: IPV4_ENDS })).toBe(Infinity);
  });
});

test('tcp_tw_reuse=2 means loopback addresses, not the interface lo', async () => {
  using _ = setSysctl(DELAY, 1);
  for (const [prefix, address, addresses] of [
    ['fd00:1009:bacc::/48', 'fd00:1009:bacc::dead', IPV6],
    ['198.51.100.0/24', '198.51.100.7', IPV4],
  ] as const) {
    using __ = route('local', prefix, 'dev', 'lo');
    const program = thisDoesnt({ ...addresses, loopback: address });
    const anyIp = { ...program, sockopts: { ...program.sockopts, [freebind(addresses.family)]: true } };
    for (const [reuse, expected] of [
      [2, 1],
      [1, ATTEMPTS],
    ] as const) {
      using ___ = setSysctl(REUSE, reuse);
      expect(connected(await run(anyIp)), `${address}, tcp_tw_reuse=${reuse}`).toBe(expected);
      const after = timeWaitReusable({ local: { address }, remote: { address } });
      expect(after).toBe(reuse === 2 ? Infinity : 1);
      // One of the two addresses being loopback is enough.
      expect(timeWaitReusable({ local: { address }, remote: { address: addresses.loopback } })).toBe(1);
    }
  }
});

test('TIME-WAIT settings are read from the current network namespace', () => {
  using _ = setSysctl(REUSE, 1);
  using __ = setSysctl(DELAY, 123);
  using ___ = setSysctl('net.ipv4.tcp_fin_timeout', 7);
  using ____ = setSysctl('net.ipv4.tcp_timestamps', 0);
  expect(timeWaitSettings()).toEqual({
    reuse: 1,
    reuseDelayMs: 123,
    delayIsSettable: true,
    finTimeoutMs: 7000,
    timestamps: false,
  });
});

test("a TIME-WAIT setting that cannot be read has the kernel's default; before Linux 6.14 the delay is a second", () => {
  const defaults = { reuse: 2, reuseDelayMs: 1000, delayIsSettable: false, finTimeoutMs: 60_000, timestamps: true };
  expect(timeWaitSettings(() => undefined)).toEqual(defaults);
  expect(timeWaitSettings(() => 'what is this')).toEqual({ ...defaults, delayIsSettable: true });
});

test('tcp_tw_reuse_delay accepts 1 to 60000', () => {
  for (const value of ['0', '-1', '60001']) {
    expect(thrown(() => setSysctl(DELAY, value))).toMatchObject({ code: 'EINVAL' });
  }
  for (const value of [1, 60000]) {
    using _ = setSysctl(DELAY, value);
    expect(readSysctl(DELAY)).toBe(String(value));
  }
});

const IPV4_ENDS = { address: IPV4.loopback };
