// What TCP and UDP reservations have in common: their options, and the check of both ends, which gives the family.
import { invalidValue, outOfRange } from '../arguments.js';
import { withReason } from '../errors.js';
import type { PortRange } from '../kernel/sysctl.js';
import { outsideSysctl } from '../ports/port-range.js';
import type { Asked } from '../source/asked.js';
import { refusalError } from '../source/explain.js';
import { localEndText } from '../source/remedies.js';
import type { LocalOptions } from '../source/local-options.js';
import { Endpoint, type EndpointLike, type LocalEndpointLike } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { LOSES_GUARANTEE } from './guarantee.js';

/** The options that TCP and UDP reservations have in common. */
export interface ReservationOptions extends LocalOptions {
  /** The destination. Its port is not 0. An IPv4-mapped address results in an IPv6 socket. */
  readonly remote: EndpointLike;
  /** The local address, optionally with a port; by default the kernel picks the address by route, and a port. */
  readonly local?: LocalEndpointLike | undefined;
  /** The ports to pick from, both ends included, inside net.ipv4.ip_local_port_range. @default all of those */
  readonly localPortRange?: PortRange | undefined;
}

/** The names of all options. */
export const RESERVATION_OPTIONS = [
  'remote',
  'local',
  'localPortRange',
  'shareLocalPort',
  'freebind',
  'transparent',
  'mark',
  'sockopts',
] as const;

export interface Ends {
  readonly family: Family;
  readonly remote: Endpoint;
  readonly local: Endpoint | undefined;
}

/** A device is an option of `connect`, and no option of a reservation. @throws ERR_INVALID_ARG_VALUE */
export function refuseDevice(options: object): void {
  const { device } = options as { readonly device?: unknown };
  if (device !== undefined) throw invalidValue('options.device', device, LOSES_GUARANTEE.get('SO_BINDTODEVICE') ?? '');
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (also for different families), ERR_OUT_OF_RANGE (also for port 0) */
export function endsOf(options: Pick<ReservationOptions, 'remote' | 'local'>): Ends {
  const remote = Endpoint.from(options.remote, 'options.remote');
  if (remote.port === 0) throw outOfRange('options.remote.port', '>= 1 and <= 65535', 0);
  const { local: given } = options;
  const local = given === undefined ? undefined : Endpoint.fromLocal(given, 'options.local');
  if (local !== undefined && local.family !== remote.family) {
    const why = `its family differs from that of the remote, ${remote.toString()}`;
    throw withReason(invalidValue('options.local', local.toString(), why), 'familyMismatch');
  }
  const family = remote.family === 'ipv6' || remote.mapped || local?.mapped === true ? 'ipv6' : 'ipv4';
  return { family, remote: forFamily(remote, family), local: local && forFamily(local, family) };
}

/** Converts an IPv4 address to a mapped one for an IPv6 socket. */
function forFamily(endpoint: Endpoint, family: Family): Endpoint {
  if (family === 'ipv4' || endpoint.family === 'ipv6' || endpoint.mapped) return endpoint;
  return Endpoint.from({ address: `::ffff:${endpoint.address}`, port: endpoint.port });
}

/** The kernel picked a port outside the requested range: the sysctl has changed since, or the kernel ignores the range. */
export function outsideRange(asked: Asked, range: PortRange, taken: Endpoint | undefined): Error {
  const refusal = refusalError('otherSourceTaken', asked, { taken: localEndText(taken) });
  const changed = outsideSysctl('options.localPortRange', range);
  return changed === undefined ? refusal : withReason(changed, 'otherSource');
}
