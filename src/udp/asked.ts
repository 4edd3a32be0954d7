// The context of a failed call of a UdpSocket.
import type { Asked } from '../source/asked.js';
import type { Family } from '../wire/families.js';

/** What every UdpSocket has asked for; see `askedOf` for the rest. */
export function udpAsked(family: Family): Asked {
  return { by: 'UdpSocket', family, protocol: 'udp', port: 0 };
}
