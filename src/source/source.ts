// Where an attempt may leave from: what `connect` is asked for itself, or what a pool of sources offers, one candidate
// after the other.
import type { PortRange } from '../kernel/sysctl.js';
import type { SocketOptions } from '../options/table.js';
import type { Endpoint } from '../wire/endpoint.js';

/** The local side of one attempt. Everything in it has been checked. */
export interface Source {
  /** A literal of the attempt's family; undefined leaves the address to the kernel. */
  readonly address: string | undefined;
  /** 0 leaves the port to the kernel. */
  readonly port: number;
  /** Set even where none is asked for: without one the port search slows down at half the range. */
  readonly range: PortRange;
  /** A port outside the range is an error, since the caller gave it. */
  readonly rangeWanted: boolean;
  /** IP_BIND_ADDRESS_NO_PORT: the port is picked at connect(2), shared between destinations. */
  readonly shareLocalPort: boolean;
  readonly freebind: boolean;
  readonly transparent: boolean;
  /** SO_MARK */
  readonly mark: number | undefined;
  /** SO_BINDTODEVICE */
  readonly device: string | undefined;
  /** Set after all of the above, before bind. */
  readonly sockopts: SocketOptions | undefined;
}

/**
 * One source for one attempt, and who hears how it went. At most one of the three is called for each that was pulled: none
 * when the socket was destroyed meanwhile, then the iteration ends.
 */
export interface Candidate {
  readonly source: Source;
  /**
   * connect(2) has taken it: it has a port, and a SYN is on its way. The answer is called once, when the descriptor is
   * closed, with the error of connect(2) when there was one; `reset` when it was closed by a RST, without TIME-WAIT.
   */
  taken(): (error?: Error, reset?: boolean) => void;
  /** No port is free from this source toward this destination. The next candidate follows. */
  exhausted(error: Error): void;
  /** Something else is wrong with it. True: go on with the next candidate; false: the attempt fails with this error. */
  failed(error: Error): boolean;
}

/**
 * The candidates for one attempt toward `remote`, best first, pulled one at a time. May throw: the attempt then fails
 * with that error (no source has the family, all are at their limit). Asked again after a wait for a free port.
 */
export type Candidates = (remote: Endpoint) => Iterable<Candidate>;
