// The addresses that a destination stands for, in whatever form it is written: the deny list and the loop check compare
// addresses, not text.
import { BlockList, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * The address without its zone, an IPv4-mapped one as IPv4; then the IPv4 addresses that a translator or a tunnel would make
 * of it. The prefix of a network's own NAT64 cannot be known here: pass it to `--deny`.
 * @param {string} literal what net.isIP accepts
 * @returns {[string, ...string[]]}
 */
export function addressesOf(literal) {
  const address = ipaddr.process(literal.replace(/%.*$/, ''));
  if (address instanceof ipaddr.IPv4) return [address.toString()];
  const bytes = address.toByteArray();
  const inside = EMBEDDING.filter(([prefix]) => address.match(prefix)).map(([, at]) => bytes.slice(at, at + 4));
  // ::1 is not an IPv4-compatible address.
  return [
    address.toString(),
    ...inside.filter(([first]) => first !== 0 || !isCompatible(bytes)).map((b) => b.join('.')),
  ];
}

/**
 * connect(2) treats the unspecified address as this host. The rest of 0.0.0.0/8 is not assigned to any host.
 * @param {string} address
 */
export function isUnspecified(address) {
  return isIn(UNSPECIFIED, address);
}

/** @param {BlockList} list @param {string} address */
export function isIn(list, address) {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** @param {number[]} bytes */
function isCompatible(bytes) {
  return bytes.slice(0, 12).every((byte) => byte === 0);
}

const UNSPECIFIED = new BlockList();
UNSPECIFIED.addSubnet('0.0.0.0', 8, 'ipv4');
UNSPECIFIED.addAddress('::', 'ipv6');

/** Prefixes whose addresses contain an IPv4 address, and the byte at which it starts. @type {[[ipaddr.IPv6, number], number][]} */
const EMBEDDING = [
  [prefix('::/96'), 12], // IPv4-compatible (RFC 4291)
  [prefix('::ffff:0:0:0/96'), 12], // IPv4-translated (RFC 7915)
  [prefix('64:ff9b::/96'), 12], // NAT64 (RFC 6052)
  [prefix('2002::/16'), 2], // 6to4 (RFC 3056)
];

/** @param {string} text @returns {[ipaddr.IPv6, number]} */
function prefix(text) {
  const [address, length] = ipaddr.IPv6.parseCIDR(text);
  return [address, length];
}
