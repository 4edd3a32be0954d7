// Failures of an attempt: the errno for Node, and what is added to the error that the caller gets.
import { SyscallError } from '../../errors.js';
import { EADDRNOTAVAIL, EBADF } from '../../kernel/numbers.js';
import type { EncodedOption } from '../../options/access.js';
import type { FailedSearch } from '../../ports/evidence.js';
import type { Refusal } from '../../reasons/refusals.js';
import type { ExplainedCall } from '../../reasons/table.js';
import type { Asked } from '../../source/asked.js';
import { errorOf, explain, explainRefusal } from '../../source/explain.js';
import { localEndText } from '../../source/remedies.js';
import { askedFor, type Source } from '../../source/source.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';

/** A failed system call. Node gets the errno and creates an error from it, which is then explained. */
export interface Failure {
  readonly errno: number;
  readonly error: Error;
  /** The end of the error message. */
  readonly remedy?: string | undefined;
  /** The failed search: when the error is returned, the kernel is queried for what holds the ports. */
  readonly search?: FailedSearch | undefined;
  /** Whether no port is free: another source, or waiting, may help. */
  readonly exhausted: boolean;
  /** Whether no further candidate may be tried, because connect(2) has been called. */
  readonly final: boolean;
}

/** A failed call, explained by the table. */
export function callFailure(call: ExplainedCall, errno: number, asked: Asked, option?: EncodedOption): Failure {
  const { reason, remedy, search } = explain(call, errno, asked, option);
  const error = errorOf(call, errno, asked, { option }, { reason, remedy });
  if (search !== undefined) searches.set(error, search);
  // A single port that is in TIME-WAIT or used by a connection to the destination becomes free like those of a range.
  const exhausted = search !== undefined || (call === 'connect' && errno === EADDRNOTAVAIL && reason === 'portInUse');
  return { errno, error, remedy, search, exhausted, final: false };
}

/** A failure with its own complete error. */
export function failureOf(errno: number, error: Error, exhausted = false): Failure {
  return { errno, error, exhausted, final: false };
}

/** The socket was destroyed during the attempt; this is not reported. */
export function abandoned(): Failure {
  return failureOf(EBADF, new SyscallError('open', EBADF));
}

/** The source and the destination have different families: EINVAL of bind, as in Node. */
export function familyFailure(source: Source, family: Family): Failure {
  return refused('sourceOfOtherFamily', askedFor(source, 'connect', family));
}

/** A repeated connect() on a socket that was created for one source must not silently use another one. */
export function otherSourceFailure(local: string, port: number, family: Family): Failure {
  return refused('otherSourceWanted', { by: 'connect', family, local, port });
}

/** The kernel connected from a source other than requested; the descriptor is closed before it is exposed. */
export function elsewhereFailure(asked: Asked, local: Endpoint | undefined): Failure {
  return { ...refused('otherSourceTaken', asked, { taken: localEndText(local) }), final: true };
}

/** The kernel connected the socket to itself; the descriptor is closed before it is exposed. */
export function selfFailure(asked: Asked): Failure {
  return { ...refused('selfConnected', asked), final: true };
}

/** The zone of the destination is no interface: EINVAL, as in Node. */
export function deviceFailure(asked: Asked): Failure {
  return refused('zoneUnknown', asked);
}

/** The destination of an attempt. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

/** What is not the kernel's failure, from the table of refusals. */
function refused(refusal: Refusal, asked: Asked, places?: Readonly<Record<string, string>>): Failure {
  const { call, errno, ...why } = explainRefusal(refusal, asked, places);
  return { ...failureOf(errno, errorOf(call, errno, asked, {}, why)), remedy: why.remedy };
}

/** The failed search of an error, so that it can be explained when only the error is known, as in a pool. */
export function searchBehind(error: object): FailedSearch | undefined {
  return searches.get(error);
}

/** An Endpoint for the explanation; undefined if it is not an address. */
export function endpointOrNone({ address, port }: Remote): Endpoint | undefined {
  try {
    return Endpoint.from({ address, port });
  } catch {
    return undefined;
  }
}

const searches = new WeakMap<object, FailedSearch>();

/** Of the error of a pool: the searches that the kernel refused for its sources. @param errors of callFailure */
export function rememberSearches(error: Error, errors: readonly Error[]): void {
  if (errors.length > MAX_SEARCHES) return; // finding out what holds the ports of each takes too long
  const found = errors.map((one) => searches.get(one));
  if (found.every((search) => search !== undefined)) searchesOfPools.set(error, found);
}

/** Undefined if not all are known, or there are many. */
export function searchesOfPool(error: Error): readonly FailedSearch[] | undefined {
  return searchesOfPools.get(error);
}

const searchesOfPools = new WeakMap<Error, readonly FailedSearch[]>();
const MAX_SEARCHES = 8;
