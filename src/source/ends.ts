// The two ends of a reservation, TCP's or UDP's: what `remote` and `local` say, and which family that makes.
import { invalidValue, outOfRange } from '../arguments.js';
import { Endpoint, type EndpointLike, type LocalEndpointLike } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';

export interface WantedEnds {
  /** The destination. Its port is not 0. An IPv4-mapped address makes an IPv6 socket. */
  readonly remote: EndpointLike;
  readonly local?: LocalEndpointLike | undefined;
}

export interface Ends {
  readonly family: Family;
  readonly remote: Endpoint;
  readonly local: Endpoint | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (also for two families), ERR_OUT_OF_RANGE (also for port 0) */
export function endsOf(options: WantedEnds): Ends {
  const remote = Endpoint.from(options.remote, 'options.remote');
  if (remote.port === 0) throw outOfRange('options.remote.port', '>= 1 and <= 65535, where somebody can listen', 0);
  const local = options.local === undefined ? undefined : Endpoint.fromLocal(options.local, 'options.local');
  if (local !== undefined && local.family !== remote.family) {
    throw invalidValue('options.local', local.toString(), `its family is not that of the remote, ${remote.toString()}`);
  }
  const family = remote.family === 'ipv6' || remote.mapped || local?.mapped === true ? 'ipv6' : 'ipv4';
  return { family, remote: forFamily(remote, family), local: local && forFamily(local, family) };
}

/** On an IPv6 socket an IPv4 address is a mapped one. */
function forFamily(endpoint: Endpoint, family: Family): Endpoint {
  if (family === 'ipv4' || endpoint.family === 'ipv6' || endpoint.mapped) return endpoint;
  return Endpoint.from({ address: `::ffff:${endpoint.address}`, port: endpoint.port });
}
