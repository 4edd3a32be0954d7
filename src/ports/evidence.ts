// Finds out which sockets hold the ports of a range toward a destination, and until when.
import { native } from '../binding.js';
import { routeTo } from '../kernel/routes.js';
import { visitSockets, type SocketVisitor } from '../kernel/sock-diag.js';
import type { SocketState } from '../kernel/socket-row.js';
import { localPortRange, reservedPorts, type PortRange } from '../kernel/sysctl.js';
import { TIME_WAIT_MS, timeWaitReusable, type TimeWaitSettings } from '../kernel/time-wait.js';
import { Endpoint } from '../wire/endpoint.js';
import { AF_INET, SOCK_STREAM } from '../kernel/numbers.js';

/** A failed search for a port. */
export interface FailedSearch {
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'udp' | undefined;
  readonly remote: { readonly address: string; readonly port: number };
  /** The source address; undefined if the kernel picks one. */
  readonly local: string | undefined;
  /** The range that was set; a bound outside net.ipv4.ip_local_port_range is ignored, as by the kernel. */
  readonly range: PortRange;
  /**
   * 'connect' looks for a port toward one destination (EADDRNOTAVAIL), 'bind' for one that is free toward all of them
   * (EADDRINUSE: bind(2) without IP_BIND_ADDRESS_NO_PORT).
   * @default 'connect'
   */
  readonly search?: 'connect' | 'bind';
}

/** How many ports of the range are taken, by kind of holder. They add up to `ports`. */
export interface PortCounts {
  /** All ports of the range. */
  readonly ports: number;
  /** Taken by an open connection or a reservation. */
  readonly established: number;
  /** Taken by a closed connection in TIME-WAIT. */
  readonly timeWait: number;
  /** Taken by a connection that was closed here but not yet by the other side, FIN-WAIT-2. */
  readonly finWait2: number;
  /** Taken by a socket that listens on it, is bound to it, or was bound to it before it connected elsewhere; on any address. */
  readonly bound: number;
  /** In net.ipv4.ip_local_reserved_ports. */
  readonly reserved: number;
  /** Not taken: they became free in the meantime. */
  readonly free: number;
}

export interface Evidence {
  readonly range: PortRange;
  readonly counts: PortCounts;
  /**
   * Milliseconds until the first of the ports can become free by itself; undefined if none does. Reuse is exact; where a
   * timer has to expire (FIN-WAIT-2, TIME-WAIT without reuse) the kernel may be late by an eighth of its duration.
   */
  readonly retryAfterMs: number | undefined;
  /** Ports in TIME-WAIT that the kernel reuses before TIME-WAIT is over. */
  readonly reusable: number;
}

/**
 * Queries the kernel. This takes longer than the search itself (see tcpSockets): call it to explain an error, or before a
 * wait.
 * @throws SyscallError if the sockets cannot be listed
 */
export function gatherEvidence(search: FailedSearch, settings: TimeWaitSettings): Evidence {
  const range = effectiveRange(search.range);
  const ports = new PortTable(range);
  for (const [lo, hi] of reservedPorts()) ports.take(lo, hi, RESERVED);
  const asked = performance.now();
  if (search.protocol === 'udp') {
    takeByDatagramSockets(ports, search.local);
    return ports.evidence(0);
  }
  takeByConnections(ports, search, settings);
  visitSockets({ localPorts: range, states: HOLDERS }, (port) => {
    ports.take(port, port, BOUND);
  });
  if (ports.count(FREE) > 0 && search.search !== 'bind') takeByTheUnseen(ports);
  return ports.evidence(performance.now() - asked);
}

/** The effective range: the kernel ignores each bound that lies outside the sysctl's range. */
export function effectiveRange([lo, hi]: PortRange): PortRange {
  const [from, to] = localPortRange();
  return [lo < from || lo > to ? from : lo, hi < from || hi > to ? to : hi];
}

/** A UDP port belongs to one socket per address, or on all addresses, whatever that socket is connected to. */
function takeByDatagramSockets(ports: PortTable, local: string | undefined): void {
  const localPorts = ports.range;
  const take: SocketVisitor = (port, state) => {
    ports.take(port, port, state === 'ESTABLISHED' ? CONNECTION : BOUND);
  };
  if (local === undefined) {
    visitSockets({ protocol: 'udp', localPorts }, take);
    return;
  }
  for (const address of [canonical(local), '0.0.0.0', '::']) {
    visitSockets({ protocol: 'udp', localPorts, local: address }, take);
  }
}

/** The sockets with a conflicting 4-tuple, or for bind(2) a conflicting address. */
function takeByConnections(ports: PortTable, search: FailedSearch, settings: TimeWaitSettings): void {
  const { remote, search: kind } = search;
  const source = search.local ?? (kind === 'bind' ? undefined : routeTo(remote.address).source);
  const local = source === undefined ? undefined : canonical(source);
  const ends = { local: { address: local ?? '' }, remote };
  const take: SocketVisitor = (port, state, waitsMs, device) => {
    if (waitsMs === Infinity) {
      ports.take(port, port, CONNECTION);
    } else if (state === 'FIN_WAIT2') {
      ports.take(port, port, FIN_WAIT2, waitsMs);
    } else {
      const after = kind === 'bind' ? Infinity : timeWaitReusable({ ...ends, interface: device }, settings);
      // The kernel waits until the delay is exceeded, not just reached; its timers are reported in ticks.
      if (after === Infinity) ports.take(port, port, TIME_WAIT, waitsMs);
      else ports.take(port, port, REUSABLE, Math.max(0, after + 1 - (TIME_WAIT_MS - waitsMs)) + TICK_MS);
    }
  };
  const localPorts = ports.range;
  if (kind !== 'bind') {
    visitSockets({ localPorts, remote, ...(local !== undefined && { local }) }, take);
  } else if (local === undefined) {
    visitSockets({ localPorts }, take);
  } else {
    for (const address of [local, '0.0.0.0', '::']) visitSockets({ localPorts, local: address }, take);
  }
}

/**
 * bind(2) of a port keeps it from connect's search, even if its socket has since connected elsewhere, or belongs to a
 * closed listener. The kernel does not report this, but after a failed search such a port has a socket, and none that is
 * connected to our destination.
 */
function takeByTheUnseen(ports: PortTable): void {
  const [lo, hi] = ports.range;
  if (!showsBoundSockets()) ports.take(lo, hi, ELSEWHERE);
  visitSockets({ localPorts: [lo, hi] }, (port, _state, waitsMs) => {
    ports.take(port, port, ELSEWHERE, waitsMs);
  });
}

let boundAreShown: boolean | undefined;

/** Whether this kernel lists sockets that are only bound, as Linux 6.8 does; tested with a socket of our own. */
function showsBoundSockets(): boolean {
  if (boundAreShown !== undefined) return boundAreShown;
  const handle = new (native().Handle)();
  if (handle.socket(AF_INET, SOCK_STREAM, 0) < 0) return false; // too many descriptors: tested again next time
  try {
    const name = new Uint8Array(16);
    const bound = handle.bind(Endpoint.from('127.0.0.1:0').sockaddr()) === 0 && handle.getsockname(name) > 0;
    const port = bound ? Endpoint.decode(name)?.port : undefined;
    if (port === undefined) return false; // all ports are taken
    let shown = false;
    visitSockets({ localPorts: [port, port], states: ['BOUND'] }, () => (shown = true));
    return (boundAreShown = shown);
  } finally {
    handle.close();
  }
}

/** The holder of each port of a range; of several, the one that stays longest. */
class PortTable {
  readonly range: PortRange;
  readonly #taken: Uint8Array;
  readonly #freeAfterMs: Float64Array;

  constructor(range: PortRange) {
    this.range = range;
    this.#taken = new Uint8Array(Math.max(0, range[1] - range[0] + 1));
    this.#freeAfterMs = new Float64Array(this.#taken.length).fill(Infinity);
  }

  take(lo: number, hi: number, by: number, freeAfterMs = Infinity): void {
    const from = Math.max(lo, this.range[0]) - this.range[0];
    const to = Math.min(hi, this.range[1]) - this.range[0];
    for (let i = from; i <= to; i++) {
      const before = this.#taken[i] ?? FREE;
      if (before > by) continue;
      const longest = before === by ? Math.max(freeAfterMs, this.#freeAfterMs[i] ?? 0) : freeAfterMs;
      this.#taken[i] = by;
      this.#freeAfterMs[i] = longest;
    }
  }

  count(by: number): number {
    return this.#taken.reduce((count, taken) => (taken === by ? count + 1 : count), 0);
  }

  /** @param ageMs how old the times are */
  evidence(ageMs: number): Evidence {
    const free = this.count(FREE);
    const soonest = free > 0 ? 0 : this.#freeAfterMs.reduce((least, ms) => Math.min(least, ms), Infinity);
    const reusable = this.count(REUSABLE);
    return {
      range: this.range,
      counts: {
        ports: this.#taken.length,
        established: this.count(CONNECTION),
        timeWait: this.count(TIME_WAIT) + reusable,
        finWait2: this.count(FIN_WAIT2),
        bound: this.count(BOUND) + this.count(ELSEWHERE),
        reserved: this.count(RESERVED),
        free,
      },
      retryAfterMs: soonest === Infinity ? undefined : Math.ceil(Math.max(0, soonest - ageMs)),
      reusable,
    };
  }
}

/** An address as the kernel shows it: without a zone, and a mapped one as IPv4. */
function canonical(address: string): string {
  return Endpoint.from({ address: address.split('%')[0] ?? '', port: 0 }).address;
}

// Kinds of holders of a port, in increasing order of precedence.
const FREE = 0;
const ELSEWHERE = 1;
const REUSABLE = 2;
const TIME_WAIT = 3;
const FIN_WAIT2 = 4;
const CONNECTION = 5;
const BOUND = 6;
const RESERVED = 7;

const HOLDERS: readonly SocketState[] = ['LISTEN', 'BOUND'];
/** The kernel's tick is 1 to 10 ms (CONFIG_HZ), which is the resolution of the reported timers. */
const TICK_MS = 10;
