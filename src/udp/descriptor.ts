// UdpSocket.adopt: checks a descriptor, reads its state, and restores its options if adopting it fails.
import { invalidValue, object } from '../arguments.js';
import type { Handle } from '../binding.js';
import { SocketError } from '../errors.js';
import { intOption, requireIntOption } from '../kernel/int-option.js';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_UDP,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_TYPE,
  SOCK_DGRAM,
  SOL_SOCKET,
  UDP_GRO,
  UDP_SEGMENT,
} from '../kernel/numbers.js';
import { encodeOption, type EncodedOption } from '../options/access.js';
import { portAssigned } from '../options/local-endpoint.js';
import { OPTIONS, type WritableOptionName } from '../options/table.js';
import type { OptionAccess } from '../options/target.js';
import { Endpoint, SOCKADDR_SIZE } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { LEVELS } from '../options/row.js';
import { featureOptions, type UdpSocketOptions } from './options.js';

/** The options of `UdpSocket.adopt`: those of `create`, except that the family is read from the descriptor. */
export type UdpAdoptOptions = Omit<UdpSocketOptions, 'family'> & {
  /** If set, it must be the family of the descriptor. */
  readonly family?: Family | undefined;
};

/** The state of an adopted socket. */
export interface SocketState {
  /** Whether it had a port before it was connected, as far as known: `disconnect` then keeps the port. */
  readonly bound: boolean;
  readonly remote: Endpoint | undefined;
}

/**
 * Adds the family of the descriptor to the options, and checks that the descriptor is a UDP socket that they can be set on.
 * @throws SyscallError (EBADF, ENOTSOCK); ERR_UNSUPPORTED for another type of socket; ERR_INVALID_STATE with UDP_GRO on;
 *   ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
 */
export function optionsFor(fd: number, access: OptionAccess, options: UdpAdoptOptions): UdpSocketOptions {
  object('options', options);
  const family = udpFamily(access);
  if (family === undefined) {
    throw new SocketError('ERR_UNSUPPORTED', `Descriptor ${fd} is not a UDP socket of IPv4 or IPv6.`);
  }
  if (options.family !== undefined && options.family !== family) {
    throw invalidValue('options.family', options.family, `the descriptor is a socket of family '${family}'`);
  }
  if ((options.gro === undefined || options.gro === false) && (intOption(access, IPPROTO_UDP, UDP_GRO) ?? 0) > 0) {
    throw new SocketError(
      'ERR_INVALID_STATE',
      'UDP_GRO is on, so datagrams in the receive buffer may be merged: adopt the descriptor with gro: true.',
    );
  }
  if (portAssigned(access)) {
    for (const name of BEFORE_BIND) {
      const value = options[name];
      if (value !== undefined && value !== false) {
        throw invalidValue(`options.${name}`, value, 'the descriptor is already bound; set it before bind');
      }
    }
  }
  return { ...options, family };
}

/** The family of a UDP socket; undefined for any other kind of socket. @throws SyscallError (EBADF, ENOTSOCK) */
export function udpFamily(access: OptionAccess): Family | undefined {
  const domain = requireIntOption(access, SOL_SOCKET, SO_DOMAIN, 'SO_DOMAIN');
  const isUdp =
    intOption(access, SOL_SOCKET, SO_TYPE) === SOCK_DGRAM && intOption(access, SOL_SOCKET, SO_PROTOCOL) === IPPROTO_UDP;
  if (!isUdp) return undefined;
  return domain === AF_INET ? 'ipv4' : domain === AF_INET6 ? 'ipv6' : undefined;
}

/**
 * Turns UDP_SEGMENT off if it is on, and makes its value the default `segmentSize` instead. @returns the options with a
 * `segmentSize`
 */
export function takeSegmentSize(access: OptionAccess, options: UdpSocketOptions): UdpSocketOptions {
  const size = intOption(access, IPPROTO_UDP, UDP_SEGMENT) ?? 0;
  if (size === 0) return options;
  access.setsockopt(IPPROTO_UDP, UDP_SEGMENT, 0);
  return { ...options, segmentSize: options.segmentSize ?? size };
}

/** Its local and remote addresses. */
export function stateOf(handle: Handle): SocketState {
  const length = handle.getpeername(scratchAddress);
  return {
    bound: portAssigned(handle),
    remote: length < 0 ? undefined : Endpoint.decode(scratchAddress, length),
  };
}

/**
 * Reads the options that `options` would set, and returns a function that restores them. Some cannot be restored:
 * memberships, filters, SO_TXTIME.
 */
export function remember(access: OptionAccess, options: UdpSocketOptions): () => void {
  const before = [...featureOptions(options), ...sockoptsOf(options), encodeOption('UDP_SEGMENT', 0)].map((option) => ({
    ...option,
    value: valueOf(access, option),
  }));
  return () => {
    for (const { level, name, value } of before) if (value !== undefined) access.setsockopt(level, name, value);
  };
}

/** The value for setsockopt; undefined if it cannot be read. */
function valueOf(access: OptionAccess, { option, level, name }: Target): Uint8Array | number | undefined {
  // Restoring a size beyond the sysctl's limit needs SO_RCVBUFFORCE, which cannot be read.
  const forced = FORCED.get(option);
  if (forced !== undefined) return valueOf(access, encodeOption(forced, 0));
  const value = new Uint8Array(MAX_VALUE);
  const length = access.getsockopt(level, name, value);
  // UDP_GRO cannot be read before Linux 5.12 (98184612aca0). It is assumed to be off.
  if (length < 0) return option === 'UDP_GRO' ? 0 : undefined;
  const { readBack } = OPTIONS[option] as { readonly readBack?: string };
  // The kernel reports twice the size of a buffer.
  if (readBack === 'doubled' && length === 4) return (new Int32Array(value.buffer, 0, 1)[0] ?? 0) >> 1;
  return value.subarray(0, length);
}

type Target = Pick<EncodedOption, 'option' | 'level' | 'name'>;

function sockoptsOf({ sockopts = {} }: UdpSocketOptions): Target[] {
  const given = sockopts as Readonly<Partial<Record<WritableOptionName, unknown>>>;
  const names = (Object.keys(given) as WritableOptionName[]).filter((name) => given[name] !== undefined);

  return names.flatMap((option) => {
    const { level, name, access } = OPTIONS[option] as (typeof OPTIONS)[WritableOptionName] & {
      readonly access?: string;
    };
    return access === undefined ? [{ option, level: LEVELS[level], name }] : [];
  });
}

const FORCED: ReadonlyMap<WritableOptionName, 'SO_RCVBUF' | 'SO_SNDBUF'> = new Map([
  ['SO_RCVBUFFORCE', 'SO_RCVBUF'],
  ['SO_SNDBUFFORCE', 'SO_SNDBUF'],
]);
const BEFORE_BIND = ['ipv6Only', 'reuseAddr', 'reusePort', 'freebind', 'transparent'] as const;
/** The longest value that can be restored, in bytes. */
const MAX_VALUE = 64;
// What a call writes is read before the next call.
const scratchAddress = new Uint8Array(SOCKADDR_SIZE);
