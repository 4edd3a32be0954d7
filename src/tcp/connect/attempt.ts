// Attempt: one connection attempt of Node, with its handle. Creates and binds a descriptor, tries the candidates in turn,
// and checks the local end, before Node continues.
import { type WaitPolicy } from '../../ports/wait-policy.js';
import { inspect } from 'node:util';
import { native } from '../../binding.js';
import { SocketError, SyscallError } from '../../errors.js';
import { EADDRNOTAVAIL, EALREADY, EINVAL } from '../../kernel/numbers.js';
import type { HandleHooks } from '../../node/connecting-socket.js';
import { ignoreEmptyWrites } from '../../node/stream.js';
import {
  abandonRequest,
  anotherRequest,
  bindByNode,
  connectByNode,
  descriptorIn,
  failRequest,
  hideResult,
  isOpen,
  watchRequest,
  type ConnectRequest,
  type ConnectTarget,
  type TcpHandle,
} from '../../node/tcp-handle.js';
import { resetOnClose } from '../../kernel/reset.js';
import type { PortRange } from '../../kernel/sysctl.js';
import { zonedDestination } from '../../node/zones.js';
import type { EncodedOption } from '../../options/access.js';
import { BorrowedDescriptor } from '../../options/target.js';
import type { FailedSearch } from '../../ports/evidence.js';
import { contains } from '../../ports/port-range.js';
import { isAwaited, waitForPort, type Wait } from '../../ports/waiting.js';
import { rangeExhausted } from '../../source/explain.js';
import { isToItself } from '../../source/itself.js';
import {
  askedFor,
  boundAddress,
  searchesAtBind,
  type Candidate,
  type Candidates,
  type Source,
} from '../../source/source.js';
import { withoutZone } from '../../wire/address.js';
import { Endpoint, SOCKADDR_SIZE } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { portIn, sameAddress } from '../../wire/same-address.js';
import { isWildcard } from '../../wire/address-kinds.js';
import { install, sourceEndpoint } from './descriptor.js';
import {
  abandoned,
  callFailure,
  deviceFailure,
  elsewhereFailure,
  endpointOrNone,
  failureOf,
  familyFailure,
  otherSourceFailure,
  searchesOfPool,
  selfFailure,
  type Failure,
} from './failure.js';
import type { Job } from './job.js';
import { isDeferredConnect } from './options.js';
import { mayPickPort, rangesBeside } from './self-connect.js';

/** A candidate, the callback for when its descriptor is closed, and the result of connect(2). */
interface Taken {
  readonly candidate: Candidate;
  readonly answer: (error?: Error, reset?: boolean) => void;
  refusal?: Error;
}

/**
 * The state of an attempt. Transitions:
 * 'new' → bind → 'bound' or 'portless' → connect → 'waiting' for a port, or 'connecting' → close → 'closed', at any time.
 */
type State =
  | { readonly at: 'new' }
  /** Node called bind: the descriptor is set up and bound. */
  | { readonly at: 'bound' }
  /** Node called bind and no port was found; connect will wait for one. */
  | { readonly at: 'portless'; readonly failure: Failure | undefined }
  | { readonly at: 'waiting'; readonly wait: Wait }
  /** connect(2) has been called; from a candidate if `taken` is set. */
  | { readonly at: 'connecting'; readonly taken: Taken | undefined }
  | { readonly at: 'closed' };

/** One connect of an attempt. */
interface Trial {
  readonly target: ConnectTarget;
  /** The destination is an IPv4-mapped address on an IPv6 socket. */
  readonly mapped: boolean;
  /** The ports to search, among those of the source. @default all of those */
  readonly range?: PortRange | undefined;
}

export class Attempt implements HandleHooks {
  readonly #handle: TcpHandle;
  /** Node's methods of the handle. */
  readonly #base: TcpHandle;
  readonly #job: Job;
  #state: State = NEW;
  /** Options of the current source that Node sets as well. */
  #kept: readonly EncodedOption[] = [];

  constructor(handle: TcpHandle, base: TcpHandle, job: Job) {
    this.#handle = handle;
    this.#base = base;
    this.#job = job;
  }

  /** Called before connect if `localAddress` or `localPort` was given. */
  bind(address: string, port: number, family: Family): number {
    const { from, policy, failures } = this.#job;
    if (this.#state.at === 'waiting') return 0; // connect refuses
    // Already bound: leave the error to the kernel.
    if (isOpen(this.#handle)) return bindByNode(this.#handle, this.#base, family, address, port);
    const local = { address, port };
    const mine = typeof from !== 'function' && boundAddress(from, family) === address && from.port === port;
    if (!mine) return failures.report(otherSourceFailure(address, port, family), local);
    const its: Family = address.includes(':') ? 'ipv6' : 'ipv4';
    if (its !== family) return failures.report(familyFailure(from, family), local);
    // Others wait for the same ports: connect waits as well, and searches in turn.
    if (policy !== undefined && searchesAtBind(from, family) && isAwaited(this.#keyOf(family, '', 0))) {
      this.#state = { at: 'portless', failure: undefined };
      return 0;
    }
    const failure = install(this.#handle, { source: from, family, mapped: false });
    if (failure?.exhausted === true && policy !== undefined) {
      this.#state = { at: 'portless', failure };
      return 0;
    }
    if (failure !== undefined) return failures.report(failure, local);
    this.#state = { at: 'bound' };
    return 0;
  }

  connect(request: ConnectRequest, address: string, port: number, family: Family): number {
    const target: ConnectTarget = { request, address, port, family };
    const { at } = this.#state;
    if (at === 'waiting') return EALREADY;
    // A second connect on the same handle: leave the error to the kernel.
    if (at === 'connecting') return connectByNode(this.#handle, this.#base, target);
    const { policy, failures, socket } = this.#job;
    failures.begin(target);
    const key = policy === undefined ? undefined : this.#keyOf(family, address, port);
    // Others wait for a port to the same destination: one search for all of them is enough.
    if (policy !== undefined && isAwaited(key)) {
      this.#waitFor(key, policy, undefined, target);
      return 0;
    }
    const failure = (this.#state.at === 'portless' ? this.#state.failure : undefined) ?? this.#try(target);
    if (failure === undefined) return 0;
    if (failure.exhausted && policy !== undefined) {
      this.#waitFor(key, policy, failure, target);
      return 0;
    }
    if (socket?.autoSelectFamilyAttemptedAddresses !== undefined) failures.explainNextAttempt(socket);
    return failures.report(failure, target);
  }

  close(reset: boolean): void {
    const state = this.#state;
    this.#state = CLOSED;
    if (state.at === 'waiting') state.wait.end();
    if (state.at === 'connecting') state.taken?.answer(state.taken.refusal, reset);
  }

  ref(): void {
    if (this.#state.at === 'waiting') this.#state.wait.ref();
    if (this.#state.at === 'connecting') this.#state.taken?.candidate.referenced(true);
  }

  unref(): void {
    if (this.#state.at === 'waiting') this.#state.wait.unref();
    if (this.#state.at === 'connecting') this.#state.taken?.candidate.referenced(false);
  }

  /** Node sets some options once it is connected, and agents whenever they keep a socket: `sockopts` take precedence. */
  optionsSet(): void {
    const fd = descriptorIn(this.#handle);
    if (fd < 0) return;
    for (const { level, name, value } of this.#kept) native().setsockopt(fd, level, name, value);
  }

  /** User code that runs during an attempt (strategies, subscribers) may destroy the socket. */
  get #closed(): boolean {
    return this.#state.at === 'closed';
  }

  /** Returns undefined if the connect is in progress, or the socket was destroyed. */
  #try(target: ConnectTarget): Failure | undefined {
    const { from } = this.#job;
    const failure =
      typeof from === 'function' ? this.#tryCandidates(from, target) : this.#trySource(from, target, false);
    if (this.#closed) return undefined;
    if (failure === undefined && this.#state.at !== 'connecting') {
      this.#state = { at: 'connecting', taken: undefined };
    }
    return failure;
  }

  #trySource(source: Source, target: ConnectTarget, mapped: boolean): Failure | undefined {
    if (this.#closed) return abandoned();
    this.#kept = source.sockopts.length === 0 ? [] : source.sockopts.filter(({ option }) => SET_BY_NODE.has(option));
    return this.#connectFrom(source, { target, mapped });
  }

  /** @param range to search instead of the source's */
  #connectFrom(source: Source, { target, mapped, range }: Trial): Failure | undefined {
    const { family } = target;
    const isReady = this.#state.at === 'bound';
    const failure = isReady ? undefined : install(this.#handle, { source, family, mapped, range });
    if (failure !== undefined) return failure;
    const zoned = family === 'ipv4' ? target.address : zonedDestination(target.address, source.address, source.device);
    if (typeof zoned !== 'string' && zoned.lacks === 'interface') {
      return deviceFailure({ ...askedFor(source, 'connect', family), remote: endpointOrNone(withoutZoneOf(target)) });
    }
    // Without a zone the kernel refuses it, but libuv would pick an interface.
    const connected = typeof zoned === 'string' ? this.#connectByNode(zoned, target) : EINVAL;
    if (connected < 0) {
      if (isReady) this.#state = NEW; // the next attempt creates another descriptor
      return callFailure('connect', connected, askedFor(source, 'connect', family, endpointOrNone(target)));
    }
    const mayBeItself = mayPickPort(source, target.port);
    if (!mayBeItself && isAnywhere(source)) return undefined;
    const hasLocal = native().getsockname(descriptorIn(this.#handle), local) >= 0;
    if (hasLocal && mayBeItself && portIn(local) === target.port && this.#isToItself(target)) {
      return this.#leaveItself(source, { target, mapped, range });
    }
    if (hasLocal && isFrom(source, family)) return undefined;
    abandonRequest(target.request); // the caller of connect gets the failure now
    return elsewhereFailure(askedFor(source, 'connect', family, endpointOrNone(target)), this.#local());
  }

  /**
   * TCP has connected the socket to itself. libuv takes another connect once it has reported this one, which stays hidden;
   * the other ports are tried then. Without another port the connect is refused.
   */
  #leaveItself(source: Source, { target, mapped, range }: Trial): Failure | undefined {
    // No TIME-WAIT, which would keep the port.
    resetOnClose(new BorrowedDescriptor(descriptorIn(this.#handle)));
    const ranges = range === undefined ? rangesBeside(source, target.port) : [];
    if (ranges.length === 0) {
      abandonRequest(target.request);
      return selfFailure(askedFor(source, 'connect', target.family, endpointOrNone(target)));
    }
    hideResult(target.request, () => {
      if (this.#closed) return false;
      const request = anotherRequest(target.request);
      let failure: Failure | undefined;
      for (const other of ranges) {
        failure = this.#connectFrom(source, { target: { ...target, request }, mapped, range: other });
        if (failure?.exhausted !== true) break;
      }
      if (failure !== undefined) this.#failLate(failure, target);
      return true;
    });
    if (this.#state.at === 'bound') this.#state = NEW;
    return undefined;
  }

  /** Completes the request of an attempt that Node takes to be in progress. */
  #failLate(failure: Failure, target: ConnectTarget): void {
    const { failures, socket } = this.#job;
    if (!this.#closed) this.#state = NEW;
    const errno = failures.report(failure, target);
    if (socket !== undefined) failures.explainNextAttempt(socket);
    failRequest(target.request, errno, this.#handle);
  }

  /** Tries one candidate after the other until one succeeds or none is left. */
  #tryCandidates(candidates: Candidates, target: ConnectTarget): Failure | undefined {
    const remote = endpointOrNone(target);
    // Node has resolved it to an address, whose zone may be no interface.
    if (remote === undefined) return deviceFailure({ by: 'connect', family: target.family, port: 0 });
    let last: Failure | undefined;
    try {
      for (const candidate of candidates(remote)) {
        const failure = this.#trySource(candidate.source, target, remote.mapped);
        if (this.#closed) return undefined;
        if (failure === undefined) {
          this.#take(candidate, candidate.taken(), target);
          return undefined;
        }
        last = failure;
        if (failure.exhausted) candidate.exhausted(failure.error);
        else if (!candidate.failed(failure.error) || failure.final) return failure;
        if (this.#closed) return undefined;
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return failureOf(EADDRNOTAVAIL, error, isExhaustion(error));
    }
    if (last !== undefined && !last.exhausted) return last;
    const message = `No source has a free local port to connect to ${target.address}, port ${String(target.port)}.`;
    return failureOf(EADDRNOTAVAIL, rangeExhausted(message, last?.error), true);
  }

  #take(candidate: Candidate, answer: Taken['answer'], { request, address, port }: ConnectTarget): void {
    if (this.#closed) {
      answer();
      return;
    }
    const taken: Taken = { candidate, answer };
    const { source } = candidate;
    this.#state = { at: 'connecting', taken };
    watchRequest(request, (status) => {
      if (status >= 0) return;
      const local = { localAddress: source.address, localPort: source.port };
      taken.refusal = new SyscallError('connect', status, { address, port, ...local });
    });
    const { socket } = this.#job;
    if (isDeferredConnect(source) && socket !== undefined) ignoreEmptyWrites(socket);
  }

  /** Waits for a port. For Node the attempt is in progress: its request is completed by a later connect, or here. */
  #waitFor(key: unknown, policy: WaitPolicy, failed: Failure | undefined, target: ConnectTarget): void {
    let last = failed;
    const search = this.#searchOf(target);
    const wait = waitForPort(key, policy, {
      get failed() {
        return search ?? (last === undefined ? undefined : searchesOfPool(last.error));
      },
      hasRef: this.#base.hasRef.call(this.#handle),
      search: () => {
        this.#state = NEW;
        last = this.#try(target);
        if (last?.exhausted === true) {
          this.#state = { at: 'waiting', wait };
          return false;
        }
        if (last !== undefined) this.#failLate(last, target);
        return true;
      },
      expire: () => {
        this.#state = NEW;
        last ??= this.#try(target); // it waited in the queue and never searched
        if (last !== undefined) this.#failLate(last, target);
      },
    });
    this.#state = { at: 'waiting', wait };
  }

  #searchOf({ address, port, family }: ConnectTarget): FailedSearch | undefined {
    const { from } = this.#job;
    if (typeof from === 'function' || from.port !== 0) return undefined;
    const search = searchesAtBind(from, family) ? 'bind' : 'connect';
    return { remote: { address, port }, local: from.address, range: from.range, search };
  }

  /** Attempts with the same key need the same ports. A pool tracks its exhausted sources itself. */
  #keyOf(family: Family, address: string, port: number): unknown {
    const { from } = this.#job;
    if (typeof from === 'function') return this;
    const { sockopts, ...local } = from;
    const toward = searchesAtBind(from, family) ? [] : [address, port];
    const options = sockopts.length === 0 ? '' : inspect(sockopts, { depth: Infinity, maxArrayLength: Infinity });
    return JSON.stringify([family, local, toward, options]);
  }

  #connectByNode(address: string, target: ConnectTarget): number {
    return connectByNode(this.#handle, this.#base, address === target.address ? target : { ...target, address });
  }

  #isToItself(target: ConnectTarget): boolean {
    const own = this.#local();
    const remote = endpointOrNone(target);
    return own !== undefined && remote !== undefined && isToItself(own, remote);
  }

  #local(): Endpoint | undefined {
    const length = native().getsockname(descriptorIn(this.#handle), local);
    return length < 0 ? undefined : Endpoint.decode(local, length);
  }
}

function withoutZoneOf({ address, port }: ConnectTarget): Pick<ConnectTarget, 'address' | 'port'> {
  return { address: withoutZone(address), port };
}

/** Whether any local end is one that was asked for. */
function isAnywhere({ address, port, rangeWanted }: Source): boolean {
  return address === undefined && port === 0 && !rangeWanted;
}

/** Whether the local end in `local` is the one that was asked for. */
function isFrom(source: Source, family: Family): boolean {
  const port = portIn(local);
  if (source.port !== 0 ? port !== source.port : source.rangeWanted && !contains(source.range, port)) return false;
  if (source.address === undefined) return true;
  // The zone's interface may no longer exist.
  const wanted = sourceEndpoint(withoutZone(source.address));
  return isWildcard(wanted) || sameAddress(local, wanted.sockaddr(family), family);
}

function isExhaustion(error: Error): boolean {
  return error instanceof SocketError && error.code === 'ERR_PORT_RANGE_EXHAUSTED';
}

/** By net.Socket's `noDelay` and `keepAlive`, its methods, and agents. */
const SET_BY_NODE: ReadonlySet<string> = new Set([
  'TCP_NODELAY',
  'SO_KEEPALIVE',
  'TCP_KEEPIDLE',
  'TCP_KEEPINTVL',
  'TCP_KEEPCNT',
]);
const NEW: State = { at: 'new' };
const CLOSED: State = { at: 'closed' };
const local = new Uint8Array(SOCKADDR_SIZE);
