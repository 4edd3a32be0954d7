// Explains why a system call failed: finds the matching row of the table (src/reasons), fills in its remedy, and for an
// exhausted range finds out what holds the ports.
import { SocketError, SyscallError, type ExhaustedBy, type FailureReason, type SyscallContext } from '../errors.js';
import { capacity } from '../kernel/sysctl.js';
import type { EncodedOption } from '../options/access.js';
import { explainSetsockopt } from '../options/set-error.js';
import { effectiveRange, type FailedSearch } from '../ports/evidence.js';
import { WHOLE_RANGE } from '../ports/port-range.js';
import { recentExhaustion } from '../ports/recent.js';
import { REFUSALS, type Refusal, type RefusalRow } from '../reasons/refusals.js';
import { findReason, type ExplainedCall } from '../reasons/table.js';
import type { Asked } from './asked.js';
import { isAny, TESTS } from './conditions.js';
import type { Step } from './recipe.js';
import { fill, localOrAny } from './remedies.js';

/** The reason and the remedy of a failure. */
export interface Explanation {
  readonly reason?: FailureReason | undefined;
  /** One or more sentences, without the last full stop. */
  readonly remedy?: string | undefined;
  /** With 'portRangeExhausted': the failed search. Finding out what holds the ports takes time, see `evidenceOf`. */
  readonly search?: FailedSearch | undefined;
}

/** @param option the option that setsockopt refused */
export function explain(call: ExplainedCall, errno: number, asked: Asked, option?: EncodedOption): Explanation {
  if (option !== undefined) return explainSetsockopt(option.option, errno, option.privilege);
  const row = findReason(call, errno, undefined, (condition) => TESTS[condition](asked, call));
  if (row === undefined) return {};
  const { reason, remedy } = row;
  return {
    reason,
    remedy: remedy && (fill(remedy, asked) || undefined),
    search: reason === 'portRangeExhausted' ? searchOf(call, asked) : undefined,
  };
}

/**
 * The error of a failed call. For an exhausted range it includes evidence, which takes up to 75 ms to gather, so call this
 * only for errors that are returned to the user.
 */
export function callError(call: ExplainedCall, errno: number, asked: Asked, more: ErrorDetails = {}): SyscallError {
  return errorOf(call, errno, asked, more, withEvidence(explain(call, errno, asked, more.option)));
}

/**
 * As callError, for calls that try all ports: an exhausted range is ERR_PORT_RANGE_EXHAUSTED, with the kernel's error as
 * `cause`.
 */
export function outerError(call: ExplainedCall, errno: number, asked: Asked, more: ErrorDetails = {}): Error {
  const explanation = explain(call, errno, asked, more.option);
  const { reason, search } = explanation;
  if (search === undefined) return errorOf(call, errno, asked, more, explanation);
  const { remedy, exhaustedBy } = evidenceOf(search);
  const to = asked.remote === undefined ? '' : ` to ${asked.remote.toString()}`;
  const cause = errorOf(call, errno, asked, more, { reason, exhaustedBy });
  return rangeExhausted(`No local port is free from ${localOrAny(asked)}${to}. ${remedy}.`, cause);
}

/** All ports were tried, from all sources. @param cause the last failure, which says what holds the ports */
export function rangeExhausted(message: string, cause?: Error): SocketError {
  const { exhaustedBy } = (cause ?? {}) as Partial<SyscallError>;
  return new SocketError('ERR_PORT_RANGE_EXHAUSTED', message, {
    ...(cause !== undefined && { cause }),
    ...{ reason: 'portRangeExhausted', exhaustedBy },
  });
}

/**
 * What this package refuses itself, with the call and the errno that it is reported as.
 * @param places values of the remedy's placeholders that are not in `asked`
 */
export function explainRefusal(
  refusal: Refusal,
  asked: Asked,
  places: Readonly<Record<string, string>> = {},
): Explanation & Pick<RefusalRow, 'call' | 'errno'> {
  const { call, errno, reason, remedy } = REFUSALS[refusal];
  return { call, errno, reason, remedy: remedy && fill(remedy, asked, places) };
}

/** The error of a refusal. */
export function refusalError(
  refusal: Refusal,
  asked: Asked,
  places?: Readonly<Record<string, string>>,
  more: ErrorDetails = {},
): SyscallError {
  const { call, errno, ...why } = explainRefusal(refusal, asked, places);
  return errorOf(call, errno, asked, more, why);
}

/** The call of the step that failed in a recipe, as the table has it, and the option that it set. */
export function failedCall(step: Step | undefined): { readonly call: ExplainedCall; readonly option?: EncodedOption } {
  switch (step?.call) {
    case 'setsockopt':
      return { call: 'setsockopt', option: step.option };
    case 'bind':
    case 'connect':
    case 'listen':
      return { call: step.call };
    default:
      return { call: 'socket' };
  }
}

/** Further properties of an error. */
export interface ErrorDetails {
  /** The `syscall` of the error, if Node reports another call than the failed one. */
  readonly syscall?: string | undefined;
  /** The option of setsockopt. */
  readonly option?: EncodedOption | undefined;
  /** The address and port of the error, if they are not those of the call. */
  readonly ends?: { readonly address: string; readonly port: number } | undefined;
  readonly cause?: unknown;
  /** As in SyscallContext. */
  readonly bytesSent?: number | undefined;
}

export function errorOf(
  call: ExplainedCall,
  errno: number,
  asked: Asked,
  { syscall = call, option, ends, cause, bytesSent }: ErrorDetails,
  { reason, remedy, exhaustedBy }: Pick<SyscallContext, 'reason' | 'remedy' | 'exhaustedBy'>,
): SyscallError {
  return new SyscallError(syscall, errno, {
    ...(ends === undefined ? endsOf(call, asked) : { address: ends.address, port: ends.port }),
    option: option?.option,
    mtu: asked.send?.mtu,
    ...{ cause, bytesSent, reason, remedy, exhaustedBy },
  });
}

/** What holds the ports of a failed search, for an error's context. */
export function withEvidence({
  reason,
  remedy,
  search,
}: Explanation): Pick<SyscallContext, 'reason' | 'remedy' | 'exhaustedBy'> {
  if (search === undefined) return { reason, remedy };
  const taken = evidenceOf(search);
  return { reason, remedy: `${remedy ?? ''}. ${taken.remedy}`, exhaustedBy: taken.exhaustedBy };
}

/**
 * What holds the ports of a failed search, and what to do: one sentence without the full stop. Reads the kernel's list of
 * sockets, within a time budget.
 */
export function evidenceOf(search: FailedSearch): {
  readonly remedy: string;
  readonly exhaustedBy?: ExhaustedBy | undefined;
} {
  const found = recentExhaustion(search);
  if (found !== undefined) return { remedy: found.remedy, exhaustedBy: found.by };
  const [lo, hi] = effectiveRange(search.range);
  const count = capacity([lo, hi]);
  if (search.protocol === 'udp') {
    const each = 'each is held by another socket, and a UDP port of an address has one socket: close some, use another';
    return { remedy: `Of the ${counted(count)} of ${String(lo)}-${String(hi)}, ${each} address, or a wider range` };
  }
  const remedy =
    `Of the ${counted(count)} of ${String(lo)}-${String(hi)}, each is taken by a ` +
    'connection or a reservation to that destination, by TIME-WAIT, or by a socket bound to it: use another source ' +
    'address, or a wider range (net.ipv4.ip_local_port_range)';
  return { remedy };
}

function counted(ports: number): string {
  return ports === 1 ? '1 port' : `${String(ports)} ports`;
}

function searchOf(call: ExplainedCall, { protocol = 'tcp', local, remote, range = WHOLE_RANGE }: Asked): FailedSearch {
  const udp = protocol === 'udp';
  return {
    protocol: udp ? 'udp' : 'tcp',
    // bind(2), and UDP in general, needs a port that is free toward all destinations.
    remote: call === 'bind' || call === 'listen' || udp || remote === undefined ? ANYWHERE : remote,
    local: isAny(local) ? undefined : local,
    range,
    search: call === 'bind' || call === 'listen' || udp ? 'bind' : 'connect',
  };
}

/** The addresses of an error. */
function endsOf(call: ExplainedCall, { local, port, remote, send }: Asked): SyscallContext {
  const localPort = port === 0 ? undefined : port;
  switch (call) {
    case 'bind':
    case 'listen':
      return { address: local, port: localPort };
    case 'sendmsg':
      return {
        address: remote?.address,
        port: remote?.port,
        // A socket sends from its own address, unless the datagram has another one.
        ...(send?.hasFrom !== false && { localAddress: local, localPort: local === undefined ? undefined : port }),
      };
    case 'connect':
      return {
        address: remote?.address,
        port: remote?.port,
        localAddress: local,
        localPort: local === undefined ? localPort : port,
      };
    default:
      return {};
  }
}

const ANYWHERE = { address: '', port: 0 };
