// The options of `listen`: types, checks, and the socket options that follow from them.
import { isIP } from 'node:net';
import {
  abortSignal,
  boolean,
  integer,
  invalidType,
  invalidValue,
  oneOf,
  options as checkOptions,
  readOnce,
  string,
} from '../../arguments.js';
import { encodeOption, type EncodedOption } from '../../options/access.js';
import type { BpfInstruction } from '../../options/kinds/filter.js';
import { steeringOf, type ReusePort } from '../../options/reuse-port.js';
import { encodeSockopts, STREAM_PROTOCOLS, type StreamProtocol } from '../../options/sockopts.js';
import type { StreamSocketOptions } from '../../options/table.js';
import { checkLocalOptions, type CheckedLocalOptions } from '../../source/local-options.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';

export interface ListenOptions {
  /**
   * An IP address; names are not resolved. @default '::', which accepts IPv4 as well; '0.0.0.0' on a host without IPv6. As
   * in Node.
   */
  readonly host?: string | undefined;
  /** 0 lets the kernel pick one; see `server.address().port`. @default 0 */
  readonly port?: number | undefined;
  /** Maximum number of connections that wait to be accepted, 1 to 2147483647; limited by net.core.somaxconn. @default 511 */
  readonly backlog?: number | undefined;
  /**
   * Listen on an address that this host does not have, or not yet (IP_FREEBIND, IPV6_FREEBIND). Connections arrive only if
   * it is routed to this host; otherwise a process warning is emitted (LINUX_SOCKETS_NOT_LOCAL). @default false
   */
  readonly freebind?: boolean | undefined;
  /**
   * Accept connections to addresses of other hosts, redirected by a TPROXY rule (IP_TRANSPARENT); CAP_NET_ADMIN or
   * CAP_NET_RAW. @default false
   */
  readonly transparent?: boolean | undefined;
  /** The mark of the packets of all accepted connections (SO_MARK); CAP_NET_ADMIN or CAP_NET_RAW. */
  readonly mark?: number | undefined;
  /** Accept only connections that arrive on this interface (SO_BINDTODEVICE). */
  readonly device?: string | undefined;
  /**
   * Share the port with other listeners of the same user, in other processes or threads (SO_REUSEPORT). The kernel
   * distributes connections by a hash of the flow, or by `steering`. @default false
   */
  readonly reusePort?: boolean | ReusePort | undefined;
  /**
   * Accept data in the SYN (TCP_FASTOPEN). A number limits how many such connections may wait for the end of their
   * handshake; `true` uses `backlog`. Needs bit 2 of net.ipv4.tcp_fastopen; without it a process warning is emitted
   * (LINUX_SOCKETS_FASTOPEN_OFF). @default false
   */
  readonly fastOpen?: boolean | number | undefined;
  /** Seconds to wait for the client's first data before the connection is accepted (TCP_DEFER_ACCEPT), 0 to 32767. @default 0 */
  readonly deferAccept?: number | undefined;
  /** Do not accept IPv4 on an IPv6 socket (IPV6_V6ONLY). @default false */
  readonly ipv6Only?: boolean | undefined;
  /**
   * 'mptcp' listens for Multipath TCP and plain TCP; it needs net.mptcp.enabled, and refuses some options in `sockopts`.
   * @default 'tcp'
   */
  readonly protocol?: StreamProtocol | undefined;
  /** Socket options set before bind, after all of the above, so that they take precedence. */
  readonly sockopts?: StreamSocketOptions | undefined;
  /** Closes the server. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Listeners of this function are never shared with the primary of a cluster, as with Node's `exclusive: true`. `true` has
   * no effect, and `false` is refused in a cluster worker.
   */
  readonly exclusive?: boolean | undefined;
}

/** The checked options. */
export interface Plan extends CheckedLocalOptions {
  /** Undefined for '::', or '0.0.0.0' without IPv6. */
  readonly endpoint: Endpoint | undefined;
  readonly port: number;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly steering: readonly BpfInstruction[] | undefined;
  readonly fastOpen: number;
  readonly deferAccept: number;
  readonly ipv6Only: boolean;
  readonly protocol: StreamProtocol;
  readonly sockopts: readonly EncodedOption[];
  readonly signal: AbortSignal | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function planOf(given: ListenOptions, inWorker: boolean): Plan {
  const options = readOnce(given);
  checkOptions('options', options, KNOWN);
  const { backlog = 511, ipv6Only = false, deferAccept = 0 } = options;
  const { port = 0, exclusive = true, protocol = 'tcp' } = options;
  oneOf('options.protocol', protocol, STREAM_PROTOCOLS);
  integer('options.port', port, 0, 65535);
  const endpoint = endpointOf(options.host, port);
  boolean('options.ipv6Only', ipv6Only);
  if (ipv6Only && endpoint?.family === 'ipv4') {
    throw invalidValue('options.ipv6Only', ipv6Only, `${endpoint.address} is an IPv4 address`);
  }
  if (!boolean('options.exclusive', exclusive) && inWorker) {
    throw invalidValue(
      'options.exclusive',
      exclusive,
      'a cluster worker always listens with its own socket; share the port with reusePort, or listen in the primary',
    );
  }
  return {
    endpoint,
    port,
    backlog: integer('options.backlog', backlog, 1, 2 ** 31 - 1),
    ...checkLocalOptions(options),
    reusePort: options.reusePort !== undefined && options.reusePort !== false,
    steering: steeringOf(options.reusePort),
    fastOpen: queueOf(options.fastOpen, backlog),
    deferAccept: integer('options.deferAccept', deferAccept, 0, 32767),
    ipv6Only,
    protocol,
    sockopts: encodeSockopts(options.sockopts, undefined, protocol),
    signal: abortSignal('options.signal', options.signal),
  };
}

/**
 * The options that are set before bind, without `sockopts`. SO_REUSEADDR and IPV6_V6ONLY are set as for Node's own
 * listeners.
 */
export function socketOptionsOf(plan: Plan, family: Family): EncodedOption[] {
  const v6 = family === 'ipv6';
  return [
    encodeOption('SO_REUSEADDR', true),
    ...(v6 ? [encodeOption('IPV6_V6ONLY', plan.ipv6Only)] : []),
    ...(plan.reusePort ? [encodeOption('SO_REUSEPORT', true)] : []),
    ...(plan.deferAccept === 0 ? [] : [encodeOption('TCP_DEFER_ACCEPT', plan.deferAccept)]),
    ...(plan.fastOpen === 0 ? [] : [encodeOption('TCP_FASTOPEN', plan.fastOpen)]),
  ];
}

/** An IPv4-mapped address needs an IPv6 socket. */
export function socketFamily(endpoint: Endpoint): Family {
  return endpoint.mapped ? 'ipv6' : endpoint.family;
}

function endpointOf(host: unknown, port: number): Endpoint | undefined {
  if (host === undefined) return undefined;
  const address = string('options.host', host);
  if (isIP(address) === 0) {
    throw invalidValue('options.host', host, 'it must be an IP address; listen() does not resolve names');
  }
  return Endpoint.from({ address, port }, 'options.host');
}

function queueOf(fastOpen: unknown, backlog: number): number {
  if (fastOpen === undefined || fastOpen === false) return 0;
  if (fastOpen === true) return backlog;
  if (typeof fastOpen !== 'number') throw invalidType('options.fastOpen', 'a boolean or a number', fastOpen);
  return integer('options.fastOpen', fastOpen, 1, 2 ** 31 - 1);
}

const KNOWN = [
  'host',
  'port',
  'backlog',
  'freebind',
  'transparent',
  'mark',
  'device',
  'reusePort',
  'fastOpen',
  'deferAccept',
  'ipv6Only',
  'protocol',
  'sockopts',
  'signal',
  'exclusive',
] as const;
