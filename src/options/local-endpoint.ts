// The local address of a socket, getsockname(2).
import { check, SocketError } from '../errors.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_IP } from '../kernel/numbers.js';
import type { PortRange } from '../kernel/sysctl.js';
import { IP_OPTIONS } from './ip-options.js';
import type { OptionAccess } from './target.js';

/** The port is 0 while none is assigned. @throws SyscallError (EBADF); ERR_UNSUPPORTED for a socket without an IP address */
export function localEndpoint(access: Pick<OptionAccess, 'getsockname'>): Endpoint {
  const length = check('getsockname', access.getsockname(scratchAddress));
  const endpoint = Endpoint.decode(scratchAddress, length);
  if (endpoint === undefined) throw new SocketError('ERR_UNSUPPORTED', 'The socket has no IP address.');
  return endpoint;
}

/** The local end of a socket as errors report it. */
export interface LocalContext {
  readonly local: string | undefined;
  readonly port: number;
  /** IP_LOCAL_PORT_RANGE, where the socket has one. */
  readonly range: PortRange | undefined;
}

/** The local address and port as an error's context has them; port 0 and no address where they cannot be read. */
export function localContext(access: Pick<OptionAccess, 'getsockname' | 'getsockopt'>): LocalContext {
  const length = access.getsockname(scratchAddress);
  const endpoint = length < 0 ? undefined : Endpoint.decode(scratchAddress, length);
  return { local: endpoint?.address, port: endpoint?.port ?? 0, range: rangeOf(access) };
}

function rangeOf(access: Pick<OptionAccess, 'getsockopt'>): PortRange | undefined {
  const { name } = IP_OPTIONS.IP_LOCAL_PORT_RANGE;
  const value = intOption(access, IPPROTO_IP, name) ?? 0;
  return value === 0 ? undefined : [value & 0xffff || 1, value >>> 16 || 65535];
}

/** Whether a local port is assigned: some options then come too late. */
export function portAssigned(access: Pick<OptionAccess, 'getsockname'>): boolean {
  const length = access.getsockname(scratchAddress);
  return length >= 4 && (Endpoint.decode(scratchAddress, length)?.port ?? 0) !== 0;
}

const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
