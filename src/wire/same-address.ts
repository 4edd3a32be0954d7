// Reads sockaddrs without decoding them: most need only be compared.
import type { Family } from './families.js';

/** Both must be of this family. */
export function sameAddress(one: Uint8Array, other: Uint8Array, family: Family): boolean {
  const [from, to] = family === 'ipv6' ? [8, 24] : [4, 8];
  for (let i = from; i < to; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** The port of a sockaddr_in or sockaddr_in6. */
export function portIn(sockaddr: Uint8Array): number {
  return ((sockaddr[2] ?? 0) << 8) | (sockaddr[3] ?? 0);
}
