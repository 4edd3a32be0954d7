// The texts that a remedy of the table of reasons leaves open: what was asked for, and what this host is set to.
import { localPortRange, readSysctl } from '../kernel/sysctl.js';
import { withoutZone } from '../wire/address.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { isWildcard } from '../wire/address-kinds.js';
import type { Asked, Caller } from './asked.js';

/** The command that routes an address to this host (AnyIP). */
export function localRoute(address: string): string {
  const bare = withoutZone(address);
  return bare.includes(':') ? `ip -6 route add local ${bare}/128 dev lo` : `ip route add local ${bare}/32 dev lo`;
}

/** Fills in the placeholders of a remedy. @param more values that are not in what was asked for */
export function fill(remedy: string, asked: Asked, more: Readonly<Record<string, string>> = {}): string {
  return remedy.replace(/\{(\w+)\}/g, (whole, name: string) => more[name] ?? PLACES[name]?.(asked) ?? whole);
}

const PLACES: Readonly<Record<string, (asked: Asked) => string>> = {
  local: ({ local = '' }) => local,
  localOrAny,
  localRoute: ({ local = '' }) => localRoute(local),
  remote: ({ remote }) => remote?.address ?? 'the destination',
  freebind: ({ by }) => FREEBIND[by],
  portInUse: ({ by }) => PORT_IN_USE[by],
  family: ({ family }) => FAMILY_NAMES[family],
  otherFamily: ({ family }) => FAMILY_NAMES[other(family)],
  otherFamilyNumber: ({ family }) => (other(family) === 'ipv4' ? '4' : '6'),
  ports: ({ port, range }) => (port === 0 && range !== undefined ? range.join('-') : String(port)),
  sysctlRange: () => localPortRange().join('-'),
  tooLong: ({ send }) => tooLong(send?.length ?? 0, send?.mtu),
  lowestPort: () => readSysctl('net.ipv4.ip_unprivileged_port_start') ?? '1024',
};

export function localOrAny({ local }: Asked): string {
  return local === undefined || isWildcard({ address: local }) ? 'any address' : local;
}

/** How to bind to an address that is not local, for each caller. */
const FREEBIND: Readonly<Record<Caller, string>> = {
  connect: 'connect with freebind: true',
  reserve: 'reserve with freebind: true',
  listen: 'listen with freebind: true',
  UdpSocket: 'create the socket with freebind: true',
  NativeSocket: 'set IP_FREEBIND or IPV6_FREEBIND before',
};

/** Nothing is added for listen, where EADDRINUSE is well known. */
const PORT_IN_USE: Readonly<Record<Caller, string>> = {
  connect: 'Another socket holds the port: let the kernel pick one (no localPort), or share it (localPortRange)',
  reserve: 'Another socket holds the port, and shareLocalPort is false',
  listen: 'Another socket holds the port; sockets of one user that all have reusePort: true share it',
  UdpSocket: 'Another socket holds the port: reuseAddr or reusePort shares it, if that socket has the same option',
  NativeSocket: 'Another socket holds the port',
};

/** A local end that the kernel reported, in a text. */
export function localEndText(local: Endpoint | undefined): string {
  return local?.toString() ?? 'an address that cannot be read';
}

function tooLong(length: number, mtu: number | undefined): string {
  return mtu === undefined
    ? `A datagram of ${String(length)} bytes is too long for the path, or for UDP: connect the socket to learn the path MTU`
    : `The path MTU is ${String(mtu)}, the datagram has ${String(length)} bytes plus headers`;
}

function other(family: Family): Family {
  return family === 'ipv4' ? 'ipv6' : 'ipv4';
}

const FAMILY_NAMES: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };
