// The options of the local end that mean the same in every call: types, checks, and their socket options.
import { boolean, integer, invalidValue, string } from '../arguments.js';
import { encodeOption, type EncodedOption } from '../options/access.js';
import { byFamily } from '../options/by-family.js';
import type { Family } from '../wire/families.js';

/** Options of the local end of connections, reservations and UDP sockets. */
export interface LocalOptions {
  /** Allow a local address that is not (or not yet) assigned to this host (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Send from an address of another host (IP_TRANSPARENT, IPV6_TRANSPARENT); CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** The mark of the packets, 0 to 2^32 - 1, for routing rules (SO_MARK); CAP_NET_ADMIN or CAP_NET_RAW. @default none */
  readonly mark?: number | undefined;
}

/** The same with an interface, which reservations cannot have: their guarantee would hold on that interface only. */
export interface LocalOptionsWithDevice extends LocalOptions {
  /** The interface to send from (SO_BINDTODEVICE). @default any */
  readonly device?: string | undefined;
}

/** The same, checked, with defaults. */
export interface CheckedLocalOptions {
  readonly freebind: boolean;
  readonly transparent: boolean;
  readonly mark: number | undefined;
  readonly device: string | undefined;
}

/** The socket options of a local end, and the option of this package that sets each: `sockopts` does not take them. */
export const LOCAL_OPTION_NAMES = [
  ['IP_BIND_ADDRESS_NO_PORT', 'shareLocalPort'],
  ['IP_LOCAL_PORT_RANGE', 'localPortRange'],
  ['IP_FREEBIND', 'freebind'],
  ['IPV6_FREEBIND', 'freebind'],
  ['IP_TRANSPARENT', 'transparent'],
  ['IPV6_TRANSPARENT', 'transparent'],
  ['SO_MARK', 'mark'],
] as const;

export type LocalOptionName = (typeof LOCAL_OPTION_NAMES)[number][0];

/** Checks the options; each is read once. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkLocalOptions(options: LocalOptionsWithDevice): CheckedLocalOptions {
  const { freebind = false, transparent = false, mark, device } = options;
  boolean('options.freebind', freebind);
  boolean('options.transparent', transparent);
  if (mark !== undefined) integer('options.mark', mark, 0, 0xffffffff);
  if (device !== undefined) {
    if (string('options.device', device) === '') {
      throw invalidValue('options.device', device, 'it must be the name of an interface');
    }
    encodeOption('SO_BINDTODEVICE', device, 'options.device');
  }
  return { freebind, transparent, mark, device };
}

/** The socket options for a family, in the order in which they are set. */
export function encodeLocalOptions(options: LocalOptionsWithDevice, family: Family): EncodedOption[] {
  const { freebind, transparent, mark, device } = options;
  const encoded: EncodedOption[] = [];
  if (freebind === true) encoded.push(encodeOption(byFamily('FREEBIND', family), true));
  if (transparent === true) encoded.push(encodeOption(byFamily('TRANSPARENT', family), true));
  if (mark !== undefined) encoded.push(encodeOption('SO_MARK', mark));
  if (device !== undefined) encoded.push(encodeOption('SO_BINDTODEVICE', device));
  return encoded;
}
