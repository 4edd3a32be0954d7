// How the attempts of one connect() failed, for the errors that Node makes of the bare errnos: each attempt has an address and
// a port, and so has Node's error for it.
import type { Socket } from 'node:net';
import { SyscallError } from '../../errors.js';
import { evidenceOf, withEvidence } from '../../source/explain.js';
import { searchBehind, type Failure, type Remote } from './failure.js';

export class Failures {
  /** By destination, the last attempt's. Seldom made: most connections succeed. */
  #failures: Map<string, Failure> | undefined;
  /** A pool has been given the error already, so that very one is what the caller gets. */
  readonly #replaceAll: boolean;

  constructor(replaceAll: boolean) {
    this.#replaceAll = replaceAll;
  }

  /** Another attempt toward the same destination: what Node says of it is not about the one before. */
  begin(remote: Remote): void {
    this.#failures?.delete(keyOf(remote));
  }

  /** Returns the errno for Node, which makes an error of it with this address and port. */
  report(failure: Failure, remote: Remote): number {
    (this.#failures ??= new Map()).set(keyOf(remote), failure);
    return failure.errno;
  }

  /** Node emits the next failed attempt with its own error, before anything can take its place. */
  explainNextAttempt(socket: Socket): void {
    socket.prependOnceListener('connectionAttemptFailed', (_address: string, _port: number, _family: number, error) => {
      const failure = this.#failureOf(error);
      if (failure === undefined) return;
      if (this.#replaces(failure, error)) become(error, completed(failure.error));
      else enrich(error, failure);
    });
  }

  /** The error that the caller gets for Node's: the same one with more in it, or another. */
  explain(error: Error): Error {
    if (this.#failures === undefined) return error;
    const errors: unknown = (error as Partial<AggregateError>).errors;
    if (!Array.isArray(errors)) return this.#explainOne(error);
    for (const [i, one] of errors.entries()) {
      if (one instanceof Error) errors[i] = this.#explainOne(one);
    }
    return error;
  }

  #explainOne(error: NodeError): Error {
    const failure = this.#failureOf(error);
    if (failure === undefined) return error;
    if (this.#replaces(failure, error)) return completed(failure.error);
    enrich(error, failure);
    return error;
  }

  /** Of an error of bind the address is the local one, under which the failure was reported too. */
  #failureOf({ address, port = 0, errno }: NodeError): Failure | undefined {
    if (address === undefined) return undefined;
    const failure = this.#failures?.get(keyOf({ address, port }));
    return failure?.errno === errno ? failure : undefined;
  }

  #replaces({ error }: Failure, by: NodeError): boolean {
    return this.#replaceAll || !(error instanceof SyscallError) || error.syscall !== by.syscall;
  }
}

/** As Node makes them: exceptionWithHostPort. */
type NodeError = Error &
  Partial<Record<'errno' | 'port' | 'localPort', number>> &
  Partial<Record<'code' | 'syscall' | 'address', string>>;

function keyOf({ address, port }: Remote): string {
  return `${address} ${String(port)}`;
}

/** Errors that say more already. */
const explained = new WeakSet<Error>();

/** Node's own message stays the start of it, and all of its properties what they are. */
function enrich(error: NodeError, failure: Failure): void {
  if (explained.has(error)) return; // the event came first
  explained.add(error);
  const { error: why, remedy: advice, search } = failure;
  const { remedy, exhaustedBy } = withEvidence({ remedy: advice, search });
  if (remedy !== undefined) setMessage(error, `${error.message}. ${remedy}`);
  if (exhaustedBy !== undefined) define(error, 'exhaustedBy', exhaustedBy);
  if (!(why instanceof SyscallError)) return;
  for (const key of ['reason', 'localAddress', 'localPort'] as const) {
    if (why[key] !== undefined && !(key in error)) define(error, key, why[key]);
  }
}

/** What takes the place of Node's error, with its evidence: a kernel's error, or a pool's, whose cause is the kernel's. */
function completed(error: Error): Error {
  const inner = error.cause instanceof SyscallError ? error.cause : error;
  if (inner instanceof SyscallError) addEvidence(inner);
  const { exhaustedBy } = inner as Partial<SyscallError>;
  if (error !== inner && exhaustedBy !== undefined && !('exhaustedBy' in error)) {
    define(error, 'exhaustedBy', exhaustedBy);
  }
  return error;
}

/** Once: a pool has the same error for as long as an address is in its cooldown. */
function addEvidence(error: SyscallError): void {
  const search = searchBehind(error);
  if (search === undefined || error.exhaustedBy !== undefined) return;
  const { remedy, exhaustedBy } = evidenceOf(search);
  if (exhaustedBy === undefined) return; // there was no time for it: the next one who gets the error may have it
  setMessage(error, `${error.message}. ${remedy}`);
  define(error, 'exhaustedBy', exhaustedBy);
}

function become(error: NodeError, other: Error): void {
  explained.add(error);
  setMessage(error, other.message);
  define(error, 'name', other.name);
  if (other.cause !== undefined) define(error, 'cause', other.cause);
  for (const [key, value] of Object.entries(other)) define(error, key, value);
}

/** An error's stack begins with its message as it was when it was made. */
function setMessage(error: Error, message: string): void {
  const { stack, message: before } = error;
  define(error, 'message', message, false);
  if (stack === undefined) return;
  define(
    error,
    'stack',
    stack.replace(before, () => message),
    false,
  );
}

function define(error: Error, key: string, value: unknown, enumerable = true): void {
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
}
