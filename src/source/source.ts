// The local end that a TCP connection is asked to have: what `connect` is asked for itself, or what a pool offers.
import type { EncodedOption } from '../options/access.js';
import type { StreamProtocol } from '../options/sockopts.js';
import type { PortChoice } from '../ports/port-range.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { WILDCARD } from '../wire/wildcard.js';
import type { Asked, Caller } from './explain.js';

/** Everything in it has been checked, and is encoded as far as it can be without knowing the family. */
export interface Source extends PortChoice {
  /** A literal of the connection's family; undefined leaves the address to the kernel. */
  readonly address: string | undefined;
  /** IP_BIND_ADDRESS_NO_PORT: the port is picked at connect(2), shared between destinations. */
  readonly shareLocalPort: boolean;
  readonly freebind: boolean;
  readonly transparent: boolean;
  /** SO_MARK */
  readonly mark: number | undefined;
  /** SO_BINDTODEVICE */
  readonly device: string | undefined;
  readonly protocol: StreamProtocol;
  /** Set after all of the above, before bind. */
  readonly sockopts: readonly EncodedOption[];
}

/** The port is left to the kernel, and what is asked for is one range of ports. */
export function searchesAtBind(source: Source, family: Family): boolean {
  return source.port === 0 && !source.shareLocalPort && boundAddress(source, family) !== undefined;
}

/** The address that bind(2) is given, undefined where nothing is bound. */
export function boundAddress({ address, port, shareLocalPort }: Source, family: Family): string | undefined {
  if (address !== undefined) return address;
  return port !== 0 || !shareLocalPort ? WILDCARD[family] : undefined;
}

/** What was asked for, for whoever explains a failure. */
export function askedFor(source: Source, by: Caller, family: Family, remote?: Endpoint): Asked {
  const { address, port, range, transparent, device, protocol } = source;
  const portBound = port !== 0 || searchesAtBind(source, family);
  return { by, family, protocol, local: address, port, portBound, remote, range, transparent, device };
}

/**
 * One source for one attempt, and who is notified of how it went. At most one of the three is called for each that was pulled:
 * none when the socket was destroyed meanwhile, then the iteration ends.
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
