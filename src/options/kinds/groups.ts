// Kinds of values of multicast that serve both families (RFC 3678), and IPv6's struct ipv6_mreq.
import { AF_INET6 } from '../../kernel/numbers.js';
import { invalidValue, oneOf, options } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { struct, unreadable, viewOf, type Codec } from './codec.js';
import { addressOf, indexOf, ipv6Of, putIPv6, SOCKADDR_STORAGE_SIZE, type Interface } from './interface.js';
import { FILTER_MODES, sourceList } from './multicast.js';

/** A multicast group, IPv4 or IPv6, to join or leave: struct group_req, RFC 3678. */
export interface GroupMembership {
  readonly group: string;
  /** @default 0: by route */
  readonly interface?: Interface;
}

/** A source of a group: struct group_source_req, RFC 3678. */
export interface GroupSource extends GroupMembership {
  readonly source: string;
}

/** The sources of a group to include or exclude: struct group_filter, RFC 3678. */
export interface GroupFilter extends GroupMembership {
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly string[];
}

/** An IPv6 multicast group or anycast address to join or leave: struct ipv6_mreq, ipv6(7). */
export interface IPv6Membership {
  readonly address: string;
  /** @default the zone of the address, or by route */
  readonly interface?: Interface;
}

// Where the group's sockaddr_storage lies in all three structs, and what follows it.
const GROUP = 8;
const SOURCE = GROUP + SOCKADDR_STORAGE_SIZE;

export const ipv6Membership: Codec<never, IPv6Membership> = {
  size: 20,
  decode: unreadable,
  encode: (value, name) => {
    const { address, interface: device } = options(name, value, ['address', 'interface']);
    const endpoint = ipv6Of(address, `${name}.address`);
    return struct(20, (view, bytes) => {
      putIPv6(endpoint, bytes, 0);
      view.setInt32(16, zoneOr(endpoint, device, `${name}.interface`), LITTLE_ENDIAN);
    });
  },
};

export const groupMembership: Codec<never, GroupMembership> = {
  size: GROUP + SOCKADDR_STORAGE_SIZE,
  decode: unreadable,
  encode: (value, name) => {
    const { group, interface: device } = options(name, value, ['group', 'interface']);
    return struct(GROUP + SOCKADDR_STORAGE_SIZE, (view, bytes) => {
      putGroup(group, device, name, view, bytes);
    });
  },
};

export const groupSource: Codec<never, GroupSource> = {
  size: SOURCE + SOCKADDR_STORAGE_SIZE,
  decode: unreadable,
  encode: (value, name) => {
    const { group, interface: device, source } = options(name, value, ['group', 'interface', 'source']);
    return struct(SOURCE + SOCKADDR_STORAGE_SIZE, (view, bytes) => {
      const { family } = putGroup(group, device, name, view, bytes);
      putSource(source, `${name}.source`, family, bytes, SOURCE);
    });
  },
};

export const groupFilter: Codec<never, GroupFilter> = {
  size: SOURCE + 8 + SOCKADDR_STORAGE_SIZE,
  decode: unreadable,
  encode: (value, name) => {
    const known = ['group', 'interface', 'mode', 'sources'] as const;
    const { group, interface: device, mode, sources } = options(name, value, known);
    const number = FILTER_MODES.indexOf(oneOf(`${name}.mode`, mode, FILTER_MODES));
    const list = sourceList(sources, `${name}.sources`);
    // The kernel requires room for one source even if the list is empty.
    return struct(SOURCE + 8 + SOCKADDR_STORAGE_SIZE * Math.max(list.length, 1), (view, bytes) => {
      const { family } = putGroup(group, device, name, view, bytes);
      view.setUint32(SOURCE, number, LITTLE_ENDIAN);
      view.setUint32(SOURCE + 4, list.length, LITTLE_ENDIAN);
      list.forEach((source, i) => {
        putSource(source, `${name}.sources[${i}]`, family, bytes, SOURCE + 8 + SOCKADDR_STORAGE_SIZE * i);
      });
    });
  },
};

/** Whether the group in these bytes is IPv6: its option then belongs to level IPPROTO_IPV6. */
export function hasIPv6Group(value: Uint8Array): boolean {
  return viewOf(value).getUint16(GROUP, LITTLE_ENDIAN) === AF_INET6;
}

function putGroup(group: unknown, device: unknown, name: string, view: DataView, bytes: Uint8Array): Endpoint {
  const endpoint = addressOf(group, `${name}.group`);
  view.setUint32(0, zoneOr(endpoint, device, `${name}.interface`), LITTLE_ENDIAN);
  bytes.set(endpoint.sockaddr(endpoint.family), GROUP);
  return endpoint;
}

function putSource(source: unknown, name: string, family: string, bytes: Uint8Array, at: number): void {
  const endpoint = addressOf(source, name);
  if (endpoint.family !== family) throw invalidValue(name, source, 'its address family differs from that of the group');
  bytes.set(endpoint.sockaddr(endpoint.family), at);
}

function zoneOr(endpoint: Endpoint, device: unknown, name: string): number {
  return device === undefined ? endpoint.scopeId : indexOf(device, name);
}
