// A lookup for a pool whose sources are all of one family.
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

/**
 * Looks up addresses of this family only, so that Node does not spend time on addresses for which the pool has no source.
 * A name without such an address is looked up again without this restriction, since the pool's error says more than
 * ENOTFOUND. Node refuses anything but a function.
 */
export function lookupOf(family: 4 | 6, lookup: LookupFunction | null | undefined): LookupFunction {
  if (lookup !== undefined && lookup !== null && typeof lookup !== 'function') return lookup;
  const ask: LookupFunction = lookup ?? dns.lookup;
  return (hostname, options, callback) => {
    ask(hostname, { ...options, family }, (...answer) => {
      const [error] = answer;
      if (error !== null && NO_ADDRESS.has(error.code ?? '')) ask(hostname, options, callback);
      else callback(...answer);
    });
  };
}

const NO_ADDRESS: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EAI_ADDRFAMILY', 'EAI_NODATA']);
