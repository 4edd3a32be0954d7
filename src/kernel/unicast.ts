// May an address be a source? bind(2) takes IPv4's broadcast and multicast addresses as well, and the socket then sends from
// another address without a word: inet_bind leaves the source to the route ("use device").
import { BoundedMap } from '../bounded-map.js';
import { SyscallError } from '../errors.js';
import { interfaceIndex } from './interfaces.js';
import { routeTo } from './routes.js';

/**
 * False for multicast and broadcast addresses. Those of a subnet only the routing tables know, which takes 17 µs to ask:
 * that an address is none of them holds for a second. True as well when they cannot be asked: AF_NETLINK is forbidden, or
 * no descriptor is left.
 * @param address as an Endpoint has it: an IPv4-mapped one is IPv4
 * @param device the interface that the socket is bound to; in a VRF, an address is what the VRF's table says
 */
export function isUnicast(address: string, device?: string): boolean {
  if (address.includes(':')) return !/^ff[\da-f]{2}:/i.test(address);
  const key = device === undefined ? address : `${address} ${device}`;
  const now = performance.now();
  if (now < (knownUntil.get(key) ?? 0)) return true;
  const first = Number.parseInt(address, 10);
  if ((first >= 224 && first < 240) || address === '255.255.255.255' || isBroadcast(address, device)) return false;
  knownUntil.set(key, now + KNOWN_FOR_MS);
  return true;
}

function isBroadcast(address: string, device: string | undefined): boolean {
  const index = device === undefined ? undefined : interfaceIndex(device);
  try {
    const type = index === undefined ? undefined : routeTo(address, { interface: index }).type;
    // Without a VRF bind(2) does not ask which interface the address is on, and this question does.
    return (type === 'local' || type === 'broadcast' ? type : routeTo(address).type) === 'broadcast';
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

/** By address and device, in milliseconds of performance.now(). */
const knownUntil = new BoundedMap<string, number>(4096);
/** An address that becomes a broadcast address is one for sure after this long. */
const KNOWN_FOR_MS = 1000;
