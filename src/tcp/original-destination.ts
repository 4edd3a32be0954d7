// originalDestination: the address that a redirected client connected to. With TPROXY it is the socket's local address;
// with REDIRECT and DNAT it is read from connection tracking.
import type { Socket } from 'node:net';
import { SocketError, SyscallError } from '../errors.js';
import { TCP_STATES } from '../kernel/tcp-states.js';
import { localEndpoint } from '../options/local-endpoint.js';
import { accessOf, type OptionAccess } from '../options/target.js';
import { NativeSocket } from '../socket/native-socket.js';
import { withoutZone } from '../wire/address.js';
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
  /** An IP address without a zone; an IPv4-mapped address is shown as IPv4. */
  readonly address: string;
  readonly port: number;
  readonly family: Family;
  /**
   * 'redirect': a REDIRECT or DNAT rule changed the destination, and this is the one from connection tracking. 'local': it
   * was not changed, and this is the socket's local address: TPROXY, AnyIP, or a client that connected to this host
   * directly.
   */
  readonly method: 'redirect' | 'local';
}

/**
 * The address that the client of an accepted connection connected to, with TPROXY, REDIRECT and DNAT, for IPv4, IPv6 and
 * IPv4 on IPv6 sockets. Call it soon after accepting: connection tracking entries expire.
 *
 * If a client connects to the proxy directly, this is the proxy itself: compare it with `server.address()` first to avoid a
 * loop (docs/listen.md).
 * @param socket an accepted net.Socket, tls.TLSSocket or NativeSocket
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
  // A connection that has since been reset still has its addresses.
  if (name !== 'LISTEN' && name !== 'SYN_SENT') return;
  throw new SocketError('ERR_INVALID_STATE', `The socket is not an accepted connection (${name}).`);
}

function localOf(access: OptionAccess): Endpoint {
  const local = localEndpoint(access);
  if (local.port !== 0) return local;
  throw new SocketError('ERR_INVALID_STATE', 'The socket is not an accepted connection: it has no address.');
}

/** SO_ORIGINAL_DST; undefined without connection tracking, or if it has no entry for the connection. */
function trackedDestination(access: OptionAccess, local: Endpoint): Endpoint | undefined {
  const v6 = local.family === 'ipv6'; // a mapped connection is an IPv4 one
  const into = v6 ? address : address.subarray(0, 16);
  const length = access.getsockopt(v6 ? IPPROTO_IPV6 : IPPROTO_IP, SO_ORIGINAL_DST, into);
  if (length === ENOENT || length === ENOPROTOOPT) return undefined;
  if (length < 0) throw new SyscallError('getsockopt', length, { option: 'SO_ORIGINAL_DST' });
  return Endpoint.decode(into, length);
}

/** The destination of an outgoing connection is the peer, so nothing was redirected. */
function isPeer(socket: Socket | NativeSocket, tracked: Endpoint): boolean {
  if (socket instanceof NativeSocket) return socket.remote !== undefined && same(tracked, socket.remote);
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return false;
  return same(tracked, Endpoint.from({ address: remoteAddress, port: remotePort }));
}

function same(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && withoutZone(a.address) === withoutZone(b.address);
}

function result(endpoint: Endpoint, method: OriginalDestination['method']): OriginalDestination {
  return { address: withoutZone(endpoint.address), port: endpoint.port, family: endpoint.family, method };
}

const address = new Uint8Array(SOCKADDR_SIZE);
const state = new Uint8Array(1);
