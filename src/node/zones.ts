// The zones of link-local addresses (`fe80::1%eth0`) as Node and libuv take them. Node knows no zone with an underscore and
// looks such an address up as a name, which loses the zone; libuv 1.50 and later then picks an interface itself.
import { isIP, isIPv6 } from 'node:net';
import { interfaceIndex, interfaceName, zoneIndex } from '../kernel/interfaces.js';
import { isLinkLocal } from '../wire/address-kinds.js';
import { withoutZone } from '../wire/address.js';

/**
 * The address in a form that net.isIP accepts: a zone that it does not know becomes the interface's index.
 * @param name what errors call it
 * @throws ERR_INVALID_ARG_VALUE for a zone that is no interface
 */
export function forIsIP<T>(address: T, name: string): T | string {
  return typeof address === 'string' ? withIndex(address, (zone) => zoneIndex(zone, name)) : address;
}

/** The options with a host that net.isIP accepts. A zone that is no interface fails when it is connected to, as in Node. */
export function withKnownZone<O extends object>(options: O): O {
  const { host } = options as { readonly host?: unknown };
  if (typeof host !== 'string') return options;
  const known = hostForIsIP(host);
  return known === host ? options : { ...options, host: known };
}

function hostForIsIP(host: string): string {
  return withIndex(host, (zone) => interfaceIndex(zone) ?? 0);
}

function withIndex(address: string, indexOf: (zone: string) => number): string {
  if (!address.includes('%') || isIP(address) !== 0) return address;
  const bare = withoutZone(address);
  if (!isIPv6(bare)) return address; // a name
  return `${bare}%${String(indexOf(address.slice(bare.length + 1)))}`;
}

/** The arguments of net.Socket's connect with a host that net.isIP accepts. */
export function withKnownZones(args: readonly unknown[]): readonly unknown[] {
  const [first, second] = args;
  if (typeof second === 'string') return [first, hostForIsIP(second), ...args.slice(2)];
  // A list is one that net.connect has normalized.
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return args;
  const known = withKnownZone(first);
  return known === first ? args : [known, ...args.slice(1)];
}

/** Why a link-local destination cannot be connected to. */
export interface Unzoned {
  readonly lacks: 'zone' | 'interface';
}

/**
 * The destination of a connect for libuv, which takes the zone by name only, and guesses where there is none.
 * @param source the local address, whose zone the connection has as well; undefined if there is none
 * @param device the interface that the socket is bound to
 */
export function zonedDestination(
  address: string,
  source: string | undefined,
  device: string | undefined,
): string | Unzoned {
  if (!isLinkLocal(address)) return address;
  const zone = zoneOf(address) ?? (source === undefined ? undefined : zoneOf(source)) ?? device;
  if (zone === undefined) return { lacks: 'zone' };
  const named = /^\d+$/.test(zone) ? interfaceName(Number(zone)) : zone;
  if (named === undefined || interfaceIndex(named) === undefined) return { lacks: 'interface' };
  return `${withoutZone(address)}%${named}`;
}

function zoneOf(address: string): string | undefined {
  const at = address.indexOf('%');
  return at === -1 ? undefined : address.slice(at + 1);
}
