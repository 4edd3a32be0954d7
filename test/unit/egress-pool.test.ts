// A pool's decisions without a kernel: limits, cooldowns, counts, events, errors, arguments.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SyscallError } from '../../src/errors.js';
import { Cooldowns } from '../../src/egress/cooldowns.js';
import { EgressPool } from '../../src/egress/pool.js';
import type { EgressPoolOptions } from '../../src/egress/pool-options.js';
import { encodeOption } from '../../src/options/access.js';
import type { PoolDialer } from '../../src/egress/pool-dialer.js';
import { PoolSource } from '../../src/egress/pool-source.js';
import { Prefix } from '../../src/egress/prefix.js';
import type { Candidate } from '../../src/source/source.js';
import { Endpoint } from '../../src/wire/endpoint.js';
import { addresses, attempt, failure, NO_PORT, poolOf, REMOTE, REMOTE6, type Attempt } from './egress-attempts.js';

const A = '192.0.2.1';
const B = '192.0.2.2';
const C = '192.0.2.3';
const NET = '10.1.0.0/30';
const OTHER = '198.51.100.2:443';
const OTHER_PORT = '198.51.100.1:80';
const refused = new SyscallError('connect', -111);

describe('the local side of an attempt of an EgressPool', () => {
  test('an attempt has no local port, shares local ports, and always has a range', () => {
    expect(attempt(poolOf([A])).source).toEqual({
      address: A,
      port: 0,
      range: [1, 65535],
      rangeWanted: false,
      shareLocalPort: true,
      freebind: false,
      transparent: false,
      mark: undefined,
      device: undefined,
      protocol: 'tcp',
      sockopts: [],
    });
  });

  test('an attempt has the local options of the pool', () => {
    const settings = {
      freebind: true,
      transparent: true,
      mark: 0xffffffff,
      device: 'lo',
      shareLocalPort: false,
      protocol: 'mptcp',
    } as const;
    const pool = poolOf([A], { ...settings, localPortRange: [40_000, 40_009], sockopts: { SO_KEEPALIVE: true } });
    const sockopts = [encodeOption('SO_KEEPALIVE', true)];
    expect(attempt(pool).source).toMatchObject({ ...settings, sockopts, range: [40_000, 40_009], rangeWanted: true });
  });

  test('freebind is true by default for IPv6 prefixes only', () => {
    const sources = [A, '10.1.0.0/16', '2001:db8::1', '2001:db8:1::/64'];
    const freebind = (settings: Omit<EgressPoolOptions, 'sources'>): (boolean | undefined)[] => {
      const pool = poolOf(sources, settings);
      return [REMOTE, REMOTE, REMOTE6, REMOTE6].map((remote) => attempt(pool, { remote }).source?.freebind);
    };
    expect(freebind({})).toEqual([false, false, false, true]);
    expect(freebind({ freebind: true })).toEqual([true, true, true, true]);
    expect(freebind({ freebind: false })).toEqual([false, false, false, false]);
  });

  test('sockopts of the connection replace those of the pool with the same name', () => {
    const pool = poolOf([A], { sockopts: { TCP_NODELAY: true, TCP_SYNCNT: 3 } });
    const sockopts = [encodeOption('TCP_SYNCNT', 1)];
    const connection = { egressKey: undefined, sockopts, leftNoTimeWait: () => false, socket: () => undefined };
    const [candidate] = pool.candidates(connection)(endpoint(REMOTE));
    expect(candidate?.source.sockopts).toEqual([encodeOption('TCP_NODELAY', true), ...sockopts]);
    candidate?.taken()();
  });
});

describe('limits of an EgressPool', () => {
  test('limit is per source, and a prefix is one source', () => {
    const pool = poolOf([A, NET], { limit: 2 });
    expect(addresses(pool, 4)).toEqual([A, '10.1.0.0', A, '10.1.0.1']);
    expect(failure(pool)).toMatchObject({ name: 'SocketError', code: 'ERR_EGRESS_LIMIT' });
  });

  test('limitPerAddress is per address', () => {
    const pool = poolOf([A, NET], { limitPerAddress: 1 });
    expect(addresses(pool, 5)).toEqual([A, '10.1.0.0', '10.1.0.1', '10.1.0.2', '10.1.0.3']);
    expect(failure(pool).code).toBe('ERR_EGRESS_LIMIT');
  });

  test('a closed connection makes room once, even if closed twice', () => {
    const pool = poolOf([A], { limit: 1 });
    const { close } = attempt(pool);
    expect(failure(pool).code).toBe('ERR_EGRESS_LIMIT');
    close();
    close();
    expect(addresses(pool, 1)).toEqual([A]);
    expect(failure(pool).code).toBe('ERR_EGRESS_LIMIT');
  });

  test('limit counts an attempt that is not decided yet', () => {
    const pool = poolOf([A], { limit: 1 });
    const connection = { egressKey: undefined, sockopts: [], leftNoTimeWait: () => false, socket: () => undefined };
    const pulling = pool.candidates(connection)(endpoint(REMOTE))[Symbol.iterator]();
    const { value: candidate } = pulling.next() as IteratorYieldResult<Candidate>;
    expect(failure(pool).code).toBe('ERR_EGRESS_LIMIT');
    candidate.failed(refused);
    expect(addresses(pool, 1)).toEqual([A]);
  });

  test('limit does not count an attempt that was given up without a result', () => {
    const pool = poolOf([A], { limit: 1 });
    const connection = { egressKey: undefined, sockopts: [], leftNoTimeWait: () => false, socket: () => undefined };
    for (const _ of pool.candidates(connection)(endpoint(REMOTE))) break;
    expect(pool.stats).toMatchObject({ held: 0, total: 0, failed: 0, exhausted: 0 });
    expect(addresses(pool, 1)).toEqual([A]);
  });

  test('a source at its limit is skipped', () => {
    const pool = poolOf([A, B], { limit: 1, strategy: () => [A, B] });
    expect(addresses(pool, 2)).toEqual([A, B]);
  });
});

describe('an exhausted source of an EgressPool', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const full = (): 'exhausted' => 'exhausted';
  /** Does the kernel get to search for a port? */
  const triedAgain = (pool: PoolDialer, remote = REMOTE): boolean => {
    const before = pool.stats.exhausted;
    failure(pool, { remote, kernel: full });
    return pool.stats.exhausted > before;
  };

  test('an exhausted source is skipped for that destination only, by address and port', () => {
    const pool = poolOf([A, B], { strategy: () => [A, B] });
    const kernel = ({ address }: { address: string | undefined }) => (address === A ? 'exhausted' : 'taken');
    expect(attempt(pool, { kernel }).tried).toEqual([A, B]);
    expect(attempt(pool, { kernel }).tried).toEqual([B]);
    expect(attempt(pool, { kernel, remote: OTHER }).tried).toEqual([A, B]);
    expect(attempt(pool, { kernel, remote: OTHER_PORT }).tried).toEqual([A, B]);
    expect(pool.stats.sources).toMatchObject([
      { source: A, exhausted: 3, cooldown: 3 },
      { source: B, exhausted: 0, cooldown: 0 },
    ]);
  });

  test('an exhausted address of a prefix is skipped, its other addresses are used', () => {
    const pool = poolOf([NET], { strategy: () => NET });
    const kernel = ({ address }: { address: string | undefined }) => (address === '10.1.0.0' ? 'exhausted' : 'taken');
    expect(attempt(pool, { kernel }).tried).toEqual(['10.1.0.0', '10.1.0.1']);
    expect(addresses(pool, 4, { kernel })).toEqual(['10.1.0.2', '10.1.0.3', '10.1.0.1', '10.1.0.2']);
  });

  test('when all sources are exhausted the error has the kernel’s as its cause, and its reason', () => {
    const pool = poolOf([A, B], { name: 'tenants' });
    const error = failure(pool, { kernel: full });
    expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_PORT_RANGE_EXHAUSTED', cause: NO_PORT });
    expect(error.message).toMatch(/^tenants has no source left toward 198\.51\.100\.1:443 \(2 without a free port/);
    // Nothing is tried now, and the cause is the same.
    expect(failure(pool, { kernel: full })).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: NO_PORT });
    expect(pool.stats).toMatchObject({ exhausted: 2, cooldown: 2, held: 0 });
  });

  test('an exhausted source is tried again after 1 s, 2 s, 4 s, up to a minute', () => {
    const pool = poolOf([A]);
    expect(triedAgain(pool)).toBe(true);
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      vi.advanceTimersByTime(pause - 1);
      expect(triedAgain(pool), `after ${pause - 1} ms`).toBe(false);
      vi.advanceTimersByTime(1);
      expect(triedAgain(pool), `after ${pause} ms`).toBe(true);
    }
  });

  test('the cooldown is the first one again when the last exhaustion was long ago', () => {
    const pool = poolOf([A], { cooldown: 10 });
    triedAgain(pool);
    vi.advanceTimersByTime(10);
    triedAgain(pool); // for 20 ms now
    vi.advanceTimersByTime(60_020);
    expect(triedAgain(pool)).toBe(true);
    vi.advanceTimersByTime(10);
    expect(triedAgain(pool)).toBe(true);
  });

  test('the cooldown is the first one again after the source had a free port', () => {
    const pool = poolOf([A]);
    triedAgain(pool);
    vi.advanceTimersByTime(1000);
    triedAgain(pool);
    vi.advanceTimersByTime(2000);
    attempt(pool);
    triedAgain(pool);
    vi.advanceTimersByTime(1000);
    expect(triedAgain(pool)).toBe(true);
  });

  test('with cooldown: 0 an exhausted source is tried every time', () => {
    const pool = poolOf([A], { cooldown: 0 });
    for (let i = 0; i < 3; i++) expect(triedAgain(pool)).toBe(true);
    expect(pool.stats.cooldown).toBe(0);
  });

  test.each<[string, (held: Attempt) => void, boolean]>([
    ['whose peer closed first', (held) => held.close(), true],
    ['that was refused', (held) => held.close(refused), false],
  ])('an exhausted source is tried at once when a connection closes %s', (_, close, leftNoTimeWait) => {
    const pool = poolOf([A], { cooldown: 60_000 });
    const held = attempt(pool, { leftNoTimeWait });
    triedAgain(pool);
    expect(triedAgain(pool)).toBe(false);
    close(held);
    expect(triedAgain(pool)).toBe(true);
  });

  test('the cooldown lasts for TIME-WAIT when this side closes a connection first', () => {
    const pool = poolOf(['127.0.0.1'], { cooldown: 60_000 });
    const remote = '127.0.0.1:80'; // where TIME-WAIT may be reused by default
    const held = attempt(pool, { remote });
    triedAgain(pool, remote);
    held.close();
    expect(triedAgain(pool, remote)).toBe(false);
    vi.advanceTimersByTime(999);
    expect(triedAgain(pool, remote)).toBe(false);
    vi.advanceTimersByTime(2);
    expect(triedAgain(pool, remote)).toBe(true);
  });

  test('the cooldown lasts when a connection to another destination closes', () => {
    const pool = poolOf([A], { cooldown: 60_000 });
    const held = attempt(pool, { leftNoTimeWait: true, remote: OTHER });
    triedAgain(pool);
    held.close();
    expect(triedAgain(pool)).toBe(false);
  });

  test('the oldest cooldown is forgotten when there are too many', () => {
    const cooldowns = new Cooldowns(1000, 3);
    const source = new PoolSource(Prefix.parse('source', A));
    const add = (remote: string, now: number): number =>
      cooldowns.add({ source, address: A, toward: remote, error: NO_PORT }, now);
    for (const remote of ['a', 'b', 'c']) add(remote, 0);
    add('a', 1000); // the youngest now
    add('d', 1000);
    const known = ['a', 'b', 'c', 'd'].filter((remote) => cooldowns.find(A, remote, 999) !== undefined);
    expect(known).toEqual(['a', 'c', 'd']);
    expect(cooldowns.count(999)).toEqual(new Map([[source, 3]]));
  });
});

describe('a source of an EgressPool that fails', () => {
  test('a source that fails is followed by the next source', () => {
    const pool = poolOf([A, B]);
    const notLocal = new SyscallError('bind', -99);
    const taken = attempt(pool, { kernel: ({ address }) => (address === A ? notLocal : 'taken') });
    expect(taken.tried).toEqual([A, B]);
    expect(pool.stats.sources).toMatchObject([
      { failed: 1, held: 0, total: 0 },
      { failed: 0, held: 1, total: 1 },
    ]);
  });

  test('when all sources fail the error is that of the first', () => {
    const [first, second] = [new SyscallError('bind', -99), new SyscallError('connect', -101)];
    expect(failure(poolOf([A, B]), { kernel: ({ address }) => (address === A ? first : second) })).toBe(first);
  });

  test('an error that is not about the source (EMFILE) ends the attempt', () => {
    const pool = poolOf([A, B]);
    const tooMany = new SyscallError('socket', -24);
    const tried: (string | undefined)[] = [];
    const error = failure(pool, { kernel: ({ address }) => (tried.push(address), tooMany) });
    expect(error).toBe(tooMany);
    expect(tried).toEqual([A]);
  });

  test('a prefix is skipped after two of its addresses have failed', () => {
    const pool = poolOf(['2001:db8::/64', '2001:db8:1::1']);
    const unreachable = new SyscallError('connect', -101);
    const kernel = ({ address }: { address: string | undefined }) =>
      address === '2001:db8:1::1' ? ('taken' as const) : unreachable;
    expect(attempt(pool, { remote: REMOTE6, kernel }).tried).toEqual(['2001:db8::', '2001:db8::1', '2001:db8:1::1']);
  });

  test('after one address of a prefix has failed the next one is tried', () => {
    const pool = poolOf(['127.0.0.0/8']);
    const broadcast = new SyscallError('bind', -99);
    const kernel = ({ address }: { address: string | undefined }) =>
      address === '127.0.0.0' ? broadcast : ('taken' as const);
    expect(attempt(pool, { kernel }).tried).toEqual(['127.0.0.0', '127.0.0.1']);
  });

  test('when some sources are exhausted and others fail, the error is ERR_PORT_RANGE_EXHAUSTED', () => {
    const pool = poolOf([A, B, C], { limit: 1, strategy: () => [A, B, C] });
    attempt(pool);
    const error = failure(pool, {
      kernel: ({ address }) => (address === B ? 'exhausted' : new SyscallError('bind', -99)),
    });
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: NO_PORT });
    expect(error.message).toMatch(/\(1 without a free port toward it, 1 at the limit of connections, 1 failed\)/);
  });
});

test('a destination whose family has no source is ERR_EGRESS_NO_SOURCE', () => {
  const pool = poolOf([A], { name: 'tenants' });
  const error = failure(pool, { remote: REMOTE6 });
  expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_EGRESS_NO_SOURCE' });
  expect(error.message).toMatch(/tenants has no IPv6 source to reach 2001:db8:ffff::1/);
  expect(failure(poolOf(['2001:db8::1'])).message).toMatch(/no IPv4 source/);
});

test('an IPv4-mapped destination is reached from IPv4 sources', () => {
  expect(attempt(poolOf([A, '2001:db8::1']), { remote: '[::ffff:198.51.100.1]:443' }).source?.address).toBe(A);
});

describe('stats of an EgressPool', () => {
  test('stats add up, and held is 0 when all connections are closed, whatever happens', () => {
    const outcome = fc.constantFrom('taken', 'exhausted', 'failed', 'fatal');
    const step = fc.record({
      outcomes: fc.array(outcome, { minLength: 6, maxLength: 6 }),
      close: fc.nat(5),
      refused: fc.boolean(),
    });
    const strategy = fc.constantFrom('round-robin', 'random', 'least-used', 'sticky');
    fc.assert(
      fc.property(strategy, fc.array(step, { maxLength: 40 }), (name, steps) => {
        const pool = poolOf([A, B, NET], { strategy: name as 'random', limit: 5, limitPerAddress: 3, cooldown: 0 });
        const open: Attempt[] = [];
        let expected = { total: 0, exhausted: 0, failed: 0 };
        for (const { outcomes, close, refused: isRefused } of steps) {
          let next = 0;
          try {
            open.push(
              attempt(pool, {
                egressKey: String(close),
                kernel: () => {
                  const result = outcomes[next++ % outcomes.length];
                  if (result === 'taken') expected = { ...expected, total: expected.total + 1 };
                  else if (result === 'exhausted') expected = { ...expected, exhausted: expected.exhausted + 1 };
                  else expected = { ...expected, failed: expected.failed + 1 };
                  if (result === 'failed') return new SyscallError('bind', -99);
                  if (result === 'fatal') return new SyscallError('socket', -24);
                  return result!;
                },
              }),
            );
          } catch {
            // Counted by the kernel function, whatever it was.
          }
          if (close < open.length) {
            open.splice(close, 1)[0]?.close(isRefused ? refused : undefined);
            if (isRefused) expected = { ...expected, failed: expected.failed + 1 };
          }
          const stats = pool.stats;
          expect(stats).toMatchObject({ ...expected, held: open.length });
          for (const source of stats.sources) expect(source.held).toBeLessThanOrEqual(5);
        }
        for (const { close } of open) close();
        expect(pool.stats.held).toBe(0);
        expect(pool.stats.sources.map(({ held }) => held)).toEqual([0, 0, 0]);
      }),
      { numRuns: 200 },
    );
  });

  test('stats list the sources, normalized, in the order of the pool', () => {
    const pool = poolOf(['2001:DB8::/64', A]);
    expect(pool.stats).toEqual({
      held: 0,
      total: 0,
      exhausted: 0,
      failed: 0,
      cooldown: 0,
      sources: [
        { source: '2001:db8::/64', draining: false, held: 0, total: 0, exhausted: 0, failed: 0, cooldown: 0 },
        { source: A, draining: false, held: 0, total: 0, exhausted: 0, failed: 0, cooldown: 0 },
      ],
    });
  });
});

describe('addSource and removeSource', () => {
  test('a source that was added is used', () => {
    const pool = poolOf([A]);
    pool.addSource('2001:db8::1');
    pool.addSource(B);
    expect(pool.sources).toEqual([A, '2001:db8::1', B]);
    expect(addresses(pool, 3).sort()).toEqual([A, A, B].sort());
    expect(addresses(pool, 1, { remote: REMOTE6 })).toEqual(['2001:db8::1']);
  });

  test('a source that was removed is not used, and drains until its last connection is closed', async () => {
    const pool = poolOf([A, B]);
    const [first, second, third] = [attempt(pool), attempt(pool), attempt(pool)];
    const removed = pool.removeSource(A);
    const drained = vi.fn();
    const done = removed?.drained.then(drained);
    expect(pool.removeSource(A)).toBeUndefined();
    expect(pool.sources).toEqual([B]);
    expect(pool.stats).toMatchObject({ held: 3, sources: [{ source: B }, { source: A, draining: true, held: 2 }] });
    first.close(refused);
    await Promise.resolve();
    expect(drained).not.toHaveBeenCalled();
    expect(pool.stats.sources).toMatchObject([{ source: B }, { source: A, held: 1, total: 2, failed: 1 }]);
    third.close();
    await done;
    expect(drained).toHaveBeenCalledOnce();
    expect(pool.stats.sources).toMatchObject([{ source: B, draining: false, held: 1 }]);
    second.close();
    expect(addresses(pool, 2)).toEqual([B, B]);
  });

  test('a source without connections is drained at once when it is removed', async () => {
    const pool = poolOf([A]);
    const removed = pool.removeSource(A);
    expect(pool.stats.sources).toEqual([]);
    await removed?.drained;
    expect(failure(pool).code).toBe('ERR_EGRESS_NO_SOURCE');
  });

  test.each([
    ['whose other sources are exhausted', [A, B], [A], NO_PORT, 'ERR_PORT_RANGE_EXHAUSTED'],
    ['of a prefix', [NET], ['10.1.0.0'], NO_PORT, 'ERR_PORT_RANGE_EXHAUSTED'],
    ['whose other sources failed', [A, B], [A], new SyscallError('bind', -99), 'EADDRNOTAVAIL'],
  ] as const)('an attempt %s does not use a source that was removed during it', (_, sources, tried, answer, code) => {
    const pool = poolOf(sources);
    const seen: (string | undefined)[] = [];
    const error = failure(pool, {
      kernel: ({ address }) => {
        seen.push(address);
        pool.removeSource(sources.at(-1) ?? '');
        return answer === NO_PORT ? 'exhausted' : answer;
      },
    });
    expect(error.code).toBe(code);
    expect(seen).toEqual(tried);
  });

  test('an attempt fails with ERR_EGRESS_NO_SOURCE when a strategy removes the source that it returns', () => {
    const pool: PoolDialer = poolOf([A], {
      strategy: () => {
        pool.removeSource(A);
        return A;
      },
    });
    const { code, message } = failure(pool);
    expect(code).toBe('ERR_EGRESS_NO_SOURCE');
    expect(message).toMatch(/no source left .*\(1 removed\)/);
  });

  test('a connection of a source that was removed while it was being made is counted until it is closed', async () => {
    const pool = poolOf([A]);
    let removed: ReturnType<PoolDialer['removeSource']>;
    const { close } = attempt(pool, {
      kernel: () => {
        removed = pool.removeSource(A);
        return 'taken';
      },
    });
    expect(pool.stats.sources).toMatchObject([{ source: A, draining: true, held: 1 }]);
    close();
    await removed?.drained;
    expect(pool.stats.sources).toEqual([]);
  });

  test.each([
    [A, 'ERR_INVALID_ARG_VALUE'],
    ['192.0.2.0/24', 'ERR_INVALID_ARG_VALUE'],
    ['name', 'ERR_INVALID_ARG_VALUE'],
    [7, 'ERR_INVALID_ARG_TYPE'],
  ])('addSource(%j) throws %s', (source, code) => {
    const pool = poolOf([A]);
    expect(() => pool.addSource(source as string)).toThrow(expect.objectContaining({ code }) as Error);
    expect(pool.sources).toEqual([A]);
  });
});

describe('diagnostics_channel messages of an EgressPool', () => {
  test('each source that is tried publishes its result, with the egressKey', () => {
    const messages: [string, unknown][] = [];
    const channels = ['connect', 'exhausted', 'failed', 'closed'].map((name) => `linux-sockets.egress.${name}`);
    const listener = (message: unknown, name: string | symbol): void => void messages.push([String(name), message]);
    for (const name of channels) subscribe(name, listener);
    try {
      const pool = poolOf([A, B, NET], { name: 'tenants' });
      const notLocal = new SyscallError('bind', -99);
      const kernel = ({ address }: { address: string | undefined }) =>
        address === A ? 'exhausted' : address === B ? notLocal : 'taken';
      attempt(pool, { egressKey: 'k', kernel }).close(refused);
      const common = { pool: 'tenants', remoteAddress: '198.51.100.1', remotePort: 443, egressKey: 'k' };
      const taken = { ...common, source: NET, address: '10.1.0.0' };
      expect(messages).toEqual([
        ['linux-sockets.egress.exhausted', { ...common, source: A, address: A, error: NO_PORT, cooldown: 1000 }],
        ['linux-sockets.egress.failed', { ...common, source: B, address: B, error: notLocal }],
        ['linux-sockets.egress.connect', taken],
        ['linux-sockets.egress.closed', { ...taken, error: refused, duration: expect.any(Number) as number }],
      ]);
    } finally {
      for (const name of channels) unsubscribe(name, listener);
    }
  });
});

describe('arguments of EgressPool', () => {
  test.each<[Record<string, unknown>, string]>([
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: A }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [] }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A, A] }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: ['192.0.2.0/24', 'fd00::1', '192.0.2.77'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [7] }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], strategy: 'fastest' }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A], strategy: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], strategy: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], sockopts: { SO_BINDTODEVICE: 'lo' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A], localPortRange: [2, 1] }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], localPortRange: [1, 2] }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], limit: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], limit: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], limitPerAddress: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], cooldown: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], cooldown: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], freebind: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], transparent: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], mark: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], mark: 2 ** 32 }, 'ERR_OUT_OF_RANGE'],
    [{ sources: [A], device: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], sockopts: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], sockopts: [] }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], sockopts: { TCP_NODELAI: true } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A], sockopts: { TCP_NODELAY: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], shareLocalPort: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], protocol: 'udp' }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A], waitForLocalPort: { timout: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    [{ sources: [A], name: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sources: [A], sorces: [B] }, 'ERR_INVALID_ARG_VALUE'],
  ])('new EgressPool(%j) throws %s', (options, code) => {
    expect(() => new EgressPool(options as unknown as EgressPoolOptions)).toThrow(
      expect.objectContaining({ code }) as Error,
    );
  });

  test.each([
    ['192.0.2.0/23', 'it contains another source, 192.0.2.0/24'],
    ['192.0.2.128/25', 'it is part of another source, 192.0.2.0/24'],
    ['192.0.2.0/24', 'it is a source of this pool already'],
  ])('addSource(%j) names its own argument as the wrong one: %s', (source, why) => {
    expect(() => poolOf(['192.0.2.0/24']).addSource(source)).toThrow(
      `The "source" argument is invalid: ${why}. Received`,
    );
  });

  test('the error for overlapping sources names both', () => {
    expect(() => poolOf(['192.0.2.77', '192.0.2.0/24'])).toThrow(
      /part of another source, 192\.0\.2\.0\/24\. Received type string \('192\.0\.2\.77'\)/,
    );
    expect(() => poolOf([A, B, A])).toThrow(/it is listed twice/);
  });
});

function endpoint(text: string): Endpoint {
  return Endpoint.from(text);
}
