// Records how the attempts of one connect() failed, to explain the errors that Node creates from errnos; they are matched
// by address and port.
import type { Socket } from 'node:net';
import { SyscallError } from '../../errors.js';
import { evidenceOf, withEvidence } from '../../source/explain.js';
import { searchBehind, type Failure, type Remote } from './failure.js';

export class Failures {
  /** The last failure for each destination. Created on demand, since most connections succeed. */
  #failures: Map<string, Failure> | undefined;
  /** The error was already passed to a pool, so the caller must get the same object. */
  readonly #replaceAll: boolean;

  constructor(replaceAll: boolean) {
    this.#replaceAll = replaceAll;
  }

  /** Forgets the failure of an earlier attempt to the same destination. */
  begin(remote: Remote): void {
    this.#failures?.delete(keyOf(remote));
  }

  /** Records a failure, and returns the errno for Node, which creates an error from it with this address and port. */
  report(failure: Failure, remote: Remote): number {
    (this.#failures ??= new Map()).set(keyOf(remote), failure);
    return failure.errno;
  }

  /** Node emits 'connectionAttemptFailed' with its own error, before it can be replaced. */
  explainNextAttempt(socket: Socket): void {
    socket.prependOnceListener('connectionAttemptFailed', (_address: string, _port: number, _family: number, error) => {
      const failure = this.#failureOf(error);
      if (failure === undefined) return;
      if (this.#replaces(failure, error)) become(error, completed(failure.error));
      else enrich(error, failure);
    });
  }

  /** Maps an error of Node to the one that the caller gets: the same error with added properties, or another. */
  explain(error: Error): Error {
    if (this.#failures === undefined) return error;
    const errors: unknown = (error as Partial<AggregateError>).errors;
    if (!Array.isArray(errors)) return this.#explainOne(error);
    for (const [i, one] of errors.entries()) {
      if (one instanceof Error) errors[i] = this.#explainOne(one);
    }
    shareReason(error, errors as readonly NodeError[]);
    return error;
  }

  #explainOne(error: NodeError): Error {
    const failure = this.#failureOf(error);
    if (failure === undefined) return error;
    if (this.#replaces(failure, error)) return completed(failure.error);
    enrich(error, failure);
    return error;
  }

  /** An error of bind has the local address, under which the failure was recorded as well. */
  #failureOf({ address, port = 0, errno }: NodeError): Failure | undefined {
    if (address === undefined) return undefined;
    const failure = this.#failures?.get(keyOf({ address, port }));
    return failure?.errno === errno ? failure : undefined;
  }

  #replaces({ error }: Failure, by: NodeError): boolean {
    return this.#replaceAll || !(error instanceof SyscallError) || error.syscall !== by.syscall;
  }
}

/** When all attempts failed for the same reason, it is the reason of the whole. */
function shareReason(error: Error, errors: readonly NodeError[]): void {
  for (const key of ['reason', 'exhaustedBy'] as const) {
    const value = errors[0]?.[key];
    if (value !== undefined && errors.every((one) => one[key] === value)) define(error, key, value);
  }
}

/** Errors as created by Node's exceptionWithHostPort. */
type NodeError = Error &
  Partial<Record<'errno' | 'port' | 'localPort', number>> &
  Partial<Record<'code' | 'syscall' | 'address' | 'reason' | 'exhaustedBy', string>>;

function keyOf({ address, port }: Remote): string {
  return `${address} ${String(port)}`;
}

/** Errors that have already been explained. */
const explained = new WeakSet<Error>();

/** Adds to the message and properties of Node's error; what it already has is kept. */
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

/** The replacement for Node's error, with evidence: an error of the kernel, or of a pool, whose cause is the kernel's. */
function completed(error: Error): Error {
  const inner = error.cause instanceof SyscallError ? error.cause : error;
  if (inner instanceof SyscallError) addEvidence(inner);
  const { exhaustedBy } = inner as Partial<SyscallError>;
  if (error !== inner && exhaustedBy !== undefined && !('exhaustedBy' in error)) {
    define(error, 'exhaustedBy', exhaustedBy);
  }
  return error;
}

/** Done once: a pool reuses the same error for as long as an address is in its cooldown. */
function addEvidence(error: SyscallError): void {
  const search = searchBehind(error);
  if (search === undefined || error.exhaustedBy !== undefined) return;
  const { remedy, exhaustedBy } = evidenceOf(search);
  if (exhaustedBy === undefined) return; // the time budget was used up; tried again the next time that the error is returned
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

/** The stack of an error starts with its original message. */
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
