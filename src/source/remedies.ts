// Why the kernel refuses to bind, connect or set an option, and what to do about it: what reserve and connect share.
import { native } from '../binding.js';
import { SyscallError, type ExhaustedBy } from '../errors.js';
import { capacity, readSysctl } from '../kernel/sysctl.js';
import type { Endpoint } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';
import { effectiveRange, type FailedSearch } from '../ports/evidence.js';
import { recentExhaustion } from '../ports/recent.js';
import {
  EACCES,
  EADDRNOTAVAIL,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOPROTOOPT,
  ENOTSUP,
  EPERM,
  SOCK_DGRAM,
} from '../kernel/numbers.js';

/** What of an error's context says why, and what to do. */
export interface Explanation {
  readonly reason?: string;
  readonly exhaustedBy?: ExhaustedBy | undefined;
  readonly remedy?: string;
}

/** Of setsockopt(2). */
export function optionRemedy(option: string, errno: number): Explanation {
  if (option === 'TCP_FASTOPEN_CONNECT' && errno === ENOTSUP) {
    const now = Number(readSysctl('net.ipv4.tcp_fastopen') ?? 0);
    return {
      reason: 'fastopenClientOff',
      remedy:
        `Bit 1 of net.ipv4.tcp_fastopen, TCP Fast Open for clients, is off (it is ${String(now)}): ` +
        `sysctl -w net.ipv4.tcp_fastopen=${String(now | 1)}`,
    };
  }
  if (option === 'IP_LOCAL_PORT_RANGE' && errno === ENOPROTOOPT) {
    return { reason: 'unsupported', remedy: 'This kernel has no local port range of a socket; it came with Linux 6.3' };
  }
  if (option === 'SO_BINDTODEVICE' && errno === ENODEV) {
    return { reason: 'noDevice', remedy: 'This network namespace has no interface of that name: see `ip link`' };
  }
  if (errno === EPERM) return { reason: 'notPermitted', remedy: 'It needs CAP_NET_ADMIN or CAP_NET_RAW' };
  return {};
}

/** The error of setsockopt(2) with its remedy. */
export function explainOption(option: string, errno: number): SyscallError {
  return new SyscallError('setsockopt', errno, { option, ...optionRemedy(option, errno) });
}

/** EADDRNOTAVAIL of bind(2), and what was to be done. */
export function addressNotLocal(address: string, family: Family, what: 'reserve' | 'connect' | 'listen'): Explanation {
  return {
    reason: 'addressNotLocal',
    remedy:
      `The address is not assigned to this host. Assign it; or ${what} with freebind: true, and route it here ` +
      `(\`${localRoute(address, family)}\`, or its whole prefix), or nothing will come to it`,
  };
}

/** Of bind(2) with a broadcast or multicast address, whatever the kernel says to it. */
export const NOT_UNICAST: Explanation = {
  reason: 'notUnicast',
  remedy:
    'It is a broadcast or multicast address. The kernel may bind to it, but would send from another one: give an address ' +
    'of this host',
};

/** The command that makes an address that is on no interface one of this host's (AnyIP). */
export function localRoute(address: string, family: Family): string {
  const bare = address.split('%')[0] ?? address;
  return family === 'ipv6' ? `ip -6 route add local ${bare}/128 dev lo` : `ip route add local ${bare}/32 dev lo`;
}

/** EACCES of bind(2). */
export function lowPort(): Explanation {
  const lowest = readSysctl('net.ipv4.ip_unprivileged_port_start') ?? '1024';
  return {
    reason: 'notPermitted',
    remedy: `A port below net.ipv4.ip_unprivileged_port_start (${lowest}) needs CAP_NET_BIND_SERVICE`,
  };
}

/** A link-local address that does not say on which link, EINVAL of bind(2) and connect(2). */
export function lacksZone({ address, scopeId }: Endpoint): boolean {
  return /^fe[89ab]/.test(address) && scopeId === 0;
}

export function noZone({ address }: Endpoint): Explanation {
  return { reason: 'noZone', remedy: `A link-local address needs the interface as its zone: ${address}%eth0` };
}

/** EADDRNOTAVAIL of connect(2) where nothing was bound and `hasSource` says no. */
export const NO_SOURCE: Explanation = {
  reason: 'noSourceAddress',
  remedy: 'This host has no address from which to send there',
};

/** Errors of connect(2) that the routes are to blame for; undefined for all others. */
export function routeRemedy(errno: number, remote: Endpoint): Explanation | undefined {
  const noRoute = (why: string): Explanation => ({ reason: 'noRoute', remedy: why });
  switch (errno) {
    case ENETUNREACH:
      return noRoute(`There is no route to it: see \`ip route get ${remote.address}\``);
    case EHOSTUNREACH:
      return noRoute(`The route to it says unreachable: see \`ip route get ${remote.address}\``);
    case EACCES:
      return noRoute('A route forbids it (prohibit), or a broadcast address was meant');
    case EINVAL:
      if (lacksZone(remote)) return noZone(remote);
      return noRoute(
        `The route to it is a black hole, or the source cannot be used for it: see \`ip route get ${remote.address}\``,
      );
    default:
      return undefined;
  }
}

/** Does this host have an address to send from? A UDP connect picks one as TCP's does, and sends nothing. */
export function hasSource(remote: Endpoint): boolean {
  const family = remote.family === 'ipv6' || remote.mapped ? 'ipv6' : 'ipv4';
  const handle = new (native().Handle)();
  if (handle.socket(familyNumber(family), SOCK_DGRAM, 0) < 0) return true; // nothing is known then
  const connected = handle.connect(remote.transientSockaddr(family));
  handle.close();
  return connected !== EADDRNOTAVAIL;
}

/**
 * What holds the ports of a search that failed, and what to do: one sentence without its full stop. By evidence, as long
 * as gathering it does not take more than its share of the time.
 */
export function portsTaken(search: FailedSearch): { readonly remedy: string; readonly exhaustedBy?: ExhaustedBy } {
  const found = recentExhaustion(search);
  if (found !== undefined) return { remedy: found.remedy, exhaustedBy: found.by };
  const [lo, hi] = effectiveRange(search.range);
  const count = capacity([lo, hi]);
  const remedy =
    `Of the ${count === 1 ? '1 port' : `${String(count)} ports`} of ${String(lo)}-${String(hi)}, each is taken by a ` +
    'connection or a reservation to there, by TIME-WAIT, or by a socket that is bound to it: take another source ' +
    'address, or a wider range (net.ipv4.ip_local_port_range)';
  return { remedy };
}
