// Whether a TCP connection would be one of a socket to itself: both of its ends are the same.
import { withoutZone } from '../wire/address.js';
import type { Endpoint } from '../wire/endpoint.js';

export function isToItself(local: Endpoint, remote: Endpoint): boolean {
  if (local.port !== remote.port) return false;
  if (withoutZone(local.address) === withoutZone(remote.address)) return true;
  // As a destination, 0.0.0.0 is the source's own address, and :: is ::1.
  return remote.address === '0.0.0.0' || (remote.address === '::' && local.address === '::1');
}
