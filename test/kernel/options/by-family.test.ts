// The names that byFamily gives belong together: an IPv4 socket takes the one, an IPv6 socket the other.
import { expect, test } from 'vitest';
import { getOption, OPTIONS, type OptionRow } from '../../../src/index.js';
import { bothFamilies, byFamily, type OptionPair } from '../../../src/options/by-family.js';
import { create } from '../../support/options.js';

const SWITCHES: readonly OptionPair[] = [
  'FREEBIND',
  'TRANSPARENT',
  'RECVERR',
  'RECVPKTINFO',
  'RECVORIGDSTADDR',
  'RECVTOS',
  'RECVTTL',
];
const VALUES: readonly OptionPair[] = ['MTU_DISCOVER', 'TOS', 'TTL', 'UNICAST_IF'];

test.each(SWITCHES)('byFamily(%j) names a boolean option of each family, off on a new socket', (pair) => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    using socket = create(family, 'dgram');
    expect(getOption(socket, byFamily(pair, family) as 'IP_FREEBIND'), family).toBe(false);
  }
});

test.each(VALUES)('byFamily(%j) names options of the same type for each family', (pair) => {
  const types = (['ipv4', 'ipv6'] as const).map((family) => {
    using socket = create(family, 'dgram');
    return typeof getOption(socket, byFamily(pair, family) as 'IP_TOS');
  });
  expect(types[0]).toMatch(/^(number|string)$/);
  expect(types[1]).toBe(types[0]);
});

test('bothFamilies gives the IPv4 name of level IPPROTO_IP and the IPv6 name of level IPPROTO_IPV6', () => {
  for (const pair of [...SWITCHES, ...VALUES, 'MTU'] as const) {
    const levels = bothFamilies(pair).map((name) => (OPTIONS[name] as OptionRow).level);
    expect(levels, pair).toEqual(['IPPROTO_IP', 'IPPROTO_IPV6']);
  }
});
