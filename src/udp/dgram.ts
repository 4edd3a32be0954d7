// toDgram and adoptDgram: turn a UDP descriptor into a dgram.Socket, which then owns it.
import type { Socket } from 'node:dgram';
import { integer, invalidType } from '../arguments.js';
import type { Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_UDP, UDP_GRO } from '../kernel/numbers.js';
import { toDgramSocket } from '../node/dgram.js';
import { requireNode } from '../node/runtime.js';
import { encodeOption } from '../options/access.js';
import { bothFamilies } from '../options/by-family.js';
import { portAssigned } from '../options/local-endpoint.js';
import { accessOf, type OptionAccess } from '../options/target.js';
import { NativeSocket } from '../socket/native-socket.js';
import { udpFamily } from './descriptor.js';
import { handOver } from './internal.js';
import { pathMtu } from './path-mtu.js';
import { UdpSocket } from './socket.js';

/**
 * Turns a UdpSocket into a dgram.Socket, for libraries that accept nothing else. The UdpSocket is closed and emits 'close'.
 * The options of the descriptor are kept; datagrams in the kernel's receive buffer become 'message' events of the
 * dgram.Socket.
 *
 * An unbound socket is first bound to all addresses. When this returns, the dgram.Socket is bound and has already emitted
 * 'listening': do now what you would do on 'listening'. libuv sets SO_REUSEADDR on every descriptor it is given, which
 * would let other sockets take the port; this is undone.
 * @throws ERR_UNSUPPORTED with `gro` (dgram would show merged datagrams as one) and on a runtime whose dgram does not
 * accept a descriptor; ERR_INVALID_STATE if the socket is closed or connected, while sends are queued, or while messages
 * have been read but not delivered; SyscallError of bind; what dgram throws, and then the socket is closed
 */
export function toDgram(udp: UdpSocket): Socket {
  if (!(udp instanceof UdpSocket)) throw invalidType('udp', 'a UdpSocket', udp);
  requireNode();
  if (udp.closed) throw new SocketError('ERR_INVALID_STATE', 'The socket is closed.');
  const found = inspectSocket(udp, udp.fd, udp.remote !== undefined);
  if (!portAssigned(found.access)) udp.bind();
  return udp[handOver]((handle) => give(handle, found));
}

/**
 * Turns a bound UDP socket, given as a NativeSocket or a descriptor, into a dgram.Socket, which then owns the descriptor.
 * Otherwise as `toDgram`. If this throws, the caller still owns the descriptor.
 * @throws ERR_UNSUPPORTED with UDP_GRO, for anything but a UDP socket, and on a runtime whose dgram does not accept a
 * descriptor; ERR_INVALID_STATE if it is connected or not bound; ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; SyscallError
 * (EBADF); what dgram throws
 */
export function adoptDgram(target: NativeSocket | number): Socket {
  const native = target instanceof NativeSocket ? target : undefined;
  if (native === undefined && typeof target !== 'number') {
    throw invalidType('target', 'a NativeSocket or a descriptor', target);
  }
  requireNode();
  const fd = native === undefined ? integer('target', target, 0, 2 ** 31 - 1) : native.fd;
  const found = inspectSocket(target, fd, native?.remote !== undefined);
  if (!portAssigned(found.access)) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The socket is not bound, and dgram would assume that it is: bind it first.',
    );
  }
  return give({ fd: () => fd, detach: () => native?.detach() ?? fd }, found);
}

interface Found {
  readonly access: OptionAccess;
  readonly type: 'udp4' | 'udp6';
}

/** A socket that has been checked to be usable by dgram. */
function inspectSocket(target: UdpSocket | NativeSocket | number, fd: number, connected: boolean): Found {
  const access = accessOf(target);
  const family = udpFamily(access);
  if (family === undefined) {
    throw new SocketError('ERR_UNSUPPORTED', `Descriptor ${fd} is not a UDP socket; dgram supports only UDP.`);
  }
  if ((intOption(access, IPPROTO_UDP, UDP_GRO) ?? 0) > 0) {
    throw new SocketError(
      'ERR_UNSUPPORTED',
      'The socket receives datagrams merged (UDP_GRO), and dgram would show them as one. Create it without gro.',
    );
  }
  // The kernel reports a path MTU for connected sockets only.
  const mtu = pathMtu(access, true) ?? pathMtu(access, false) ?? 0;
  if (connected || mtu > 0) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The socket is connected, and dgram would not know: disconnect it first, then call connect() on the dgram.Socket.',
    );
  }
  return { access, type: family === 'ipv4' ? 'udp4' : 'udp6' };
}

/** The descriptor is detached last: if this throws, its owner stays the same. */
function give(from: Pick<Handle, 'fd' | 'detach'>, { access, type }: Found): Socket {
  const socket = toDgramSocket(from.fd(), type, access);
  // dgram does not read the error queue, so every poll would return at once.
  for (const name of bothFamilies('RECVERR')) {
    const option = encodeOption(name, false);
    access.setsockopt(option.level, option.name, option.value);
  }
  from.detach();
  return socket;
}
