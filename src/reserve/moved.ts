// A TCP or UDP reservation as plain data, for moving it to another thread with structured clone or JSON.
import { integer, object } from '../arguments.js';
import { native } from '../binding.js';
import { SocketError } from '../errors.js';
import { Endpoint, SOCKADDR_SIZE, type EndpointLike } from '../wire/endpoint.js';

/** The return value of `detach`. Its holder owns the descriptor. */
export interface DetachedReservation {
  readonly fd: number;
  readonly local: EndpointLike;
  readonly remote: EndpointLike;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkMoved(moved: DetachedReservation): { readonly fd: number; local: Endpoint; remote: Endpoint } {
  object('reservation', moved);
  const { fd, local, remote } = moved;
  return {
    local: Endpoint.from(local, 'reservation.local'),
    remote: Endpoint.from(remote, 'reservation.remote'),
    fd: integer('reservation.fd', fd, 0, 2 ** 31 - 1),
  };
}

/** Whether the descriptor is connected to this endpoint, checked on a temporary duplicate. */
export function leadsTo(fd: number, remote: Endpoint): boolean {
  const copy = new (native().Handle)();
  if (copy.duplicate(fd) < 0) return false;
  const length = copy.getpeername(scratchAddress);
  copy.close();
  return length > 0 && Endpoint.decode(scratchAddress, length)?.equals(remote) === true;
}

export function notHeld(fd: number, local: Endpoint): SocketError {
  return new SocketError(
    'ERR_INVALID_STATE',
    `Descriptor ${String(fd)} does not hold a reservation of ${local.toString()}.`,
  );
}

export function noLongerHeld(local: Endpoint, state: string): SocketError {
  return new SocketError('ERR_INVALID_STATE', `The reservation of ${local.toString()} is no longer held: ${state}.`);
}

const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
