// IPV6_PATHMTU: struct ip6_mtuinfo, the path MTU toward a destination. RFC 3542, section 11.3.
import { LITTLE_ENDIAN } from '../byte-order.js';
import { Endpoint, SOCKADDR_SIZE } from '../endpoint.js';
import { viewOf } from './bytes.js';

export interface PathMtu {
  readonly destination?: Endpoint;
  /** Bytes of an IPv6 packet, headers included. */
  readonly mtu: number;
}

export function readPathMtu(data: Uint8Array): PathMtu | undefined {
  if (data.length !== SOCKADDR_SIZE + 4) return undefined;
  const destination = Endpoint.decode(data.subarray(0, SOCKADDR_SIZE));
  return {
    mtu: viewOf(data).getUint32(SOCKADDR_SIZE, LITTLE_ENDIAN),
    ...(destination !== undefined && { destination }),
  };
}
