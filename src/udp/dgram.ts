// From here to node:dgram: a descriptor that this package has made becomes a dgram.Socket, which owns it from then on.
import type { Socket } from 'node:dgram';
import { integer, invalidType } from '../arguments.js';
import type { Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { intOption } from '../kernel/int-option.js';
import { IP_MTU, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_MTU, UDP_GRO } from '../kernel/numbers.js';
import { requireDgram, toDgramSocket } from '../node/dgram.js';
import { encodeOption } from '../options/access.js';
import { portAssigned } from '../options/local-endpoint.js';
import { accessOf, type OptionAccess } from '../options/target.js';
import { NativeSocket } from '../socket/native-socket.js';
import { udpFamily } from './descriptor.js';
import { handOver } from './internal.js';
import { UdpSocket } from './socket.js';

/**
 * Makes a dgram.Socket of a UdpSocket, which is closed by this ('close' included): for libraries that take nothing else. The
 * options that are set on the descriptor stay; what waits in the kernel's receive buffer is a 'message' of the dgram.Socket.
 *
 * A socket that is not bound is bound to all addresses first. The dgram.Socket is bound when this returns, and 'listening' has
 * been emitted already: do now what you would do on 'listening'. libuv sets SO_REUSEADDR on every descriptor that it is given,
 * so that others could take the port; that is undone.
 * @throws ERR_UNSUPPORTED with `gro` (dgram would show merged datagrams as one) and on a runtime whose dgram takes no
 * descriptor; ERR_INVALID_STATE when it is closed or connected, while sends of it are queued, or messages were read and are not
 * delivered; SyscallError of bind; what dgram throws, and then the socket is closed
 */
export function toDgram(udp: UdpSocket): Socket {
  if (!(udp instanceof UdpSocket)) throw invalidType('udp', 'a UdpSocket', udp);
  requireDgram();
  if (udp.closed) throw new SocketError('ERR_INVALID_STATE', 'The socket is closed.');
  const found = inspectSocket(udp, udp.fd, udp.remote !== undefined);
  if (!portAssigned(found.access)) udp.bind();
  return udp[handOver]((handle) => give(handle, found));
}

/**
 * Makes a dgram.Socket of a UDP socket that is bound: a NativeSocket, or a descriptor, which the dgram.Socket then owns. As
 * `toDgram`; when this throws, it is still the caller's.
 * @throws ERR_UNSUPPORTED with UDP_GRO, for what is not a UDP socket, and on a runtime whose dgram takes no descriptor;
 * ERR_INVALID_STATE when it is connected or not bound; ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; SyscallError (EBADF); what dgram throws
 */
export function adoptDgram(target: NativeSocket | number): Socket {
  const native = target instanceof NativeSocket ? target : undefined;
  if (native === undefined && typeof target !== 'number') {
    throw invalidType('target', 'a NativeSocket or a descriptor', target);
  }
  requireDgram();
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

/** What the socket is, once it is clear that dgram can use it. */
function inspectSocket(target: UdpSocket | NativeSocket | number, fd: number, connected: boolean): Found {
  const access = accessOf(target);
  const family = udpFamily(access);
  if (family === undefined) {
    throw new SocketError('ERR_UNSUPPORTED', `Descriptor ${fd} is not a UDP socket; dgram has no other kind.`);
  }
  if ((intOption(access, IPPROTO_UDP, UDP_GRO) ?? 0) > 0) {
    throw new SocketError(
      'ERR_UNSUPPORTED',
      'The socket receives datagrams merged (UDP_GRO), and dgram would show them as one. Create it without gro.',
    );
  }
  // The kernel knows a path MTU for connected sockets only.
  const mtu = intOption(access, IPPROTO_IP, IP_MTU) ?? intOption(access, IPPROTO_IPV6, IPV6_MTU) ?? 0;
  if (connected || mtu > 0) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The socket is connected, and dgram would not know: disconnect it, and call connect() of the dgram.Socket.',
    );
  }
  return { access, type: family === 'ipv4' ? 'udp4' : 'udp6' };
}

/** The descriptor changes its owner at the end: when this throws, it stays where it was. */
function give(from: Pick<Handle, 'fd' | 'detach'>, { access, type }: Found): Socket {
  const socket = toDgramSocket(from.fd(), type, access);
  // dgram does not read the error queue, and every poll would return at once.
  for (const name of ['IP_RECVERR', 'IPV6_RECVERR'] as const) {
    const option = encodeOption(name, false);
    access.setsockopt(option.level, option.name, option.value);
  }
  from.detach();
  return socket;
}
