// What the attempts of one connect() were refused for, to be told where Node makes errors of the bare errnos.
import type { Socket } from 'node:net';
import { SocketError, SyscallError } from '../../errors.js';
import { portsTaken } from '../../source/remedies.js';
import { explanationOf, searchOf, type Failure } from './failure.js';

interface Refusal {
  readonly failure: Failure;
  /** What Node's error will have. */
  readonly address: string;
  readonly port: number;
}

export class Refusals {
  /** Seldom made: most connections succeed. */
  #refusals: Refusal[] | undefined;
  /** A pool has been given the error already, so that very one is what the caller gets. */
  readonly #replaceAll: boolean;

  constructor(replaceAll: boolean) {
    this.#replaceAll = replaceAll;
  }

  /** Takes note of it. Returns the errno that Node is told. */
  tell(failure: Failure, address: string, port: number): number {
    (this.#refusals ??= []).push({ failure, address, port });
    return failure.errno;
  }

  /** Node emits the next failed attempt with its own error, before anything can take its place. */
  explainNextAttempt(socket: Socket): void {
    socket.prependOnceListener('connectionAttemptFailed', (_address: string, _port: number, _family: number, error) => {
      const found = this.#find(error);
      if (found === undefined) return;
      if (this.#replaces(found.failure, error)) become(error, withEvidence(found.failure.error));
      else enrich(error, found.failure);
    });
  }

  /** The error that the caller gets for Node's: the same one with more in it, or another. */
  explain(error: Error): Error {
    if (this.#refusals === undefined) return error;
    const errors: unknown = (error as Partial<AggregateError>).errors;
    if (!Array.isArray(errors)) return this.#explainOne(error);
    for (const [i, one] of errors.entries()) {
      if (one instanceof Error) errors[i] = this.#explainOne(one);
    }
    return error;
  }

  #explainOne(error: NodeError): Error {
    const found = this.#find(error);
    if (found === undefined) return error;
    if (this.#replaces(found.failure, error)) return withEvidence(found.failure.error);
    enrich(error, found.failure);
    return error;
  }

  #find(error: NodeError): Refusal | undefined {
    return this.#refusals?.find(
      ({ failure, address, port }) =>
        (error === failure.error || error.errno === failure.errno) &&
        error.address === address &&
        (error.port ?? 0) === port,
    );
  }

  #replaces({ error }: Failure, by: NodeError): boolean {
    return this.#replaceAll || !(error instanceof SyscallError) || error.syscall !== by.syscall;
  }
}

/** As Node makes them: exceptionWithHostPort. */
type NodeError = Error &
  Partial<Record<'errno' | 'port' | 'localPort', number>> &
  Partial<Record<'code' | 'syscall' | 'address', string>>;

/** Errors that say more already. */
const told = new WeakSet<Error>();

/** Node's own message stays the start of it, and all of its properties what they are. */
function enrich(error: NodeError, failure: Failure): void {
  if (told.has(error)) return; // the event came first
  told.add(error);
  const { error: why } = failure;
  const { remedy, exhaustedBy } = explanationOf(failure);
  if (remedy !== undefined) setMessage(error, `${error.message}. ${remedy}`);
  if (exhaustedBy !== undefined) define(error, 'exhaustedBy', exhaustedBy);
  if (!(why instanceof SyscallError)) return;
  for (const key of ['reason', 'localAddress', 'localPort'] as const) {
    if (why[key] !== undefined && !(key in error)) define(error, key, why[key]);
  }
}

/** What takes the place of Node's error: a kernel's, or a pool's, of which the kernel's is the cause. */
function withEvidence(error: Error): Error {
  for (const one of [error, error.cause]) if (one instanceof SyscallError) addEvidence(one);
  const { exhaustedBy } = error.cause instanceof SyscallError ? error.cause : {};
  if (error instanceof SocketError && exhaustedBy !== undefined) define(error, 'exhaustedBy', exhaustedBy);
  return error;
}

/** Once: a pool has the same error for as long as a source is set aside. */
function addEvidence(error: SyscallError): void {
  const search = searchOf(error);
  if (search === undefined || error.exhaustedBy !== undefined) return;
  const { remedy, exhaustedBy } = portsTaken(search);
  if (exhaustedBy === undefined) return; // there was no time for it: whoever is told next may have it
  setMessage(error, `${error.message}. ${remedy}`);
  define(error, 'exhaustedBy', exhaustedBy);
}

function become(error: NodeError, other: Error): void {
  told.add(error);
  setMessage(error, other.message);
  define(error, 'name', other.name);
  if (other.cause !== undefined) define(error, 'cause', other.cause);
  for (const [key, value] of Object.entries(other)) define(error, key, value);
}

/** An error's stack begins with its message as it was when it was made. */
function setMessage(error: Error, message: string): void {
  const { stack, message: before } = error;
  define(error, 'message', message, false);
  if (stack !== undefined)
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
