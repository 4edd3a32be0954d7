// Turns a bound UDP descriptor into a dgram.Socket, which then owns it. dgram accepts any descriptor without checking its
// kind.
import { createSocket, type Socket } from 'node:dgram';
import { SocketError } from '../errors.js';
import { intOption, type OptionReader } from '../kernel/int-option.js';
import { SO_REUSEADDR, SOL_SOCKET } from '../kernel/numbers.js';
import { descriptorOf } from './descriptor.js';

/** Reads and sets options of the descriptor. */
interface OptionCalls extends OptionReader {
  setsockopt(level: number, name: number, value: number): number;
}

/**
 * Creates a dgram.Socket from a descriptor. When this returns, the dgram.Socket is bound and has emitted 'listening'. If
 * this throws, the caller still owns the descriptor.
 * @throws ERR_UNSUPPORTED; what dgram throws
 */
export function toDgramSocket(fd: number, type: 'udp4' | 'udp6', access: OptionCalls): Socket {
  const reuseAddr = intOption(access, SOL_SOCKET, SO_REUSEADDR) ?? 0;
  const socket = createSocket({ type });
  // Exclusive: otherwise dgram in a cluster worker would use the primary's descriptor of this number.
  socket.bind({ fd, exclusive: true });
  if (descriptorOf(socket) !== fd) {
    socket.close();
    throw new SocketError('ERR_UNSUPPORTED', 'dgram did not use the given descriptor.');
  }
  // libuv sets SO_REUSEADDR on every descriptor it is given, which would let other sockets take the port.
  access.setsockopt(SOL_SOCKET, SO_REUSEADDR, reuseAddr);
  return socket;
}
