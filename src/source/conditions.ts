// The conditions of the table of reasons, tested against what was asked for. Some ask the kernel, so each is tested only
// where a row depends on it.
import { native } from '../binding.js';
import { EADDRNOTAVAIL, SOCK_DGRAM } from '../kernel/numbers.js';
import { isLocal, routeTo } from '../kernel/routes.js';
import { isUnicast } from '../kernel/unicast.js';
import type { Condition, ExplainedCall } from '../reasons/table.js';
import { withoutZone } from '../wire/address.js';
import { Endpoint } from '../wire/endpoint.js';
import { familyNumber } from '../wire/families.js';
import { isLinkLocal, isLoopback, isWildcard } from '../wire/address-kinds.js';
import type { Asked } from './asked.js';

export type Test = (asked: Asked, call: ExplainedCall) => boolean;

/** Whether a condition of the table holds. */
export const TESTS: Readonly<Record<Condition, Test>> = {
  anyPort: (asked, call) => !portGiven(asked, call),
  portGiven,
  notUnicast: ({ local, device }) => local !== undefined && !isUnicast(plainAddress(local), device),
  noZone: ({ local, remote }, call) => lacksZone(call === 'bind' ? local : remote?.address),
  sourceHasNoZone: ({ local }) => lacksZone(local),
  noSourceAddress: ({ local, remote }) => isAny(local) && remote !== undefined && !hasSource(remote),
  loopbackSource: ({ local = '', remote }) => isLoopback(local) && remote !== undefined && !isLoopback(remote.address),
  remoteNotUnicast: ({ protocol, remote }) =>
    protocol !== 'udp' && remote !== undefined && !isUnicast(withoutZone(remote.address)),
  broadcast: ({ protocol, remote }) =>
    protocol === 'udp' && remote !== undefined && !isUnicast(withoutZone(remote.address)),
  mappedRouted: ({ family, remote }) => family === 'ipv6' && remote?.family === 'ipv4' && isRouted(remote.address),
  sourceNotLocal: ({ local, transparent }) =>
    !isAny(local) && local?.includes(':') === false && transparent !== true && !isRoutedHere(local),
  inWorker: ({ inWorker }) => inWorker === true,
  privileged: () => false, // of options alone: see explainSetsockopt
  alreadyBound: ({ portBound }) => portBound === true,
  unrouted: ({ remote }) => remote !== undefined && hasNoRoute(remote.address),
  hasFrom: ({ send }) => send?.hasFrom === true,
  hasTransmitTime: ({ send }) => send?.hasTransmitTime === true,
  gsoRequired: ({ send }) => send?.gsoRequired === true,
  mptcp: ({ protocol }) => protocol === 'mptcp',
};

function portGiven({ port, portBound = port !== 0 }: Asked, call: ExplainedCall): boolean {
  return call === 'bind' || call === 'listen' ? port !== 0 : portBound;
}

export function isAny(local: string | undefined): boolean {
  return local === undefined || isWildcard({ address: local });
}

/** Whether this is a link-local address without a zone. */
function lacksZone(address: string | undefined): boolean {
  return address !== undefined && isLinkLocal(address) && !address.includes('%');
}

/** The address as in Endpoint, but without a zone; a mapped address as IPv4. */
function plainAddress(address: string): string {
  return Endpoint.from({ address: withoutZone(address), port: 0 }).address;
}

function isRouted(address: string): boolean {
  try {
    return routeTo(address).errno === 0;
  } catch {
    return false; // AF_NETLINK is forbidden, or no descriptor is left: nothing is known
  }
}

function hasNoRoute(address: string): boolean {
  try {
    return routeTo(address).errno !== 0;
  } catch {
    return false; // as above
  }
}

function isRoutedHere(address: string): boolean {
  try {
    return isLocal(address);
  } catch {
    return true; // unknown: AF_NETLINK is forbidden, or no descriptor is left
  }
}

/** Whether this host has a source address for the destination. A UDP connect picks one as TCP does, and sends nothing. */
function hasSource(remote: Endpoint): boolean {
  const family = remote.family === 'ipv6' || remote.mapped ? 'ipv6' : 'ipv4';
  const handle = new (native().Handle)();
  if (handle.socket(familyNumber(family), SOCK_DGRAM, 0) < 0) return true; // unknown
  const connected = handle.connect(remote.transientSockaddr(family));
  handle.close();
  return connected !== EADDRNOTAVAIL;
}
