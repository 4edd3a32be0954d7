// The wildcard address: all local addresses of the host.
import type { Family } from './families.js';

export const WILDCARD: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' };

export function isWildcard({ address }: { readonly address: string }): boolean {
  return address === WILDCARD.ipv4 || address === WILDCARD.ipv6;
}
