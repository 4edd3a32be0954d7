// One attempt of Node's, with the one handle that Node made for it: where a descriptor is made and bound, the candidates
// are gone through, and the local end is compared with what was asked, before Node goes on.
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { native } from '../../binding.js';
import { SocketError, SyscallError } from '../../errors.js';
import { Endpoint, SOCKADDR_SIZE } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { sameAddress } from '../../wire/same-address.js';
import { isWildcard } from '../../wire/wildcard.js';
import type { FailedSearch } from '../../ports/evidence.js';
import { contains } from '../../ports/port-range.js';
import { ignoreEmptyWrites } from '../../node/stream.js';
import { boundAddress, endpointOf, install, type Adopter, type Receiver } from './descriptor.js';
import {
  connectFailure,
  elsewhereFailure,
  failure,
  familyFailure,
  otherSourceFailure,
  refused,
  type Failure,
} from './failure.js';
import type { Refusals } from './refusals.js';
import { isAwaited, waitForPort, type WaitPolicy, type Wait } from '../../ports/waiting.js';
import type { Candidates, Source } from '../../source/source.js';
import { EADDRNOTAVAIL, EALREADY } from '../../kernel/numbers.js';

/** Node's TCP handle (tcp_wrap), as far as it is used here. Results are 0 or a negative errno. */
export interface NodeHandle extends Adopter {
  bind(address: string, port: number | undefined): number;
  bind6(address: string, port: number | undefined, flags?: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  close(callback?: () => void): void;
  reset(callback?: () => void): number;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
}

/** Node's TCPConnectWrap. A request that Node has given up has no `oncomplete`. */
export interface ConnectRequest {
  oncomplete?:
    ((status: number, handle: unknown, request: unknown, readable: boolean, writable: boolean) => void) | undefined;
}

/** Where an attempt goes, and the request that is told how it has ended. */
interface Target {
  readonly request: ConnectRequest;
  readonly address: string;
  readonly port: number;
  readonly family: Family;
}

/** What all attempts of one connect() have in common. */
export interface Job {
  /** The one source that was asked for, or what a pool offers. */
  readonly from: Source | Candidates;
  readonly policy: WaitPolicy | undefined;
  readonly refusals: Refusals;
  /** The socket that connects. */
  socket?: Socket;
}

export class Attempt implements Receiver {
  readonly handle: NodeHandle;
  /** Node's own methods of the handle. */
  readonly #base: NodeHandle;
  readonly #job: Job;
  /** The handle has a descriptor. */
  #opened = false;
  /** The descriptor is set up and bound, and waits for connect. */
  #ready = false;
  /** Code of the user's runs during an attempt (strategies, subscribers, values with getters), and may destroy the socket. */
  #closed = false;
  /** Called when the descriptor is closed. */
  #answer: ((error?: Error, reset?: boolean) => void) | undefined;
  #refusal: Error | undefined;
  #wait: Wait | undefined;
  /** What bind failed with, for connect to wait for a port. */
  #unbound: Failure | undefined;

  constructor(handle: NodeHandle, base: NodeHandle, job: Job) {
    this.handle = handle;
    this.#base = base;
    this.#job = job;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** In the place of Node's bind, which comes before connect when `localAddress` or `localPort` were given. */
  bind(address: string, port: number, family: Family): number {
    const { from, policy, refusals } = this.#job;
    if (this.#wait !== undefined) return 0; // connect says why not
    // Bound already: the kernel says what it thinks of that.
    if (this.#opened) return this.#base[family === 'ipv6' ? 'bind6' : 'bind'].call(this.handle, address, port);
    const mine = typeof from !== 'function' && boundAddress(from, family) === address && from.port === port;
    if (!mine) return refusals.tell(otherSourceFailure(address, port), address, port);
    const its: Family = address.includes(':') ? 'ipv6' : 'ipv4';
    const awaited = policy !== undefined && searchesAtBind(from, family) && isAwaited(this.#keyOf(family, '', 0));
    if (awaited && its === family) return 0; // and connect waits
    const failed = its === family ? install(this, from, family, false) : familyFailure(address, family, from);
    if (failed?.exhausted === true && policy !== undefined) {
      this.#unbound = failed;
      return 0;
    }
    if (failed !== undefined) return refusals.tell(failed, address, port);
    this.#opened = true;
    this.#ready = true;
    return 0;
  }

  /** In the place of Node's connect. A negative errno fails the attempt at once; 0 leaves it to `request`. */
  connect(request: ConnectRequest, address: string, port: number, family: Family): number {
    const target: Target = { request, address, port, family };
    if (this.#wait !== undefined) return EALREADY;
    // A second connect on the same handle: the kernel has its own answer to that.
    if (this.#opened && !this.#ready) return this.#callNode(target);
    const { policy, refusals, socket } = this.#job;
    const key = policy === undefined ? undefined : this.#keyOf(family, address, port);
    // Others wait for a port to there: one search for all of them is enough.
    if (policy !== undefined && isAwaited(key)) {
      this.#waitFor(key, policy, undefined, target);
      return 0;
    }
    const failed = this.#unbound ?? this.#try(target);
    this.#unbound = undefined;
    if (failed === undefined) return 0;
    if (failed.exhausted && policy !== undefined) {
      this.#waitFor(key, policy, failed, target);
      return 0;
    }
    if (socket?.autoSelectFamilyAttemptedAddresses !== undefined) refusals.explainNextAttempt(socket);
    return refusals.tell(failed, address, port);
  }

  /** Node closes the handle, whatever for. */
  close(reset = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wait?.end();
    this.#wait = undefined;
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(this.#refusal, reset);
  }

  ref(): void {
    this.#wait?.ref();
  }

  unref(): void {
    this.#wait?.unref();
  }

  /** Undefined when it is under way, or when nobody waits for it any more. */
  #try(target: Target): Failure | undefined {
    const { from } = this.#job;
    const failed =
      typeof from === 'function' ? this.#tryCandidates(from, target) : this.#trySource(from, target, false);
    return this.#closed ? undefined : failed;
  }

  #trySource(source: Source, target: Target, mapped: boolean): Failure | undefined {
    const { request, address, port, family } = target;
    if (!this.#ready) {
      const failed = install(this, source, family, mapped);
      if (failed !== undefined) return failed;
      this.#opened = true;
    }
    this.#ready = false;
    const connected = this.#callNode(target);
    if (connected < 0) return connectFailure(connected, address, port, source);
    if (this.#isFrom(source, family)) return undefined;
    request.oncomplete = undefined; // whoever asks for the handle is told now
    return elsewhereFailure(address, port, this.#local(), source);
  }

  /** One candidate after the other, until one is taken or there is none left. */
  #tryCandidates(candidates: Candidates, target: Target): Failure | undefined {
    const { address, port } = target;
    let last: Failure | undefined;
    try {
      const remote = Endpoint.from({ address, port }, 'options.host');
      for (const candidate of candidates(remote)) {
        const failed = this.#trySource(candidate.source, target, remote.mapped);
        if (this.#closed) return undefined;
        if (failed === undefined) {
          this.#take(candidate.source, candidate.taken(), target);
          return undefined;
        }
        last = failed;
        if (failed.exhausted) candidate.exhausted(failed.error);
        else if (!candidate.failed(failed.error) || failed.final) return failed;
        if (this.#closed) return undefined;
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return failure(EADDRNOTAVAIL, error, isExhaustion(error));
    }
    if (last !== undefined && !last.exhausted) return last;
    const none = new SocketError(
      'ERR_PORT_RANGE_EXHAUSTED',
      `No source has a local port left to connect to ${address}, port ${String(port)}.`,
      last === undefined ? undefined : { cause: last.error },
    );
    return failure(EADDRNOTAVAIL, none, true);
  }

  #take(source: Source, answer: (error?: Error, reset?: boolean) => void, target: Target): void {
    if (this.#closed) {
      answer();
      return;
    }
    this.#answer = answer;
    const { request, address, port } = target;
    const { oncomplete } = request;
    request.oncomplete = (status, ...rest) => {
      if (status < 0) {
        this.#refusal = new SyscallError('connect', status, {
          address,
          port,
          localAddress: source.address,
          localPort: source.port,
        });
      }
      oncomplete?.call(request, status, ...rest);
    };
    const { socket } = this.#job;
    if (source.sockopts?.TCP_FASTOPEN_CONNECT === true && socket !== undefined) ignoreEmptyWrites(socket);
  }

  /** The attempt goes on, as far as Node knows: its request is completed by the connect that succeeds, or here. */
  #waitFor(key: unknown, policy: WaitPolicy, failed: Failure | undefined, target: Target): void {
    const { request, address, port } = target;
    const again = (): Failure | undefined => this.#try(target);
    let last = failed;
    const fail = (): void => {
      this.#wait = undefined;
      const { refusals, socket } = this.#job;
      const final = last ?? refused('connect', EADDRNOTAVAIL, { address, port });
      const errno = refusals.tell(final, address, port);
      if (socket !== undefined) refusals.explainNextAttempt(socket);
      request.oncomplete?.call(request, errno, this.handle, request, false, false);
    };
    this.#wait = waitForPort(key, policy, {
      failed: this.#searchOf(target),
      hasRef: this.#base.hasRef.call(this.handle),
      search: () => {
        last = again();
        if (last?.exhausted === true) return false;
        this.#wait = undefined;
        if (last !== undefined) fail();
        return true;
      },
      expire: () => {
        last ??= again(); // it has waited in line, and never looked
        if (last !== undefined) fail();
      },
    });
  }

  #searchOf({ address, port, family }: Target): FailedSearch | undefined {
    const { from } = this.#job;
    if (typeof from === 'function' || from.port !== 0) return undefined;
    const search = searchesAtBind(from, family) ? 'bind' : 'connect';
    return { remote: { address, port }, local: from.address, range: from.range, search };
  }

  /** Attempts with the same key need the same ports. A pool knows by itself which of its sources are used up. */
  #keyOf(family: Family, address: string, port: number): unknown {
    const { from } = this.#job;
    if (typeof from === 'function') return this;
    const { sockopts, ...local } = from;
    const toward = searchesAtBind(from, family) ? [] : [address, port];
    const options = sockopts === undefined ? '' : inspect(sockopts, { depth: Infinity, maxArrayLength: Infinity });
    return JSON.stringify([family, local, toward, options]);
  }

  #callNode({ request, address, port, family }: Target): number {
    return family === 'ipv6'
      ? this.#base.connect6.call(this.handle, request, address, port)
      : this.#base.connect.call(this.handle, request, address, port);
  }

  /** Has the kernel taken the address and the port that were asked for? */
  #isFrom(source: Source, family: Family): boolean {
    if (source.address === undefined && source.port === 0 && !source.rangeWanted) return true;
    const length = native().getsockname(this.handle.fd, local);
    if (length < 0) return false;
    const port = ((local[2] ?? 0) << 8) | (local[3] ?? 0);
    if (source.port !== 0 ? port !== source.port : source.rangeWanted && !contains(source.range, port)) return false;
    if (source.address === undefined) return true;
    const wanted = endpointOf(withoutZone(source.address));
    return isWildcard(wanted) || sameAddress(local, wanted.sockaddr(family), family);
  }

  #local(): Endpoint | undefined {
    const length = native().getsockname(this.handle.fd, local);
    return length < 0 ? undefined : Endpoint.decode(local, length);
  }
}

/** A port that is bound before connect is one that is free toward all. */
function searchesAtBind(source: Source, family: Family): boolean {
  return source.port === 0 && !source.shareLocalPort && boundAddress(source, family) !== undefined;
}

/** A zone's interface may be gone by now; it is no part of the address. */
function withoutZone(address: string): string {
  const percent = address.indexOf('%');
  return percent === -1 ? address : address.slice(0, percent);
}

function isExhaustion(error: Error): boolean {
  return error instanceof SocketError && error.code === 'ERR_PORT_RANGE_EXHAUSTED';
}

const local = new Uint8Array(SOCKADDR_SIZE);
