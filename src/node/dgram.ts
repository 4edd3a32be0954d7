// A bound UDP descriptor becomes a dgram.Socket, which owns it from then on. dgram takes any descriptor that it is given, and does
// not look at what it is.
import { createSocket, type Socket } from 'node:dgram';
import { isSupported } from '../binding.js';
import { SocketError } from '../errors.js';
import { intOption, type OptionReader } from '../kernel/int-option.js';
import { SO_REUSEADDR, SOL_SOCKET } from '../kernel/numbers.js';
import { descriptorOf } from './descriptor.js';

/** What reads and sets the options of the descriptor. */
interface OptionCalls extends OptionReader {
  setsockopt(level: number, name: number, value: number): number;
}

/** @throws ERR_UNSUPPORTED on a runtime whose dgram takes no descriptor */
export function requireDgram(): void {
  if (isSupported && process.versions['deno'] === undefined) return;
  throw new SocketError('ERR_UNSUPPORTED', 'The dgram module of this runtime takes no descriptor.');
}

/**
 * The dgram.Socket of a descriptor. It is bound when this returns: 'listening' has been emitted. When this throws, the
 * descriptor is still the caller's.
 * @throws ERR_UNSUPPORTED; what dgram throws
 */
export function toDgramSocket(fd: number, type: 'udp4' | 'udp6', access: OptionCalls): Socket {
  const reuseAddr = intOption(access, SOL_SOCKET, SO_REUSEADDR) ?? 0;
  const socket = createSocket({ type });
  // Exclusive: in a cluster worker dgram would ask the primary for the primary's descriptor of this number.
  socket.bind({ fd, exclusive: true });
  if (descriptorOf(socket) !== fd) {
    socket.close();
    throw new SocketError('ERR_UNSUPPORTED', 'dgram did not take the descriptor that it was given.');
  }
  // libuv sets it on every descriptor that it is given, and others could then take the port.
  access.setsockopt(SOL_SOCKET, SO_REUSEADDR, reuseAddr);
  return socket;
}
