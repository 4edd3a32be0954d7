// searchPauses: when to search again. The policy against given evidence and a simulated clock, and waiting as a whole
// against the kernel.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { NativeSocket, type PortRange } from '../../../src/index.js';
import type { FailedSearch, PortCounts } from '../../../src/ports/evidence.js';
import type { Exhaustion } from '../../../src/ports/explain.js';
import { recentExhaustions } from '../../../src/ports/recent.js';
import { searchPauses, type RetryWorld } from '../../../src/ports/search-pauses.js';
import { accepted, listening } from '../../support/sockets.js';
import { setSysctl } from '../../support/sysctl.js';
import { BOTH, checkDescriptors, plain } from '../../support/fixtures.js';

checkDescriptors();

const SEARCH = { remote: { address: '192.0.2.1', port: 443 }, local: '192.0.2.2', range: [40000, 40009] } as const;

function evidence(counts: Partial<PortCounts>, retryAfterMs: number | undefined): Exhaustion {
  const none = { ports: 10, established: 0, timeWait: 0, finWait2: 0, bound: 0, reserved: 0, free: 0 };
  return { reason: 'portRangeExhausted', by: 'mixed', counts: { ...none, ...counts }, retryAfterMs, remedy: '' };
}

/** The pauses of a wait that gives up after `timeout`, as connect's do: the last one ends at the timeout. */
function waits(timeout: number, world: RetryWorld = {}): (search: FailedSearch, n: number) => number | undefined {
  const { now = () => performance.now() } = world;
  const pause = searchPauses(world);
  let deadline: number | undefined;
  return (search, n) => {
    deadline ??= now() + timeout;
    const milliseconds = pause(search, n, deadline - now());
    const left = deadline - now();
    return milliseconds === undefined || left <= 0 ? undefined : Math.ceil(Math.min(milliseconds, left));
  };
}

/** A simulated clock: each pause takes its time, each gathering of evidence takes `costMs`. Every search fails. */
function play(
  timeout: number,
  found: (time: number) => Exhaustion | undefined,
  costMs = 0,
): { at: number[]; asked: number[] } {
  let time = 0;
  const asked: number[] = [];
  const at: number[] = [];
  const next = waits(timeout, {
    now: () => time,
    explain: (search) => {
      expect(search).toBe(SEARCH);
      asked.push(time);
      time += costMs;
      return found(time);
    },
  });
  for (let n = 0; ; n++) {
    const wait = next(SEARCH, n);
    if (wait === undefined) return { at, asked };
    expect(wait).toBeGreaterThan(0);
    time += wait;
    at.push(time);
  }
}

describe('the policy of waiting for a port', () => {
  test('the wait policy searches again when a port is predicted to become free', () => {
    const { at } = play(300, () => evidence({ timeWait: 10 }, 200));
    expect(at).toContain(200);
  });

  test('the wait policy also searches earlier, with growing and randomized pauses', () => {
    const { at } = play(20_000, () => evidence({ established: 10 }, undefined));
    const waits = at.map((time, i) => time - (at[i - 1] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(20);
    expect(waits[0]).toBeGreaterThanOrEqual(15);
    const most = waits.slice(6, -1);
    for (const wait of most) {
      expect(wait).toBeLessThanOrEqual(1000);
      expect(wait).toBeGreaterThanOrEqual(750);
    }
    expect(new Set(most).size).toBeGreaterThan(1);
    expect(at.length).toBeLessThan(35); // a search takes 4 ms: less than one percent of the time
  });

  test('the wait policy ends at the timeout', () => {
    expect(play(0, () => evidence({ established: 10 }, undefined))).toEqual({ at: [], asked: [] });
  });

  test.each([
    ['ports in TIME-WAIT last longer', { timeWait: 10 }, 60_000],
    ['all ports are reserved', { reserved: 10 }, undefined],
    ['the range has no port', { ports: 0 }, undefined],
  ] as const)('the wait policy gives up at once when %s', (_name, counts, retryAfterMs) => {
    expect(play(10_000, () => evidence(counts, retryAfterMs)).at).toEqual([]);
  });

  test.each([
    ['a connection may be closed', { established: 1, timeWait: 9 }, 60_000],
    ['a bound socket may be closed', { bound: 10 }, undefined],
    ['the other side may close a FIN-WAIT-2', { finWait2: 10 }, 60_000],
    ['a port has become free', { free: 1, timeWait: 9 }, 0],
  ] as const)('the wait policy continues when %s', (_name, counts, retryAfterMs) => {
    expect(play(3000, () => evidence(counts, retryAfterMs)).at.at(-1)).toBe(3000);
  });

  test('the wait policy continues without evidence', () => {
    expect(play(3000, () => undefined).at.at(-1)).toBe(3000);
  });

  test('the wait policy does not spin when a predicted port does not become free', () => {
    const { at, asked } = play(10_000, () => evidence({ free: 1, established: 9 }, 0));
    expect(at.length).toBeLessThan(50); // two percent of the time
    expect(asked.length).toBeLessThan(12);
  });

  test('the wait policy starts over for the next waiter after a search that found a port', () => {
    let time = 0;
    const pause = searchPauses({ now: () => time, explain: () => evidence({ established: 10 }, undefined) });
    for (const expected of [20, 20]) {
      for (let n = 0; n < 8; n++) {
        const wait = pause(SEARCH, n, 60_000)!;
        const most = Math.min(1000, expected * 2 ** n);
        expect(wait).toBeLessThanOrEqual(most);
        expect(wait).toBeGreaterThanOrEqual(most * 0.75);
        time += wait;
      }
    }
    expect(pause(SEARCH, 0, 0)).toBeUndefined();
  });

  test.each([1, 50, 400])('evidence that costs %i ms takes at most a tenth of the time', (costMs) => {
    const { asked } = play(20_000, () => evidence({ established: 9, timeWait: 1 }, 10), costMs);
    expect(asked.length).toBeGreaterThan(1);
    expect((asked.length - 1) * costMs).toBeLessThanOrEqual(2000);
  });
});

describe('recentExhaustion', () => {
  /** With a simulated clock: each gathering takes `costMs`. Also returns how often evidence was gathered. */
  function world(costMs: number, found: () => Exhaustion | undefined = () => evidence({ timeWait: 10 }, 300)) {
    const clock = { time: 1000, asked: 0 };
    const recent = recentExhaustions({
      explain: () => {
        clock.asked++;
        clock.time += costMs;
        return found();
      },
      now: () => clock.time,
    });
    const toPort = (port: number): Exhaustion | undefined => recent({ ...SEARCH, remote: { ...SEARCH.remote, port } });
    return { clock, recent, toPort };
  }

  test('recentExhaustion returns what was found for the same search a moment ago', () => {
    const { clock, recent } = world(50);
    expect(recent(SEARCH)?.retryAfterMs).toBe(300);
    clock.time += 100;
    expect(recent(SEARCH)?.retryAfterMs).toBe(200);
    expect(recent({ ...SEARCH, search: 'connect' })?.retryAfterMs).toBe(200);
    clock.time += 350;
    expect(recent(SEARCH)?.retryAfterMs).toBe(0);
    expect(clock.asked).toBe(1);
    const others: FailedSearch[] = [
      { ...SEARCH, search: 'bind' },
      { ...SEARCH, local: undefined },
      { ...SEARCH, local: '192.0.2.3' },
      { ...SEARCH, range: [40000, 40008] },
      { ...SEARCH, remote: { ...SEARCH.remote, port: 80 } },
      { ...SEARCH, remote: { ...SEARCH.remote, address: '192.0.2.9' } },
    ];
    for (const other of others) {
      clock.time += 500;
      expect(recent(other)?.retryAfterMs).toBe(300);
    }
    expect(clock.asked).toBe(1 + others.length);
    clock.time += 501;
    expect(recent(SEARCH)?.retryAfterMs).toBe(300);
    expect(clock.asked).toBe(2 + others.length);
  });

  test('recentExhaustion explains fifty small searches in a row, also after a large one', () => {
    const small = world(2);
    for (let port = 1; port <= 50; port++) expect(small.toPort(port)).toBeDefined();
    const { clock, toPort } = world(75);
    expect(toPort(1)).toBeDefined();
    expect(toPort(2)).toBeDefined(); // the saved budget covers more than one
    expect(toPort(3)).toBeUndefined();
    expect(clock.asked).toBe(2);
  });

  test.each([2, 75, 400])(
    'recentExhaustion of many searches that cost %i ms each takes a tenth of the time',
    (costMs) => {
      const { clock, toPort } = world(costMs);
      for (let port = 1; clock.time < 61_000; port++) {
        toPort(port);
        clock.time++;
      }
      const spent = clock.asked * costMs;
      expect(spent).toBeLessThanOrEqual(6000 + 100 + costMs); // a tenth, the saved budget, and the last one
      expect(spent).toBeGreaterThan(5000);
    },
  );

  test('recentExhaustion forgets the oldest entries, and does not ask again when nothing could be found', () => {
    const { clock, toPort } = world(1, () => undefined);
    const again = (port: number): number => {
      const before = clock.asked;
      expect(toPort(port)).toBeUndefined();
      return clock.asked - before;
    };
    expect([again(1), again(1)]).toEqual([1, 0]);
    for (let port = 2; port <= 65; port++) expect(again(port)).toBe(1);
    clock.time = 1001; // as if no time had passed since the first search
    expect([again(65), again(2), again(1)]).toEqual([0, 0, 1]);
  });
});

describe.each(BOTH)('connect() with waitForLocalPort over $family', ({ family, loopback }) => {
  /** Connects, and repeats that while no port is free. */
  async function connect(
    listener: NativeSocket,
    range: PortRange,
    timeout: number,
  ): Promise<{ socket: NativeSocket | undefined; searches: number }> {
    const wait = waits(timeout);
    for (let n = 0; ; n++) {
      const socket = NativeSocket.create({
        family,
        type: 'stream',
        sockopts: { IP_BIND_ADDRESS_NO_PORT: true, IP_LOCAL_PORT_RANGE: range },
      });
      try {
        socket.bind({ address: loopback, port: 0 });
        socket.connect(listener.local);
        return { socket, searches: n + 1 };
      } catch (error) {
        socket.close();
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' });
      }
      const ms = wait({ remote: plain(listener.local), local: loopback, range }, n);
      if (ms === undefined) return { socket: undefined, searches: n + 1 };
      await delay(ms);
    }
  }

  test('connect() with waitForLocalPort waits for a port in TIME-WAIT that may be reused in time', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse_delay', 600);
    using listener = listening(family, { IP_LOCAL_PORT_RANGE: [50000, 60999] });
    const first = await connect(listener, [41000, 41000], 0);
    using server = await accepted(listener);
    await first.socket!.connected();
    first.socket!.close();
    await server.readable();
    server.close();
    const closed = performance.now();
    const { socket, searches } = await connect(listener, [41000, 41000], 5000);
    const took = performance.now() - closed;
    socket?.close();
    expect(socket).toBeDefined();
    expect(took).toBeGreaterThan(590);
    expect(took).toBeLessThan(5000); // a wrong rule would wait a minute
    expect(searches).toBeLessThan(12);
  });

  test('connect() with waitForLocalPort does not wait for a port whose TIME-WAIT outlasts the timeout', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse', 0);
    using listener = listening(family, { IP_LOCAL_PORT_RANGE: [50000, 60999] });
    const first = await connect(listener, [41001, 41001], 0);
    using server = await accepted(listener);
    await first.socket!.connected();
    first.socket!.close();
    await server.readable();
    server.close();
    // The other side's ACK of its FIN may be on its way.
    expect(await connect(listener, [41001, 41001], 5000)).toMatchObject({ socket: undefined, searches: 1 });
  });

  test('connect() with waitForLocalPort gets the port of a connection that its owner resets soon after', async () => {
    using listener = listening(family, { IP_LOCAL_PORT_RANGE: [50000, 60999] });
    const first = await connect(listener, [41002, 41002], 0);
    await first.socket!.connected();
    using server = await accepted(listener);
    const waiting = connect(listener, [41002, 41002], 5000);
    await delay(100);
    const freed = performance.now();
    server.close(); // closes first, so that the client's side has no TIME-WAIT
    await first.socket!.readable();
    first.socket!.close();
    const { socket, searches } = await waiting;
    socket?.close();
    expect(socket).toBeDefined();
    expect(searches).toBeGreaterThan(1);
    expect(performance.now() - freed).toBeLessThan(500);
  });

  test('connect() with waitForLocalPort fails at the timeout when no connection is closed', async () => {
    using listener = listening(family, { IP_LOCAL_PORT_RANGE: [50000, 60999] });
    const first = await connect(listener, [41003, 41003], 0);
    const begun = performance.now();
    const { socket, searches } = await connect(listener, [41003, 41003], 400);
    first.socket!.close();
    expect(socket).toBeUndefined();
    expect(performance.now() - begun).toBeGreaterThan(390);
    expect(searches).toBeLessThan(12);
  });
});
