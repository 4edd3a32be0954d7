// The messages that pools publish on node:diagnostics_channel. A message is only made when its channel has subscribers.
import { channel } from 'node:diagnostics_channel';

/** Common to all messages. */
export interface EgressEvent {
  /** The pool's name. */
  readonly pool: string;
  /** The source as in `pool.sources`: an address or a prefix. */
  readonly source: string;
  /** The address of this attempt. */
  readonly address: string;
  /** The destination of this attempt. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Whose connection it is, if it has a key. */
  readonly egressKey: string | undefined;
}

/** `linux-sockets.egress.connect`: the kernel has accepted the source and chosen a port, and a SYN is being sent. */
export type EgressConnectEvent = EgressEvent;

/** `linux-sockets.egress.exhausted`: no port was free. */
export interface EgressExhaustedEvent extends EgressEvent {
  /** The kernel's error. */
  readonly error: Error;
  /** Milliseconds for which this address is not tried again toward this destination. */
  readonly cooldown: number;
}

/** `linux-sockets.egress.failed`: the source could not be used, for another reason. */
export interface EgressFailedEvent extends EgressEvent {
  readonly error: Error;
}

/** `linux-sockets.egress.closed`: a connection that was reported by `connect` has ended, or was never established. */
export interface EgressClosedEvent extends EgressEvent {
  /** Of connect(2), if the connection was refused, timed out or could not reach the destination. */
  readonly error: Error | undefined;
  /** Milliseconds since `connect`. */
  readonly duration: number;
}

export const CONNECT = channel('linux-sockets.egress.connect');
export const EXHAUSTED = channel('linux-sockets.egress.exhausted');
export const FAILED = channel('linux-sockets.egress.failed');
export const CLOSED = channel('linux-sockets.egress.closed');
