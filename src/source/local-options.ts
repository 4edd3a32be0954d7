// The options of the local end that mean the same in every call, and their checks.
import { boolean, integer, invalidValue, string } from '../arguments.js';
import { encodeOption } from '../options/access.js';

/** Options of the local end of connections, reservations and UDP sockets. */
export interface LocalOptions {
  /** Allow a local address that is not (or not yet) assigned to this host (IP_FREEBIND, IPV6_FREEBIND). @default false */
  readonly freebind?: boolean | undefined;
  /** Send from an address of another host (IP_TRANSPARENT, IPV6_TRANSPARENT); CAP_NET_ADMIN or CAP_NET_RAW. @default false */
  readonly transparent?: boolean | undefined;
  /** The mark of the packets, 0 to 2^32 - 1, for routing rules (SO_MARK); CAP_NET_ADMIN or CAP_NET_RAW. @default none */
  readonly mark?: number | undefined;
}

/** The same and `device`, checked, with defaults. */
export interface CheckedLocalOptions {
  readonly freebind: boolean;
  readonly transparent: boolean;
  readonly mark: number | undefined;
  readonly device: string | undefined;
}

/** Checks the options; each is read once. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkLocalOptions(
  options: LocalOptions & { readonly device?: string | undefined },
): CheckedLocalOptions {
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
