// BoundedMap: which entry is dropped when it is full, and what makes an entry the newest.
import { expect, test } from 'vitest';
import { BoundedMap } from '../../src/bounded-map.js';

const filled = (options?: ConstructorParameters<typeof BoundedMap<string, number>>[1]): BoundedMap<string, number> =>
  new BoundedMap<string, number>(2, options).set('a', 1).set('b', 2);

test('BoundedMap below its maximum keeps every entry, oldest first', () => {
  const map = filled();
  expect([...map]).toEqual([
    ['a', 1],
    ['b', 2],
  ]);
  expect([map.size, map.get('a'), map.has('b'), map.get('c'), map.has('c')]).toEqual([2, 1, true, undefined, false]);
});

test('BoundedMap at its maximum drops the oldest entry for a new one', () => {
  expect([...filled().set('c', 3)]).toEqual([
    ['b', 2],
    ['c', 3],
  ]);
});

test('BoundedMap: setting a known key replaces its value, makes it the newest and drops nothing', () => {
  const evicted: string[] = [];
  const map = filled({ onEvict: (_value, key) => evicted.push(key) }).set('a', 7);
  expect([[...map], evicted]).toEqual([
    [
      ['b', 2],
      ['a', 7],
    ],
    [],
  ]);
  map.set('c', 3);
  expect([...map].map(([key]) => key)).toEqual(['a', 'c']);
});

test('BoundedMap: get leaves the order as it is, unless touchOnGet', () => {
  for (const [touchOnGet, left] of [
    [false, ['b', 'c']],
    [true, ['a', 'c']],
  ] as const) {
    const map = filled({ touchOnGet });
    expect(map.get('a')).toBe(1);
    expect(map.get('unknown')).toBeUndefined();
    expect([...map.set('c', 3)].map(([key]) => key)).toEqual(left);
  }
});

test('BoundedMap with touchOnGet keeps an entry whose value is undefined', () => {
  const map = new BoundedMap<string, undefined>(2, { touchOnGet: true }).set('a', undefined).set('b', undefined);
  map.get('a');
  expect([...map.set('c', undefined)].map(([key]) => key)).toEqual(['a', 'c']);
});

test('BoundedMap calls onEvict for an entry that is dropped to make room, not for delete and clear', () => {
  const evicted: [string, number][] = [];
  const map = filled({ onEvict: (value, key) => evicted.push([key, value]) });
  expect([map.delete('b'), map.delete('b')]).toEqual([true, false]);
  map.set('c', 3).set('d', 4);
  map.clear();
  expect([map.size, evicted]).toEqual([0, [['a', 1]]]);
});

test('BoundedMap drops the old entry even if onEvict throws', () => {
  const map = filled({
    onEvict: () => {
      throw new Error('from onEvict');
    },
  });
  expect(() => map.set('c', 3)).toThrow('from onEvict');
  expect(map.has('a')).toBe(false);
});

test('BoundedMap.makeRoom drops the oldest entry of a full map only', () => {
  const map = filled();
  map.makeRoom();
  map.makeRoom();
  expect([...map]).toEqual([['b', 2]]);
});
