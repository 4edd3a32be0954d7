// Why an attempt failed: the errno for Node, and the error that the caller gets.
import { SyscallError, type SyscallContext } from '../../errors.js';
import { EADDRNOTAVAIL, EBADF, EINVAL } from '../../kernel/numbers.js';
import type { EncodedOption } from '../../options/access.js';
import type { FailedSearch } from '../../ports/evidence.js';
import type { ExplainedCall, FailureReason } from '../../reasons.js';
import { errorOf, explain, type Asked } from '../../source/explain.js';
import type { Source } from '../../source/source.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';

/** What a system call said. Node is given the errno, makes an error of it, and that one is explained. */
export interface Failure {
  readonly errno: number;
  readonly error: Error;
  /** What the error's message ends with. */
  readonly remedy?: string | undefined;
  /** The search that found no port: when somebody gets the error, the kernel is asked what holds the ports. */
  readonly search?: FailedSearch | undefined;
  /** No port is free: another source, or a wait, may help. */
  readonly exhausted: boolean;
  /** Not another candidate after this: connect(2) has been called. */
  readonly final: boolean;
}

/** A failed call, explained by the table. */
export function callFailure(call: ExplainedCall, errno: number, asked: Asked, option?: EncodedOption): Failure {
  const { reason, remedy, search } = explain(call, errno, asked, option);
  const error = errorOf(call, errno, asked, { option }, { reason, remedy });
  if (search !== undefined) searches.set(error, search);
  // A port in TIME-WAIT, or one that a connection to there has, becomes free as those of a range do.
  const exhausted = search !== undefined || (call === 'connect' && errno === EADDRNOTAVAIL && reason === 'portInUse');
  return { errno, error, remedy, search, exhausted, final: false };
}

/** An error that says all by itself. */
export function failureOf(errno: number, error: Error, exhausted = false): Failure {
  return { errno, error, exhausted, final: false };
}

/** The socket was destroyed in the middle of the attempt: nobody is notified of it. */
export function abandoned(): Failure {
  return refusal('open', EBADF, {});
}

/** `localAddress` or a candidate is of one family, the destination of the other: Node says EINVAL of bind, and so do we. */
export function familyFailure(address: string, family: Family, source: Source): Failure {
  const [wanted, its] = family === 'ipv6' ? ['IPv6', 'IPv4'] : ['IPv4', 'IPv6'];
  return refusal('bind', EINVAL, {
    address,
    port: source.port === 0 ? undefined : source.port,
    reason: 'familyMismatch',
    remedy:
      `The destination is ${wanted}, and this source ${its}: use a source of its family, or ` +
      `\`family: ${its === 'IPv4' ? '4' : '6'}\` to look up the other`,
  });
}

/** connect() once more on a socket that was made for one source: another one must not be taken silently. */
export function otherSourceFailure(address: string, port: number): Failure {
  return refusal('bind', EINVAL, {
    address,
    port: port === 0 ? undefined : port,
    reason: 'otherSource',
    remedy: 'This socket was made to leave from another source, and keeps it: make a new one with connect()',
  });
}

/** The kernel has connected from elsewhere than was asked; the descriptor is closed before anybody sees it. */
export function elsewhereFailure(remote: Remote, local: Endpoint | undefined, source: Source): Failure {
  const from = local?.toString() ?? 'an address that cannot be read';
  const wanted = source.rangeWanted ? `port ${source.range.join('-')}` : `port ${String(source.port)}`;
  const failure = refusal('connect', EADDRNOTAVAIL, {
    ...remote,
    localAddress: source.address,
    localPort: source.port,
    reason: 'otherSource',
    remedy:
      `The kernel took ${from} instead of ${source.address ?? 'any address'}, ${wanted}, so the socket is closed. ` +
      'Is the range inside net.ipv4.ip_local_port_range? The kernel silently ignores a bound outside it',
  });
  return { ...failure, final: true };
}

/** Where an attempt goes. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

/** As the table of reasons has it for others: these are not the kernel's. */
function refusal(syscall: string, errno: number, context: SyscallContext & { reason?: FailureReason }): Failure {
  return {
    errno,
    error: new SyscallError(syscall, errno, context),
    remedy: context.remedy,
    exhausted: false,
    final: false,
  };
}

/** The search that an error is about, so that whoever has only the error, as a pool has, can be told more. */
export function searchBehind(error: object): FailedSearch | undefined {
  return searches.get(error);
}

/** An Endpoint for the explanation; undefined for what is not an address. */
export function endpointOrNone({ address, port }: Remote): Endpoint | undefined {
  try {
    return Endpoint.from({ address, port });
  } catch {
    return undefined;
  }
}

const searches = new WeakMap<object, FailedSearch>();
