// How data is cut into messages: within the kernel's limits, and in whole segments.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsOneMessage, hasEqualTail, messageBytes, payloadLimit, segmentCount } from '../../src/udp/send/segments.js';

describe('messageBytes', () => {
  test.each([
    [1200, 128, true, false, 54 * 1200],
    [1200, 128, false, false, 54 * 1200],
    [1, 128, true, false, 128],
    [1, 64, true, false, 64],
    [100, 128, true, false, 12_800],
    [511, 128, true, false, 128 * 511],
    [512, 128, true, false, 127 * 512],
    [32_753, 128, true, false, 2 * 32_753],
    [32_754, 128, true, false, 32_754],
    [65_507, 128, true, false, 65_507],
    [65_527, 128, false, false, 65_527],
    [65_535, 128, true, false, 65_535],
    [1200, 128, true, true, 54 * 1200],
    [100, 128, true, true, 127 * 100],
    [65_507, 128, true, true, 65_507],
  ])('messageBytes of segments of %i, %i at most, IPv4 %s, tail %s is %i', (size, most, ipv4, tail, bytes) => {
    expect(messageBytes(size, most, payloadLimit(ipv4), tail)).toBe(bytes);
  });

  test('messageBytes is a number of whole segments within both limits', () => {
    const numbers = fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 2, max: 128 }));
    fc.assert(
      fc.property(numbers, fc.boolean(), fc.boolean(), ([size, most], ipv4, tail) => {
        const limit = payloadLimit(ipv4);
        const bytes = messageBytes(size, most, limit, tail);
        expect(bytes % size).toBe(0);
        expect(bytes).toBeGreaterThan(0);
        const spare = tail ? 1 : 0;
        if (bytes > size) {
          expect(bytes / size + spare).toBeLessThanOrEqual(most);
          expect(bytes + spare).toBeLessThanOrEqual(limit);
        }
        // One more would not fit.
        expect(bytes / size + spare === most || bytes + size + spare > limit).toBe(true);
      }),
    );
  });
});

test.each([
  [65_507, 1200, true],
  [65_508, 1200, false],
  [12_800, 100, true],
  [12_801, 100, false],
  [1, 1200, true],
])('whether %i bytes in segments of %i fit one message: %s', (length, size, fits) => {
  expect(fitsOneMessage(length, size, 128, payloadLimit(true))).toBe(fits);
});

test('segmentCount rounds up, and is 1 for no segment size', () => {
  expect([0, 1, 9, 10, 11, 20, 21].map((length) => segmentCount(length, 10))).toEqual([0, 1, 1, 1, 2, 2, 3]);
  expect(segmentCount(5000, 0)).toBe(1);
});

test('hasEqualTail is true for several segments of equal size', () => {
  expect([1, 9, 10, 11, 19, 20, 21, 30].map((length) => hasEqualTail(length, 10))).toEqual([
    false,
    false,
    false,
    false,
    false,
    true,
    false,
    true,
  ]);
  expect(hasEqualTail(20, 0)).toBe(false);
});
