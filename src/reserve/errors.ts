// What a failed reservation means and what to do about it: the kernel's errno, turned into an error that says so.
import { SocketError, SyscallError } from '../errors.js';
import type { PortRange } from '../kernel/sysctl.js';
import { isUnicast } from '../kernel/unicast.js';
import type { Endpoint } from '../wire/endpoint.js';
import { isWildcard } from '../wire/wildcard.js';
import {
  addressNotLocal,
  hasSource,
  lowPort,
  NO_SOURCE,
  NOT_UNICAST,
  portsTaken,
  routeRemedy,
  type Explanation,
} from '../source/remedies.js';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, EMFILE, ENETUNREACH } from '../kernel/numbers.js';

/** What of a plan the explanations need. */
interface Wanted {
  readonly remote: Endpoint;
  readonly bind: Endpoint | undefined;
  readonly range: PortRange;
  readonly rangeWanted: boolean;
  readonly shareLocalPort: boolean;
  readonly freebind: boolean;
  readonly transparent: boolean;
}

export function explainSocket(errno: number): SyscallError {
  return new SyscallError('socket', errno, {
    remedy: errno === EMFILE ? 'Each reservation takes a descriptor: raise `ulimit -n`' : undefined,
  });
}

export function explainBind(errno: number, bind: Endpoint, wanted: Wanted): Error {
  const error = (explanation: Explanation = {}): SyscallError =>
    new SyscallError('bind', errno, { address: bind.address, port: bind.port, ...explanation });
  if (errno === EADDRINUSE && bind.port === 0) return exhausted(wanted, error, 'bind');
  if (errno === EADDRINUSE)
    return error({
      reason: 'portInUse',
      remedy: 'Another socket holds the port, and this one was to have it alone',
    });
  if (errno === EINVAL && !isUnicast(bind.address)) return notUnicast(bind);
  if (errno === EADDRNOTAVAIL) return error(addressNotLocal(bind.address, bind.family, 'reserve'));
  if (errno === EACCES) return error(lowPort());
  return error();
}

/** The kernel took the address and would send from another one; or IPv6, which says so. */
export function notUnicast({ address, port }: Endpoint): SyscallError {
  return new SyscallError('bind', EADDRNOTAVAIL, { address, port, ...NOT_UNICAST });
}

export function explainConnect(errno: number, wanted: Wanted): Error {
  const { remote, bind } = wanted;
  const error = (explanation: Explanation = {}): SyscallError =>
    new SyscallError('connect', errno, {
      address: remote.address,
      port: remote.port,
      localAddress: bind?.address,
      localPort: bind?.port,
      ...explanation,
    });
  if (errno === EADDRNOTAVAIL) {
    if (bind === undefined && !hasSource(remote)) return error(NO_SOURCE);
    // A port that is not shared was bound already: then it is the 4-tuple that somebody has.
    return wanted.shareLocalPort
      ? exhausted(wanted, error, 'connect')
      : error({ reason: 'portInUse', remedy: 'Another socket has this 4-tuple' });
  }
  if (errno === ENETUNREACH && bind?.family === 'ipv4' && wanted.freebind && !wanted.transparent) {
    return error({
      reason: 'noRoute',
      remedy:
        'There is no route, or the source is not local: IPv4 sends from such an address only with transparent: true',
    });
  }
  return error(routeRemedy(errno, remote));
}

function exhausted(
  { remote, bind, range }: Wanted,
  causeWith: (explanation: Explanation) => SyscallError,
  search: 'bind' | 'connect',
): SocketError {
  const local = bind === undefined || isWildcard(bind) ? undefined : bind.address;
  const { remedy, exhaustedBy } = portsTaken({ remote, local, range, search });
  return new SocketError(
    'ERR_PORT_RANGE_EXHAUSTED',
    `No local port is free from ${local ?? 'any address'} to ${remote.toString()}. ${remedy}.`,
    { cause: causeWith({ reason: 'portRangeExhausted', exhaustedBy }), exhaustedBy },
  );
}
