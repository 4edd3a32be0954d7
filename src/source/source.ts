// Source: the requested local end of a TCP connection, from the options of `connect` or from a pool.
import type { Handle } from '../binding.js';
import { EADDRINUSE } from '../kernel/numbers.js';
import type { PortRange } from '../kernel/sysctl.js';
import type { EncodedOption } from '../options/access.js';
import type { StreamProtocol } from '../options/sockopts.js';
import { passedOver, type PortChoice } from '../ports/port-range.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { WILDCARD } from '../wire/address-kinds.js';
import type { Asked, Caller } from './asked.js';
import type { CheckedLocalOptions } from './local-options.js';
import type { Recipe } from './recipe.js';

/** A checked source, encoded as far as possible without knowing the family. */
export interface Source extends PortChoice, CheckedLocalOptions {
  /** An IP address of the connection's family; undefined lets the kernel pick one. */
  readonly address: string | undefined;
  /** IP_BIND_ADDRESS_NO_PORT: the port is assigned by connect(2) and shared between destinations. */
  readonly shareLocalPort: boolean;
  readonly protocol: StreamProtocol;
  /** Set after all of the above, before bind. */
  readonly sockopts: readonly EncodedOption[];
}

/** Whether the kernel picks the port from a range. */
export function searchesAtBind(source: Source, family: Family): boolean {
  return source.port === 0 && !source.shareLocalPort && boundAddress(source, family) !== undefined;
}

/**
 * Runs a recipe for a socket that is bound. In a range of an odd number of ports, bind(2) to port 0 never tries the
 * last one (inet_csk_find_open_port): when it found none, that one is tried.
 * @returns 0, or the negative errno of the last run
 */
export function runBound(recipe: Recipe, handle: Handle, { bind, family, range }: Bound): number {
  recipe.bindTo(bind.sockaddr(family));
  const errno = recipe.run(handle);
  if (errno !== EADDRINUSE || bind.port !== 0 || recipe.failed?.call !== 'bind') return errno;
  const last = passedOver(range);
  if (last === undefined) return errno;
  recipe.bindTo(bind.withPort(last).sockaddr(family));
  return recipe.run(handle);
}

/** The range that the caller asked for. */
export function requestedRange({ range, rangeWanted }: Source): PortRange | undefined {
  return rangeWanted ? range : undefined;
}

/** Where a socket is bound. */
interface Bound {
  readonly bind: Endpoint;
  readonly family: Family;
  /** The ports to search. @default the kernel's */
  readonly range: PortRange | undefined;
}

/** The address for bind(2); undefined if the socket is not bound. */
export function boundAddress({ address, port, shareLocalPort }: Source, family: Family): string | undefined {
  if (address !== undefined) return address;
  return port !== 0 || !shareLocalPort ? WILDCARD[family] : undefined;
}

/** The context for explaining a failure. */
export function askedFor(source: Source, by: Caller, family: Family, remote?: Endpoint): Asked {
  const { address, port, range, transparent, device, protocol } = source;
  const portBound = port !== 0 || searchesAtBind(source, family);
  return { by, family, protocol, local: address, port, portBound, remote, range, transparent, device };
}

/**
 * One source for one attempt, with callbacks for the result. At most one of the three is called for each candidate: none if
 * the socket was destroyed in the meantime, which ends the iteration.
 */
export interface Candidate {
  readonly source: Source;
  /**
   * connect(2) has started: the socket has a port, and a SYN was sent. The returned function is called once, when the
   * descriptor is closed, with the error of connect(2) if there was one, and `reset` if it was closed by a RST, without
   * TIME-WAIT.
   */
  taken(): (error?: Error, reset?: boolean) => void;
  /**
   * After `taken`: the socket was unref'ed, or ref'ed again. HTTP agents unref the sockets that they keep without a request.
   */
  referenced(isReferenced: boolean): void;
  /** No port is free from this source toward this destination. The next candidate is tried. */
  exhausted(error: Error): void;
  /** Another error. Return true to try the next candidate, false to fail the attempt with this error. */
  failed(error: Error): boolean;
}

/**
 * Returns the candidates for one attempt to `remote`, best first, one at a time. May throw: the attempt then fails with
 * that error (no source has the family, all are at their limit). Called again after a wait for a free port.
 */
export type Candidates = (remote: Endpoint) => Iterable<Candidate>;
