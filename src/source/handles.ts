// A pool of empty native Handles: making one and collecting it as garbage costs as much as two system calls.
import { native, type Handle } from '../binding.js';

/** A Handle without a descriptor, which the caller owns. */
export function takeHandle(): Handle {
  return spares.pop() ?? new (native().Handle)();
}

/** Gives a Handle back. It must have no descriptor, no Poll must ever have watched it, and nothing else may refer to it. */
export function giveBack(handle: Handle): void {
  if (spares.length < MAX_SPARES) spares.push(handle);
}

/** Replaces a Handle that was given back: calls on it fail with EBADF. Must stay empty. */
export function emptyHandle(): Handle {
  return (empty ??= new (native().Handle)());
}

const spares: Handle[] = [];
let empty: Handle | undefined;
/** A few hundred bytes each. */
const MAX_SPARES = 4096;
