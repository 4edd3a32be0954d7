// Network interfaces of the current namespace: name to index and back, if_nametoindex(3).
import { native } from '../binding.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const scratch = new Uint8Array(16); // IF_NAMESIZE

/** The index of an interface, undefined when there is none of that name. */
export function interfaceIndex(name: string): number | undefined {
  if (name.includes('\0')) return undefined; // C would read the name only up to there
  const index = native().ifNameToIndex(encoder.encode(`${name}\0`));
  return index > 0 ? index : undefined;
}

/** The name of an interface, undefined when there is none of that index. */
export function interfaceName(index: number): string | undefined {
  const length = native().ifIndexToName(index | 0, scratch);
  return length > 0 ? decoder.decode(scratch.subarray(0, length)) : undefined;
}
