// Kinds of values of IPv4 multicast: memberships, sources and interfaces, in the structs that are specific to IPv4.
import { invalidType, oneOf, options } from '../../arguments.js';
import { readIPv4 } from '../../wire/address.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { struct, unreadable, type Codec } from './codec.js';
import { optionalIndexOf, putIPv4, type Interface } from './interface.js';

/** An IPv4 multicast group to join or leave: struct ip_mreqn, ip(7). */
export interface IPv4Membership {
  /** The group, 224.0.0.0 to 239.255.255.255. */
  readonly group: string;
  /** An address of the interface. @default '0.0.0.0': the interface by index, or by route */
  readonly address?: string;
  /** @default 0: the interface by address, or by route */
  readonly interface?: Interface;
}

/** A source of an IPv4 group: struct ip_mreq_source, ip(7). */
export interface IPv4SourceMembership {
  readonly group: string;
  readonly source: string;
  /** An address of the interface. @default '0.0.0.0': by route */
  readonly address?: string;
}

/** The sources of an IPv4 group to include or exclude: struct ip_msfilter, ip(7). */
export interface IPv4SourceFilter {
  readonly group: string;
  /** An address of the interface. @default '0.0.0.0' */
  readonly address?: string;
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly string[];
}

/** Outgoing interface of IPv4 multicast: an address of the interface, or its index (struct ip_mreqn). */
export interface IPv4MulticastInterface {
  readonly address?: string;
  readonly interface?: Interface;
}

export const ipv4Membership: Codec<never, IPv4Membership> = {
  size: 12,
  decode: unreadable,
  encode: (value, name) => {
    const { group, address, interface: device } = options(name, value, ['group', 'address', 'interface']);
    return struct(12, (view, bytes) => {
      putIPv4(group, `${name}.group`, bytes, 0);
      if (address !== undefined) putIPv4(address, `${name}.address`, bytes, 4);
      view.setInt32(8, optionalIndexOf(device, `${name}.interface`), LITTLE_ENDIAN);
    });
  },
};

export const ipv4SourceMembership: Codec<never, IPv4SourceMembership> = {
  size: 12,
  decode: unreadable,
  encode: (value, name) => {
    const { group, source, address } = options(name, value, ['group', 'source', 'address']);
    return struct(12, (_view, bytes) => {
      putIPv4(group, `${name}.group`, bytes, 0);
      if (address !== undefined) putIPv4(address, `${name}.address`, bytes, 4);
      putIPv4(source, `${name}.source`, bytes, 8);
    });
  },
};

export const ipv4SourceFilter: Codec<never, IPv4SourceFilter> = {
  size: 16,
  decode: unreadable,
  encode: (value, name) => {
    const { group, address, mode, sources } = options(name, value, ['group', 'address', 'mode', 'sources']);
    const number = FILTER_MODES.indexOf(oneOf(`${name}.mode`, mode, FILTER_MODES));
    const list = sourceList(sources, `${name}.sources`);
    return struct(16 + 4 * list.length, (view, bytes) => {
      putIPv4(group, `${name}.group`, bytes, 0);
      if (address !== undefined) putIPv4(address, `${name}.address`, bytes, 4);
      view.setUint32(8, number, LITTLE_ENDIAN);
      view.setUint32(12, list.length, LITTLE_ENDIAN);
      list.forEach((source, i) => putIPv4(source, `${name}.sources[${i}]`, bytes, 16 + 4 * i));
    });
  },
};

/** Reads as the address that was set, '0.0.0.0' if none was. */
export const ipv4MulticastInterface: Codec<string, IPv4MulticastInterface> = {
  size: 4,
  decode: (value) => readIPv4(value, 0),
  encode: (value, name) => {
    const { address, interface: device } = options(name, value, ['address', 'interface']);
    return struct(12, (view, bytes) => {
      if (address !== undefined) putIPv4(address, `${name}.address`, bytes, 4);
      view.setInt32(8, optionalIndexOf(device, `${name}.interface`), LITTLE_ENDIAN);
    });
  },
};

export function sourceList(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidType(name, 'an Array of IP addresses', value);
  return value;
}

/** By their numbers, MCAST_EXCLUDE and MCAST_INCLUDE. */
export const FILTER_MODES = ['exclude', 'include'] as const;
