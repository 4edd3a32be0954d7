// The local address of a socket, getsockname(2).
import { check, SocketError } from '../errors.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_IP } from '../kernel/numbers.js';
import type { PortRange } from '../kernel/sysctl.js';
import { IP_OPTIONS } from './ip-options.js';
import { unpackRange } from './kinds/numbers.js';
import type { OptionAccess } from './target.js';

/** The port is 0 while none is assigned. @throws SyscallError (EBADF); ERR_UNSUPPORTED for a socket without an IP address */
export function localEndpoint(access: Pick<OptionAccess, 'getsockname'>): Endpoint {
  const length = check('getsockname', access.getsockname(scratchAddress));
  const endpoint = Endpoint.decode(scratchAddress, length);
  if (endpoint === undefined) throw new SocketError('ERR_UNSUPPORTED', 'The socket has no IP address.');
  return endpoint;
}

/** The same, undefined where it cannot be read. */
export function localEnd(access: Pick<OptionAccess, 'getsockname'>): Endpoint | undefined {
  const length = access.getsockname(scratchAddress);
  return length < 0 ? undefined : Endpoint.decode(scratchAddress, length);
}

/** IP_LOCAL_PORT_RANGE, if the socket has one. */
export function rangeOf(access: Pick<OptionAccess, 'getsockopt'>): PortRange | undefined {
  return unpackRange(intOption(access, IPPROTO_IP, IP_OPTIONS.IP_LOCAL_PORT_RANGE.name) ?? 0);
}

/** Whether a local port is assigned: some options then come too late. */
export function portAssigned(access: Pick<OptionAccess, 'getsockname'>): boolean {
  return (localEnd(access)?.port ?? 0) !== 0;
}

const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
