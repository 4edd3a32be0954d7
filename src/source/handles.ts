// Empty native Handles, to be used again: making one, and collecting it as garbage, costs as much as two system calls.
import { native, type Handle } from '../binding.js';

/** A Handle without a descriptor, which the caller owns. */
export function takeHandle(): Handle {
  return spares.pop() ?? new (native().Handle)();
}

/** Gives a Handle back. It has no descriptor any more, no Poll has ever watched it, and nobody else knows it. */
export function giveBack(handle: Handle): void {
  if (spares.length < MAX_SPARES) spares.push(handle);
}

/** Stands in the place of a Handle that was given back: a call on it is EBADF. Never to be filled. */
export function emptyHandle(): Handle {
  return (empty ??= new (native().Handle)());
}

const spares: Handle[] = [];
let empty: Handle | undefined;
/** A few hundred bytes each. */
const MAX_SPARES = 4096;
