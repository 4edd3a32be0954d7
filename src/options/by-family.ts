// Options that have one name for IPv4 sockets and another for IPv6 sockets.
import type { Family } from '../wire/families.js';
import type { OptionName } from './table.js';

/** What both options do, and the name that each family has for it. */
const PAIRS = {
  FREEBIND: { ipv4: 'IP_FREEBIND', ipv6: 'IPV6_FREEBIND' },
  TRANSPARENT: { ipv4: 'IP_TRANSPARENT', ipv6: 'IPV6_TRANSPARENT' },
  MTU: { ipv4: 'IP_MTU', ipv6: 'IPV6_MTU' },
  MTU_DISCOVER: { ipv4: 'IP_MTU_DISCOVER', ipv6: 'IPV6_MTU_DISCOVER' },
  TOS: { ipv4: 'IP_TOS', ipv6: 'IPV6_TCLASS' },
  TTL: { ipv4: 'IP_TTL', ipv6: 'IPV6_UNICAST_HOPS' },
  UNICAST_IF: { ipv4: 'IP_UNICAST_IF', ipv6: 'IPV6_UNICAST_IF' },
  RECVERR: { ipv4: 'IP_RECVERR', ipv6: 'IPV6_RECVERR' },
  RECVPKTINFO: { ipv4: 'IP_PKTINFO', ipv6: 'IPV6_RECVPKTINFO' },
  RECVORIGDSTADDR: { ipv4: 'IP_RECVORIGDSTADDR', ipv6: 'IPV6_RECVORIGDSTADDR' },
  RECVTOS: { ipv4: 'IP_RECVTOS', ipv6: 'IPV6_RECVTCLASS' },
  RECVTTL: { ipv4: 'IP_RECVTTL', ipv6: 'IPV6_RECVHOPLIMIT' },
} as const satisfies Readonly<Record<string, Readonly<Record<Family, OptionName>>>>;

export type OptionPair = keyof typeof PAIRS;

/**
 * The name of an option for sockets of a family: `byFamily('FREEBIND', 'ipv6')` is 'IPV6_FREEBIND'. An IPv6 socket that
 * also carries IPv4 has the options of both families.
 */
export function byFamily<P extends OptionPair, F extends Family>(pair: P, family: F): (typeof PAIRS)[P][F] {
  return PAIRS[pair][family];
}

/** Both names of an option, for what holds for either family. */
export function bothFamilies<P extends OptionPair>(
  pair: P,
): readonly [(typeof PAIRS)[P]['ipv4'], (typeof PAIRS)[P]['ipv6']] {
  return [PAIRS[pair].ipv4, PAIRS[pair].ipv6];
}
