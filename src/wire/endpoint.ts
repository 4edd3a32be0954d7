// Endpoint: an IP address and a port, with conversion to and from the kernel's sockaddr (ip(7), ipv6(7)).
import { AF_INET, AF_INET6 } from '../kernel/numbers.js';
import { isIPv4, isIPv6 } from 'node:net';
import { inspect, type InspectOptions } from 'node:util';
import { integer, invalidType, invalidValue, port as checkPort } from '../arguments.js';
import { zoneIndex, interfaceName } from '../kernel/interfaces.js';
import { isMapped, readIPv4, readIPv6, withoutZone, writeIPv4, writeIPv6, writeMapped } from './address.js';
import { LITTLE_ENDIAN } from './byte-order.js';
import { type Family } from './families.js';

/** What is accepted as an endpoint. Addresses must be IP addresses; only `connect` resolves names. */
export type EndpointLike =
  | Endpoint
  | {
      readonly address: string;
      readonly port: number;
      readonly flowlabel?: number;
    }
  /** `'192.0.2.1:53'`, `'[2001:db8::1]:53'` */
  | string;

/** A local end: as EndpointLike, and also without a port, which the kernel then assigns: `'192.0.2.1'`, `'[2001:db8::1]'`, `{ address }`. */
export type LocalEndpointLike =
  EndpointLike | { readonly address: string; readonly port?: number | undefined; readonly flowlabel?: number };

/** The size of the longest sockaddr that this package reads: sockaddr_in6. */
export const SOCKADDR_SIZE = 28;

/**
 * An immutable address and port. A zone follows the address (`fe80::1%eth0`); its index is `scopeId`. An
 * IPv4-mapped IPv6 address is shown as an IPv4 address, with `mapped: true`.
 */
export class Endpoint {
  readonly address: string;
  /** 0 to 65535. 0 stands for any port when passed to the kernel, and for no port when read from it. */
  readonly port: number;
  /** The family of `address` as shown: 'ipv4' for a mapped one. */
  readonly family: Family;
  /** Whether the address was IPv4-mapped, ::ffff:a.b.c.d, and belongs to an IPv6 socket. */
  readonly mapped: boolean;
  /** sin6_scope_id: the interface of a link-local address, otherwise 0. */
  readonly scopeId: number;
  /** sin6_flowinfo's flow label, 20 bits. */
  readonly flowlabel: number;
  #sockaddr: Uint8Array | undefined;

  private constructor(
    address: string,
    port: number,
    family: Family,
    mapped: boolean,
    scopeId: number,
    flowlabel: number,
  ) {
    this.address = address;
    this.port = port;
    this.family = family;
    this.mapped = mapped;
    this.scopeId = scopeId;
    this.flowlabel = flowlabel;
    Object.freeze(this);
  }

  /**
   * Makes an Endpoint from an Endpoint, `{ address, port }`, a net.SocketAddress, or text.
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (not an IP address, unknown interface), ERR_OUT_OF_RANGE (port)
   */
  static from(value: EndpointLike, name = 'endpoint'): Endpoint {
    if (value instanceof Endpoint) return value;
    if (typeof value === 'string') return Endpoint.#parse(value, name);
    if (typeof (value as Partial<typeof value> | null)?.address !== 'string') {
      throw invalidType(name, "{ address, port } or a string such as '192.0.2.1:53' or '[2001:db8::1]:53'", value);
    }
    return Endpoint.#fromParts(value, name);
  }

  /** Reads each property once. The latest two are cached, since consecutive calls often use the same endpoints. */
  static #fromParts(value: Exclude<EndpointLike, string | Endpoint>, name: string): Endpoint {
    const { address, port, flowlabel: label } = value;
    // A structured clone has lost its class, but still has `mapped`.
    const plain = label === undefined && !('mapped' in value);
    if (plain) {
      if (latest?.address === address && latest.port === port) return latest.endpoint;
      if (previous?.address === address && previous.port === port) return previous.endpoint;
    }
    const flowlabel = label === undefined ? 0 : integer(`${name}.flowlabel`, label, 0, 0xfffff);
    const mapped = 'mapped' in value && value.mapped === true && isIPv4(address);
    const endpoint = Endpoint.#of(
      mapped ? `::ffff:${address}` : address,
      checkPort(`${name}.port`, port),
      flowlabel,
      name,
    );
    // The interface of a zone may get another number.
    if (plain && endpoint.scopeId === 0) {
      previous = latest;
      latest = { address, port, endpoint };
    }
    return endpoint;
  }

  /**
   * As `from`, for a local end: without a port, the port is 0, which lets the kernel pick one.
   * @throws as from
   */
  static fromLocal(value: LocalEndpointLike, name = 'endpoint'): Endpoint {
    if (typeof value === 'string') return Endpoint.#parse(value, name, 0);
    const { address, port, flowlabel } = (value as Partial<Exclude<LocalEndpointLike, string>> | null) ?? {};
    if (typeof address !== 'string' || port !== undefined) return Endpoint.from(value as EndpointLike, name);
    return Endpoint.from({ address, port: 0, ...(flowlabel !== undefined && { flowlabel }) }, name);
  }

  /** Reads a sockaddr; undefined if it is not an IPv4 or IPv6 address. */
  static decode(bytes: Uint8Array, given: number = bytes.length): Endpoint | undefined {
    const length = Math.min(given, bytes.length); // the kernel reports the full length, even if the address was truncated
    if (length < 16) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const port = view.getUint16(2);
    switch (view.getUint16(0, LITTLE_ENDIAN)) {
      case AF_INET:
        return new Endpoint(readIPv4(bytes, 4), port, 'ipv4', false, 0, 0);
      case AF_INET6: {
        if (length < SOCKADDR_SIZE) return undefined;
        const flowlabel = view.getUint32(4) & 0xfffff;
        const scopeId = view.getUint32(24, LITTLE_ENDIAN);
        if (isMapped(bytes, 8)) return new Endpoint(readIPv4(bytes, 20), port, 'ipv4', true, 0, flowlabel);
        return new Endpoint(readIPv6(bytes, 8) + zoneOf(scopeId), port, 'ipv6', false, scopeId, flowlabel);
      }
      default:
        return undefined;
    }
  }

  /** The same address with another port. */
  withPort(port: number): Endpoint {
    const checked = checkPort('port', port);
    return checked === this.port
      ? this
      : new Endpoint(this.address, checked, this.family, this.mapped, this.scopeId, this.flowlabel);
  }

  /**
   * The sockaddr for a socket of a family: sockaddr_in (16 bytes) or sockaddr_in6 (28). An IPv4 address becomes a mapped
   * one for an IPv6 socket. The bytes are shared: do not write to them.
   * @throws ERR_INVALID_ARG_VALUE for an IPv6 address on an IPv4 socket
   */
  sockaddr(family: Family = this.mapped ? 'ipv6' : this.family): Uint8Array {
    const known = this.#sockaddr;
    if (known?.length === (family === 'ipv4' ? 16 : SOCKADDR_SIZE)) return known;
    return (this.#sockaddr = this.#write(new Uint8Array(family === 'ipv4' ? 16 : SOCKADDR_SIZE), family));
  }

  /**
   * As `sockaddr`, but in scratch memory that the next such call overwrites: for one immediate system call.
   * @internal
   */
  transientSockaddr(family: Family): Uint8Array {
    return this.#write(family === 'ipv4' ? transient4 : transient6, family);
  }

  /**
   * Whether address, port and scope are the same, however they are written.
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
   */
  equals(other: EndpointLike): boolean {
    const their = Endpoint.from(other, 'other');
    const [ours, theirs] = [this.sockaddr('ipv6'), their.sockaddr('ipv6')];
    return this.mapped === their.mapped && ours.every((byte, i) => byte === theirs[i] || FLOWINFO.includes(i));
  }

  /** `192.0.2.1:53`, `[2001:db8::1]:53` */
  toString(): string {
    return this.family === 'ipv6' ? `[${this.address}]:${String(this.port)}` : `${this.address}:${String(this.port)}`;
  }

  [inspect.custom](_depth: number, options: InspectOptions, inspectValue: typeof inspect): string {
    return `Endpoint ${inspectValue(this.toString(), options)}${this.mapped ? ' (mapped)' : ''}`;
  }

  /** @param otherwise the port if the text has none; undefined if a port is required */
  static #parse(text: string, name: string, otherwise?: number): Endpoint {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
    const address = match?.[1] ?? match?.[2];
    const port = match?.[3] === undefined ? otherwise : Number(match[3]);
    if (address === undefined || port === undefined) {
      const withoutPort = otherwise === undefined ? '' : "'192.0.2.1', '[2001:db8::1]', ";
      throw invalidValue(name, text, `expected ${withoutPort}'192.0.2.1:53' or '[2001:db8::1]:53'`);
    }
    return Endpoint.#of(address, checkPort(`${name}'s port`, port), 0, name);
  }

  static #of(text: string, port: number, flowlabel: number, name: string): Endpoint {
    if (isIPv4(text)) return new Endpoint(text, port, 'ipv4', false, 0, 0);
    // net.isIPv6 does not accept every interface name as a zone.
    const percent = text.indexOf('%');
    const bare = percent === -1 ? text : text.slice(0, percent);
    const zone = percent === -1 ? undefined : text.slice(percent + 1);
    if (!isIPv6(bare)) throw invalidValue(name, text, 'its address is not an IP address; names are not resolved here');
    const bytes = new Uint8Array(16);
    writeIPv6(bare, bytes, 0);
    if (isMapped(bytes, 0)) return new Endpoint(readIPv4(bytes, 12), port, 'ipv4', true, 0, flowlabel);
    const address = readIPv6(bytes, 0);
    if (zone === undefined) return new Endpoint(address, port, 'ipv6', false, 0, flowlabel);
    return new Endpoint(`${address}%${zone}`, port, 'ipv6', false, zoneIndex(zone, name), flowlabel);
  }

  #write(bytes: Uint8Array, family: Family): Uint8Array {
    if (family === 'ipv4' && this.family === 'ipv6') {
      throw invalidValue('endpoint', this.toString(), 'an IPv4 socket cannot use an IPv6 address');
    }
    writeUint16(bytes, 0, family === 'ipv4' ? AF_INET : AF_INET6);
    bytes[2] = this.port >> 8;
    bytes[3] = this.port;
    if (family === 'ipv4') {
      writeIPv4(this.address, bytes, 4);
      return bytes;
    }
    bytes[4] = 0;
    bytes[5] = this.flowlabel >> 16;
    bytes[6] = this.flowlabel >> 8;
    bytes[7] = this.flowlabel;
    if (this.family === 'ipv4') writeMapped(this.address, bytes, 8);
    else writeIPv6(this.scopeId === 0 ? this.address : withoutZone(this.address), bytes, 8);
    writeUint16(bytes, LITTLE_ENDIAN ? 24 : 26, this.scopeId & 0xffff);
    writeUint16(bytes, LITTLE_ENDIAN ? 26 : 24, this.scopeId >>> 16);
    return bytes;
  }
}

interface Known {
  readonly address: string;
  readonly port: number;
  readonly endpoint: Endpoint;
}

let latest: Known | undefined;
let previous: Known | undefined;

const transient4 = new Uint8Array(16);
const transient6 = new Uint8Array(SOCKADDR_SIZE);

/** The offsets of sin6_flowinfo, which does not identify an endpoint. */
const FLOWINFO: readonly number[] = [4, 5, 6, 7];

/** The sockaddr that disconnects a socket: connect(2) with AF_UNSPEC. */
export const UNSPECIFIED: Uint8Array = new Uint8Array(16);

/** In native byte order. */
function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[LITTLE_ENDIAN ? at : at + 1] = value;
  bytes[LITTLE_ENDIAN ? at + 1 : at] = value >> 8;
}

function zoneOf(scopeId: number): string {
  return scopeId === 0 ? '' : `%${interfaceName(scopeId) ?? String(scopeId)}`;
}
