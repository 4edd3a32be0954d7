// A prefix: its addresses, and the commands that route it to this host or keep it inside.
import { BlockList } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * @typedef {object} Prefix
 * @property {string} text as `ip` and `nft` take it: fd00:1009:bacc::/48
 * @property {'ipv4' | 'ipv6'} family
 * @property {string} first
 * @property {string} last
 * @property {boolean} single it has one address only
 * @property {(address: string) => boolean} contains
 */

/**
 * @param {string} text
 * @returns {Prefix | undefined} undefined if it is not a prefix
 */
export function parsePrefix(text) {
  if (!ipaddr.isValidCIDR(text)) return undefined;
  const [address, length] = ipaddr.parseCIDR(text);
  const family = address.kind();
  const { IPv4, IPv6 } = ipaddr;
  const first = (family === 'ipv4' ? IPv4.networkAddressFromCIDR(text) : IPv6.networkAddressFromCIDR(text)).toString();
  const addresses = new BlockList();
  addresses.addSubnet(first, length, family);
  return {
    text: `${first}/${length}`,
    family,
    first,
    last: (family === 'ipv4' ? IPv4.broadcastAddressFromCIDR(text) : IPv6.broadcastAddressFromCIDR(text)).toString(),
    single: length === (family === 'ipv4' ? 32 : 128),
    contains: (candidate) => addresses.check(candidate, family),
  };
}

/**
 * AnyIP: makes all addresses of the prefix local.
 * @param {Pick<Prefix, 'text' | 'family'>} prefix
 */
export function routeCommand({ text, family }) {
  return `ip ${family === 'ipv6' ? '-6 ' : ''}route add local ${text} dev lo`;
}

/**
 * Keeps the prefix inside this host, as 127.0.0.0/8 is. All three rules are needed: without the one for `daddr` on input, a
 * host that routes the prefix to this one could connect.
 * @param {Pick<Prefix, 'text' | 'family'>} prefix
 */
export function insideOnly({ text, family }) {
  const ip = family === 'ipv6' ? 'ip6' : 'ip';
  return `nft 'table ${ip} anyip {
  chain input {
    type filter hook input priority filter;
    ${ip} saddr ${text} iifname != "lo" drop
    ${ip} daddr ${text} iifname != "lo" drop
  }
  chain output {
    type filter hook output priority filter;
    ${ip} daddr ${text} oifname != "lo" drop
  }
}'`;
}
