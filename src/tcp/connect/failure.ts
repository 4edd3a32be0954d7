// Why an attempt failed, from the system call that said no to the error that the caller sees.
import { SyscallError, type SyscallContext } from '../../errors.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import {
  addressNotLocal,
  hasSource,
  localRoute,
  lowPort,
  NO_SOURCE,
  NOT_UNICAST,
  portsTaken,
  routeRemedy,
  type Explanation,
} from '../../source/remedies.js';
import type { FailedSearch } from '../../ports/evidence.js';
import type { Source } from '../../source/source.js';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, EMFILE, ENETUNREACH, ENODEV } from '../../kernel/numbers.js';

/** What a system call said. Node is given the errno, makes an error of it, and that one is explained. */
export interface Failure {
  readonly errno: number;
  readonly error: Error;
  /** What the error's message ends with. */
  readonly remedy: string | undefined;
  /** The search that found no port: when somebody is told of it, the kernel is asked what holds the ports. */
  readonly search?: FailedSearch;
  /** No port is free: another source, or a wait, may help. */
  readonly exhausted: boolean;
  /** Not another candidate after this: connect(2) has been called. */
  readonly final: boolean;
}

/** An error that says all by itself. */
export function failure(errno: number, error: Error, exhausted = false): Failure {
  return { errno, error, remedy: undefined, exhausted, final: false };
}

export function refused(syscall: string, errno: number, context: SyscallContext, exhausted = false): Failure {
  return {
    errno,
    error: new SyscallError(syscall, errno, context),
    remedy: context.remedy,
    exhausted,
    final: false,
  };
}

export function socketFailure(errno: number, source: Source): Failure {
  return refused('socket', errno, {
    localAddress: source.address,
    localPort: source.port,
    remedy: errno === EMFILE ? 'Each connection takes a descriptor: raise `ulimit -n`' : undefined,
  });
}

export function bindFailure(errno: number, address: string, family: Family, source: Source): Failure {
  const exhausted = errno === EADDRINUSE && source.port === 0;
  const explanation = explainBind(errno, address, family, source);
  const failed = refused('bind', errno, { address, port: portOf(source), ...explanation }, exhausted);
  if (!exhausted) return failed;
  return ofSearch(failed, { remote: ANYWHERE, local: source.address, range: source.range, search: 'bind' });
}

/** A socket that is bound to it would leave from another address. */
export function notUnicastFailure(address: string, source: Source): Failure {
  return refused('bind', EADDRNOTAVAIL, { address, port: portOf(source), ...NOT_UNICAST });
}

function explainBind(errno: number, address: string, family: Family, source: Source): Explanation {
  switch (errno) {
    case EADDRINUSE:
      return source.port === 0 ? rangeExhausted(source) : PORT_IN_USE;
    case EADDRNOTAVAIL:
      return addressNotLocal(address, family, 'connect');
    case EACCES:
      return lowPort();
    case ENODEV:
      return {
        reason: 'noDevice',
        remedy: "This network namespace has no interface of the zone's name: see `ip link`",
      };
    default:
      return {};
  }
}

/** `localAddress` or a candidate is of one family, the destination of the other: Node says EINVAL of bind, and so do we. */
export function familyFailure(address: string, family: Family, source: Source): Failure {
  const [wanted, its] = family === 'ipv6' ? ['IPv6', 'IPv4'] : ['IPv4', 'IPv6'];
  return refused('bind', EINVAL, {
    address,
    port: portOf(source),
    reason: 'familyMismatch',
    remedy:
      `The destination is ${wanted}, and this source ${its}: give a source of its family, or ` +
      `\`family: ${its === 'IPv4' ? '4' : '6'}\` to look up the other`,
  });
}

/** connect() once more on a socket that was made for one source: another one must not be taken in silence. */
export function otherSourceFailure(address: string, port: number): Failure {
  return refused('bind', EINVAL, {
    address,
    port: port === 0 ? undefined : port,
    reason: 'otherSource',
    remedy: 'This socket was made to leave from another source, and keeps it: make a new one with connect()',
  });
}

export function connectFailure(errno: number, address: string, port: number, source: Source): Failure {
  const exhausted = errno === EADDRNOTAVAIL && !(source.address === undefined && !knowsSource(address, port));
  const failed = refused(
    'connect',
    errno,
    {
      address,
      port,
      localAddress: source.address,
      localPort: source.address === undefined ? undefined : source.port,
      ...explainConnect(errno, address, port, source, exhausted),
    },
    exhausted,
  );
  if (!exhausted || source.port !== 0) return failed;
  return ofSearch(failed, { remote: { address, port }, local: source.address, range: source.range });
}

function explainConnect(errno: number, address: string, port: number, source: Source, exhausted: boolean): Explanation {
  if (exhausted) return source.port === 0 ? rangeExhausted(source) : TUPLE_IN_USE;
  if (errno === EADDRNOTAVAIL) return NO_SOURCE;
  if (errno === ENETUNREACH && source.freebind && !source.transparent && isIPv4(source.address)) {
    return {
      reason: 'sourceNotLocal',
      remedy:
        'There is no route, or the source is not local: IPv4 sends from such an address only with transparent: true ' +
        `(CAP_NET_ADMIN or CAP_NET_RAW), or when it is routed here (\`${localRoute(source.address, 'ipv4')}\`)`,
    };
  }
  const remote = endpointOf(address, port);
  return remote === undefined ? {} : (routeRemedy(errno, remote) ?? {});
}

/** The kernel has connected from elsewhere than was asked; the descriptor is closed before anybody sees it. */
export function elsewhereFailure(address: string, port: number, local: Endpoint | undefined, source: Source): Failure {
  const from = local?.toString() ?? 'an address that cannot be read';
  const wanted = source.rangeWanted ? `port ${source.range.join('-')}` : `port ${String(source.port)}`;
  const told = refused('connect', EADDRNOTAVAIL, {
    address,
    port,
    localAddress: source.address,
    localPort: source.port,
    reason: 'otherSource',
    remedy:
      `The kernel took ${from} instead of ${source.address ?? 'any address'}, ${wanted}, so the socket is closed. ` +
      'Is the range inside net.ipv4.ip_local_port_range? A bound outside it is passed over in silence',
  });
  return { ...told, final: true };
}

function portOf(source: Source): number | undefined {
  return source.port === 0 ? undefined : source.port;
}

function rangeExhausted(source: Source): Explanation {
  return { reason: 'portRangeExhausted', remedy: `No local port is free from ${source.address ?? 'any address'}` };
}

/** What the error of a failure says beyond Node's. Asking for the evidence takes time: for an error that somebody gets. */
export function explanationOf({ remedy, search }: Failure): Explanation {
  if (search === undefined) return remedy === undefined ? {} : { remedy };
  const taken = portsTaken(search);
  return { ...taken, remedy: `${remedy ?? ''}. ${taken.remedy}` };
}

/** The search that an error tells of, so that whoever has only the error, as a pool has, can be told more. */
export function searchOf(error: object): FailedSearch | undefined {
  return searches.get(error);
}

function ofSearch(failed: Failure, search: FailedSearch): Failure {
  searches.set(failed.error, search);
  return { ...failed, search };
}

function knowsSource(address: string, port: number): boolean {
  const remote = endpointOf(address, port);
  return remote === undefined || hasSource(remote);
}

function endpointOf(address: string, port: number): Endpoint | undefined {
  try {
    return Endpoint.from({ address, port });
  } catch {
    return undefined;
  }
}

function isIPv4(address: string | undefined): address is string {
  return address?.includes(':') === false;
}

const searches = new WeakMap<object, FailedSearch>();
const PORT_IN_USE: Explanation = {
  reason: 'portInUse',
  remedy: 'Another socket holds the port: leave it to the kernel (no localPort), or share it (localPortRange)',
};
const TUPLE_IN_USE: Explanation = {
  reason: 'portInUse',
  remedy: 'Another connection to there has this port, or TIME-WAIT holds it: leave it to the kernel (no localPort)',
};
/** bind(2) looks for a port that is free toward all. */
const ANYWHERE = { address: '', port: 0 };
