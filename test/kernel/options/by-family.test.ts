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
const NUMBERS: readonly OptionPair[] = ['MTU_DISCOVER', 'TOS', 'TTL', 'UNICAST_IF'];

test.each(SWITCHES)('byFamily(%j) names a boolean option of each family, off on a new socket', (pair) => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    using socket = create(family, 'dgram');
    expect(getOption(socket, byFamily(pair, family) as 'IP_FREEBIND'), family).toBe(false);
  }
});

test.each(NUMBERS)('byFamily(%j) names a number option of each family', (pair) => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    using socket = create(family, 'dgram');
    expect(getOption(socket, byFamily(pair, family) as 'IP_TOS'), family).toBeTypeOf('number');
  }
});

test('bothFamilies gives the IPv4 name of level IPPROTO_IP and the IPv6 name of level IPPROTO_IPV6', () => {
  for (const pair of [...SWITCHES, ...NUMBERS, 'MTU'] as const) {
    const levels = bothFamilies(pair).map((name) => (OPTIONS[name] as OptionRow).level);
    expect(levels, pair).toEqual(['IPPROTO_IP', 'IPPROTO_IPV6']);
  }
});
