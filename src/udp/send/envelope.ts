// Envelope: checks the options of a send, and encodes them as an address and control messages.
import { intOption } from '../../kernel/int-option.js';
import { boolean, integer, invalidType, invalidValue, options as checkOptions, outOfRange } from '../../arguments.js';
import type { Handle } from '../../binding.js';
import { BoundedMap } from '../../bounded-map.js';
import { SocketError, withReason } from '../../errors.js';
import { callError } from '../../source/explain.js';
import { udpAsked } from '../asked.js';
import { requireInterface } from '../../kernel/interfaces.js';
import { Endpoint, type EndpointLike } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import {
  CONTROL_ROOM,
  Memory,
  writeDontFragment,
  writeMark,
  writeSource,
  writeTos,
  writeTransmitTime,
  writeTtl,
} from './control.js';
import { isLocal } from '../../kernel/routes.js';
import { EINVAL, IPPROTO_IP, IPPROTO_IPV6, IPV6_TCLASS, IP_TOS } from '../../kernel/numbers.js';
import { MAX_SEGMENT_SIZE } from './segments.js';

/** The source of a datagram: an address of this host (or any with freebind), an interface, or both. */
export interface SendSource {
  /** An IP address; a link-local one may have a zone (`fe80::1%eth0`). */
  readonly address?: string | undefined;
  /** Name or index. */
  readonly interface?: string | number | undefined;
}

/** The options of one send. They apply to this send only; the socket's settings are used for those left out. */
export interface SendOptions {
  /** The destination. @default the connected peer */
  readonly to?: EndpointLike | undefined;
  /**
   * Bytes per datagram, 1 to 65535: the data is cut into datagrams of this size, of which the last may be shorter. The
   * kernel or the network card cuts it if possible (UDP_SEGMENT). 0: the data is one datagram.
   * @default the socket's `segmentSize`; 0 when it has none
   */
  readonly segmentSize?: number | undefined;
  /**
   * The source: an address, or an address and an interface. The port is always the socket's; that of an Endpoint is ignored.
   * IP_PKTINFO, IPV6_PKTINFO; ip(7), ipv6(7).
   */
  readonly from?: string | Endpoint | SendSource | undefined;
  /** Explicit congestion notification, 0 to 3: 1 is ECT(1), 2 is ECT(0), 3 is CE; RFC 3168. */
  readonly ecn?: number | undefined;
  /**
   * Differentiated services, 0 to 63; RFC 2474.
   * @default the socket's (IP_TOS, IPV6_TCLASS); reading it costs a system call if `ecn` is set
   */
  readonly dscp?: number | undefined;
  /** Time to live, or hop limit, 1 to 255. */
  readonly ttl?: number | undefined;
  /** When to transmit it, in nanoseconds of the clock selected by SO_TXTIME. Needs the `txTime` option of the socket. */
  readonly txTime?: bigint | undefined;
  /** SO_MARK for routing and firewalls, 0 to 4294967295. Needs CAP_NET_ADMIN or CAP_NET_RAW. */
  readonly mark?: number | undefined;
  /** IPv6 only: never fragment it (IPV6_DONTFRAG), or allow it (false). For IPv4 use the socket's `pathMtuDiscovery`. */
  readonly dontFragment?: boolean | undefined;
}

/** The options of a reply. Its destination and source are given by the datagram that it replies to. */
export interface ReplyOptions extends Omit<SendOptions, 'to' | 'from'> {
  /**
   * The interface that the reply leaves by: true for the one that the datagram arrived on, or a name or an index. False
   * leaves it to the route. @default true for a peer in 169.254.0.0/16, which every link may have; false otherwise (an IPv6
   * link-local address has its interface as its zone)
   */
  readonly interface?: boolean | string | number | undefined;
}

/** The destination and the source of a reply. */
export interface ReplyRoute {
  readonly to: Endpoint;
  /** Undefined for the socket's own address. Its zone is the interface. */
  readonly from: Endpoint | undefined;
  /** The index of the interface; 0 for that of the route. */
  readonly interface: number;
}

/** What an envelope needs to know about its socket. */
export interface EnvelopeContext {
  readonly handle: Pick<Handle, 'getsockopt'>;
  readonly family: Family;
  /** The default segment size; 0 for none. */
  readonly segmentSize?: number | undefined;
  connectedTo(): Endpoint | undefined;
}

/** The checked and encoded options of a queued send: the caller may reuse its options object, and nothing is checked again. */
export interface EncodedOptions {
  readonly to: Endpoint | undefined;
  readonly segmentSize: number;
  /** The control messages other than UDP_SEGMENT; undefined for none. */
  readonly control: Uint8Array | undefined;
  /** Whether they are for an IPv4 datagram. */
  readonly ipv4: boolean;
}

/** The options of one send at a time. It is reused, so that a send allocates nothing. */
export class Envelope {
  /** The destination, if the options have one. */
  to: Endpoint | undefined;
  /** The segment size; 0 for none. */
  segmentSize: number;
  /** Whether the options themselves have a segment size other than 0. */
  namesSegmentSize = false;
  /** Whether there are control messages other than UDP_SEGMENT. */
  hasControl = false;
  readonly #context: EnvelopeContext;
  readonly #defaultSegmentSize: number;
  /** The control messages, if they have already been encoded. */
  #encoded: Uint8Array | undefined;
  #from: Endpoint | undefined;
  #interface = 0;
  #ecn = NONE;
  #dscp = NONE;
  #ttl = NONE;
  #mark = NONE;
  #txTime: bigint | undefined;
  #dontFragment: boolean | undefined;
  #onlyLocal = false;

  constructor(context: EnvelopeContext) {
    this.#context = context;
    this.#defaultSegmentSize = context.segmentSize ?? 0;
    this.segmentSize = this.#defaultSegmentSize;
  }

  /**
   * Reads the options. Getters run here, before anything is written or sent.
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_UNSUPPORTED
   */
  read(options: SendOptions): void {
    if (options === NOTHING) {
      this.to = undefined;
      this.segmentSize = this.#defaultSegmentSize;
      this.namesSegmentSize = false;
      this.hasControl = false;
      return;
    }
    checkKeys('options', options, KEYS);
    const { to, from } = options;
    this.#read(to === undefined || to instanceof Endpoint ? to : Endpoint.from(to, 'options.to'), from, options);
  }

  /** Reads the options of a reply, whose addresses are known. @throws as `read` */
  readReply(options: ReplyOptions, { to, from, interface: index }: ReplyRoute): void {
    if (options === NOTHING && from === undefined && index === 0) {
      this.read(NOTHING);
      this.to = to;
      return;
    }
    checkKeys('options', options, REPLY_KEYS);
    this.#read(to, undefined, options, from, index);
  }

  /**
   * From now on the `from` of a send must lead to this host: replies have set IPV6_FREEBIND, with which the kernel accepts any
   * IPv6 address.
   */
  requireLocalSources(): void {
    this.#onlyLocal = true;
  }

  /** Encodes the options for a queued send. */
  encode(): EncodedOptions {
    const { to, segmentSize, hasControl, ipv4 } = this;
    const control = hasControl ? scratch.bytes.slice(0, this.writeControl(scratch, 0)) : undefined;
    return { to, segmentSize, control, ipv4 };
  }

  /**
   * Restores the state at the call of `encode`. @throws ERR_INVALID_STATE if the socket has since been connected to the
   * other family, whose control messages differ
   */
  restore(options: EncodedOptions): void {
    this.to = options.to;
    this.segmentSize = options.segmentSize;
    this.namesSegmentSize = false; // checked when it was read
    this.hasControl = options.control !== undefined;
    this.#encoded = options.control;
    if (options.control === undefined || options.ipv4 === this.ipv4) return;
    throw new SocketError(
      'ERR_INVALID_STATE',
      `The socket was connected to an ${options.ipv4 ? 'IPv6' : 'IPv4'} address while this send was queued, but its ` +
        `options are for ${options.ipv4 ? 'IPv4' : 'IPv6'}: send it again.`,
    );
  }

  /** The destination: from the options, or the connected peer. */
  get destination(): Endpoint | undefined {
    return this.to ?? this.#context.connectedTo();
  }

  /** Whether it is sent as IPv4, as is the case for mapped addresses. */
  get ipv4(): boolean {
    return this.#context.family === 'ipv4' || this.destination?.family === 'ipv4';
  }

  /** Writes the control messages other than UDP_SEGMENT, and returns their end. */
  writeControl(memory: Memory, start: number): number {
    if (!this.hasControl) return start;
    if (this.#encoded !== undefined) {
      memory.bytes.set(this.#encoded, start);
      return start + this.#encoded.length;
    }
    const { ipv4 } = this;
    let at = start;
    if (this.#from !== undefined || this.#interface !== 0) {
      at = writeSource(memory, at, ipv4, this.#from?.sockaddr('ipv6'), this.#interface);
    }
    if (this.#ecn !== NONE || this.#dscp !== NONE) at = writeTos(memory, at, ipv4, this.#tos(ipv4));
    if (this.#ttl !== NONE) at = writeTtl(memory, at, ipv4, this.#ttl);
    if (this.#mark !== NONE) at = writeMark(memory, at, this.#mark);
    if (this.#txTime !== undefined) at = writeTransmitTime(memory, at, this.#txTime);
    if (this.#dontFragment !== undefined) at = writeDontFragment(memory, at, this.#dontFragment);
    return at;
  }

  #read(
    to: Endpoint | undefined,
    from: SendOptions['from'],
    options: Omit<SendOptions, 'to' | 'from'>,
    source?: Endpoint,
    index = 0,
  ): void {
    const { segmentSize, ecn, dscp, ttl, txTime, mark, dontFragment } = options;
    const size =
      segmentSize === undefined
        ? this.#defaultSegmentSize
        : integer('options.segmentSize', segmentSize, 0, MAX_SEGMENT_SIZE);
    const hasControl =
      from !== undefined ||
      source !== undefined ||
      index !== 0 ||
      ecn !== undefined ||
      dscp !== undefined ||
      ttl !== undefined ||
      txTime !== undefined ||
      mark !== undefined ||
      dontFragment !== undefined;
    if (hasControl) this.#readControl(to, from, ecn, dscp, ttl, txTime, mark, dontFragment);
    if (source !== undefined || index !== 0) {
      this.#from = source;
      this.#interface = index === 0 ? (source?.scopeId ?? 0) : index;
    }
    this.to = to;
    this.segmentSize = size;
    this.namesSegmentSize = segmentSize !== undefined && size !== 0;
    this.hasControl = hasControl;
    this.#encoded = undefined;
  }

  #readControl(
    to: Endpoint | undefined,
    from: SendOptions['from'],
    ecn: SendOptions['ecn'],
    dscp: SendOptions['dscp'],
    ttl: SendOptions['ttl'],
    txTime: SendOptions['txTime'],
    mark: SendOptions['mark'],
    dontFragment: SendOptions['dontFragment'],
  ): void {
    const ipv4 = this.#context.family === 'ipv4' || (to ?? this.#context.connectedTo())?.family === 'ipv4';
    const [source, index] = from === undefined ? NOWHERE : sourceOf(from, ipv4);
    if (this.#onlyLocal && source?.family === 'ipv6') requireLocal(source, to);
    const ecnValue = ecn === undefined ? NONE : integer('options.ecn', ecn, 0, 3);
    const dscpValue = dscp === undefined ? NONE : integer('options.dscp', dscp, 0, 63);
    const ttlValue = ttl === undefined ? NONE : integer('options.ttl', ttl, 1, 255);
    const markValue = mark === undefined ? NONE : integer('options.mark', mark, 0, 0xffffffff);
    if (txTime !== undefined) {
      if (typeof txTime !== 'bigint') throw invalidType('options.txTime', 'of type bigint', txTime);
      if (txTime < 0n || txTime >= 2n ** 64n) throw outOfRange('options.txTime', '>= 0n and < 2n ** 64n', txTime);
    }
    if (dontFragment !== undefined) {
      boolean('options.dontFragment', dontFragment);
      if (ipv4) {
        throw new SocketError(
          'ERR_UNSUPPORTED',
          'IPv4 does not support dontFragment for a single datagram. Set it for the whole socket: ' +
            "create it with pathMtuDiscovery: 'do' or 'probe'.",
        );
      }
    }
    this.#from = source;
    this.#interface = index;
    this.#ecn = ecnValue;
    this.#dscp = dscpValue;
    this.#ttl = ttlValue;
    this.#mark = markValue;
    this.#txTime = txTime;
    this.#dontFragment = dontFragment;
  }

  /** The byte made of DSCP and ECN. If DSCP is not given it is the socket's; if ECN is not given it is 0. */
  #tos(ipv4: boolean): number {
    const ecn = this.#ecn === NONE ? 0 : this.#ecn;
    if (this.#dscp !== NONE) return (this.#dscp << 2) | ecn;
    const { handle } = this.#context;
    const own = ipv4 ? intOption(handle, IPPROTO_IP, IP_TOS) : intOption(handle, IPPROTO_IPV6, IPV6_TCLASS);
    return (Math.max(0, own ?? 0) & 0xfc) | ecn;
  }
}

/** As `checkOptions`, but faster, since this runs for every datagram; `checkOptions` is called only if something is wrong. */
function checkKeys<T extends object>(name: string, options: T, known: ReadonlySet<keyof T & string>): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
    let all = true;
    for (const key in options) all &&= known.has(key);
    if (all) return;
  }
  checkOptions(name, options, [...known]);
}

function sourceOf(from: string | Endpoint | SendSource, ipv4: boolean): readonly [Endpoint | undefined, number] {
  if (typeof from === 'string') return addressOf(from, ipv4, 'options.from');
  if (from instanceof Endpoint) return ofFamily(from, ipv4, 'options.from');
  if (typeof from !== 'object' || from === null) {
    throw invalidType('options.from', 'an address or { address, interface }', from);
  }
  checkKeys('options.from', from, SOURCE_KEYS);
  const { address, interface: device } = from;
  const index = device === undefined ? 0 : indexOf(device);
  if (address === undefined) {
    if (index === 0) throw invalidValue('options.from', from, 'it must have an address, an interface, or both');
    return [undefined, index];
  }
  const [endpoint, scope] = addressOf(address, ipv4, 'options.from.address');
  return [endpoint, index === 0 ? scope : index];
}

/** @throws SyscallError, as the kernel's without IPV6_FREEBIND */
function requireLocal(source: Endpoint, to: Endpoint | undefined): void {
  if (isLocal(source)) return;
  const send = { hasFrom: true, hasTransmitTime: false, gsoRequired: false, length: 0 };
  throw callError('sendmsg', EINVAL, { ...udpAsked('ipv6'), local: source.address, remote: to, send });
}

function addressOf(address: string, ipv4: boolean, name: string): readonly [Endpoint, number] {
  if (typeof address !== 'string') throw invalidType(name, 'of type string', address);
  return ofFamily(sources.get(address) ?? remember(address, name), ipv4, name);
}

function ofFamily(source: Endpoint, ipv4: boolean, name: string): readonly [Endpoint, number] {
  if ((source.family === 'ipv4') !== ipv4) {
    const why = `the datagram goes to an ${ipv4 ? 'IPv4' : 'IPv6'} address`;
    throw withReason(invalidValue(name, source.address, why), 'familyMismatch');
  }
  return [source, source.scopeId];
}

/**
 * A cache of sources, which are few and often repeated. Addresses with a zone are not cached, since the zone's interface
 * may change.
 */
function remember(address: string, name: string): Endpoint {
  const endpoint = Endpoint.from({ address, port: 0 }, name);
  if (endpoint.scopeId === 0) sources.set(address, endpoint);
  return endpoint;
}

/** The index of an interface, given by name or index. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function indexOf(device: string | number, name = 'options.from.interface'): number {
  if (typeof device !== 'string') return integer(name, device, 1, 2 ** 31 - 1);
  return requireInterface(device, name);
}

const COMMON_KEYS = ['segmentSize', 'ecn', 'dscp', 'ttl', 'txTime', 'mark', 'dontFragment'] as const;
const REPLY_KEYS: ReadonlySet<keyof ReplyOptions> = new Set([...COMMON_KEYS, 'interface'] as const);
const KEYS: ReadonlySet<keyof SendOptions> = new Set([...COMMON_KEYS, 'to', 'from'] as const);
const SOURCE_KEYS: ReadonlySet<keyof SendSource> = new Set(['address', 'interface'] as const);
/** No options at all. */
export const NOTHING: SendOptions = {};
const NONE = -1;
const NOWHERE = [undefined, 0] as const;
const SOURCES_KEPT = 1024;
const sources = new BoundedMap<string, Endpoint>(SOURCES_KEPT);
/** Scratch memory: its contents are copied before the next call. */
const scratch = new Memory(CONTROL_ROOM);
