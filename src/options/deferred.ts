// The proof that a connect was deferred: SYN_SENT, and not one packet sent. It comes from the socket itself, and needs no
// privilege: an ordinary SYN is SYN_SENT as well, but with tcpi_segs_out 1.
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import type { OptionAccess } from './target.js';
import { SEGS_OUT_OFFSET } from './tcp-info.js';
import { IPPROTO_TCP, TCP_INFO } from '../kernel/numbers.js';

/** Does the socket hold its 4-tuple with no packet sent? */
export function isDeferred(access: OptionAccess): boolean {
  const length = access.getsockopt(IPPROTO_TCP, TCP_INFO, info);
  return length >= END && info[0] === SYN_SENT && view.getUint32(SEGS_OUT_OFFSET, LITTLE_ENDIAN) === 0;
}

const SYN_SENT = 2;
const END = SEGS_OUT_OFFSET + 4;
const info = new Uint8Array(END);
const view = new DataView(info.buffer);
