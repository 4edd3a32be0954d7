// Compares the addresses of two sockaddrs, without their ports.
import type { Family } from './families.js';

/** Both must be of this family. */
export function sameAddress(one: Uint8Array, other: Uint8Array, family: Family): boolean {
  const [from, to] = family === 'ipv6' ? [8, 24] : [4, 8];
  for (let i = from; i < to; i++) if (one[i] !== other[i]) return false;
  return true;
}
