// originalDestination: what a client dialled that a firewall rule has brought here. Under TPROXY it is the socket's own
// address; under REDIRECT and DNAT connection tracking remembers it.
import type { Socket } from 'node:net';
import { SocketError, SyscallError } from '../errors.js';
import { TCP_STATES } from '../kernel/tcp-states.js';
import { localEndpoint } from '../options/local-endpoint.js';
import { accessOf, type OptionAccess } from '../options/target.js';
import { NativeSocket } from '../socket/native-socket.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import {
  ENOENT,
  ENOPROTOOPT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  SO_ORIGINAL_DST,
  TCP_INFO,
} from '../kernel/numbers.js';

export interface OriginalDestination {
  /** A literal without zone; an IPv4-mapped address is shown as the IPv4 address that it is. */
  readonly address: string;
  readonly port: number;
  readonly family: Family;
  /**
   * 'redirect': a REDIRECT or DNAT rule has changed it, and connection tracking tells what it was. 'local': nothing has,
   * and it is the socket's own address: TPROXY, AnyIP, or a client that dialled this host itself.
   */
  readonly method: 'redirect' | 'local';
}

/**
 * Where the client of an accepted connection wanted to go: under TPROXY, REDIRECT and DNAT, for IPv4, IPv6 and IPv4 on
 * IPv6 sockets. Ask soon: connection tracking forgets.
 *
 * A proxy that connects there connects to itself when a client dials the proxy: compare it with `server.address()` first
 * (docs/listen.md).
 * @param socket accepted: a net.Socket, a tls.TLSSocket or a NativeSocket
 * @throws ERR_INVALID_ARG_TYPE; ERR_INVALID_STATE for a socket that is not connected; SyscallError (EBADF)
 */
export function originalDestination(socket: Socket | NativeSocket): OriginalDestination {
  const access = accessOf(socket);
  requireConnected(access);
  const local = localOf(access);
  const tracked = trackedDestination(access, local);
  if (tracked === undefined || same(tracked, local) || isPeer(socket, tracked)) return result(local, 'local');
  return result(tracked, 'redirect');
}

function requireConnected(access: OptionAccess): void {
  const length = access.getsockopt(IPPROTO_TCP, TCP_INFO, state);
  if (length < 0) throw new SyscallError('getsockopt', length, { option: 'TCP_INFO' });
  const name = TCP_STATES[state[0] ?? 0];
  // A connection that was reset since still has its addresses.
  if (name !== 'LISTEN' && name !== 'SYN_SENT') return;
  throw new SocketError('ERR_INVALID_STATE', `The socket is no accepted connection (${name}).`);
}

function localOf(access: OptionAccess): Endpoint {
  const local = localEndpoint(access);
  if (local.port !== 0) return local;
  throw new SocketError('ERR_INVALID_STATE', 'The socket is no accepted connection: it has no address.');
}

/** SO_ORIGINAL_DST; undefined without connection tracking, or where it knows nothing of the connection. */
function trackedDestination(access: OptionAccess, local: Endpoint): Endpoint | undefined {
  const v6 = local.family === 'ipv6'; // a mapped connection is one of IPv4
  const into = v6 ? address : address.subarray(0, 16);
  const length = access.getsockopt(v6 ? IPPROTO_IPV6 : IPPROTO_IP, SO_ORIGINAL_DST, into);
  if (length === ENOENT || length === ENOPROTOOPT) return undefined;
  if (length < 0) throw new SyscallError('getsockopt', length, { option: 'SO_ORIGINAL_DST' });
  return Endpoint.decode(into, length);
}

/** Of a connection that this side has made, the destination is the peer: nobody dialled us. */
function isPeer(socket: Socket | NativeSocket, tracked: Endpoint): boolean {
  if (socket instanceof NativeSocket) return socket.remote !== undefined && same(tracked, socket.remote);
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return false;
  return same(tracked, Endpoint.from({ address: remoteAddress, port: remotePort }));
}

function same(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && withoutZone(a) === withoutZone(b);
}

function withoutZone({ address }: Endpoint): string {
  return address.split('%', 1)[0] ?? address;
}

function result(endpoint: Endpoint, method: OriginalDestination['method']): OriginalDestination {
  return { address: withoutZone(endpoint), port: endpoint.port, family: endpoint.family, method };
}

const address = new Uint8Array(SOCKADDR_SIZE);
const state = new Uint8Array(1);
