// Turns the socket of a UDP reservation into a UdpSocket; used by src/reserve.
import type { Handle } from '../binding.js';
import type { Endpoint } from '../wire/endpoint.js';
import { fromHandle } from './internal.js';
import type { UdpSocketOptions } from './options.js';
import { UdpSocket } from './socket.js';

/** Takes over the handle of a connected socket. If this throws, the caller still owns the handle. @throws as UdpSocket.create */
export function fromReservation(handle: Handle, options: UdpSocketOptions, remote: Endpoint): UdpSocket {
  return UdpSocket[fromHandle](handle, options, remote);
}
