// A socket that cuts by itself what it is given (setsockopt UDP_SEGMENT), and the sends that must not be cut.
import type { OptionAccess } from '../../options/target.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { IPPROTO_UDP, UDP_SEGMENT } from '../../kernel/numbers.js';

/** The size that it cuts to; 0 when it does not, or the kernel cannot. */
export function stickySize(handle: Pick<OptionAccess, 'getsockopt'>): number {
  const got = handle.getsockopt(IPPROTO_UDP, UDP_SEGMENT, scratch);
  return got < 4 ? 0 : Math.max(0, scratchView.getInt32(0, LITTLE_ENDIAN));
}

/** The same, asked again only when the socket's options may have been changed: a send is not to cost two system calls. */
export class Sticky {
  readonly #handle: Pick<OptionAccess, 'getsockopt'>;
  #size: number | undefined;

  constructor(handle: Pick<OptionAccess, 'getsockopt'>) {
    this.#handle = handle;
  }

  /** Would it cut so many bytes that are to be one datagram? */
  cuts(length: number): boolean {
    const size = (this.#size ??= stickySize(this.#handle));
    return size !== 0 && length > size;
  }

  /** Somebody sets options. */
  forget(): void {
    this.#size = undefined;
  }
}

const scratch = new Uint8Array(4);
const scratchView = new DataView(scratch.buffer);
