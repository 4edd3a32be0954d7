// Prefixes: which addresses they contain, compared with ipaddr.js, and what is refused.
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { Prefix } from '../../src/egress/prefix.js';

const ipv4 = fc.ipV4();
// fast-check also generates ::ffff:0:0/96, which is refused: it is IPv4.
const ipv6 = fc.ipV6().filter((text) => !ipaddr.IPv6.parse(text).isIPv4MappedAddress());

test.each([
  ['IPv4', ipv4, 32],
  ['IPv6', ipv6, 128],
] as const)('Prefix.indexOf: an %s address is in a prefix if and only if ipaddr.js says so', (_, address, bits) => {
  fc.assert(
    fc.property(
      address,
      fc.integer({ min: 0, max: bits }),
      address,
      fc.integer({ min: 0, max: bits }),
      (of, length, other, share) => {
        const network = networkOf(of, length);
        fc.pre(network !== undefined);
        // Many share the first bits, so that many are inside.
        const candidate = splice(of, other, share);
        const prefix = Prefix.parse('source', `${network}/${length}`);
        const inside = ipaddr.parse(candidate).match([ipaddr.parse(network), length]);
        const index = prefix.indexOf(candidate);
        expect(index !== undefined).toBe(inside);
        if (index !== undefined) expect(bytesOf(prefix.at(index))).toEqual(bytesOf(candidate));
      },
    ),
    { numRuns: 1000 },
  );
});

test.each([
  ['IPv4', ipv4, 32],
  ['IPv6', ipv6, 128],
] as const)('Prefix.at: the addresses of an %s prefix have the indexes 0 to size - 1', (_, address, bits) => {
  fc.assert(
    fc.property(
      address,
      fc.integer({ min: 0, max: bits }),
      fc.bigInt({ min: 0n, max: 2n ** 128n }),
      (of, length, n) => {
        const network = networkOf(of, length);
        fc.pre(network !== undefined);
        const prefix = Prefix.parse('source', `${network}/${length}`);
        expect(prefix.size).toBe(2n ** BigInt(bits - length));
        const index = n % prefix.size;
        expect(prefix.indexOf(prefix.at(index))).toBe(index);
        expect(ipaddr.parse(prefix.at(index)).match([ipaddr.parse(network), length])).toBe(true);
      },
    ),
  );
});

test('a prefix includes its first and its last address, and nothing else', () => {
  const prefix = Prefix.parse('source', '192.0.2.0/24');
  expect([prefix.at(0n), prefix.at(255n)]).toEqual(['192.0.2.0', '192.0.2.255']);
  expect(prefix.indexOf('192.0.3.0')).toBeUndefined();
  expect(prefix.indexOf('192.0.1.255')).toBeUndefined();
  expect(prefix.indexOf('nonsense')).toBeUndefined();
  expect(prefix.indexOf('2001:db8::1')).toBeUndefined();
});

test.each([
  ['192.0.2.1', '192.0.2.1', 'ipv4', 1n],
  ['192.0.2.1/32', '192.0.2.1', 'ipv4', 1n],
  ['0.0.0.0/0', '0.0.0.0/0', 'ipv4', 2n ** 32n],
  ['2001:DB8:0::/64', '2001:db8::/64', 'ipv6', 2n ** 64n],
  ['2001:db8:0:0::1', '2001:db8::1', 'ipv6', 1n],
  ['::/0', '::/0', 'ipv6', 2n ** 128n],
  ['fe80::1%lo', 'fe80::1%lo', 'ipv6', 1n],
] as const)('Prefix.parse(%j).text is %j', (written, text, family, size) => {
  expect(Prefix.parse('source', written)).toMatchObject({ text, family, size });
});

test('the zone of a link-local address is compared', () => {
  const prefix = Prefix.parse('source', 'fe80::1%eth0');
  expect(prefix.indexOf('fe80::1%eth0')).toBe(0n);
  expect(prefix.indexOf('fe80::1%eth1')).toBeUndefined();
  expect(prefix.indexOf('fe80::1')).toBeUndefined();
  expect(prefix.overlaps(Prefix.parse('source', 'fe80::1%eth1'))).toBe(false);
  expect(prefix.overlaps(Prefix.parse('source', 'fe80::1%eth0'))).toBe(true);
});

test.each([
  ['localhost', /names are not resolved/],
  ['', /not an address/],
  ['127.1', /not an address/],
  ['192.0.2.1/', /0 to 32/],
  ['192.0.2.1/33', /0 to 32/],
  ['192.0.2.0/024', /0 to 32/],
  ['192.0.2.0/-1', /0 to 32/],
  ['192.0.2.0/24/24', /not an address/],
  ['192.0.2.1%lo', /not an address/],
  ['2001:db8::/129', /0 to 128/],
  ['2001:db8::%', /not an address/],
  ['fe80::%lo/64', /must not have a zone/],
  ['192.0.2.5/24', /the prefix is 192\.0\.2\.0\/24/],
  ['2001:db8::1/64', /the prefix is 2001:db8::\/64/],
  ['::ffff:192.0.2.1', /192\.0\.2\.1/],
  ['0.0.0.0', /unspecified/],
  ['::', /unspecified/],
  ['224.0.0.1', /multicast/],
  ['ff02::1', /multicast/],
])('Prefix.parse(%j) throws ERR_INVALID_ARG_VALUE', (text, why) => {
  expect(() => Prefix.parse('source', text)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }) as Error,
  );
  expect(() => Prefix.parse('source', text)).toThrow(why);
});

test.each([undefined, null, 1, {}, ['192.0.2.1']])('Prefix.parse(%j) throws ERR_INVALID_ARG_TYPE', (value) => {
  expect(() => Prefix.parse('source', value)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }) as Error,
  );
});

test.each([
  ['192.0.2.0/24', '192.0.2.7', true],
  ['192.0.2.0/24', '192.0.0.0/16', true],
  ['192.0.2.0/25', '192.0.2.128/25', false],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['0.0.0.0/0', '::/0', false],
] as const)('Prefix.overlaps: %s and %s: %s', (a, b, overlap) => {
  const [one, other] = [Prefix.parse('source', a), Prefix.parse('source', b)];
  expect(one.overlaps(other)).toBe(overlap);
  expect(other.overlaps(one)).toBe(overlap);
});

/** Undefined for what parse refuses: single addresses that are unspecified or multicast. */
function networkOf(address: string, length: number): string | undefined {
  const parsed = ipaddr.parse(address);
  const whole = parsed.kind() === 'ipv4' ? 32 : 128;
  const network =
    parsed.kind() === 'ipv4'
      ? ipaddr.IPv4.networkAddressFromCIDR(`${address}/${length}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${address}/${length}`);
  if (length === whole && ['unspecified', 'multicast'].includes(network.range())) return undefined;
  if (network.kind() === 'ipv6' && (network as ipaddr.IPv6).isIPv4MappedAddress()) return undefined;
  return network.toString();
}

/** The first bits of one address and the rest of another. */
function splice(a: string, b: string, bits: number): string {
  const [first, second] = [bytesOf(a), bytesOf(b)];
  return ipaddr
    .fromByteArray(
      first.map((byte, i) => {
        const mask = (0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8)) & 0xff;
        return (byte & mask) | ((second[i] ?? 0) & ~mask & 0xff);
      }),
    )
    .toString();
}

function bytesOf(address: string): number[] {
  return ipaddr.parse(address).toByteArray();
}
