// What pools tell on node:diagnostics_channel. Nothing is made for a channel that nobody listens to.
import { channel } from 'node:diagnostics_channel';

/** Common to all messages. */
export interface EgressEvent {
  /** The pool's name. */
  readonly pool: string;
  /** As it is written: an address or a prefix. */
  readonly source: string;
  /** The address of this attempt. */
  readonly address: string;
  /** The destination of this attempt. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The connection's key, when it has one. */
  readonly key: string | undefined;
}

/** `linux-sockets.egress.connect`: the kernel has taken the source, it has a port, and a SYN is on its way. */
export type EgressConnectEvent = EgressEvent;

/** `linux-sockets.egress.exhausted`: no port was free. */
export interface EgressExhaustedEvent extends EgressEvent {
  /** The kernel's. */
  readonly error: Error;
  /** Milliseconds for which this address is not tried again toward this destination. */
  readonly aside: number;
}

/** `linux-sockets.egress.failed`: the source could not be used, for another reason. */
export interface EgressFailedEvent extends EgressEvent {
  readonly error: Error;
}

/** `linux-sockets.egress.closed`: a connection that was told of by `connect` has ended, or was never established. */
export interface EgressClosedEvent extends EgressEvent {
  /** Of connect(2), when it was refused, timed out or could not reach the destination. */
  readonly error: Error | undefined;
  /** Milliseconds since `connect`. */
  readonly duration: number;
}

export const CONNECT = channel('linux-sockets.egress.connect');
export const EXHAUSTED = channel('linux-sockets.egress.exhausted');
export const FAILED = channel('linux-sockets.egress.failed');
export const CLOSED = channel('linux-sockets.egress.closed');
