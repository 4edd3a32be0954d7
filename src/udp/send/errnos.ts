// The error of a datagram that was not sent, explained by the table of reasons.
import type { SyscallError } from '../../errors.js';
import { EMSGSIZE } from '../../kernel/numbers.js';
import type { Handle } from '../../binding.js';
import { askedOf, askedOfSend } from '../../source/asked.js';
import { callError } from '../../source/explain.js';
import type { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { udpAsked } from '../asked.js';
import { pathMtu } from '../path-mtu.js';

/** The context of a failed send. */
export interface Failed {
  readonly handle: Pick<Handle, 'getsockopt' | 'getsockname'>;
  /** Of the socket. */
  readonly family: Family;
  readonly destination: Endpoint | undefined;
  /** Whether the socket is connected to the destination. */
  readonly connected: boolean;
  /** The control messages of the datagram, which may name its source. */
  readonly control: Uint8Array;
  /** Bytes of the datagram, or of each of its segments. */
  readonly length: number;
  /** Whether segmentation offload was required. */
  readonly gsoRequired: boolean;
  /** Bytes of the same data that had been sent. */
  readonly bytesSent?: number;
}

/** The error of a datagram that was not sent, with a remedy. */
export function sendError(errno: number, failed: Failed): SyscallError {
  const { handle, family, destination, connected, control, length, gsoRequired, bytesSent } = failed;
  const ipv4 = family === 'ipv4' || destination?.family === 'ipv4';
  const mtu = errno === EMSGSIZE && connected ? pathMtu(handle, ipv4) : undefined;
  const asked = askedOfSend(askedOf(handle, udpAsked(family)), destination, control, { length, gsoRequired, mtu });
  return callError('sendmsg', errno, asked, { bytesSent: bytesSent === 0 ? undefined : bytesSent });
}
