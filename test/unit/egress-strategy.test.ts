// Strategies: how they spread connections, what comes next when a source is exhausted, and what the same key gets.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Prefix } from '../../src/egress/prefix.js';
import type { StrategyFunction, StrategyRequest } from '../../src/egress/strategy.js';
import { addresses, attempt, failure, NO_PORT, poolOf, REMOTE6, tally, type Kernel } from './egress-attempts.js';

const A = '192.0.2.1';
const B = '192.0.2.2';
const C = '192.0.2.3';
const D = '192.0.2.4';
const NET = '10.1.0.0/30';
const NET_ADDRESSES = ['10.1.0.0', '10.1.0.1', '10.1.0.2', '10.1.0.3'];

const exhausted: Kernel = () => 'exhausted';
/** No port for these addresses. */
const without =
  (...busy: readonly string[]): Kernel =>
  ({ address }) =>
    busy.includes(address ?? '') ? 'exhausted' : 'taken';

describe('round-robin', () => {
  test('round-robin uses the sources in turn', () => {
    expect(addresses(poolOf([A, B, C]), 7)).toEqual([A, B, C, A, B, C, A]);
  });

  test('round-robin is the default strategy', () => {
    expect(addresses(poolOf([A, B], { strategy: 'round-robin' }), 4)).toEqual(addresses(poolOf([A, B]), 4));
  });

  test('round-robin uses the addresses of a prefix in turn, the first and the last included', () => {
    expect(addresses(poolOf([NET]), 5)).toEqual([...NET_ADDRESSES, '10.1.0.0']);
  });

  test('round-robin gives a prefix as many turns as a single address', () => {
    expect(addresses(poolOf([A, NET]), 6)).toEqual([A, '10.1.0.0', A, '10.1.0.1', A, '10.1.0.2']);
  });

  test('round-robin takes turns separately for each family', () => {
    const pool = poolOf([A, '2001:db8::1', B, '2001:db8::2']);
    expect(addresses(pool, 1)).toEqual([A]);
    expect(addresses(pool, 3, { remote: REMOTE6 })).toEqual(['2001:db8::1', '2001:db8::2', '2001:db8::1']);
    expect(addresses(pool, 2)).toEqual([B, A]);
  });

  test('round-robin tries every source, and every address of a prefix, once before it gives up', () => {
    const pool = poolOf([A, NET, B], { cooldown: 0 });
    const tried: string[] = [];
    failure(pool, {
      kernel: ({ address = '' }) => {
        tried.push(address);
        return 'exhausted';
      },
    });
    expect(tried).toEqual([A, ...NET_ADDRESSES, B]);
  });

  test('round-robin looks at 1024 addresses of a large prefix per attempt, and continues after them', () => {
    const pool = poolOf(['2001:db8::/64', '2001:db8:1::1'], { cooldown: 0 });
    const taking = attempt(pool, { remote: REMOTE6, kernel: without(...firstAddresses('2001:db8::/64', 2000)) });
    expect(taking.tried).toHaveLength(1025);
    expect(taking.source?.address).toBe('2001:db8:1::1');
    attempt(pool, { remote: REMOTE6 });
    expect(attempt(pool, { remote: REMOTE6 }).source?.address).toBe('2001:db8::400');
  });
});

describe('random', () => {
  test('random uses all sources with the same probability', () => {
    const counts = tally(addresses(poolOf([A, B, C, D], { strategy: 'random' }), 8000));
    expect(Object.keys(counts)).toHaveLength(4);
    // 2000 each; the standard deviation is 39.
    for (const count of Object.values(counts)) expect(Math.abs(count - 2000)).toBeLessThan(6 * 39);
  });

  test('random uses all addresses of a prefix with the same probability', () => {
    const counts = tally(addresses(poolOf(['10.1.0.0/29'], { strategy: 'random' }), 8000));
    expect(Object.keys(counts)).toHaveLength(8);
    for (const count of Object.values(counts)) expect(Math.abs(count - 1000)).toBeLessThan(6 * 30);
  });

  test('random uses addresses all over a /64', () => {
    const prefix = Prefix.parse('source', '2001:db8::/64');
    const found = addresses(poolOf(['2001:db8::/64'], { strategy: 'random' }), 4000, { remote: REMOTE6 });
    expect(new Set(found).size).toBe(4000);
    const numbers = found.map((address) => prefix.indexOf(address) ?? -1n);
    // Each of the 64 bits is set in half of them.
    for (let bit = 0n; bit < 64n; bit++) {
      const set = numbers.filter((number) => (number >> bit) & 1n).length;
      expect(Math.abs(set - 2000)).toBeLessThan(6 * 32);
    }
  });

  test('random tries every source once before it gives up, the others with the same probability', () => {
    const second: string[] = [];
    for (let i = 0; i < 3000; i++) {
      const pool = poolOf([A, B, C, D], { strategy: 'random' });
      const tried: string[] = [];
      failure(pool, { kernel: ({ address = '' }) => (tried.push(address), 'exhausted') });
      expect([...tried].sort()).toEqual([A, B, C, D]);
      if (tried[0] === A) second.push(tried[1] ?? '');
    }
    const counts = tally(second);
    expect(Object.keys(counts).sort()).toEqual([B, C, D]);
    for (const count of Object.values(counts)) expect(Math.abs(count - second.length / 3)).toBeLessThan(90);
  });
});

describe('least-used', () => {
  const strategy = 'least-used';

  test('least-used uses the source with the fewest connections', () => {
    const pool = poolOf([A, B, C], { strategy });
    const held = [attempt(pool), attempt(pool), attempt(pool), attempt(pool)];
    expect(held.map(({ source }) => source?.address)).toEqual([A, B, C, A]);
    held[1]?.close();
    expect(addresses(pool, 1)).toEqual([B]);
  });

  test('least-used takes turns among equals', () => {
    const pool = poolOf([A, B, C], { strategy });
    const taken = Array.from({ length: 6 }, () => {
      const { source, close } = attempt(pool);
      close();
      return source?.address;
    });
    expect(tally(taken.map((address) => address ?? ''))).toEqual({ [A]: 2, [B]: 2, [C]: 2 });
  });

  test('least-used uses an unused address of a prefix as long as there is one', () => {
    const pool = poolOf([NET], { strategy });
    const held = Array.from({ length: 4 }, () => attempt(pool));
    expect(held.map(({ source }) => source?.address).sort()).toEqual(NET_ADDRESSES);
    held[2]?.close();
    expect(addresses(pool, 1)).toEqual([held[2]?.source?.address]);
  });

  test('least-used uses the least used address of a prefix when all are in use', () => {
    const pool = poolOf([NET], { strategy });
    const held = Array.from({ length: 8 }, () => attempt(pool));
    expect(tally(held.map(({ source }) => source?.address ?? ''))).toEqual(
      Object.fromEntries(NET_ADDRESSES.map((address) => [address, 2])),
    );
    held[5]?.close();
    expect(addresses(pool, 1)).toEqual([held[5]?.source?.address]);
  });

  test('least-used continues with the next least used source', () => {
    const pool = poolOf([A, B, C], { strategy });
    attempt(pool);
    attempt(pool);
    attempt(pool);
    attempt(pool); // A holds two, B and C one each
    expect(attempt(pool, { kernel: without(B, C) }).tried.sort()).toEqual([A, B, C]);
  });
});

describe('sticky', () => {
  const strategy = 'sticky';

  test('sticky never changes: the addresses of these keys are part of the contract', () => {
    const pool = poolOf([A, B, C, NET], { strategy });
    const got = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'].map(
      (key) => attempt(pool, { egressKey: key }).source?.address,
    );
    expect(got).toEqual([B, A, B, C, B, '10.1.0.1', B, B]);
  });

  test('sticky: the same key gets the same address, in any pool of the same sources in any order', () => {
    const sources = [A, B, C, D, NET];
    fc.assert(
      fc.property(fc.string(), fc.shuffledSubarray(sources, { minLength: 5 }), (key, shuffled) => {
        const [first, again] = addresses(poolOf(sources, { strategy }), 2, { egressKey: key });
        expect(again).toBe(first);
        expect(addresses(poolOf(shuffled, { strategy }), 1, { egressKey: key })).toEqual([first]);
      }),
    );
  });

  test('sticky: a new source takes keys from the others, and no key moves between those', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.uniqueArray(fc.integer({ min: 0, max: 9999 }), { minLength: 2, maxLength: 20 }),
        (key, ids) => {
          const sources = ids.map((id) => `10.0.${id >> 8}.${id & 255}`);
          const [added = '', ...others] = sources;
          const [before] = addresses(poolOf(others, { strategy }), 1, { egressKey: key });
          const [after] = addresses(poolOf(sources, { strategy }), 1, { egressKey: key });
          expect([before, added]).toContain(after);
        },
      ),
    );
  });

  test('sticky: keys spread evenly, and a new source takes its share', () => {
    const sources = Array.from({ length: 10 }, (_, i) => `192.0.2.${i + 1}`);
    const pool = poolOf(sources, { strategy });
    const keys = Array.from({ length: 10_000 }, (_, i) => `key ${i}`);
    const before = keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? '');
    // 1000 each; the standard deviation is 30.
    for (const count of Object.values(tally(before))) expect(Math.abs(count - 1000)).toBeLessThan(6 * 30);
    pool.addSource('192.0.2.11');
    const after = keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? '');
    const moved = after.filter((address, i) => address !== before[i]);
    expect(Math.abs(moved.length - 909)).toBeLessThan(6 * 29);
    expect(new Set(moved)).toEqual(new Set(['192.0.2.11']));
  });

  test('sticky: the keys of a removed source spread over the others, and return with it', () => {
    const pool = poolOf([A, B, C, D], { strategy });
    const keys = Array.from({ length: 2000 }, (_, i) => `key ${i}`);
    const before = keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? '');
    pool.removeSource(B);
    const without = keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? '');
    keys.forEach((_, i) => {
      if (before[i] !== B) expect(without[i]).toBe(before[i]);
    });
    const moved = tally(without.filter((_, i) => before[i] === B));
    expect(Object.keys(moved).sort()).toEqual([A, C, D]);
    for (const count of Object.values(moved)) expect(count).toBeGreaterThan(100);
    pool.addSource(B);
    expect(keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? '')).toEqual(before);
  });

  test('sticky: keys spread over the addresses of a prefix', () => {
    const keys = Array.from({ length: 8000 }, (_, i) => `key ${i}`);
    const pool = poolOf(['10.1.0.0/29'], { strategy });
    const counts = tally(keys.map((key) => attempt(pool, { egressKey: key }).source?.address ?? ''));
    expect(Object.keys(counts)).toHaveLength(8);
    for (const count of Object.values(counts)) expect(Math.abs(count - 1000)).toBeLessThan(6 * 30);
    const large = poolOf(['2001:db8::/64'], { strategy });
    const found = new Set(keys.map((key) => attempt(large, { egressKey: key, remote: REMOTE6 }).source?.address));
    expect(found.size).toBe(8000);
  });

  test('sticky: the second choice of a key is always the same, too', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const tried = (): string[] => {
          const order: string[] = [];
          failure(poolOf([A, B, NET, C], { strategy }), {
            egressKey: key,
            kernel: ({ address = '' }) => (order.push(address), 'exhausted'),
          });
          return order;
        };
        expect(tried()).toEqual(tried());
        expect(tried().sort()).toEqual([A, B, C, ...NET_ADDRESSES].sort());
      }),
    );
  });

  test('sticky: without a key the source depends on the address of the destination', () => {
    const pool = poolOf([A, B, C, D], { strategy });
    const to = (host: number, port: number): string[] => addresses(pool, 1, { remote: `198.51.100.${host}:${port}` });
    for (let host = 1; host < 50; host++) expect(to(host, 80)).toEqual(to(host, 443));
    expect(new Set(Array.from({ length: 50 }, (_, i) => to(i, 80)[0])).size).toBe(4);
    expect(to(7, 80)).toEqual(addresses(pool, 1, { egressKey: '198.51.100.7' }));
  });
});

describe('a strategy function', () => {
  const using = (strategy: StrategyFunction, sources: readonly string[] = [A, B, NET, '2001:db8::/64']) =>
    poolOf(sources, { strategy });

  test('a strategy function gets the family, the destination and the egressKey', () => {
    const requests: StrategyRequest[] = [];
    const pool = using((request) => {
      requests.push(request);
      return request.family === 'ipv4' ? A : '2001:db8::7';
    });
    attempt(pool, { egressKey: 'k' });
    attempt(pool, { remote: REMOTE6 });
    expect(requests).toMatchObject([
      { family: 'ipv4', egressKey: 'k', remote: { address: '198.51.100.1', port: 443 } },
      { family: 'ipv6', egressKey: undefined, remote: { address: '2001:db8:ffff::1', port: 443 } },
    ]);
  });

  test('a strategy function chooses an address of a source', () => {
    expect(
      addresses(
        using(() => B),
        1,
      ),
    ).toEqual([B]);
    expect(
      addresses(
        using(() => '10.1.0.2'),
        2,
      ),
    ).toEqual(['10.1.0.2', '10.1.0.2']);
    expect(
      addresses(
        using(() => '2001:DB8:0::00ff'),
        1,
        { remote: REMOTE6 },
      ),
    ).toEqual(['2001:db8::ff']);
  });

  test('a strategy function chooses a prefix, whose addresses are then used in turn', () => {
    expect(
      addresses(
        using(() => NET),
        2,
      ),
    ).toEqual(['10.1.0.0', '10.1.0.1']);
  });

  test('a strategy function chooses several, which are tried in that order, and nothing else', () => {
    const pool = using(() => [B, '10.1.0.3', A]);
    expect(attempt(pool, { kernel: without(B) }).tried).toEqual([B, '10.1.0.3']);
    const strict = using(() => A);
    expect(failure(strict, { kernel: exhausted })).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause: NO_PORT });
  });

  test('a strategy function may return any address if a source is 0.0.0.0/0', () => {
    const pool = poolOf(['0.0.0.0/0'], { transparent: true, strategy: ({ egressKey }) => egressKey ?? '' });
    expect(addresses(pool, 1, { egressKey: '203.0.113.99' })).toEqual(['203.0.113.99']);
  });

  test.each([
    ['an address that is in no source', () => '192.0.2.99'],
    ['an address of the other family', () => '2001:db8::1'],
    ['a prefix that is not a source', () => '10.1.0.0/31'],
    ['a name', () => 'localhost'],
    ['nothing', () => undefined],
    ['a number', () => 0],
    ['a promise', () => Promise.resolve(A)],
    ['an empty list', () => []],
    ['a list with a wrong element', () => [A, '192.0.2.99']],
  ])('a strategy function that returns %s fails the attempt with ERR_EGRESS_STRATEGY', (_, strategy) => {
    const pool = using(strategy as unknown as StrategyFunction);
    const error = failure(pool);
    expect(error).toMatchObject({ name: 'SocketError', code: 'ERR_EGRESS_STRATEGY' });
    expect(error.message).toMatch(/strategy function returned .+ IPv4 address/);
    expect(pool.stats).toMatchObject({ held: 0, total: 0, failed: 0 });
  });

  test.each([new TypeError('no such tenant'), 'no such tenant'])(
    'a strategy function that throws %j fails the attempt with the cause',
    (cause) => {
      const error = failure(
        using(() => {
          throw cause; // eslint-disable-line @typescript-eslint/only-throw-error -- users do
        }),
      );
      expect(error).toMatchObject({ code: 'ERR_EGRESS_STRATEGY', cause });
      expect(error.message).toMatch(/threw: .*no such tenant/);
    },
  );
});

function firstAddresses(text: string, count: number): string[] {
  const prefix = Prefix.parse('source', text);
  return Array.from({ length: count }, (_, i) => prefix.at(BigInt(i)));
}

test.each([
  ['0.0.0.0/30', 'ipv4', ['0.0.0.1', '0.0.0.2', '0.0.0.3', '0.0.0.1']],
  ['::/126', 'ipv6', ['::1', '::2', '::3', '::1']],
] as const)('the unspecified address of the prefix %s is never a source', (source, family, expected) => {
  const pool = poolOf([source]);
  const remote = family === 'ipv4' ? {} : { remote: REMOTE6 };
  expect(addresses(pool, 4, remote)).toEqual(expected);
});
