// The proof that a connect was deferred: SYN_SENT, and no packet sent. It comes from the socket itself, and needs no
// privilege: an ordinary SYN is SYN_SENT as well, but with tcpi_segs_out 1.
import { IPPROTO_TCP, TCP_INFO } from '../kernel/numbers.js';
import { TCP_STATES } from '../kernel/tcp-states.js';
import type { OptionAccess } from './target.js';
import { SEGS_OUT_OFFSET } from './tcp-info.js';

/** Bytes of struct tcp_info that the proof needs. */
export const TCP_INFO_PROOF_SIZE: number = SEGS_OUT_OFFSET + 4;

/** Whether the socket holds its 4-tuple with no packet sent. */
export function isDeferred(access: OptionAccess): boolean {
  return saysDeferred(info, access.getsockopt(IPPROTO_TCP, TCP_INFO, info));
}

/** The same from struct tcp_info as it was read, `length` bytes of it. */
export function saysDeferred(from: Uint8Array, length: number): boolean {
  if (length < TCP_INFO_PROOF_SIZE || from[0] !== SYN_SENT) return false;
  for (let i = SEGS_OUT_OFFSET; i < TCP_INFO_PROOF_SIZE; i++) if (from[i] !== 0) return false;
  return true;
}

const SYN_SENT = TCP_STATES.indexOf('SYN_SENT');
const info = new Uint8Array(TCP_INFO_PROOF_SIZE);
