// From here to node:dgram: a descriptor that this package has made becomes a dgram.Socket, which owns it from then on.
import { createSocket, type Socket } from 'node:dgram';
import { integer, invalidType } from '../arguments.js';
import { isSupported, type Handle } from '../binding.js';
import { check, SocketError } from '../errors.js';
import { descriptorOf } from '../node/descriptor.js';
import { portAssigned } from '../options/local-endpoint.js';
import { accessOf, type OptionAccess } from '../options/target.js';
import { NativeSocket } from '../socket/native-socket.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { handOver, UdpSocket } from './socket.js';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_MTU,
  IP_MTU,
  SOCK_DGRAM,
  SOL_SOCKET,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_REUSEADDR,
  SO_TYPE,
  UDP_GRO,
} from '../kernel/numbers.js';

/**
 * Makes a dgram.Socket of a UdpSocket, which is closed by it ('close' included): for libraries that take nothing else. What
 * the socket has been set to stays; what waits in the kernel's receive buffer is a 'message' of the dgram.Socket.
 *
 * One that is not bound is bound to all addresses first. It is bound when this returns, and 'listening' was emitted before: call what you would do on 'listening'. libuv sets
 * SO_REUSEADDR on every descriptor that it is given, and others could then take the port; that is undone.
 * @throws ERR_UNSUPPORTED with `gro` (dgram would show merged datagrams as one) and on a runtime whose dgram takes no
 * descriptor; ERR_INVALID_STATE when it is closed or connected, when sends of it wait, or messages that were read; SyscallError
 * of bind; what dgram throws, and then the socket is closed
 */
export function toDgram(udp: UdpSocket): Socket {
  if (!(udp instanceof UdpSocket)) throw invalidType('udp', 'a UdpSocket', udp);
  requireDgram();
  if (udp.closed) throw new SocketError('ERR_INVALID_STATE', 'The socket is closed.');
  const found = inspectSocket(udp, udp.fd, udp.remote !== undefined);
  if (udp.queuedBytes > 0) {
    throw new SocketError('ERR_INVALID_STATE', 'Sends of this socket still wait: await them, or writable(), first.');
  }
  if (!portAssigned(found.access)) udp.bind();
  return handOver(udp, (handle) => give(handle, found));
}

/**
 * Makes a dgram.Socket of a UDP socket that is bound: a NativeSocket, or a descriptor, which the dgram.Socket then owns. As
 * `toDgram`; when this throws, it still is the caller's.
 * @throws ERR_UNSUPPORTED with UDP_GRO, for what is no UDP socket, and on a runtime whose dgram takes no descriptor;
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
      'The socket is not bound, and dgram would believe that it is: bind it first.',
    );
  }
  return give({ fd: () => fd, detach: () => native?.detach() ?? fd }, found);
}

interface Found {
  readonly access: OptionAccess;
  readonly type: 'udp4' | 'udp6';
  readonly reuseAddress: number;
}

/** What the socket is, and that dgram can do with it. */
function inspectSocket(target: UdpSocket | NativeSocket | number, fd: number, connected: boolean): Found {
  const access = accessOf(target);
  const read = (level: number, name: number): number => {
    const got = access.getsockopt(level, name, scratch);
    return got < 4 ? got : scratchView.getInt32(0, LITTLE_ENDIAN);
  };
  const domain = check('getsockopt', read(SOL_SOCKET, SO_DOMAIN), { option: 'SO_DOMAIN' });
  const isUdp = read(SOL_SOCKET, SO_TYPE) === SOCK_DGRAM && read(SOL_SOCKET, SO_PROTOCOL) === IPPROTO_UDP;
  if (!isUdp || (domain !== AF_INET && domain !== AF_INET6)) {
    throw new SocketError('ERR_UNSUPPORTED', `Descriptor ${fd} is no UDP socket, and dgram knows no other.`);
  }
  if (read(IPPROTO_UDP, UDP_GRO) > 0) {
    throw new SocketError(
      'ERR_UNSUPPORTED',
      'The socket receives datagrams merged (UDP_GRO), and dgram would show them as one. Create it without gro.',
    );
  }
  // The kernel knows a path MTU for connected sockets only.
  if (connected || read(IPPROTO_IP, IP_MTU) > 0 || read(IPPROTO_IPV6, IPV6_MTU) > 0) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The socket is connected, and dgram would not know: disconnect it, and call connect() of the dgram.Socket.',
    );
  }
  const reuseAddress = read(SOL_SOCKET, SO_REUSEADDR);
  return { access, type: domain === AF_INET ? 'udp4' : 'udp6', reuseAddress };
}

/** The descriptor changes its owner when all is done: a throw before leaves it where it was. */
function give(from: Pick<Handle, 'fd' | 'detach'>, found: Found): Socket {
  const { access, type, reuseAddress } = found;
  const fd = from.fd();
  const socket = createSocket({ type });
  // Exclusive: in a cluster worker dgram would ask the primary for its descriptor of this number.
  socket.bind({ fd, exclusive: true });
  if (descriptorOf(socket) !== fd) {
    socket.close();
    throw new SocketError('ERR_UNSUPPORTED', 'dgram did not take the descriptor that it was given.');
  }
  access.setsockopt(SOL_SOCKET, SO_REUSEADDR, reuseAddress);
  // dgram does not read it, and every poll would return at once.
  for (const [level, name] of ERROR_QUEUES) access.setsockopt(level, name, 0);
  from.detach();
  return socket;
}

function requireDgram(): void {
  if (isSupported && process.versions['deno'] === undefined) return;
  throw new SocketError('ERR_UNSUPPORTED', 'The dgram of this runtime takes no descriptor.');
}

const scratch = new Uint8Array(4);
const scratchView = new DataView(scratch.buffer);

/** IP_RECVERR and IPV6_RECVERR. */
const ERROR_QUEUES = [
  [IPPROTO_IP, 11],
  [IPPROTO_IPV6, 25],
] as const;
