// What kind of address this is, judging by its text in the form that Endpoint has: an IPv4-mapped address as IPv4.
import type { Family } from './families.js';

/** The wildcard address: all local addresses of the host. */
export const WILDCARD: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' };

export function isWildcard({ address }: { readonly address: string }): boolean {
  return address === WILDCARD.ipv4 || address === WILDCARD.ipv6;
}

/** 127.0.0.0/8 and ::1, also as a mapped address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: string): boolean {
  if (address.includes(':')) return /^ff[\da-f]{2}:/i.test(address);
  const first = Number.parseInt(address, 10);
  return first >= 224 && first < 240;
}

/** 255.255.255.255, the broadcast address of whatever network the packet is on. */
export const LIMITED_BROADCAST = '255.255.255.255';

/** fe80::/10, and multicast of the link: the address is in the interface's scope, which its zone names. */
export function isLinkLocal(address: string): boolean {
  return /^(fe[89ab][\da-f]|ff[\da-f]2):/i.test(address);
}
