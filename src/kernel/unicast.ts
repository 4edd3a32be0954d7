// isUnicast: whether an address can be a source. bind(2) also accepts IPv4 broadcast and multicast addresses, but the
// socket then silently sends from another address: inet_bind leaves the source to the route ("use device").
import { BoundedMap } from '../bounded-map.js';
import { native } from '../binding.js';
import { SyscallError } from '../errors.js';
import { isMulticast, LIMITED_BROADCAST } from '../wire/address-kinds.js';
import { Endpoint } from '../wire/endpoint.js';
import { familyNumber } from '../wire/families.js';
import { interfaceIndex } from './interfaces.js';
import { EACCES, SOCK_DGRAM, SOL_SOCKET, SO_BINDTODEVICE } from './numbers.js';
import { routeTo } from './routes.js';

/**
 * False for multicast and broadcast addresses. Broadcast addresses of subnets are looked up in the routing tables, which
 * takes 17 µs, so a negative result is cached for a second. Where AF_NETLINK is forbidden, a UDP socket finds out. Also true
 * if that is not possible either: no descriptor is left.
 * @param address as in Endpoint: an IPv4-mapped one is IPv4
 * @param device the interface that the socket is bound to; in a VRF, the VRF's table applies
 */
export function isUnicast(address: string, device?: string): boolean {
  if (address.includes(':')) return !isMulticast(address);
  const key = device === undefined ? address : `${address} ${device}`;
  const now = performance.now();
  if (now < (knownUntil.get(key) ?? 0)) return true;
  if (isMulticast(address) || address === LIMITED_BROADCAST || isBroadcast(address, device)) return false;
  knownUntil.set(key, now + KNOWN_FOR_MS);
  return true;
}

function isBroadcast(address: string, device: string | undefined): boolean {
  const index = device === undefined ? undefined : interfaceIndex(device);
  try {
    const type = index === undefined ? undefined : routeTo(address, { interface: index }).type;
    // Without a VRF bind(2) ignores the interface that the address is on, unlike this lookup.
    return (type === 'local' || type === 'broadcast' ? type : routeTo(address).type) === 'broadcast';
  } catch (error) {
    if (error instanceof SyscallError) return needsBroadcast(address, device);
    throw error;
  }
}

/** A UDP socket without SO_BROADCAST cannot be connected to a broadcast address: EACCES. Nothing is sent. */
function needsBroadcast(address: string, device: string | undefined): boolean {
  const handle = new (native().Handle)();
  try {
    if (handle.socket(familyNumber('ipv4'), SOCK_DGRAM, 0) < 0) return false;
    if (device !== undefined) handle.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    return handle.connect(Endpoint.from({ address, port: DISCARD }).sockaddr()) === EACCES;
  } finally {
    handle.close();
  }
}

const DISCARD = 9;

/** By address and device, in milliseconds of performance.now(). */
const knownUntil = new BoundedMap<string, number>(4096);
/** How long an address is assumed not to become a broadcast address. */
const KNOWN_FOR_MS = 1000;
